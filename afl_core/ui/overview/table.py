"""The table of the Overview page: the headline metrics of cases and of lesions; a click opens the cases behind one."""

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.measures import Level
from afl_core.analysis.breakdown.overall import Overall
from afl_core.analysis.breakdown.sentences import false_positives_sentences
from afl_core.analysis.case_tables import SMALLEST, WORST, order_by, order_title
from afl_core.analysis.statistics.paired import patients_text
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.numbers import NOTHING, interval, number
from afl_core.evaluation.caveats import ignored_sentence
from afl_core.evaluation.comparison import Comparison
from afl_core.glossary import TERMS
from afl_core.metrics import METRICS
from afl_core.ui.overview.summary import Pair, Summary
from afl_core.ui.shared.errors import plain

DIFFERENCE, INTERVAL = "Difference", "95 % interval"
ARROWS = {"higher": "↑", "lower": "↓"}


def show_table(workspace: Comparison, summary: Summary, pair: Pair | None) -> None:
    """The headline table; a click on a number opens the cases behind it."""
    metrics = [(level, metric) for level, of_level in summary.metrics.items() for metric in of_level]
    shown = pd.DataFrame([_row(level, metric, pair) for level, metric in metrics])
    event = st.dataframe(
        shown,
        hide_index=True,
        height="content",
        column_config={
            str(name): st.column_config.TextColumn(
                alignment="left" if name in {"Metric", "Over"} else "right",
                pinned=name == "Metric",
                width=190 if name == "Metric" else None,
                help=column_help(str(name)),
            )
            for name in shown
        },
        on_select="rerun",
        selection_mode="single-cell",
        key=f"headline {workspace.name}",
    )
    minus = f"{pair[1] if len(summary.sources) == 2 else 'a source'} minus {pair[0]}" if pair else ""
    difference = f" Difference: {minus}, mean over patients." if pair else ""
    ignored = ignored_sentence(workspace.manifest, workspace.rows)
    st.caption(plain(f"Click a number to see its cases. Arrows point to the better values.{difference} {ignored}"))
    if "lesion" in summary.metrics and (false := false_positives_sentences(summary.metrics["lesion"][0].units)):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in false))
    if event.selection.cells:
        row, column = event.selection.cells[0]
        _open_cases(workspace, summary, metrics[row][1].units.measure.key, column)


def column_help(name: str) -> str:
    """What the glossary says of a column; those of a source end in the word that it explains."""
    terms = {"Metric": "Metrics", "Over": "n", "interval": "BCa interval"}
    word = name.rsplit(" ", 1)[-1]
    return TERMS[terms.get(word) or word.capitalize()]


def _row(level: Level, metric: Overall, pair: Pair | None) -> dict[str, str]:
    units, digits = metric.units, metric.units.measure.digits
    over = patients_text(
        int(metric.records["n"].iloc[0]), len(units.table), units.reference["patient"].nunique(), level
    )
    row = {"Metric": f"{units.measure.title} {ARROWS[units.measure.better]}", "Over": over}
    others = [source for source in units.sources if pair and source != pair[0]]
    for other in others:
        record = metric.pair(pair[0], other) if pair else {}
        ends = interval(record["ci_low"], record["ci_high"], digits, sign=True)
        few = f"n below {MIN_PATIENTS}" if record["n"] else NOTHING
        names = (DIFFERENCE, INTERVAL) if len(others) == 1 else (f"{other} difference", f"{other} interval")
        row |= {
            names[0]: number(record["mean_difference"], digits, sign=True),
            names[1]: few if ends == NOTHING else ends,
        }
    for (source, mean), median in zip(metric.means.items(), metric.medians, strict=True):
        row |= {f"{source} mean": number(mean, digits), f"{source} median": number(median, digits)}
    return row


def _open_cases(workspace: Comparison, summary: Summary, metric: str, column: str) -> None:
    """Go to Compare with the case table sorted by what was clicked."""
    source, _, what = column.rpartition(" ")
    if what in {"mean", "median"} and source in summary.sources:
        sort = order_by(source)
    else:
        sort = order_title(WORST, summary.sources) if what.lower() in {"difference", "interval"} else SMALLEST
    st.session_state["metric"] = metric if metric in METRICS else "lesion_f1"  # of that page, which the address follows
    st.switch_page("pages/compare.py", query_params={"results": workspace.name, "sort": sort})
