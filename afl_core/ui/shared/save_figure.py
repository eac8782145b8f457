"""One button a figure: what a paper takes, in light colours whatever theme the page has."""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {"double": "Two columns, 170 mm", "single": "One column, 85 mm"}


def offer_figure(name: str, draw: Callable[[str], "Figure"], *, key: str) -> None:
    """A button that saves a figure as SVG of two columns, and a menu of other formats; it is drawn at the click.

    Args:
        name: Stem of the file.
        draw: Draws the figure of a width, a key of `WIDTHS`.
        key: Key of the controls on the page.
    """

    def offer(label: str, width: str, kind: str) -> None:
        st.download_button(
            label,
            data=partial(_file, draw, width, kind),
            file_name=f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)}_{width}.{kind}",
            on_click="ignore",
            key=f"{key} {label}",
        )

    with st.container(horizontal=True, vertical_alignment="center"):
        offer("Save figure as SVG", "double", "svg")
        with st.popover("Other formats"):
            width = str(
                st.segmented_control(
                    "Width",
                    list(WIDTHS),
                    format_func=WIDTHS.__getitem__,
                    default="double",
                    required=True,
                    key=f"{key} width",
                )
            )
            with st.container(horizontal=True):
                for kind in ("svg", "pdf", "png"):
                    offer(kind.upper(), width, kind)
            st.caption("White background, fonts inside the file, PNG at 300 dpi.")


def _file(draw: Callable[[str], "Figure"], width: str, kind: str) -> bytes:
    from afl_core.figures.files import figure_bytes  # noqa: PLC0415 - as above

    return figure_bytes(draw(width), kind)
