"""A breakdown as files: the same bytes from the page, the command line and inside a report."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.document import BreakdownDocument, RegionsDocument
from afl_core.analysis.breakdown.options import Options, list_sources
from afl_core.analysis.breakdown.records import COLUMNS, Breakdown
from afl_core.analysis.breakdown.regions import RegionBreakdown, together_sentence
from afl_core.analysis.breakdown.sentences import evidence_sentence, pair_sentence
from afl_core.analysis.breakdown.units import FACTS, Units
from afl_core.analysis.statistics.bootstrap import RESAMPLES, SEED
from afl_core.base.storage import json_text
from afl_core.base.versions import versions
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.manifest_sections import SourceSection

JSON, CSV, UNITS_CSV = "breakdown.json", "breakdown.csv", "units.csv"

PACKAGES = ("numpy", "scipy", "pandas")
"""Packages that compute the statistics."""

WHOLE = ("n", "units", "n_higher", "n_lower", "n_equal")
"""Columns of the records that count."""


def export_files(breakdown: Breakdown, options: Options, manifest: Manifest, *, results: str) -> dict[str, bytes]:
    """File name to content of everything that is exported.

    Args:
        breakdown: The numbers.
        options: The choices behind them.
        manifest: The manifest of the results folder.
        results: Name of the results folder.
    """
    document = breakdown_json(breakdown, options, manifest, results=results)
    BreakdownDocument.model_validate(document)
    return {
        JSON: json_text(document).encode(),
        CSV: records_csv(breakdown).encode(),
        UNITS_CSV: units_csv(breakdown).encode(),
    }


def export_regions(regions: Sequence[RegionBreakdown], problems: Mapping[str, str]) -> dict[str, bytes]:
    """The same files for several regions: the tables begin with a column `region`.

    Args:
        regions: The regions of a results folder, from `compare_regions`.
        problems: Every other region, to why it has no breakdown.
    """
    document = regions_json(regions, problems)
    RegionsDocument.model_validate(document)
    names, parts = [of.comparison.region for of in regions], [of.breakdown for of in regions]
    return {
        JSON: json_text(document).encode(),
        CSV: _by_region(names, [records_csv(part) for part in parts]).encode(),
        UNITS_CSV: _by_region(names, [units_csv(part) for part in parts]).encode(),
    }


def regions_json(regions: Sequence[RegionBreakdown], problems: Mapping[str, str]) -> dict[str, Any]:
    """`breakdown_json` of each region, and what Holm's correction counts; arguments as `export_regions`."""
    name = regions[0].comparison.name
    return {
        "results": name,
        "tests": regions[0].breakdown.n_tests,
        "correction": together_sentence(regions),
        "regions": {
            of.comparison.region: breakdown_json(of.breakdown, of.options, of.comparison.manifest, results=name)
            for of in regions
        },
        "not_compared": dict(problems),
    }


def breakdown_json(breakdown: Breakdown, options: Options, manifest: Manifest, *, results: str) -> dict[str, Any]:
    """Everything that a reader needs to check a breakdown or to make it again, ready for JSON.

    Arguments as `export_files`. A value that is not there, or is infinite (the upper edge of the last bin), is None.
    """
    units = breakdown.units
    return {
        "results": results,
        "published": False,
        "data": {"name": manifest.data.folder.name, "kind": manifest.data.kind},
        "metric": {key: value for key, value in asdict(units.measure).items() if key != "absolute"},
        "options": {**options.as_dict(), "metric": units.measure.key, "sources": list(units.sources)},
        "bins": [
            {"axis": b.axis, **_ends(b), "unit": b.described.unit, "how": b.how}
            | {"names": list(b.names), "exploratory": b.described.is_covariate}
            for b in breakdown.binnings
        ],
        "unbinned": list(breakdown.unbinned),
        "sentences": list_sentences(breakdown),
        "records": list_records(breakdown),
        "tests": breakdown.n_tests,
        "reference_units": len(units.reference),
        "left_out": dict(units.left_out),
        "empty_masks": dict(manifest.empty_masks),
        "seed": SEED,
        "resamples": RESAMPLES,
        "sources": describe_sources(units, manifest, options),
        "settings": None if manifest.imported else manifest.settings.record(),
        "versions": {"evaluation": dict(manifest.versions), "breakdown": versions(PACKAGES)},
    }


