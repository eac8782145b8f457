"""What a command says of results once they are measured: a line a source, and what belongs with every number."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from afl_core.analysis.breakdown.options import Options, choose_units, evaluated_sources
from afl_core.analysis.breakdown.overall import basis_sentence, holding_text, with_tumour
from afl_core.analysis.breakdown.records import patient_means, patient_medians
from afl_core.analysis.statistics.paired import patients_text
from afl_core.base.numbers import NOTHING, number
from afl_core.base.storage import json_text
from afl_core.base.words import number_of
from afl_core.cli.terminal import print_json, print_line, print_result, print_warnings
from afl_core.evaluation.caveats import notes, unmeasured, warnings
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.facts import lesions_sentences
from afl_core.evaluation.manifest import Manifest, failed_predictions
from afl_core.evaluation.results import Results
from afl_core.evaluation.tables import distinct


def print_caveats(manifest: Manifest, rows: pd.DataFrame, more: Iterable[str] = ()) -> None:
    """Print notes and warnings on results: cases in no mean, patients, ignored lesions, and what looks wrong."""
    for sentence in (*unmeasured(manifest), *notes(manifest, rows)):
        print_line(sentence)
    print_warnings(dict.fromkeys((*more, *warnings(manifest, rows))))


def print_summary(results: Results, sources: Sequence[str], *, more: Iterable[str] = ()) -> None:
    """Mean and median Dice of each source, over all and over those with a tumour; its lesions; missing predictions.

    The figures are over patients, as `Breakdown` gives them on every page.
    """
    opened = open_comparison(results.folder)
    cases, manifest = opened.rows, opened.manifest
    records = [_record(opened, source) for source in sources if not cases.empty]
    title = ("source", "missing", "failed", "mean Dice", "median", "over", "with a tumour", "over")
    table = Table(*title, box=None, padding=(0, 1, 0, 0))
    for record in records:
        table.add_row(*(Text(value if isinstance(value, str) else _cell(value)) for value in record.values()))
    print_result(table)
    others = {region: open_comparison(results.folder, region=region) for region in opened.regions[1:]}
    of_regions = {region: [_record(of, source) for source in sources] for region, of in others.items()}
    _print_regions([opened, *others.values()], sources)
    _print_failed(of_regions)
    more_regions = {"regions": of_regions} if of_regions else {}
    print_json(json_text({"results": str(results.folder), "sources": records} | more_regions))
    if evaluated_sources(cases, manifest, pool_seeds=True) and (
        basis := basis_sentence(choose_units(cases, opened.lesions, manifest, Options()))
    ):
        print_line(basis)
    for sentence in lesions_sentences(opened):
        print_line(sentence)
    print_caveats(manifest, cases, more)
    print_warnings(opened.left_out_sentences)


def _print_regions(regions: Sequence[Comparison], sources: Sequence[str]) -> None:
    """Mean Dice by region, over the cases that all of its sources have; nothing where there is one region."""
    if len(regions) < 2:
        return
    table = Table("mean Dice in", *sources, "over", "in the reference", box=None, padding=(0, 1, 0, 0))
    for of in regions:
        measured = distinct(of.rows, "source")
        there = [source for source in sources if source in measured]
        if not there:
            table.add_row(Text(of.region), *[NOTHING] * (len(sources) + 2))
            continue
        units = choose_units(of.rows, of.lesions, of.manifest, Options(sources=tuple(there), pool_seeds=False))
        means = patient_means(units, np.ones(len(units.table), dtype=bool))
        cells = (number(means[source].mean()) if source in there else NOTHING for source in sources)
        over = patients_text(len(means), len(units.table), units.reference["patient"].nunique())
        table.add_row(Text(of.region), *cells, over, holding_text(units))
    print_result(table)
    print_line(
        "Over the cases that all sources have. Where the reference is empty, an empty mask scores 1 and any other 0."
    )


def _print_failed(regions: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """What could not be measured in a region besides the first."""
    for region, of in regions.items():
        for record in of:
            if failed := record["failed"]:
                predictions = number_of(failed, "prediction")
                print_line(f"{record['source']}: {predictions} could not be measured in the region {region}")


def _cell(value: float | None) -> str:
    return str(value) if isinstance(value, int) else NOTHING if value is None else number(value)


def _record(opened: Comparison, source: str) -> dict[str, Any]:
    """A source's line: Dice over all, and over those with a tumour, each with what it is over."""
    manifest = opened.manifest
    absent = {"missing": len(manifest.missing.get(source, ())), "failed": failed_predictions(manifest)[source]}
    if source not in distinct(opened.rows, "source"):
        nothing = {"mean_dsc": None, "median_dsc": None, "over": NOTHING, "mean_dsc_with_tumour": None}
        return {"source": source} | absent | nothing | {"over_with_tumour": NOTHING}
    options = Options(sources=(source,), pool_seeds=False)
    units = choose_units(opened.rows, opened.lesions, manifest, options)
    everything, of = np.ones(len(units.table), dtype=bool), units.reference["patient"].nunique()
    all_of, there = (patient_means(units, part)[source] for part in (everything, with_tumour(units)))
    median = patient_medians(all_of.to_frame())[source]
    with_one = units.reference.loc[units.reference["size"] > 0, "patient"].nunique()
    means: dict[str, Any] = {"mean_dsc": _value(all_of.mean()), "median_dsc": _value(median)}
    means |= {"over": patients_text(len(all_of), len(units.table), of), "mean_dsc_with_tumour": _value(there.mean())}
    over_there = patients_text(len(there), int(with_tumour(units).sum()), with_one)
    return {"source": source} | absent | means | {"over_with_tumour": over_there}


def _value(mean: float) -> float | None:
    return None if np.isnan(mean) else float(mean)
