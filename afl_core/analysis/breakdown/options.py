"""The options of a breakdown: the same choices on the page, on the command line and in a report."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.bins import AXES, MIN_VALUES, OWN_EDGES, Binning, Edges, by_values, has_value, tertiles
from afl_core.analysis.breakdown.covariates import COMPUTED, computed, contrasts, lesion_distance, with_covariates_each
from afl_core.analysis.breakdown.measures import MAIN, Level, choose_measure
from afl_core.analysis.breakdown.records import Breakdown, compute_breakdown
from afl_core.analysis.breakdown.seeds import find_seeds, seed_numbers
from afl_core.analysis.breakdown.units import Units, select_each
from afl_core.base.catalogue import pick
from afl_core.base.words import number_of
from afl_core.data.patient_table import PARTICIPANTS
from afl_core.errors import UsageError
from afl_core.evaluation.contrast_rows import VALUES, sequence_of
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.tables import distinct

DEFAULT_AXES = ("size", "roughness")
TRAINING = "training"
BINS: Mapping[str, str] = {"tertiles": "tertiles of the reference set", TRAINING: "tertiles of the training split"}
"""Kinds of bins to the origin of their edges, in words; edges that are given go before them."""


@dataclass(frozen=True)
class Options:
    """The choices behind a breakdown.

    Attributes:
        metric: Key of the metric in `measures_of`.
        level: Level of the units: cases or lesions.
        sources: Names of the sources to compare, in order; empty for all.
        by: Keys of the axes in `Units.axes`; None is `DEFAULT_AXES` as far as there are values for three bins.
        bins: Key of the kind of bins in BINS.
        edges: Axis to fixed edges, in place of `bins`.
        pool_seeds: True if sources that are seeds of one configuration are averaged.
        opened: Keys of axes that were looked at before: Holm's correction counts their tests too.
    """

    metric: str = MAIN
    level: Level = "case"
    sources: tuple[str, ...] = ()
    by: tuple[str, ...] | None = None
    bins: str = "tertiles"
    edges: Mapping[str, Edges] = field(default_factory=dict)
    pool_seeds: bool = True
    opened: tuple[str, ...] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of the breakdown, each once."""
        return tuple(dict.fromkeys(DEFAULT_AXES if self.by is None else self.by))

    def as_dict(self) -> dict[str, Any]:
        """The options as plain values, for an export."""
        return asdict(self)


def list_sources(manifest: Manifest, *, pool_seeds: bool) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """What can be compared, in order, and which of it is a mean over seeds."""
    sources = manifest.sources
    seeds = find_seeds(sources) if pool_seeds else {}
    of = {member: name for name, members in seeds.items() for member in members}
    return tuple(dict.fromkeys(of.get(name, name) for name in sources)), seeds


def evaluated_sources(cases: pd.DataFrame, manifest: Manifest, *, pool_seeds: bool) -> tuple[str, ...]:
    """Those of `list_sources` that have rows, a mean over seeds of every seed."""
    names, seeds = list_sources(manifest, pool_seeds=pool_seeds)
    evaluated = distinct(cases, "source")
    return tuple(name for name in names if set(seeds.get(name, (name,))) <= evaluated)


def choose_units(cases: pd.DataFrame, lesions: pd.DataFrame, manifest: Manifest, options: Options) -> Units:
    """The paired table that the options choose; raises `AflError` where the results do not have it."""
    return choose_each((cases, lesions), manifest, options, (options.metric,))[0]


def choose_each(
    tables: tuple[pd.DataFrame, pd.DataFrame], manifest: Manifest, options: Options, metrics: Sequence[str]
) -> tuple[Units, ...]:
    """The paired tables of several metrics, in place of that of the options; `tables` are case rows and lesion rows."""
    cases, lesions = tables
    everything, seeds = list_sources(manifest, pool_seeds=options.pool_seeds)
    wanted = options.sources or evaluated_sources(cases, manifest, pool_seeds=options.pool_seeds) or everything
    found = select_each(
        cases,
        lesions,
        measures=[choose_measure(manifest, options.level, metric) for metric in metrics],
        sources=wanted,
        level=options.level,
        seeds={name: members for name, members in seeds.items() if name in wanted},
    )
    columns: dict[str, Mapping[Any, Any]] = {**manifest.covariates.columns, **computed(cases)}
    columns["lesion_distance"] = lesion_distance(lesions, level=options.level)
    columns |= contrasts(cases if options.level == "case" else lesions, level=options.level)
    sequence = sequence_of(cases)
    numbers = {name: seed_numbers(seeds[name], manifest.sources) for units in found for name in units.seeds}
    found = with_covariates_each([replace(of, seed_numbers=numbers) for of in found], columns, sequence=sequence)
    for axis in options.axes:
        _check_covariate(axis, found[0], manifest)
    known = {**AXES, **COMPUTED, **manifest.covariates.columns, **manifest.covariates.left_out}
    for axis in options.opened:
        pick(known, axis, kind="axis")
    return found


