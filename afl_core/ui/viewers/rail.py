"""The rail: a row for every case with its picture, its values on one scale and its size; a click chooses one.

Wire format of the component's `data`: uint32 n (little-endian), n bytes JSON, with the fields of `Rail`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import streamlit as st

from afl_core.ui.viewers.component import component, framed


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        case: Id of the case.
        picture: Address of its thumbnail, relative to the page; "" for none.
        values: Place of each source's value on the scale, 0 to 1; None where there is none.
        told: What the row says of the values.
        size: Volume of the tumour, in words.
    """

    case: str
    picture: str
    values: tuple[float | None, ...]
    told: str
    size: str


@dataclass(frozen=True)
class Rail:
    """The rows that are shown, and what stands around them.

    Attributes:
        rows: The rows in their order.
        chosen: Id of the case that is open.
        colours: Colour of each value of a row.
        before: Id and words of the way to the rows before these; None where these are the first.
        after: The same of the rows after these.
        title: What the button that folds the rail says.
        folded: Whether the button to show the rows is all that is drawn.
    """

    rows: tuple[Row, ...]
    chosen: str
    colours: tuple[str, ...]
    before: tuple[str, str] | None = None
    after: tuple[str, str] | None = None
    title: str = "Cases"
    folded: bool = False


def show_rail(rail: Rail, *, key: str, on_pick: Callable[[str], None], on_fold: Callable[[], None]) -> None:
    """Mount the rail.

    Args:
        rail: What it shows.
        key: Streamlit key.
        on_pick: Takes the id of the case that was clicked, before the page is drawn anew.
        on_fold: Called when the reader folds the rail away, or unfolds it.
    """

    def picked() -> None:
        if case := st.session_state[key].get("pick"):
            on_pick(str(case))

    component("rail")(key=key, data=framed(asdict(rail)), on_pick_change=picked, on_fold_change=on_fold)
