"""The results folders under data/results: which there are, which is of a data set, and a new one for a data set."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from afl_core.base import paths
from afl_core.data.layouts import Cohort
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.manifest import MANIFEST, load_manifest
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import settings_for
from afl_core.evaluation.sources import Source
from afl_core.model.checkpoints import find_checkpoints


def result_folders() -> list[Path]:
    """Results folders under data/results, by name."""
    return sorted(path.parent for path in paths.RESULTS.glob(f"*/{MANIFEST}"))


def find_results(cohort: Cohort, *, compared: bool = False) -> str | None:
    """Name of the results of a data set by its layout, labels and region; None where there are none.

    Args:
        cohort: The data set.
        compared: Whether only results with a source count.
    """
    wanted = (str(cohort.root.resolve()), cohort.layout.name)
    for folder in result_folders():
        try:
            manifest = load_manifest(folder)
        except AflError:  # one damaged folder blocks no other
            continue
        data, settings = manifest.data, manifest.settings.choice()
        if compared and not manifest.sources:
            continue
        if (data.path, data.kind) == wanted and settings_for(cohort, settings).is_like(settings):
            return folder.name
    return None


def register(cohort: Cohort, *, references_alone: bool = False) -> str:
    """Name of a new results folder of a data set, with the checkpoints that fit its sequences as sources.

    Args:
        cohort: The data set.
        references_alone: Make it also where no checkpoint fits, for what needs no source.

    Raises:
        AflError: If no case is complete, or no checkpoint fits.
    """
    if not cohort.cases:
        received = cohort.problems[0][1] if cohort.problems else cohort.root
        raise DataError("No case in this folder is complete", received=received)
    try:
        sources: tuple[CheckpointSource, ...] = fitting_checkpoints(set(cohort.sequences))
    except UsageError:
        if not references_alone:
            raise
        sources = ()
    return describe_new(cohort, sources)


def describe_new(cohort: Cohort, sources: Sequence[Source]) -> str:
    """Name of the results folder of a data set, its layout, labels and region, with these sources."""
    wanted = [str(cohort.root.resolve()), cohort.layout.name, cohort.labels, cohort.region.name]
    wanted += ["trusted"] if cohort.trust_voxel_order else []
    name = results_name(re.sub(r"[^A-Za-z0-9._-]+", "_", cohort.root.resolve().name), wanted)
    Results(paths.RESULTS / name).describe_cohort(cohort, sources)
    return name


def fitting_checkpoints(sequences: set[str]) -> tuple[CheckpointSource, ...]:
    """The shipped checkpoints that use most of these sequences and no other.

    Raises:
        UsageError: If there is none; says which sequences the checkpoints need.
    """
    cards = find_checkpoints(*dict.fromkeys((paths.SHIPPED_MODELS, paths.MODELS)))
    fitting = {folder: card for folder, card in cards.items() if set(card.sequences) <= sequences}
    if not fitting:
        needed = "; ".join(sorted({", ".join(card.sequences) for card in cards.values()})) or "no checkpoint in models/"
        raise UsageError(
            "No checkpoint fits these sequences",
            received=", ".join(sorted(sequences)),
            todo=f"The checkpoints need: {needed}. Train one with afl train --sequences",
        )
    most = max(len(card.sequences) for card in fitting.values())
    chosen = {folder: card for folder, card in fitting.items() if len(card.sequences) == most}
    labels = [card.label for card in chosen.values()]
    return tuple(
        CheckpointSource(card.label if labels.count(card.label) == 1 else folder.name, folder)
        for folder, card in sorted(chosen.items(), key=lambda item: (item[1].loss != "focal", item[0].name))
    )


def declare_patients(name: str, cohort: Cohort) -> str:
    """The name of results, once they have the patients of a table that was given; nothing is measured again for it."""
    if cohort.patients.table:
        results = Results(paths.RESULTS / name)
        results.describe_cohort(cohort, ())
    return name


def results_name(name: str, parts: Sequence[str]) -> str:
    """A name of a results folder, ended by six digits that change with what the results are of, so that none mix."""
    return f"{name}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:6]}"
