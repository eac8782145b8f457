"""What a results folder stores of a region: read no further than it is looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from afl_core.base.words import named
from afl_core.data.labels import SYNONYMS
from afl_core.errors import UsageError
from afl_core.evaluation.caveats import is_nowhere
from afl_core.evaluation.contrast_rows import load_contrast, with_contrast
from afl_core.evaluation.manifest import MANIFEST, Manifest, damaged
from afl_core.evaluation.merging import of_region
from afl_core.evaluation.missing_files import check_files
from afl_core.evaluation.part_rows import Where
from afl_core.evaluation.results import Results
from afl_core.evaluation.tables import CASES, LESIONS, check_complete, distinct

Lesions = pd.DataFrame | Callable[[], pd.DataFrame]
"""Lesion rows, or where they are many, what reads them when they are asked for."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What a results folder stores of a region.

    Attributes:
        manifest: Manifest of the folder.
        region: Name of the region.
        regions: Every region that was measured, the first one first.
        nowhere: Those that no reference holds.
        somewhere: Sources with a row of any region.
        rows: The case rows of the region, in no order, with the columns of `with_contrast` where that was measured.
        lesions: Its lesion rows, likewise, or what reads them.
        stamp: `Results.stamp` of when it was read.
    """

    manifest: Manifest
    region: str
    regions: tuple[str, ...]
    nowhere: tuple[str, ...]
    somewhere: frozenset[str]
    rows: pd.DataFrame
    lesions: Lesions
    stamp: int = 0


def read_stored(results: Results, region: str = "") -> Stored:
    """What a results folder stores of a region, "" for the first; errors as `open_comparison`.

    Of the other regions, and where there are parts of the lesions too, it reads no more than is needed.
    """
    stamp = results.stamp()  # first: what is written meanwhile makes another one
    manifest = results.manifest()
    if not manifest.described:
        raise damaged(results.folder, MANIFEST, "no data or sources")
    check_files(results.folder, manifest)
    everywhere = results.measured()
    regions, untold = wanted_regions(manifest, everywhere)
    region = pick_region(regions, region, untold=untold)
    where = {"region": [region]}
    rows, contrast = results.cases(where=where, ordered=False), load_contrast(results.folder)
    check_complete(results.folder, CASES, rows)
    lesions: Lesions = partial(_read_lesions, results, where)
    if not (results.has_parts and contrast.empty):
        rows, lesions = with_contrast(rows, _read_lesions(results, where), contrast)
    nowhere = tuple(name for name in regions if is_nowhere(of_region(everywhere, name)))
    somewhere = frozenset(distinct(everywhere, "source"))
    return Stored(manifest, region, regions, nowhere, somewhere, rows, lesions, stamp)


def _read_lesions(results: Results, where: Where) -> pd.DataFrame:
    lesions = results.lesions(where=where, ordered=False)
    check_complete(results.folder, LESIONS, lesions)
    return lesions


def wanted_regions(manifest: Manifest, rows: pd.DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The regions that were measured, and those that the files of no source with rows tell apart.

    Measured are the first region, and the others in which a source was measured, or failed; masks are of one alone.
    """
    tried = distinct(rows, "region") | set(manifest.region_problems)
    first, *more = manifest.settings.choice().regions
    untold = [] if rows.empty else [region for region in more if region not in tried]
    return (first, *(region for region in more if region in tried)), tuple(untold)


def untold_sentence(names: Sequence[str], first: str) -> str:
    """That these regions were measured with no source, and why."""
    where = "region" if len(names) == 1 else "regions"
    return (
        f"Nothing was measured in the {where} {named(names)}: the files of every source are of the region {first} "
        "alone. Evaluate files that hold the labels of its parts."
    )


def pick_region(regions: Sequence[str], name: str, *, untold: Sequence[str] = ()) -> str:
    """The region of that name among those that were measured; "" is the first.

    Args:
        regions: The regions that were measured.
        name: Name of a region, or "".
        untold: Regions that were wanted, and that no source tells apart.

    Raises:
        UsageError: If it was not measured.
    """
    region = SYNONYMS.get(name.lower(), name.lower())
    if not name:
        return regions[0]
    if region in untold:
        raise UsageError(untold_sentence([region], regions[0]))
    if region not in regions:
        what, todo = "This region was not measured in these results", f"Measure it: afl evaluate --regions {name}"
        raise UsageError(
            what, received=f"{name}; there {'are' if len(regions) > 1 else 'is'} {', '.join(regions)}", todo=todo
        )
    return region
