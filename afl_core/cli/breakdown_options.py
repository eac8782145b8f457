"""The options by which commands choose a breakdown, and what they mean."""

import math
from collections.abc import Sequence
from typing import Annotated, cast, get_args

import typer

from afl_core.analysis.breakdown.bins import AXES, Edges
from afl_core.analysis.breakdown.covariates import COMPUTED
from afl_core.analysis.breakdown.measures import Level
from afl_core.analysis.breakdown.options import BINS, DEFAULT_AXES, Options
from afl_core.base.catalogue import find_key
from afl_core.errors import UsageError

ByOption = Annotated[
    str | None,
    typer.Option(
        help=f"Axes to bin by, separated by commas: {', '.join(AXES)}; or a covariate: a column of "
        f"--covariates, {', '.join(COMPUTED)}. By default "
        f"{' and '.join(DEFAULT_AXES)}, as far as there are values."
    ),
]
OpenedOption = Annotated[
    str | None,
    typer.Option(
        help="Axes that were looked at before, separated by commas: they are not shown, and Holm's correction counts "
        "their tests too."
    ),
]
BinsOption = Annotated[str, typer.Option(help="Where the edges come from: tertiles (of these cases) or training.")]
EdgesOption = Annotated[
    list[str] | None,
    typer.Option(help="AXIS=LOW,HIGH: fixed edges, such as size=5,20; may be given once an axis."),
]
MetricOption = Annotated[str, typer.Option(help="Such as dsc or hd95_mm; a wrong name lists them all.")]
LevelOption = Annotated[str, typer.Option(help="Compare every case or every lesion of the reference: case or lesion.")]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(help="Only this source; may be given several times. A difference is a later one minus an earlier."),
]
AllRegionsOption = Annotated[
    str,
    typer.Option(
        help="Several of the measured regions, such as whole,et, or all of them: a breakdown each, one correction for "
        "all their tests."
    ),
]
SeedsOption = Annotated[
    bool, typer.Option("--separate-seeds", help="Compare the seeds of a configuration one by one, not their mean.")
]


def build_options(
    by: str | None,
    bins: str,
    edges: Sequence[str] | None,
    metric: str,
    level: str,
    source: Sequence[str] | None,
) -> Options:
    """The options as they were typed, but `opened_axes`; raises `UsageError` where one is wrong."""
    level = find_key(dict.fromkeys(get_args(Level)), level, kind="level")
    bins = find_key(BINS, bins, kind="kind of bins")
    named = None if by is None else _axis_keys(by)
    axes = DEFAULT_AXES if named is None else named
    if len(set(axes)) < len(axes):
        raise UsageError("Give each axis once", received=by)
    fixed = dict(parse_edges(text) for text in edges or [])
    unused = [axis for axis in fixed if axis not in axes]
    if unused or len(fixed) < len(edges or []):
        raise UsageError(
            "Edges are for an axis of --by, once each",
            received=", ".join(edges or []),
            todo=f"--by is {', '.join(axes)}",
        )
    return Options(
        metric=metric,
        level=cast(Level, level),
        sources=tuple(source or ()),
        by=named,
        bins=bins,
        edges=fixed,
    )


def opened_axes(opened: str | None) -> tuple[str, ...]:
    """Keys of the axes that were looked at before, as they were typed.

    >>> opened_axes("age, Site"), opened_axes(None)
    (('age', 'site'), ())
    """
    return tuple(dict.fromkeys(_axis_keys(opened))) if opened else ()


def _axis_keys(text: str) -> tuple[str, ...]:
    """Keys of axes that were typed with commas between; raises `UsageError` where one has no name."""
    parts = text.split(",")
    if not all(part.strip() for part in parts):
        todo = "Write the names of axes with one comma between, such as size,roughness"
        raise UsageError("An axis has no name", received=text, todo=todo)
    return tuple(axis_key(part) for part in parts)


def parse_edges(text: str) -> tuple[str, Edges]:
    """Axis and edges from `AXIS=LOW,HIGH`.

    >>> parse_edges("size=5,20.5")
    ('size', (5.0, 20.5))
    >>> parse_edges("contrast=-1,0.5")
    ('contrast', (-1.0, 0.5))
    """
    axis, _, numbers = text.partition("=")
    try:
        low, high = (float(number) for number in numbers.split(","))
    except ValueError:
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise UsageError(
            "Edges are written AXIS=LOW,HIGH: two different numbers, the lower first",
            received=text,
            todo="For example --edges size=5,20",
        )
    return axis_key(axis), (low, high)


def axis_key(text: str) -> str:
    """Key of an axis as it was typed; of one that is not in AXES, the name of a column of the table of covariates."""
    name = text.strip()
    try:
        return find_key(AXES, name, kind="axis")
    except UsageError:
        return name.lower()
