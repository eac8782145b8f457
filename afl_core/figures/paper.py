"""The figure of a breakdown for a paper: means by size and by smoothness, and below them the paired differences.

Laid out as Figures 3 and 4 of the paper (arXiv 2407.09828), with intervals; drawn on white, whatever theme a page has.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.analysis.breakdown.sentences import ALPHA
from afl_core.base.catalogue import pick
from afl_core.errors import DataError
from afl_core.figures.bin_parts import LANES, Bin, axis_title, drawn_units, shown_bins
from afl_core.figures.chart_style import Pair, swarm
from afl_core.figures.forest import outcome
from afl_core.figures.palette import EQUAL_COLOUR, OUTCOME_COLOURS, source_style

WIDTHS_MM: Mapping[str, float] = MappingProxyType({"double": 170.0, "single": 85.0})
"""Widths of two columns and of one column of a journal."""

STYLE: Any = MappingProxyType(
    {
        "font.size": 7,
        "axes.titlesize": 8,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
    }
)
"""Matplotlib's settings while the figure is drawn: 7 points, thin lines, no box."""

ACROSS = 2
"""Panels that stand side by side in two columns; further axes stand below."""

LABEL_CHARACTERS = 13
"""Characters in a line of a bin's label, so that five stand side by side."""

MARKERS: Mapping[str, str] = MappingProxyType(
    {
        "circle": "o",
        "square": "s",
        "triangle-up": "^",
        "cross": "P",
        "star": "*",
        "triangle-down": "v",
        "hexagon": "h",
        "diamond": "D",
    }
)
"""Plotly's symbols of the sources in Matplotlib; "x" is filled."""


def plot_paper_figure(breakdown: Breakdown, pair: Pair | None, *, width: str = "double") -> Figure:
    """Draw the two panels of a breakdown, and under each the paired difference in the same bins.

    Args:
        breakdown: Means, intervals and paired differences.
        pair: The two sources of the difference (second minus first); None leaves out its row.
        width: Key of WIDTHS_MM: panels stand side by side in `double`, below each other in `single`.

    Raises:
        DataError: If there are no bins.
    """
    mm, binnings = pick(WIDTHS_MM, width, kind="width"), breakdown.binnings
    if not binnings:
        raise DataError("This figure needs bins, and there are none", todo="Evaluate more cases with a tumour")
    across = min(ACROSS, len(binnings)) if width == "double" else 1
    heights = [2.0, 1.0] if pair else [2.0]
    rows = math.ceil(len(binnings) / across)
    down = len(heights) * rows
    inches = mm / 25.4
    with rc_context(dict(STYLE)):
        figure = Figure(figsize=(inches, 1.35 * sum(heights) * down / len(heights) + 0.25), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, height_ratios=heights * rows, sharey="row")
        for panel in axes[-len(heights) :, len(binnings) - across * (rows - 1) :].flat:
            panel.set_axis_off()
        for k, binning in enumerate(binnings):
            row, column = len(heights) * (k // across), k % across
            bins = shown_bins(breakdown, binning.axis)
            _draw_means(axes[row, column], breakdown, bins)
            axes[row, column].set_title(
                f"{ascii_lowercase[k]}  By {_axis_words(breakdown, binning)}", loc="left", weight="bold"
            )
            if pair:
                _draw_differences(axes[row + 1, column], breakdown, binning, bins, pair)
            _label_bins(axes[row + len(heights) - 1, column], bins, axis_title(breakdown.units, binning))
            for panel in axes[row : row + len(heights), column]:
                panel.set_xlim(-0.5, len(bins) - 0.5)
            if pair:
                axes[row, column].set_xticks([])
        for panel in axes[:, 1:].flat:
            panel.set_ylabel("")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=4, frameon=False)
    return figure


def _axis_words(breakdown: Breakdown, binning: Binning) -> str:
    label = breakdown.units.axis(binning.axis).marked
    return label[0].lower() + label[1:]


def _draw_means(axes: Axes, breakdown: Breakdown, bins: Sequence[Bin]) -> None:
    """Units as pale dots, and in front of them the mean of each source with its 95 % interval."""
    units = breakdown.units
    lane = LANES / len(units.sources)
    drawn = drawn_units(units, units.sources, bins)
    for k, source in enumerate(units.sources):
        colour, symbol = source_style(k)
        marker = MARKERS.get(symbol, "X")
        y = units.values[source].to_numpy(dtype=float)
        places = np.arange(len(bins)) + (k - (len(units.sources) - 1) / 2) * lane
        for place, b in zip(places, drawn, strict=True):
            dots = y[b.inside]
            axes.scatter(place + 0.7 * lane * swarm(dots), dots, s=4, color=colour, alpha=0.35, linewidths=0)
        shown = [(place, b.records[source]) for place, b in zip(places, bins, strict=True) if source in b.records]
        _mark(
            axes,
            np.array([place for place, _ in shown]),
            np.array([[r["mean"], r["mean_low"], r["mean_high"]] for _, r in shown]).reshape(-1, 3),
            colour,
            marker,
            source,
        )
    axes.axvline(0.5, color=EQUAL_COLOUR, linewidth=0.6, linestyle=":")
    axes.set_ylabel(units.measure.title)


def _draw_differences(axes: Axes, breakdown: Breakdown, binning: Binning, bins: Sequence[Bin], pair: Pair) -> None:
    """Mean paired difference of each bin with its interval; coloured where that leaves out 0 and the test agrees."""
    units = breakdown.units
    records = breakdown.pair(*pair)
    for place, b in enumerate(bins):
        of_axis = records["axis"] == (ALL if place == 0 else binning.axis)
        for r in records[of_axis & (records["bin"] == b.label[0])].to_dict("records"):
            low, high = r["ci_low"], r["ci_high"]
            colour = OUTCOME_COLOURS[outcome(low, high, units.measure.better) * (r["p_holm"] < ALPHA)]
            _mark(axes, np.array([place]), np.array([[r["mean_difference"], low, high]]), colour, "D", None)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0.5, color=EQUAL_COLOUR, linewidth=0.6, linestyle=":")
    axes.set_ylabel(f"{pair[1]}\nminus {pair[0]}")


def _mark(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str, marker: str, label: str | None) -> None:
    """Marks with their intervals; values has the columns value, low and high, NaN where there is no interval."""
    mean, low, high = values.T
    axes.errorbar(
        x,
        mean,
        yerr=np.vstack([mean - low, high - mean]),
        fmt=marker,
        color=colour,
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        elinewidth=1,
        capsize=2,
        label=label,
        zorder=3,
    )


def _label_bins(axes: Axes, bins: Sequence[Bin], title: str) -> None:
    lines = ([part for line in b.label for part in textwrap.wrap(line, LABEL_CHARACTERS)] for b in bins)
    axes.set_xticks(range(len(bins)), ["\n".join(of_bin) for of_bin in lines])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(title)
