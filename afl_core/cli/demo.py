"""The demo: the checkpoints that ship with the workbench, compared on the test split of the synthetic cohort."""

from collections.abc import Mapping
from types import MappingProxyType

from afl_core.base.paths import MODELS
from afl_core.evaluation.network_sources import CheckpointSource

DEMO_PAIR: Mapping[str, str] = MappingProxyType({"FL": "demo_fl", "A-FL": "demo_afl"})
"""Name on screen to checkpoint folder."""


def demo_sources() -> tuple[CheckpointSource, ...]:
    """The pair as sources."""
    return tuple(CheckpointSource(name, MODELS / folder) for name, folder in DEMO_PAIR.items())
