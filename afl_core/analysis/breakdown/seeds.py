"""Which sources are seeds of one configuration."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain, count

import pandas as pd

from afl_core.evaluation.manifest_sections import SourceSection

SEEDED = re.compile(r"(?P<name>.+?)[ ._-]*seed[ _]?(?P<seed>\d+)", re.IGNORECASE)
"""A folder of masks has no card: `FL seed1` and `FL seed2` are seeds of FL."""


UNLIKE = ("seed", "best_step", "best_validation_dsc", "initial_weights_sha256")
"""Keys of a card's record of training whose values follow from the seed."""


def find_seeds(sources: Mapping[str, SourceSection]) -> dict[str, tuple[str, ...]]:
    """Configurations with two seeds or more.

    Checkpoints belong together if their cards differ in the seed alone; folders of masks, and weights without a record
    of their training, if their names do.

    Args:
        sources: Section `sources` of a results folder's manifest.

    Returns:
        Name of the configuration to its sources, in order.

    >>> masks = SourceSection(kind="masks", path="masks", files=1)
    >>> find_seeds(dict.fromkeys(("FL seed1", "A-FL", "FL seed2"), masks))
    {'FL': ('FL seed1', 'FL seed2')}
    """
    groups: dict[str, list[str]] = {}
    for name, source in sources.items():
        groups.setdefault(_configuration(name, source), []).append(name)
    configurations: dict[str, tuple[str, ...]] = {}
    for members in groups.values():
        if len(members) > 1:
            configurations[_free(_label(members[0], sources[members[0]]), members, {*configurations, *sources})] = (
                tuple(members)
            )
    return configurations


def seed_numbers(members: Sequence[str], sources: Mapping[str, SourceSection]) -> tuple[int, ...]:
    """The seeds of sources, in their order; () where one of them is not known.

    >>> masks = SourceSection(kind="masks", path="masks", files=1)
    >>> seed_numbers(("FL seed2", "FL seed1"), dict.fromkeys(("FL seed1", "FL seed2"), masks))
    (2, 1)
    """
    numbers = [_seed(name, sources[name]) for name in members]
    return tuple(number for number in numbers if number is not None) if None not in numbers else ()


def pool_seeds(values: pd.DataFrame, configurations: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One column a configuration: the mean over its seeds, undefined where one of them has no value.

    Args:
        values: One column a source, one row a case or lesion.
        configurations: Name of each column of the result to its sources; one that is no mean names itself alone.
    """
    pooled = {name: values[list(seeds)].mean(axis=1, skipna=False) for name, seeds in configurations.items()}
    return pd.DataFrame(pooled, index=values.index)


def _free(label: str, members: list[str], taken: set[str]) -> str:
    """The label, or the first variant of it that no other source or configuration bears."""
    variants = chain((label, f"{label} seeds"), (f"{label} seeds {k}" for k in count(2)))
    return next(name for name in variants if name not in taken or name in members)


def _configuration(name: str, source: SourceSection) -> str:
    """The same text for two sources that differ in the seed alone."""
    card = source.card
    if card is None or not card.training:  # nothing is recorded of how
        match = SEEDED.fullmatch(name)
        return f"seeds of {match['name']}" if match else f"alone {name}"
    training = {key: value for key, value in card.training.items() if key not in UNLIKE}
    what = card.model_dump(include={"network", "sequences", "loss", "loss_settings", "decision_rule"})
    return json.dumps([what, training, card.data], sort_keys=True)


def _seed(name: str, source: SourceSection) -> int | None:
    """The seed by the card, or by the name."""
    recorded = source.card.training.get("seed") if source.card else None
    match = SEEDED.fullmatch(name)
    return recorded if isinstance(recorded, int) else int(match["seed"]) if match else None


def _label(name: str, source: SourceSection) -> str:
    match = SEEDED.fullmatch(name)
    return match["name"] if match else source.card.label if source.card else name
