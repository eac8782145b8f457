"""The workbench from Python: evaluate sources, open results as tables, break them down.

`from afl_core import evaluate, open_results, breakdown, describe, build_loss` gives all of it; docs/api.md shows it at
work. What these names take and give keeps its form between versions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from afl_core.analysis.breakdown.bins import Edges
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.base.words import number_of
from afl_core.base.workers import worker_pool
from afl_core.data.check.doubts import with_tumour
from afl_core.data.covariates import Covariates, load_covariates
from afl_core.data.labels import WHOLE
from afl_core.data.layouts import DataOptions
from afl_core.data.layouts.labelling import with_regions
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.caveats import notes, unmeasured, warnings
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.protocol_labels import by_labels, label_notes
from afl_core.evaluation.protocol_results import every_protocol, label_folders, left_out_sentence, measure_protocol
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import SETTINGS, choose_settings
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources
from afl_core.metrics.protocols import find_protocol
from afl_core.shape import describe

__all__ = ["DataOptions", "ResultTables", "breakdown", "describe", "evaluate", "open_results"]


@dataclass(frozen=True, eq=False)
class ResultTables:
    """A results folder as tables.

    Attributes:
        folder: The folder.
        manifest: What was measured, of what, and how.
        cases: One row a case and source: `case_id`, `source`, sizes, and a column a metric of `METRICS`.
        lesions: One row a lesion and source, false positives too.
        problems: Case, and source where it is of one, to what went wrong.
        notes: Sentences that belong with any number of these tables: what counts, and what looks wrong.
        protocols: Name of a challenge's protocol to its rows, one a case, source and region; those that no longer hold
            are left out.
    """

    folder: Path
    manifest: Manifest
    cases: pd.DataFrame
    lesions: pd.DataFrame
    problems: Mapping[str, str]
    notes: tuple[str, ...]
    protocols: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def open_results(folder: str | Path, *, region: str = "") -> ResultTables:
    """Open a results folder, as `afl evaluate` writes it.

    Args:
        folder: The folder.
        region: The region to look at, of those that were measured; "" is the first one.

    Raises:
        UsageError: If it is no results folder, or the region was not measured.
        DataError: If it is damaged.
    """
    opened = open_comparison(Path(folder), region=region)
    manifest = opened.manifest
    problems = {f"{case} {of}".strip(): text for case, texts in manifest.problems.items() for of, text in texts.items()}
    said = (*unmeasured(manifest), *notes(manifest, opened.rows), *warnings(manifest, opened.rows))
    kept = every_protocol(opened)
    said += tuple(sentence for of in kept for sentence in (*label_notes(of.rule), *of.caveats))
    return ResultTables(
        folder=Path(folder),
        manifest=manifest,
        cases=opened.rows.reset_index(drop=True),
        lesions=opened.lesions.reset_index(drop=True),
        problems=problems | dict(manifest.data.skipped),
        notes=(*said, *opened.left_out_sentences),
        protocols={of.rule.name: of.table for of in kept if not of.table.empty},
    )


def evaluate(  # noqa: PLR0913 - one argument a choice, as `afl evaluate` has them
    sources: Mapping[str, str | Path],
    out: str | Path,
    *,
    data: str | Path | None = None,
    references: str | Path | None = None,
    options: DataOptions | None = None,
    region: str | None = None,
    regions: Sequence[str] | None = None,
    split: str | None = None,
    covariates: str | Path | None = None,
    matcher: str = SETTINGS.matcher,
    least_lesion_voxels: int | None = None,
    nsd_tolerance_mm: float = SETTINGS.nsd_tolerance_mm,
    protocol: str | None = None,
    workers: int | None = 1,
) -> ResultTables:
    """Measure every source on every case, as `afl evaluate` does; rows that are still valid are kept.

    Args:
        sources: Name to a checkpoint folder, to weights of the paper's authors, or to a folder of predicted masks.
        out: Results folder.
        data: Folder of a data set; or else `references`.
        references: Folder of reference masks alone, matched by case id.
        options: How the folder is read, where it does not say so itself.
        region: What counts as tumour: whole (the default), tc, et, or a name of the data set's labels. It must be said
            where organ and tumour are labels of one set.
        regions: Several in place of it, the one that is opened first at the start; () is all that the labels name.
        split: Only this part of the data set's splits.json.
        covariates: Table with a column case_id or patient and further ones, which can be axes of a breakdown.
        matcher: Key of `MATCHERS`.
        least_lesion_voxels: Lesions and false positives of fewer voxels enter no lesion score; None is 10, or the
            matcher's own rule, and 1 counts all.
        nsd_tolerance_mm: Distance up to which a surface counts as right.
        protocol: Key of `PROTOCOLS`: the folders of label files are measured as that challenge does, too.
        workers: Processes; None is one a core, for a script that guards its start by `if __name__ == "__main__"`.

    Returns:
        All of the results folder.

    Raises:
        UsageError: If an argument is wrong, or no case could be evaluated.
        DataError: If a folder cannot be read.
    """
    if (data is None) == (references is None):
        raise UsageError("Give either data or references")
    options = replace(options or DataOptions(), region=region or WHOLE)
    cohort = options.references(Path(references)) if references is not None else options.load(Path(str(data)))
    cohort = cohort if region or regions else with_tumour(cohort)
    cohort = cohort if regions is None else with_regions(cohort, tuple(regions))
    rule = by_labels(find_protocol(protocol), cohort.scheme) if protocol else None
    table = Covariates() if covariates is None else load_covariates(Path(covariates), cohort.patients.of)
    results = Results(Path(out))
    settings = choose_settings(nsd_tolerance_mm, matcher, least_lesion_voxels, held=results.settings())
    ids = () if split is None else cohort.part(split)
    named = parse_sources([f"{name}={path}" for name, path in sources.items()])
    cases, decided = begin(results, cohort, cohort.cases, named, settings=settings, split=ids)
    with worker_pool(tasks=len(cases), workers=workers) as executor:
        evaluate_into(results, cases, decided, executor=executor)
        folders, others = label_folders(decided, rule.name if rule else "")
        found = measure_protocol(cases, folders, rule, folder=results.folder, executor=executor) if rule else None
    if table.table:
        results.keep_covariates(table)
    tables = open_results(out)
    if tables.cases.empty:
        received = next(iter(tables.problems.values()), number_of(len(cases), "case"))
        raise DataError("No case could be evaluated", received=received, todo="See the problems in its manifest.json")
    told = (*tables.notes, *table.warnings, *table.left_out.values())
    if found is None:
        return replace(tables, notes=told)
    told = (*told, *filter(None, [left_out_sentence(others)]))
    return replace(tables, problems={**tables.problems, **found.problems}, notes=told)


def breakdown(  # noqa: PLR0913 - one argument a choice, as `afl breakdown` has them
    results: str | Path | ResultTables,
    *,
    metric: str = "dsc",
    level: Literal["case", "lesion"] = "case",
    sources: Sequence[str] = (),
    by: Sequence[str] | None = None,
    edges: Mapping[str, Edges] | None = None,
    pool_seeds: bool = True,
) -> Breakdown:
    """Compare the sources of results by tumour size and smoothness, as `afl breakdown` does.

    Args:
        results: A results folder, or its tables.
        metric: Key of a metric in `MEASURES[level]`, such as dsc or hd95_mm.
        level: What is compared: cases or lesions.
        sources: Names of the sources, in order; all by default. A difference is a later one minus an earlier.
        by: Keys of `AXES`, or names of covariates; size and roughness by default.
        edges: Axis to its two fixed edges; tertiles of these cases by default.
        pool_seeds: Whether seeds of one configuration are averaged.

    Returns:
        The numbers: `records` is a table with a row a bin and source, or pair of sources.

    Raises:
        UsageError: If an argument is wrong.
        DataError: If there is nothing to compare.
    """
    tables = results if isinstance(results, ResultTables) else open_results(results)
    named = None if by is None else tuple(by)
    options = Options(metric, level, tuple(sources), named, edges=dict(edges or {}), pool_seeds=pool_seeds)
    return choose_breakdown((tables.cases, tables.lesions), tables.manifest, options)
