"""The methods paragraph of a paper, made from what the results and the breakdown record of themselves."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from afl_core.analysis.breakdown.export import PACKAGES, describe_sources
from afl_core.analysis.breakdown.measures import Measure
from afl_core.analysis.breakdown.overall import Overall, basis_sentence
from afl_core.analysis.breakdown.runs import runs_sentence
from afl_core.analysis.breakdown.sentences import false_positives_sentences, levels_sentence, tests_sentence
from afl_core.analysis.statistics.bootstrap import resampling_text
from afl_core.analysis.statistics.ranks import EXACT_UP_TO, MIN_PATIENTS
from afl_core.base.versions import versions
from afl_core.base.words import number_of
from afl_core.evaluation.caveats import notes, unmeasured, warnings
from afl_core.metrics import METRICS
from afl_core.metrics.matchers import MATCHERS
from afl_core.report.findings import Findings
from afl_core.report.markup import latex, markdown
from afl_core.report.paper_references import A_FL, BCA, EFFECT, EXPANDED, HOLM, WILCOXON, WORKBENCH, keys_of


@dataclass(frozen=True)
class Statement:
    """A part of the paragraph: sentences, and the keys that they cite."""

    text: str
    keys: tuple[str, ...] = ()


def methods(metrics: Sequence[Overall], findings: Findings) -> tuple[Statement, ...]:
    """What was compared and how; the statements in their order.

    Args:
        metrics: The metrics of the table of sources.
        findings: The results and their breakdown.
    """
    parts = (*_data(findings), *_metrics(metrics, findings), *_bins(findings), *_statistics(findings))
    return tuple(Statement(" ".join(part.text.split()), part.keys) for part in (*parts, _versions(findings)))


def doubts(findings: Findings) -> tuple[str, ...]:
    """What a reader must know before the numbers are believed, a sentence each."""
    opened, units = findings.comparison, findings.units
    manifest, rows = opened.manifest, opened.rows
    synthetic = "The cohort is synthetic: its tumours are drawn, so the numbers say nothing about patients."
    left = [f"Left out: {number_of(n, units.noun[:-1])} ({why})." for why, n in units.left_out.items()]
    return (
        *([synthetic] if opened.is_demo else []),
        *filter(None, [runs_sentence(units, findings.pair) if findings.pair else ""]),
        *warnings(manifest, rows),
        *unmeasured(manifest),
        *opened.left_out_sentences,
        *left,
    )


def latex_methods(statements: Iterable[Statement], caveats: Iterable[str]) -> str:
    """The paragraph for LaTeX, and what to know of the numbers."""
    cited = (f"{latex(s.text[:-1])}~\\cite{{{','.join(s.keys)}}}." if s.keys else latex(s.text) for s in statements)
    known = "".join(f"\n\n{latex(text)}" for text in caveats)
    return f"\\section*{{Methods}}\n{chr(10).join(cited)}{known}\n"


def markdown_methods(statements: Iterable[Statement], caveats: Iterable[str]) -> str:
    """The same in Markdown, with citations as Pandoc reads them."""
    cited = (
        f"{markdown(s.text[:-1])} [{'; '.join(f'@{key}' for key in s.keys)}]." if s.keys else markdown(s.text)
        for s in statements
    )
    known = "".join(f"\n\n{markdown(text)}" for text in caveats)
    return f"## Methods\n\n{' '.join(cited)}{known}\n"


def _data(findings: Findings) -> Iterator[Statement]:
    opened, units = findings.comparison, findings.units
    data = opened.manifest.data
    yield Statement("Segmentations were compared with the A-FL workbench.", (WORKBENCH,))
    yield Statement("The workbench was made to study the adaptive focal loss.", (A_FL,))
    of = f"Of {number_of(len(units.reference), units.noun[:-1])} of the data set {data.folder.name} ({data.kind})"
    yield Statement(f"{of} that were measured, {len(units.table)} entered the comparison.")
    sources = describe_sources(units, opened.manifest, findings.options)
    for name, source in sources.items():
        summary = source.get("summary") or f"of {number_of(len(source.get('seeds', ())), 'seed')}"
        yield Statement(f"{name}: {source['kind']}, {summary.rstrip('.')}.")
    remarks = (*notes(opened.manifest, opened.rows), basis_sentence(units), *false_positives_sentences(units))
    if text := " ".join(filter(None, remarks)):
        yield Statement(text)


def _metrics(metrics: Sequence[Overall], findings: Findings) -> Iterator[Statement]:
    """Definitions and sources of the metrics, their rules for empty masks, the tolerance and the matcher."""
    level, settings = findings.units.level, findings.comparison.manifest.settings
    measures = {m.units.measure.key: m.units.measure for m in metrics}
    measures.setdefault(findings.units.measure.key, findings.units.measure)
    for measure in measures.values():
        of_table = METRICS.get(measure.key) if level == "case" else None
        keys = keys_of(of_table.source) if of_table else ()
        yield Statement(f"{measure.title}: {_definition(measure).rstrip('.')}.", keys)
    rules: dict[str, list[str]] = {}
    for measure in measures.values():
        rules.setdefault(measure.empty_rule, []).append(measure.label)
    each = "; ".join(f"{' / '.join(labels)} ({rule})" for rule, labels in rules.items())
    yield Statement(f"Values where a mask is empty or a lesion missed: {each}.")
    if not findings.comparison.manifest.measured:
        return
    if {"nsd", "nsd_area"} & set(measures):
        yield Statement(f"The tolerance of the surface Dice was {settings.nsd_tolerance_mm:g} mm.")
    matcher = MATCHERS.get(settings.matcher)
    if matcher and (level == "lesion" or any(key.startswith("lesion_") for key in measures)):
        text = f"Lesions are 26-connected components, matched by the rule {matcher.name}: {matcher.definition}"
        yield Statement(text, keys_of(matcher.source))
        if least := settings.least_lesion_voxels:
            yield Statement(f"Lesions and false positives of fewer than {least} voxels entered no lesion score.")


def _definition(measure: Measure) -> str:
    """The first sentence; the whole where the rest warns of the metric."""
    first = measure.definition.split(". ")[0]
    return measure.definition if measure.key.startswith("released") else first


def _bins(findings: Findings) -> Iterator[Statement]:
    """The axes, and where their edges come from."""
    breakdown, units = findings.breakdown, findings.units
    for b in breakdown.binnings:
        axis = units.axis(b.axis)
        edges = f"{axis.title} was binned {b.where(4)}{'' if b.by_values else '; a bin holds its upper edge'}."
        yield Statement(edges, (A_FL,) if b.axis == "released_smoothness" else ())
        if b.axis == "roughness":
            yield Statement(
                "Roughness is 1 minus the Dice of a lesion and its smooth form of the same volume: 0 is smooth."
            )
    if breakdown.unbinned:
        yield Statement(" ".join(breakdown.unbinned))


def _statistics(findings: Findings) -> Iterator[Statement]:
    breakdown, units = findings.breakdown, findings.units
    yield Statement(
        f"The patient is the unit of all statistics: several {units.noun} of one patient in a bin were averaged first."
    )
    yield Statement(
        "Intervals of means are BCa bootstrap intervals over patients "
        f"({resampling_text(units.table['patient'].nunique())}), "
        "expanded for small samples, at 95 % each.",
        (BCA, EXPANDED),
    )
    if units.pairs:
        yield Statement(
            "Paired differences were tested with the two-sided Wilcoxon signed-rank test over patients (exact up to "
            f"{EXACT_UP_TO} differences, zeros dropped).",
            (WILCOXON,),
        )
        yield Statement("The effect size is the matched rank-biserial correlation.", (EFFECT,))
        yield Statement(tests_sentence(breakdown), (HOLM,))
        if levels := levels_sentence(breakdown.records, units):
            yield Statement(levels)
    yield Statement(f"Below {MIN_PATIENTS} patients neither an interval nor a test was made.")


def _versions(findings: Findings) -> Statement:
    measured, now = findings.comparison.manifest.versions, versions(PACKAGES)
    parts = [f"statistics with {_listed(now)}"]
    if measured:
        parts.insert(0, f"masks were measured with {_listed(measured)}")
    return Statement(f"Versions: {'; '.join(parts)}.")


def _listed(packages: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())
