"""Tiny training runs: on 16^3 patches of the tiny cohort, a step takes milliseconds."""

import hashlib
import time
from pathlib import Path
from typing import Any

from torch import nn

from afl_core.data.layouts import load_case, load_cohort
from afl_core.training.cases import TrainingCase, training_case
from afl_core.training.config import TrainConfig
from afl_core.training.loop import Keeper, Progress
from afl_core.training.run_records import RunSpec
from afl_core.training.runs import RunFolder, create_run

TINY: dict[str, Any] = {"sequences": ("flair", "t1ce"), "patch_size": (16, 16, 16), "validate_every": 2, "steps": 2}
FOCAL = TrainConfig(loss="focal", loss_settings={"gamma": 2.0}, **TINY)
ADAPTIVE = TrainConfig(loss="adaptive_focal", loss_settings={"alpha": "released"}, **TINY)


def prepared(root: Path, config: TrainConfig = FOCAL) -> list[TrainingCase]:
    cases = [load_case(case) for case in load_cohort(root).cases]
    return [training_case(case.case.case_id, case.images, case.reference, config) for case in cases]


def digest(network: nn.Module) -> str:
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in network.state_dict().values())).hexdigest()


def make_run(root: Path, data: Path, config: TrainConfig = FOCAL, *, name: str = "run", **spec: Any) -> RunFolder:
    fields = {"command": "afl train x", "created": time.time()} | spec
    return create_run(name, RunSpec(config=config, data=data, **fields), root=root)


class Listener(Keeper):
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[Progress] = []

    def report(self, progress: Progress) -> None:
        self.heard.append(progress)