def records_csv(breakdown: Breakdown) -> str:
    """`Breakdown.records`; what is not there, or is infinite, is an empty field."""
    return _csv(COLUMNS, (record.values() for record in list_records(breakdown)))


def units_csv(breakdown: Breakdown) -> str:
    """One row a compared case or lesion: its facts, its bin on every axis, and the metric of every source.

    Seeds of a source that is a mean over them follow it.
    """
    units = breakdown.units
    bins = {f"{b.axis}_bin": [b.names[k] for k in b.assign(units.table[b.axis])] for b in breakdown.binnings}
    values = {f"{units.measure.key} {name}": column for name, column in _values(units).items()}
    numbers = [b.axis for b in breakdown.binnings if b.covariate and not b.by_values]
    facts = {name: units.table[name].tolist() for name in (*FACTS, *numbers)}
    columns = facts | bins | values
    return _csv(tuple(columns), zip(*columns.values(), strict=True))


def list_records(breakdown: Breakdown) -> list[dict[str, Any]]:
    """`Breakdown.records` as plain values: None for what is not there, whole numbers for counts."""
    return [{name: _plain(name, record[name]) for name in COLUMNS} for record in breakdown.records.to_dict("records")]


def list_sentences(breakdown: Breakdown) -> list[dict[str, str]]:
    """The record of every pair in words, and what stands behind each sentence."""
    pairs = breakdown.records[breakdown.records["minus"] != ""]
    sentences = []
    for record in pairs.to_dict("records"):
        where = {name: str(record[name]) for name in ("axis", "bin", "minus", "source")}
        evidence = evidence_sentence(record, breakdown.units, tests=breakdown.n_tests)
        sentences.append({**where, "text": pair_sentence(record, breakdown.units), "evidence": evidence})
    return sentences


def describe_sources(units: Units, manifest: Manifest, options: Options) -> dict[str, dict[str, Any]]:
    """A description of every compared source: its kind, its fingerprint and a line about it; or its seeds."""
    recorded = manifest.sources
    _, seeds = list_sources(manifest, pool_seeds=options.pool_seeds)
    return {
        name: {"kind": "mean over seeds", "seeds": {seed: _describe(recorded[seed]) for seed in seeds[name]}}
        if name in seeds
        else _describe(recorded[name])
        for name in units.sources
    }


def _ends(binning: Binning) -> dict[str, float | None]:
    """The two edges between three bins; None where each value is a bin."""
    low, high = (None, None) if binning.by_values else binning.edges
    return {"low": low, "high": high}


def _describe(source: SourceSection) -> dict[str, Any]:
    """A source as the manifest records it, without the folder it was read from."""
    if source.card:
        return {"kind": source.kind, "fingerprint": source.fingerprint, "summary": source.card.summary}
    return {"kind": source.kind, "summary": source.files_text}


def _values(units: Units) -> dict[str, list[float]]:
    """Values of every source, each followed by those of its seeds."""
    columns: dict[str, list[float]] = {}
    for name in units.sources:
        columns[name] = units.values[name].tolist()
        if name in units.seeds:
            columns |= {str(seed): values.tolist() for seed, values in units.seeds[name].items()}
    return columns


def _plain(column: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return None
    return int(value) if column in WHOLE else float(value)


def _csv(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_field(value) for value in row] for row in rows)
    return text.getvalue()


def _by_region(names: Sequence[str], tables: Sequence[str]) -> str:
    """Tables under one another after a column with their region; a column that one does not have is empty there."""
    read = [list(csv.DictReader(StringIO(table))) for table in tables]
    columns = dict.fromkeys(column for table in read for row in table[:1] for column in row)
    rows = [
        (name, *(row.get(column, "") for column in columns))
        for name, table in zip(names, read, strict=True)
        for row in table
    ]
    return _csv(("region", *columns), rows)


def _field(value: Any) -> Any:
    return "" if isinstance(value, float) and not math.isfinite(value) else value
