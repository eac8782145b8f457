"""The figure of the Overview page: a forest of paired differences, or Dice against volume of a single source."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from afl_core.analysis.breakdown.measures import Level, Measure
from afl_core.analysis.breakdown.overall import Overall, penalties_sentence
from afl_core.analysis.breakdown.ranking import LEAST_SOURCES
from afl_core.analysis.breakdown.runs import alone_sentence
from afl_core.analysis.breakdown.sentences import ALPHA, count
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.charts import plot_against_volume
from afl_core.figures.forest import FILLED, Mark, Panel, plot_forest
from afl_core.ui.overview.summary import Pair, Summary
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.save_figure import offer_figure
from afl_core.ui.shared.workspace import open_case

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS: Mapping[Level, str] = {"case": "Cases", "lesion": "Lesions"}

LEFT_OUT = ("lesion_tp", "dsc_in_region")
"""Metrics of the table that the forest leaves out: lesion recall shows them already, or they are a variant."""


def show_picture(workspace: Comparison, summary: Summary, pair: Pair | None) -> None:
    """The forest of a pair, or Dice against volume of a single source."""
    if pair:
        _show_forest(workspace, summary, pair)
    else:
        _show_against_volume(workspace, summary)


def show_sources(workspace: Comparison, summary: Summary, pair: Pair | None) -> None:
    """The difference of every source to the baseline, where there are three sources or more."""
    if pair is None or len(summary.sources) < LEAST_SOURCES:
        return
    first = summary.units.measure.label
    st.markdown(f"### {plain(f'Every source against {pair[0]}, {first}')}")
    figure = plot_forest(source_panels(summary, pair[0]), (pair[0], "The other"))
    show_chart(figure, f"{workspace.name} every source against {pair[0]}", key="every source")
    st.caption(
        plain(
            f"A source minus {pair[0]}. {FILLED}. Neither is corrected for the number of sources: Breakdown has the "
            f"corrected tests, and a ranking. {alone_sentence(summary.units, summary.sources)}"
        )
    )


def _show_forest(workspace: Comparison, summary: Summary, pair: Pair) -> None:
    """The paired differences of the headline metrics, of cases and of lesions."""
    panels, name = forest_panels(summary, pair), f"{workspace.name} differences"
    show_chart(plot_forest(panels, pair), name, key="forest")
    st.caption(
        plain(
            f"{pair[1]} minus {pair[0]}, mean over patients, with its 95 % interval. {FILLED}. "
            "Right is better everywhere. Quantities of different units have a panel each. "
            "Intervals and tests are not corrected for the number of metrics: read one that was chosen beforehand. "
            + penalties_sentence([metric.units for metrics in summary.metrics.values() for metric in metrics], pair)
        )
    )
    offer_figure(name, lambda width: _paper_figure(panels, pair, width), key="forest figure")


def _paper_figure(panels: Sequence[Panel], pair: Pair, width: str) -> "Figure":
    from afl_core.figures.paper_forest import plot_paper_forest  # noqa: PLC0415 - Matplotlib takes a moment to import

    return plot_paper_forest(panels, pair, width=width)


def _show_against_volume(workspace: Comparison, summary: Summary) -> None:
    """Dice of every case against its tumour volume; a click opens the case."""
    event = show_chart(
        plot_against_volume(summary.units),
        f"{workspace.name} {summary.units.measure.label} against volume",
        on_select="rerun",
        selection_mode="points",
        key=f"volume {workspace.name}",
    )
    st.caption("One dot a case; a click opens it. Cases without a tumour have no place on a logarithmic axis.")
    if event.selection.points:
        open_case(workspace, str(event.selection.points[0]["customdata"][0]))


def forest_panels(summary: Summary, pair: Pair) -> tuple[Panel, ...]:
    """A panel for each unit and direction, in the order of the metrics; lesions that a case has beside the cases."""
    return _panels(
        (metric, pair, _label(metric, level), level)
        for level, metrics in summary.metrics.items()
        for metric in metrics
        if metric.units.measure.key not in LEFT_OUT
    )


def source_panels(summary: Summary, baseline: str) -> tuple[Panel, ...]:
    """A row a source: its difference to the baseline in the first metric of cases and in that of lesions."""
    return _panels(
        (metrics[0], (baseline, source), source, level)
        for source in summary.sources
        for level, metrics in summary.metrics.items()
        if source != baseline
    )


def _panels(differences: Iterable[tuple[Overall, Pair, str, Level]]) -> tuple[Panel, ...]:
    """Panels of metrics, each with its pair, the label of its row and its level."""
    panels: dict[tuple[str, str, int], list[Mark]] = {}
    titles: dict[tuple[str, str, int], Measure] = {}
    for metric, pair, label, level in differences:
        measure, record = metric.units.measure, metric.pair(*pair)
        if record["n"]:
            key = (measure.unit, measure.better, measure.digits)
            titles.setdefault(key, measure)
            ends, basis = (record["ci_low"], record["ci_high"]), count(record, metric.units)
            mark = Mark(label, record["mean_difference"], *ends, basis, GROUPS[level], tested=record["p"] < ALPHA)
            panels.setdefault(key, []).append(mark)
    return tuple(
        Panel(_title(measure), measure.better, tuple(panels[key]), measure.unit, measure.digits)
        for key, measure in titles.items()
    )


def _label(metric: Overall, level: Level) -> str:
    """Label of the row of a metric; one of lesions stands in the row of the same metric of cases."""
    label = metric.units.measure.label
    return label.removeprefix("Lesion ") if level == "lesion" and label != "Lesion recall" else label


def _title(measure: Measure) -> str:
    """Title of an axis, which says where it runs to the left."""
    turned = ", the axis runs to the left: less is better" if measure.better == "lower" else ""
    of = {"mm": "Difference (mm)", "": "Difference of scores from 0 to 1"}
    if measure.digits == 2 and not measure.unit:
        return f"Difference in number a case{turned}"
    return f"{of.get(measure.unit, f'Difference ({measure.unit})')}{turned}"