def _check_covariate(axis: str, units: Units, manifest: Manifest) -> None:
    """Refuse a column of the table of covariates that is no axis, with the reason."""
    of = manifest.covariates
    if axis in units.axes:  # whatever a table has under that name
        return
    if axis in COMPUTED:
        what = f"{COMPUTED[axis][0]} is not known of these cases, or the same in all"
        todo = "Rows of an earlier version may lack it: evaluate into a new folder, or choose another axis"
        if axis in VALUES:
            todo = "Measure it: afl contrast RESULTS, or choose another axis"
        raise UsageError(what, received=axis, todo=todo)
    if why := of.left_out.get(axis) or of.left_out.get(PARTICIPANTS):
        raise UsageError(why.rstrip("."), received=axis, todo="Choose another axis")
    if axis in of.columns:
        what = f"The column {axis} of {of.table} has fewer than two values over these {units.noun}"
        raise UsageError(what, received=axis, todo="Choose another axis")


def choose_binnings(units: Units, options: Options, training: pd.DataFrame | None = None) -> tuple[Binning, ...]:
    """The bins that the options choose.

    Args:
        units: The paired table.
        options: The choices.
        training: The training split's references with columns FACTS, a row a unit; for bins `training` only.

    Returns:
        One binning for each axis that is not in `unbinned_axes`.

    Raises:
        UsageError: If an axis or kind of bins does not exist, or an axis that was named has too few values.
    """
    pick(BINS, options.bins, kind="kind of bins")
    for axis in (*options.edges, *options.axes):
        pick(units.axes, axis, kind="axis")
    left_out = unbinned_axes(units, options, training)
    return tuple(_binning(units, axis, options, training) for axis in options.axes if axis not in left_out)


def opened_binnings(units: Units, options: Options, training: pd.DataFrame | None = None) -> tuple[Binning, ...]:
    """The bins of the axes that were looked at before and are not shown; one without bins in these units has no tests.

    Arguments as `choose_binnings`.
    """
    found = list[Binning]()
    for axis in options.opened:
        if axis not in options.axes:
            with suppress(UsageError):
                found += choose_binnings(units, replace(options, by=(axis,), edges={}), training)
    return tuple(found)


def unbinned_axes(units: Units, options: Options, training: pd.DataFrame | None = None) -> dict[str, str]:
    """Axis to why it has no bins, a sentence: too few values for tertiles, of an axis that nobody named.

    In a set of one or two cases also of one that was named: what is over all stands alone there; and of `DEFAULT_AXES`
    beside a covariate. Arguments as `choose_binnings`.
    """
    is_training = options.bins == TRAINING
    reference = training if is_training else units.reference
    few_cases = not is_training and units.reference["case_id"].nunique() < MIN_VALUES
    beside = any(axis in units.covariates for axis in options.axes)
    if reference is None:
        return {}
    reasons = {}
    for axis in options.axes:
        if axis in units.covariates or not (options.by is None or few_cases or (beside and axis in DEFAULT_AXES)):
            continue
        there = np.count_nonzero(has_value(axis, reference[axis]))
        if axis not in options.edges and there < MIN_VALUES:
            of = f"{number_of(len(reference), units.noun[:-1])}{' of the training split' if is_training else ''}"
            why = "; references alone carry one, those of few voxels do not" if axis == "roughness" else ""
            reasons[axis] = (
                f"There are no bins by {units.axis(axis).label.lower()}: {there} of {of} "
                f"{'has' if there == 1 else 'have'} a value, and three bins need {MIN_VALUES}{why}."
            )
    return reasons


def choose_breakdown(
    tables: tuple[pd.DataFrame, pd.DataFrame],
    manifest: Manifest,
    options: Options,
    training: pd.DataFrame | None = None,
) -> Breakdown:
    """The breakdown of a results folder; `tables` are its case rows and its lesion rows."""
    units = choose_units(*tables, manifest, options)
    opened = opened_binnings(units, options, training)
    breakdown = compute_breakdown(units, choose_binnings(units, options, training), opened)
    return replace(breakdown, unbinned=tuple(unbinned_axes(units, options, training).values()))


def lesion_size_bins(lesions: Units, breakdown: Breakdown, options: Options) -> Binning:
    """Size bins for the recall of lesions: a lesion breakdown's, or fixed ones, or else the tertiles of the lesions.

    Args:
        lesions: The paired table at lesion level.
        breakdown: The breakdown beside it; the tertiles of its cases would put most lesions into the first bin.
        options: The options of the breakdown.
    """
    fit = breakdown.units.level == "lesion" or "size" in options.edges
    size_binnings = [binning for binning in breakdown.binnings if binning.axis == "size" and fit]
    return (
        size_binnings[0] if size_binnings else tertiles("size", lesions.reference["size"], of="the reference's lesions")
    )


def _binning(units: Units, axis: str, options: Options, training: pd.DataFrame | None) -> Binning:
    covariate = units.covariates.get(axis)
    if covariate and covariate.by_values:
        if axis in options.edges:
            received = ", ".join(f"{edge:g}" for edge in options.edges[axis])
            raise UsageError(f"{covariate.label} has values, not edges", received=received, todo="Leave out its edges")
        return by_values(covariate)
    if axis in options.edges:
        return Binning(axis, options.edges[axis], OWN_EDGES, covariate)
    if covariate:
        return tertiles(axis, units.reference[axis], of="the reference set", covariate=covariate)
    if options.bins == TRAINING:
        if training is None:
            raise UsageError("The training split of these results is not known", todo="Choose other bins")
        return tertiles(axis, training[axis], of="the training split")
    return tertiles(axis, units.reference[axis], of="the reference set")
