"""Panels of the Overview page."""

import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import SMALLEST, WORST, order_by
from afl_core.analysis.statistics.paired import HEADLINE, headline, patients_text
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.words import number_of
from afl_core.data.labels import WHOLE, region_title
from afl_core.errors import group_problems, listed
from afl_core.evaluation.caveats import notes, warnings
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.facts import (
    changed_sentence,
    data_facts,
    empty_counts_text,
    lesions_sentences,
    missing_text,
    problems_of,
    source_facts,
    unused_sentence,
)
from afl_core.figures.charts import plot_differences
from afl_core.glossary import TERMS
from afl_core.metrics import METRICS
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.workspace import nothing_evaluated, open_case


def show_title(workspace: Comparison) -> None:
    """The kind of data, and the headline comparison in one sentence."""
    st.markdown(
        "What a change of loss does to a tumour segmentation model, case by case and lesion by lesion: the focal loss "
        "(FL) against the adaptive focal loss (A-FL), or any other pair. "
        "**Research use only, not a medical device.**"
    )
    if workspace.is_demo:
        st.info(
            "This is the **synthetic** demo cohort: drawn tumours in the anatomy of the ICBM 2009 template, with two "
            "small networks trained for minutes. It shows the workbench, not what A-FL is worth on patients.",
        )
    st.markdown(f"## {_sentence(workspace)}")
    if missing := missing_text(workspace):
        st.warning(plain(missing))
    for warning in (*warnings(workspace.manifest, workspace.rows), *workspace.left_out_sentences):
        st.warning(plain(warning))
    if changed := changed_sentence(workspace):
        st.info(plain(changed))
    if lost := problems_of(workspace):
        st.warning(f"{unused_sentence(len(lost))}; the end of this page says which and why.")


def show_headline(workspace: Comparison) -> None:
    """The headline table; a click on a number opens the cases behind it."""
    sources = workspace.sources
    if workspace.rows.empty or not sources:
        return
    metrics = [key for key in HEADLINE if key in workspace.rows]
    table = _headline(workspace.rows, tuple(metrics), sources)
    over = [patients_text(*counts) for counts in zip(table["n"], table["cases"], table["of"], strict=True)]
    shown = pd.DataFrame({"Metric": [METRICS[key].titled_direction for key in table["metric"]], "Over": over})
    for source in sources:
        shown[f"{source} mean"] = table[f"{source} mean"]
        shown[f"{source} median"] = table[f"{source} median"]
    if "difference" in table:
        shown["Difference"] = table["difference"]
        shown["95 % interval"] = [
            f"{low:+.3f} to {high:+.3f}" if n >= MIN_PATIENTS else f"n below {MIN_PATIENTS}"
            for n, low, high in zip(table["n"], table["low"], table["high"], strict=True)
        ]
    numbers = {
        f"{source} {kind}": st.column_config.NumberColumn(format="%.3f")
        for source in sources
        for kind in ("mean", "median")
    }
    event = st.dataframe(
        shown,
        hide_index=True,
        column_config={**numbers, "Difference": st.column_config.NumberColumn(format="%+.3f")},
        on_select="rerun",
        selection_mode="single-cell",
        key=f"headline {workspace.name}",
    )
    st.caption(_caption(workspace))
    if lesions := lesions_sentences(workspace):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in lesions))
    _show_rules(workspace)
    if event.selection.cells:
        row, column = event.selection.cells[0]
        _open_cases(workspace, str(table["metric"][row]), column)


def show_differences(workspace: Comparison) -> None:
    """One dot a case: paired difference against tumour size; a click opens the case."""
    sources = workspace.sources
    if workspace.rows.empty or len(sources) < 2:
        return
    metric = st.selectbox(
        "Metric",
        [key for key in METRICS if key in workspace.rows],
        format_func=lambda key: METRICS[key].label,
        width=240,
    )
    figure = plot_differences(workspace.rows, metric, (sources[0], sources[1]))
    event = st.plotly_chart(figure, on_select="rerun", selection_mode="points", key=f"differences {workspace.name}")
    st.caption(plain(f"{METRICS[metric].definition} One dot a case; a click opens it."))
    if event.selection.points:
        case_id = event.selection.points[0]["customdata"][0]
        st.session_state["metric"] = metric  # the selector of that page
        open_case(workspace, case_id)


