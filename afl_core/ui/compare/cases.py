"""Which case is open, and the line of choices and the rail by which a reader comes to it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import (
    ALL_SIZES,
    ORDERS,
    case_table,
    compared_sources,
    digits_of,
    in_order,
    narrowed,
    order_by,
    order_title,
    shown_choices,
    size_choices,
)
from afl_core.base.numbers import NOTHING, number
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.palette import source_style
from afl_core.glossary import TERMS
from afl_core.metrics import METRICS
from afl_core.ui.compare import layout
from afl_core.ui.compare.reading import offer_reading
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.thumbnails import thumbnail_addresses
from afl_core.ui.viewers.rail import Rail, Row, show_rail

PAGE = 200
"""Rows of the rail at a time."""

_NARROWED, _FOLDED = "cases were narrowed", "rail"


@dataclass(frozen=True, eq=False)
class Chosen:
    """The case that is open, and the cases around it.

    Attributes:
        case_id: Its id.
        metric: Key of the metric that is compared.
        table: The cases that are shown, in their order; it need not be among them.
    """

    case_id: str
    metric: str
    table: pd.DataFrame

    @property
    def place(self) -> int | None:
        """Number of the case among those that are shown, from 0; None where it is not."""
        places = np.flatnonzero(self.table.index == self.case_id)
        return int(places[0]) if len(places) else None

    @property
    def where(self) -> str:
        """The place of the case, in words."""
        many = len(self.table)
        return f"Not among the {many:,} shown" if self.place is None else f"Case {self.place + 1:,} of {many:,}"

    def case_at(self, step: int) -> str:
        """Id of the case so many places on; "" where there is none."""
        to = -1 if self.place is None else self.place + step
        return str(self.table.index[to]) if 0 <= to < len(self.table) else ""


def choose_case(workspace: Comparison) -> Chosen | None:
    """The search and its menu; returns the open case, which the address names (`?case=`), or None without one."""
    with layout.find():
        find = st.text_input(
            "Find a case",
            placeholder="Find a case",
            key="find",
            bind="query-params",
            label_visibility="collapsed",
            on_change=_narrow,
        )
        with st.popover("", icon=":material/tune:", help="Metric, order and filters of the cases"):
            metric, sources = _choose_metric(workspace), tuple(compared_sources(workspace))
            everything = case_table(workspace, metric)
            table = _choose_cases(everything, metric, sources, find)
        if len(sources) > 1:
            offer_reading()
    if len(everything) == 0:
        st.info("This data set has no cases.")
        return None
    st.caption(plain(_words(metric, sources)))
    first = str((table if len(table) else everything).index[0])
    chosen, narrowed_now = str(st.query_params.get("case", "")), st.session_state.pop(_NARROWED, False)
    if chosen not in everything.index:
        if chosen:
            st.warning(plain(f"There is no case {chosen} in {workspace.name}; this is another one."))
        go_to_case(first)
    elif narrowed_now and chosen not in table.index and len(table):
        go_to_case(first)
    return Chosen(str(st.query_params["case"]), metric, table)


def _words(metric: str, sources: tuple[str, ...]) -> str:
    """What the cases are ordered and narrowed by, as the menu has it."""
    usual = {"sort": "", "show": shown_choices(sources)[0], "size": ALL_SIZES}
    said = [str(st.session_state[key]) for key, value in usual.items() if st.session_state[key] != value]
    said = [order_title(text, sources) for text in said]
    return f"{METRICS[metric].label}, {', '.join(said).lower()}"


def go_to_case(case_id: str) -> None:
    """Have the address name a case, and nothing that belongs to the case before."""
    for name in ("lesion", "at", "zoom"):
        st.query_params.pop(name, None)
    st.query_params["case"] = case_id


def offer_steps(chosen: Chosen) -> None:
    """Buttons to the case before and after in the order of the rail."""
    for title, step, key in (("‹ Case", -1, "k"), ("Case ›", 1, "j")):
        there = chosen.case_at(step)
        st.button(
            title,
            key=f"step {title}",
            disabled=not there,
            on_click=go_to_case,
            args=(there,),
            help=f"{chosen.where}, in the order of the rail.",
            shortcut=key,
        )


def is_folded() -> bool:
    """Whether the rail is folded away, as the address says."""
    return st.query_params.get(_FOLDED) == "off"


def show_cases(workspace: Comparison, chosen: Chosen, *, pictures: Comparison) -> None:
    """The rail: the cases in their order, a few hundred at a time, with the thumbnails of all sources."""
    table, at = chosen.table, chosen.place or 0
    if not len(table):
        st.info("No case fits these choices. Widen them above.")
        return
    start = at - at % PAGE
    stop = min(start + PAGE, len(table))
    more = len(table) - stop
    rail = Rail(
        rows=() if is_folded() else _rows(workspace, chosen.metric, table.iloc[start:stop], pictures),
        chosen=chosen.case_id,
        colours=tuple(source_style(i)[0] for i in range(len(compared_sources(workspace)))),
        before=(str(table.index[start - 1]), f"‹ {start:,} before") if start else None,
        after=(str(table.index[stop]), f"{more:,} more ›") if more else None,
        folded=is_folded(),
        title=chosen.where,
    )
    show_rail(rail, key="case rail", on_pick=go_to_case, on_fold=_fold)


def _fold() -> None:
    if is_folded():
        st.query_params.pop(_FOLDED)
    else:
        st.query_params[_FOLDED] = "off"


def _rows(workspace: Comparison, metric: str, table: pd.DataFrame, pictures_of: Comparison) -> tuple[Row, ...]:
    sources = [source for source in compared_sources(workspace) if source in table]
    values = table[sources].to_numpy(float) if sources else np.empty((len(table), 0))
    low, high = _scale(workspace, metric)
    digits = min(2, digits_of(workspace.rows, metric))  # there is room for two
    places = (values - low) / (high - low)
    pictures = thumbnail_addresses(pictures_of, tuple(map(str, table.index)))
    volumes = table["volume (ml)"].to_numpy(float) if "volume (ml)" in table else np.full(len(table), np.nan)
    return tuple(
        Row(
            case=str(case_id),
            picture=picture,
            values=tuple(None if np.isnan(place) else round(float(place), 3) for place in of_case),
            told=" → ".join(number(value, digits) for value in measured[:2]) or "not evaluated",
            size=NOTHING if np.isnan(volume) else f"{volume:.1f} ml" if volume >= 10 else f"{volume:.2f} ml",
        )
        for case_id, picture, of_case, measured, volume in zip(
            table.index, pictures, places, values, volumes, strict=True
        )
    )


def _scale(workspace: Comparison, metric: str) -> tuple[float, float]:
    """Ends of the scale of a metric: what is possible, or what there is where that has no end."""
    ends = METRICS[metric].range
    found = workspace.rows[metric].to_numpy(float) if metric in workspace.rows else np.empty(0)
    found = found[np.isfinite(found)]
    if np.isfinite(ends).all() or not found.size:
        return ends if np.isfinite(ends).all() else (0.0, 1.0)
    low, high = min(float(found.min()), 0.0), float(found.max())
    return low, high if high > low else low + 1


def _choose_metric(workspace: Comparison) -> str:
    keys = [key for key in METRICS if workspace.rows.empty or key in workspace.rows]
    return str(
        st.selectbox(
            "Metric",
            keys,
            format_func=lambda key: METRICS[key].label,
            help=TERMS["Metrics"],
            key="metric",
            bind="query-params",
            width=220,
        )
    )


def _choose_cases(table: pd.DataFrame, metric: str, sources: tuple[str, ...], find: str) -> pd.DataFrame:
    """What the search, the filters and the order, all kept in the address, make of the case table."""
    orders = (*ORDERS, *map(order_by, sources))
    order = _select(
        "Order",
        "sort",
        orders,
        help_text="Loss and gain: of the second source against the first.",
        title=lambda order: order_title(order, sources),
    )
    shown = _select("Show", "show", shown_choices(sources))
    size = _select("Size", "size", size_choices(table), help_text=TERMS["Tumour volume"])
    kept = narrowed(table, metric, sources, shown=shown, size=size, find=find)
    return in_order(kept, metric, sources, order=order)


def _select(
    label: str, key: str, options: tuple[str, ...], *, help_text: str = "", title: Callable[[str], str] = str
) -> str:
    chosen = st.selectbox(
        label,
        options,
        format_func=title,
        key=key,
        bind="query-params",
        help=help_text or None,
        width=220,
        on_change=_narrow,
    )
    return str(chosen)


def _narrow() -> None:
    """The open case gives way to the first that fits, if it does not fit itself."""
    st.session_state[_NARROWED] = True
