"""The main figure of the loss X-ray for a paper: the numbers of `plot_gammas`, on white, in the width of a journal."""

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from afl_core.base.catalogue import pick
from afl_core.base.numbers import log_ticks
from afl_core.figures.palette import EQUAL_COLOUR, ROUGHNESS_SCALE
from afl_core.figures.paper import STYLE, WIDTHS_MM
from afl_core.figures.xray import FLOOR, colour_of

HEIGHT_MM = 70.0
DOT = 14


def plot_paper_gammas(
    table: pd.DataFrame, gamma: NDArray[np.float64], *, title: str, roughest: float, width: str = "double"
) -> Figure:
    """Draw gamma of every case against its tumour's volume, both logarithmic, with FL's 2 as a line.

    Args:
        table: Cases with a tumour, columns as `xray_table`.
        gamma: Gamma of each case.
        title: Title of the vertical axis.
        roughest: Upper end of the colours.
        width: Key of WIDTHS_MM.
    """
    mm = pick(WIDTHS_MM, width, kind="width")
    size, rough = (table[column].to_numpy(np.float64) for column in ("size", "roughness"))
    drawn, measured = np.maximum(gamma, FLOOR), np.isfinite(rough)
    with rc_context(dict(STYLE)):
        figure = Figure(figsize=(mm / 25.4, HEIGHT_MM / 25.4), layout="constrained")
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log", ylim=(FLOOR * 0.7, 6), ylabel=title)
        axes.set_xlabel(f"Tumour volume (ml, logarithmic), n = {len(table):,}")
        axes.axhline(2, color=colour_of("FL"), linewidth=1.5)
        axes.annotate("FL: gamma 2 on every case", (0.01, 2), xycoords=("axes fraction", "data"), va="bottom")
        dots = axes.scatter(
            size[measured],
            drawn[measured],
            s=DOT,
            c=rough[measured],
            cmap=LinearSegmentedColormap.from_list("roughness", ROUGHNESS_SCALE),
            vmin=0,
            vmax=roughest,
            linewidths=0,
        )
        axes.scatter(size[~measured], drawn[~measured], s=DOT, facecolors="none", edgecolors=EQUAL_COLOUR)
        if measured.any():
            figure.colorbar(dots, ax=axes, label="Roughness", aspect=30).outline.set_visible(False)
        marks = log_ticks(float(size.min()) / 1.5, float(size.max()) * 1.5)
        axes.set_xticks(marks, [f"{mark:,g}" for mark in marks])
        axes.set_yticks(marks := log_ticks(FLOOR, 1), [np.format_float_positional(mark, trim="-") for mark in marks])
        axes.minorticks_off()
    return figure