def show_contents(workspace: Comparison) -> None:
    """Data and checkpoints that are loaded."""
    data, sources = st.columns(2, gap="large")
    with data:
        st.header("Data")
        _show_facts(data_facts(workspace), "Data")
        if workspace.problem:
            st.warning(plain(f"The data set cannot be opened, so its images cannot be shown. {workspace.problem}"))
    with sources:
        st.header("Sources")
        for name, source in workspace.manifest.sources.items():
            with st.expander(f"{plain(name)}: {plain(workspace.summaries[name])}"):
                _show_facts(source_facts(source), "Card")
    if problems := problems_of(workspace):
        with st.expander(unused_sentence(len(problems))):
            _show_facts({listed(names): why for names, why in group_problems(problems)}, "Why")


@st.cache_data(max_entries=16, show_spinner="Computing intervals")
def _headline(rows: pd.DataFrame, metrics: tuple[str, ...], sources: tuple[str, ...]) -> pd.DataFrame:
    return headline(rows, metrics, sources)


def _show_facts(facts: dict[str, str], title: str) -> None:
    """A table of two columns whose long texts wrap."""
    st.table(pd.DataFrame({title: {plain(name): plain(str(text)) for name, text in facts.items()}}))


def _sentence(workspace: Comparison) -> str:
    """The headline in words; never more than the interval allows."""
    if workspace.rows.empty:
        return nothing_evaluated(workspace)
    sources = workspace.sources
    if len(sources) == 1:
        rows = workspace.rows
        with_tumour = rows.loc[rows["reference_volume_ml"] > 0, "dsc"]
        everything = "" if len(with_tumour) == len(rows) else f"; {rows['dsc'].mean():.3f} on all {len(rows)}"
        mean = f"{with_tumour.mean():.3f} on {_counted(workspace, len(with_tumour), 'case')} with a tumour"
        return plain(f"{sources[0]} reaches a mean Dice of {mean}{everything}.")
    first, second = sources[:2]
    d = _headline(workspace.rows, ("dsc",), (first, second)).iloc[0]
    repeated = workspace.rows["patient"].nunique() < workspace.rows["case_id"].nunique()
    patients = _counted(workspace, d.n, "patient" if repeated else "case")
    if d.n < 2:
        return plain(f"{second} against {first}: {patients} evaluated with both, too few for a comparison.")
    if d.n < MIN_PATIENTS:
        return plain(
            f"{second}'s mean Dice minus {first}'s is {d.difference:+.3f}; {patients} are too few for an interval."
        )
    measured = f"{d.difference:+.3f}, 95 % interval {d.low:+.3f} to {d.high:+.3f}"
    if d.low <= 0 <= d.high:
        return plain(f"No difference in Dice shown between {second} and {first} on {patients} ({measured}).")
    more = "higher" if d.difference > 0 else "lower"
    return plain(f"On {patients}, {second}'s mean Dice is {more} than {first}'s ({measured}).")


def _counted(workspace: Comparison, n: int, noun: str) -> str:
    """A number with its noun, such as "1 case", "24 synthetic cases" or "6 patients (tumour core)"."""
    region = workspace.manifest.settings.region
    what = number_of(n, f"{'synthetic ' if workspace.is_demo else ''}{noun}")
    return what if region == WHOLE else f"{what} ({region_title(region)})"


def _caption(workspace: Comparison) -> str:
    first, second = (*workspace.sources, "", "")[:2]
    difference = f" Difference: {second} minus {first}, mean over patients." if second else ""
    return plain(
        f"Click a number to see its cases. Arrows point to the better values.{difference} "
        f"{' '.join(notes(workspace.manifest, workspace.rows))}"
    )


def _show_rules(workspace: Comparison) -> None:
    """How the numbers of the table are made."""
    lines = [
        "Over: the patients for whom every source has a value. Several cases of a patient are averaged first.",
        *([f"95 % interval: {TERMS['BCa interval']}"] if len(workspace.sources) > 1 else []),
        f"Cases with an empty mask: {empty_counts_text(workspace.manifest)}.",
        *(f"{names}: {rule}." for names, rule in _empty_rules().items()),
    ]
    with st.expander("How these numbers are made"):
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))


def _empty_rules() -> dict[str, str]:
    """The metrics of the table, by what an empty mask gives, as METRICS declares it."""
    labels: dict[str, list[str]] = {}
    for key in HEADLINE:
        labels.setdefault(METRICS[key].empty_rule, []).append(METRICS[key].label)
    return {", ".join(names): rule for rule, names in labels.items()}


def _open_cases(workspace: Comparison, metric: str, column: str) -> None:
    """Go to Compare with the case table sorted by what was clicked."""
    source = column.rsplit(" ", 1)[0]
    if source in workspace.sources:
        sort = order_by(source)
    else:
        sort = WORST if column in {"Difference", "95 % interval"} else SMALLEST
    st.session_state["metric"] = metric  # the selector of that page, which its address follows
    st.switch_page("pages/compare.py", query_params={"results": workspace.name, "sort": sort})
