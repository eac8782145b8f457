"""The section of the report with every region that is compared."""

from afl_core.analysis.breakdown.regions import together_sentence
from afl_core.analysis.breakdown.sentences import mean_sentence, pair_sentence
from afl_core.figures.region_forest import plot_regions
from afl_core.report.findings import Findings
from afl_core.report.parts import bullets, chart, paragraph, table
from afl_core.report.statistics import pair_columns, pair_rows


def show_regions(findings: Findings) -> str:
    """A panel, a sentence and the tests of each region, for the first pair; "" where one region stands alone."""
    pair, regions = findings.pair, findings.regions
    if not regions:
        return ""
    rest = [f"{title}: {why}" for title, why in findings.problems.items()]
    if pair is None:
        means = (
            f"{of.title}. {mean_sentence(of.breakdown.records.iloc[0].to_dict(), of.breakdown.units)}" for of in regions
        )
        return bullets([*means, *rest])
    there = [of for of in regions if pair in of.breakdown.units.pairs]
    sentences = (
        f"{of.title}. {pair_sentence(of.breakdown.pair(*pair).iloc[0].to_dict(), of.breakdown.units)}" for of in there
    )
    rows = [[of.title, *row] for of in there for row in pair_rows(of.breakdown.records, pair, of.breakdown.units)]
    title = findings.units.measure.title
    label = f"{title}, {pair[1]} minus {pair[0]}, in each region"
    return (
        paragraph(label, "note")
        + chart(plot_regions(there, pair), label=label, name="regions")
        + bullets([*sentences, *rest])
        + table(["Region", *pair_columns(pair)], rows, name="regions", words=2)
        + paragraph(
            f"{together_sentence(regions)} The bins of a region are of its own reference. What follows is of the "
            f"{regions[0].title} alone.",
            "note",
        )
    )
