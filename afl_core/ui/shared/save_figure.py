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
    """A button that opens the formats of a figure; it is drawn when one of them is clicked.

    Args:
        name: Stem of the file.
        draw: Draws the figure of a width, a key of `WIDTHS`.
        key: Key of the controls on the page.
    """
    from afl_core.figures.files import FORMATS  # noqa: PLC0415 - Matplotlib takes a moment to import

    with st.popover("Save figure", icon=":material/download:"):
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
                st.download_button(
                    kind.upper(),
                    data=partial(_file, draw, width, kind),
                    file_name=f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)}_{width}.{kind}",
                    mime=FORMATS[kind],
                    on_click="ignore",
                    key=f"{key} {kind}",
                )
        st.caption("White background, fonts inside the file, PNG at 300 dpi.")


def _file(draw: Callable[[str], "Figure"], width: str, kind: str) -> bytes:
    from afl_core.figures.files import figure_bytes  # noqa: PLC0415 - as above

    return figure_bytes(draw(width), kind)
