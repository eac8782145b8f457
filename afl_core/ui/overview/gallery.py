"""The gallery of the Overview page: the cases that gain and lose most, with pictures, each a way to its voxels."""

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from afl_core.base.numbers import number, volume
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.kept_thumbnails import outlined_sources
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.ui.overview.summary import Pair, Summary
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.thumbnails import thumbnail_addresses
from afl_core.ui.shared.workspace import case_query, follow

EACH = 3
"""Cases on either side."""

CARD_PX, SIDE_PX = 160, 496
"""Width of a card and of the three of a side: a name of 20 letters fits a card."""

STYLE = """
/* A long name of a case is cut at its start, as its end tells it apart; the marks keep its letters in their order. */
.st-key-gallery [data-testid="stPageLink"] p {
    overflow: hidden; text-overflow: ellipsis; direction: rtl; text-align: left;
}
.st-key-gallery [data-testid="stPageLink"] p::before {content: "\\2066"}
.st-key-gallery [data-testid="stPageLink"] p::after {content: "\\2069"}
"""


def show_gallery(workspace: Comparison, summary: Summary, pair: Pair | None) -> None:
    """The three largest gains and losses in the main metric, or the best and worst cases of a single source."""
    st.html(f"<style>{STYLE}</style>")
    best, worst = extremes(summary, pair)
    titles = ("Largest gains", "Largest losses") if pair else ("Best cases", "Worst cases")
    compared = f", {pair[1]} against {pair[0]}" if pair else ""
    st.markdown(f"### {plain(f'{titles[0]} and {titles[1].lower()} in {summary.units.measure.label}{compared}')}")
    follow([*best["case_id"], *worst["case_id"]])
    sides = [(cases, thumbnail_addresses(workspace, tuple(cases["case_id"]))) for cases in (best, worst)]
    if any(picture for _, pictures in sides for picture in pictures):
        _show_legend(workspace)
    both = st.container(horizontal=True, gap="small", key="gallery")
    for title, (cases, pictures) in zip(titles, sides, strict=True):
        with both.container(width=SIDE_PX):
            st.caption(title if len(cases) else f"{title}: none")
            with st.container(horizontal=True, gap="xsmall"):
                for case, picture in zip(cases.to_dict("records"), pictures, strict=True):
                    with st.container(width=CARD_PX, gap="xxsmall"):
                        _show_card(workspace, case, picture, pair)


def _show_legend(workspace: Comparison) -> None:
    """The colours of the outlines in the pictures, named in a line."""
    names = ("reference", *outlined_sources(workspace))
    marks = [
        f'<span style="white-space: nowrap"><b style="color: {colour}">■</b> {escape(name)}</span>'
        for name, colour in zip(names, (REFERENCE_COLOUR, *SOURCE_COLOURS), strict=False)
    ]
    st.html(f'<span style="font-size: 0.875rem">Outlines: {" &ensp;".join(marks)}</span>')


def extremes(summary: Summary, pair: Pair | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cases of either side, the furthest first; a case without any difference is on neither.

    Returns:
        Two tables of at most three rows with columns case_id, size in ml, first, second, difference; of one source
        first is its value, and the two sides share no case.
    """
    units = summary.units
    better = 1 if units.measure.better == "higher" else -1
    table = units.table[["case_id", "size"]].copy()
    if pair is None:
        table["first"] = units.values[summary.sources[0]]
        table = table.assign(gain=better * table["first"]).sort_values(["gain", "case_id"], kind="stable")
        half = min(EACH, len(table) // 2)
        return table.iloc[::-1].head(half), table.head(min(EACH, len(table) - half))
    table["first"], table["second"] = units.values[pair[0]], units.values[pair[1]]
    table["difference"] = table["second"] - table["first"]
    table = table.assign(gain=better * table["difference"]).sort_values(["gain", "case_id"], kind="stable")
    moved = table["gain"].round(9)
    return table[moved > 0].iloc[::-1].head(EACH), table[moved < 0].head(EACH)


def _show_card(workspace: Comparison, case: Mapping[Any, Any], picture: str, pair: Pair | None) -> None:
    case_id = str(case["case_id"])
    if picture:
        st.markdown(f"![{plain(case_id)}]({picture})")
    st.page_link(
        "pages/compare.py",
        label=plain(case_id),
        query_params=case_query(workspace, case_id, pair or ()),
    )
    first, size = case["first"], "no tumour" if case["size"] == 0 else volume(case["size"])
    if pair is None:
        st.caption(f"{number(first)} · {size}")
        return
    second, difference = case["second"], case["difference"]
    st.caption(f"{number(first)} → {number(second)}  \n{number(difference, sign=True)} · {size}")
