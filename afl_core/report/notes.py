"""How the numbers were measured, what the paper publishes, and where the numbers come from."""

from collections.abc import Iterable
from typing import Any

from afl_core.analysis.breakdown.export import PACKAGES, describe_sources
from afl_core.analysis.breakdown.published import (
    DATA_SETS,
    DISCREPANCIES,
    MEASURES,
    PUBLISHED_LOSSES,
    PUBLISHED_NETWORKS,
    SOURCE,
    Scores,
)
from afl_core.analysis.breakdown.regions import together_sentence
from afl_core.analysis.breakdown.sentences import levels_sentence, shared_sentence, tests_sentence
from afl_core.analysis.statistics.bootstrap import resampling_text
from afl_core.analysis.statistics.ranks import EXACT_UP_TO, MIN_PATIENTS
from afl_core.base.versions import versions
from afl_core.base.words import number_of
from afl_core.errors import group_problems, listed
from afl_core.evaluation.caveats import notes, unmeasured, warnings
from afl_core.evaluation.facts import empty_counts_text, unused_sentence
from afl_core.report.findings import Findings
from afl_core.report.parts import bullets, escape, facts, fold, heading, paragraph, side_by_side, table


def method(findings: Findings) -> str:
    """Metric, bins, empty masks, what is left out, intervals and tests."""
    units, breakdown = findings.units, findings.breakdown
    measure = units.measure
    opened = findings.comparison
    manifest, rows, settings = opened.manifest, opened.rows, opened.manifest.settings
    remarks = " ".join((*notes(manifest, rows), *warnings(manifest, rows), *opened.left_out_sentences))
    left = [f"{why}: {n}" for why, n in units.left_out.items()]
    edges = [
        f"{units.axis(b.axis).title} {b.where(4)}{'' if b.by_values else '; the lower bin holds its edge'}"
        for b in breakdown.binnings
    ]
    entries = {
        "Metric": f"{measure.title}, {measure.better} is better. {measure.definition}",
        "Empty masks": f"{measure.empty_rule}."
        + (f" Cases with one: {empty_counts_text(manifest)}" if units.level == "case" else ""),
        "Bin edges": " ".join(
            ["Ours; the paper publishes none.", *(f"{edge}." for edge in edges), *breakdown.unbinned]
        ),
        "Left out": f"Of {number_of(len(units.reference), units.noun[:-1])} that were measured: "
        + f"{'; '.join(left) or 'none'}. {' '.join(unmeasured(manifest))}",
        "Patient": f"{remarks} "
        f"Several {units.noun} of one patient in a bin are averaged first, so n counts patients"
        + (f" (and {units.noun} in brackets)." if units.level == "lesion" else "."),
        "Intervals": "Of the mean: BCa bootstrap over patients, "
        f"{resampling_text(units.table['patient'].nunique())}, widened for small n. Means: 95 % each. "
        + " ".join(
            filter(None, (levels_sentence(breakdown.records, units), shared_sentence(breakdown.records, units)))
        ),
        "Few patients": f"Below {MIN_PATIENTS} patients there is neither an interval nor a p-value.",
    }
    if units.pairs:
        entries["Test"] = (
            f"Two-sided paired Wilcoxon signed-rank test over patients, exact up to {EXACT_UP_TO} differences. Effect: "
            f"matched rank-biserial correlation. {_tests(findings)}"
        )
    if manifest.measured:
        entries["Matching"] = (
            f"A lesion is a 26-connected component; a prediction finds it by the matcher {settings.matcher}. "
            f"Surface tolerance {settings.nsd_tolerance_mm} mm."
        )
    return facts(entries)


def _tests(findings: Findings) -> str:
    return together_sentence(findings.regions) if findings.regions else tests_sentence(findings.breakdown)


def published() -> str:
    """The paper's two tables, kept apart."""
    losses = (
        heading(f"Losses, {data_set}")
        + table(["Loss", *MEASURES], _rows((n, both[k]) for n, both in PUBLISHED_LOSSES.items()), name=f"losses {k}")
        for k, data_set in enumerate(DATA_SETS)
    )
    networks = (
        heading(f"Networks, {loss}, {data_set}")
        + table(["Network", *MEASURES], _rows((n, four[2 * k + j]) for n, four in PUBLISHED_NETWORKS.items()))
        for k, data_set in enumerate(DATA_SETS)
        for j, loss in enumerate(("FL", "A-FL"))
    )
    return (
        paragraph(SOURCE, "warn")
        + side_by_side([*losses, *networks], "tables")
        + paragraph("The losses are with the U-Net on a ResNet50.", "note")
        + heading("Where the paper disagrees with itself")
        + bullets(DISCREPANCIES)
    )


def provenance(findings: Findings) -> str:
    """Data, sources with their fingerprints, versions, the command, and what could not be used."""
    manifest, units = findings.comparison.manifest, findings.units
    sources = {}
    for name, source in describe_sources(units, manifest, findings.options).items():
        for seed, described in source.get("seeds", {name: source}).items():
            sources[name if seed == name else f"{name}: {seed}"] = _source(described)
    now = versions((*PACKAGES, "plotly", "matplotlib"))
    entries = {
        "Data": f"{manifest.data.folder.name} ({manifest.data.kind})",
        "Results": findings.comparison.name,
        "Evaluated": manifest.updated,
        "Evaluated with": _listed(manifest.versions),
        "Report made with": _listed(now),
    }
    return (
        facts(sources | {name: text for name, text in entries.items() if text})
        + paragraph("This report was made by")
        + f"<p><code>{escape(findings.command)}</code></p>\n"
        + _unused(findings)
    )


def _rows(entries: Iterable[tuple[str, Scores]]) -> list[list[str]]:
    return [[name, *(_score(value) for value in scores)] for name, scores in entries]


def _score(value: float) -> str:
    """A score as the paper prints it: three decimals, or four where the paper has four.

    >>> _score(0.94), _score(0.9501)
    ('0.940', '0.9501')
    """
    return f"{value:.3f}" if round(value, 3) == value else f"{value:.4f}"


def _source(source: dict[str, Any]) -> str:
    """A description of a source with its fingerprint; a folder of masks has one for each mask, in the results."""
    digest = f"; fingerprint (SHA-256) {source['fingerprint']}" if source.get("fingerprint") else ""
    return f"{source['kind']}: {source['summary']}{digest}"


def _listed(packages: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def _unused(findings: Findings) -> str:
    """Cases and predictions that could not be used, and why."""
    manifest = findings.comparison.manifest
    problems = dict(manifest.data.skipped)
    for case, texts in manifest.problems.items():
        problems |= {f"{case} {source}".strip(): text for source, text in texts.items()}
    reasons = [f"{listed(names)}: {why}" for names, why in group_problems(problems)]
    return fold(unused_sentence(len(problems)), bullets(reasons)) if reasons else ""
