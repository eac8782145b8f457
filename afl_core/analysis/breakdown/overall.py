"""The main metrics over everything, of cases and of lesions: one computation for Overview, report and command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.measures import MEASURES, Level, measures_of
from afl_core.analysis.breakdown.options import Options, choose_each
from afl_core.analysis.breakdown.penalties import rest_words
from afl_core.analysis.breakdown.records import bin_records, pair_records, patient_means, patient_medians
from afl_core.analysis.breakdown.runs import runs_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.paired import patients_text
from afl_core.base.numbers import number, with_unit
from afl_core.base.words import number_of
from afl_core.evaluation.manifest import Manifest

HEADLINE: Mapping[Level, tuple[str, ...]] = MappingProxyType(
    {
        "case": (
            *("dsc", "iou", "sensitivity", "precision", "nsd", "hd95_mm", "assd_mm"),
            *("lesion_f1", "lesion_tp", "lesion_fp"),
        ),
        "lesion": tuple(MEASURES["lesion"]),
    }
)
"""The metrics of the headline table, on page and in report."""


@dataclass(frozen=True, eq=False)
class Overall:
    """A metric over everything.

    Attributes:
        units: The cases or lesions, with their values.
        records: The records of `bin_records` over all of them, of which the sources' own means are read.
    """

    units: Units
    records: pd.DataFrame
    _compared: dict[str, pd.DataFrame] = field(default_factory=dict, init=False)

    @property
    def means(self) -> pd.Series:
        """Mean of each source over patients, in the order of the sources."""
        return self.records.drop_duplicates("source").set_index("source")["mean"]

    @property
    def medians(self) -> pd.Series:
        """Median of each source over patients, in the order of the sources; NaN for one patient."""
        return patient_medians(patient_means(self.units, np.ones(len(self.units.table), dtype=bool)))

    def pair(self, first: str, second: str) -> dict[Any, Any]:
        """The record of the second source minus the first, in either order.

        The first is compared with all others when one of them is first asked for: a page shows a table of these.
        """
        if first not in self._compared:
            pairs = [pair for pair in self.units.pairs if first in pair]
            self._compared[first] = bin_records(self.units, None, pairs=pairs)
        return pair_records(self._compared[first], first, second).iloc[0].to_dict()


def overall(tables: tuple[pd.DataFrame, pd.DataFrame], manifest: Manifest, options: Options) -> tuple[Overall, ...]:
    """Every metric of HEADLINE at the level of the options that the rows have.

    Args:
        tables: Case rows and lesion rows.
        manifest: Manifest of the results.
        options: Level, sources, and whether seeds are averaged.
    """
    rows = tables[0] if options.level == "case" else tables[1]
    keys = [key for key in headline_keys(manifest, options.level) if key in rows]
    found = choose_each(tables, manifest, options, keys) if keys else ()
    return tuple(Overall(units, bin_records(units, None, pairs=())) for units in found)


def headline_keys(manifest: Manifest, level: Level) -> tuple[str, ...]:
    """The metrics of the headline table: HEADLINE, or all of imported tables."""
    return tuple(measures_of(manifest, level)) if manifest.imported else HEADLINE[level]


def with_tumour(units: Units) -> NDArray[np.bool_]:
    """Which of the units have a tumour in the reference, or a size that is not known; shape (n,)."""
    there: NDArray[np.bool_] = ~(units.table["size"] == 0).to_numpy()
    return there


def holding_text(units: Units) -> str:
    """In how many cases the reference holds the region, as in "2 of 3 cases"."""
    return f"{int(with_tumour(units).sum())} of {number_of(len(units.table), 'case')}"


def tumour_sentence(units: Units) -> str:
    """How cases without a tumour count, and the means without them; "" where every case has one, and for lesions."""
    there = with_tumour(units)
    if there.all():
        return ""
    without = number_of(int((~there).sum()), "case without a tumour is", "cases without a tumour are")
    rule = f"{without} counted by the rule for empty masks."
    if not there.any():
        return rule
    means = patient_means(units, there)
    measure = units.measure
    each = ", ".join(f"{source} {number(mean, measure.digits)}" for source, mean in means.mean().items())
    over = patients_text(len(means), int(there.sum()), units.table["patient"].nunique())
    return f"{rule} Mean {measure.title} without {'it' if (~there).sum() == 1 else 'them'}, over {over}: {each}."


def penalty_sentence(units: Units, pair: tuple[str, str] | None) -> str:
    """What empty masks and missed lesions do to a difference in distances, as they have none and count a penalty.

    Args:
        units: The cases or lesions that are compared.
        pair: The compared sources.

    Returns:
        How many there are, and the difference without them; "" where there are none, and for other metrics.
    """
    record = units.penalties(pair) if pair else {}
    if pair is None or not record.get("penalised"):
        return ""
    counted = ", ".join(f"{name} {int(units.penalised[name].sum())}" for name in pair)
    why = (
        f"Where one of the two masks is empty, {units.measure.label} is the diagonal of the grid"
        if units.level == "case"
        else f"A missed lesion counts the diagonal of the grid, or the matcher's penalty, as its {units.measure.label}"
    )
    rest = rest_words(record, units.noun, units.measure.digits, units.measure.unit)
    return f"{why} ({units.noun}: {counted}).{rest}"


def penalties_sentence(found: Sequence[Units], pair: tuple[str, str]) -> str:
    """The same of several metrics at once: the differences without penalties; "" where none counts one.

    Args:
        found: The cases or lesions, once a metric.
        pair: The compared sources.
    """
    without = []
    for units in found:
        record = units.penalties(pair)
        if record.get("penalised"):
            difference = number(record["unpenalised_difference"], units.measure.digits, sign=True)
            left_out = number_of(record["penalised"], units.noun[:-1])
            without.append(f"{units.measure.label} {with_unit(difference, units.measure.unit)} without {left_out}")
    why = "A distance counts a penalty, such as the diagonal of the grid, where a mask is empty or a lesion is missed"
    return f"{why}; the differences without these: {'; '.join(without)}." if without else ""


def basis_sentence(units: Units, pair: tuple[str, str] | None = None) -> str:
    """What figures over everything rest on: means over seeds, cases without a tumour, and training runs.

    Args:
        units: The cases or lesions.
        pair: The compared sources, of whose runs `runs_sentence` then tells.
    """
    each = ", ".join(f"{name} of {number_of(values.shape[1], 'seed')}" for name, values in units.seeds.items())
    sentences = [f"Averaged over seeds: {each}." if each else "", tumour_sentence(units)]
    return " ".join(filter(None, [*sentences, runs_sentence(units, pair) if pair else ""]))
