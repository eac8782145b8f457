"""False lesions by their own size: how many and how large, beside the recall of reference lesions of that size."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.bins import REST, Binning
from afl_core.analysis.breakdown.measures import Measure
from afl_core.analysis.breakdown.records import Breakdown, bin_records, join_records, level_of_each
from afl_core.analysis.breakdown.seeds import pool_seeds
from afl_core.analysis.breakdown.sentences import shows_difference
from afl_core.analysis.breakdown.units import Units, select_units
from afl_core.analysis.statistics.paired import patients_text
from afl_core.base.numbers import DIGITS, number
from afl_core.base.words import number_of

_EVERY = "a case without any counts as 0; where the reference is empty, every component is false"

QUANTITIES: Mapping[str, Measure] = MappingProxyType(
    {
        "number": Measure(
            "number", "False lesions a case", "", "lower", "Predicted components that belong to no lesion.", _EVERY, 2
        ),
        "ml": Measure(
            *("ml", "Volume of false lesions a case", "ml", "lower"),
            "Volume of the predicted components that belong to no lesion.",
            _EVERY,
            DIGITS["ml"],
        ),
    }
)
"""What is compared, by its name."""


def false_alarms(
    cases: pd.DataFrame,
    lesions: pd.DataFrame,
    *,
    quantity: str,
    members: Mapping[str, Sequence[str]],
    binning: Binning,
) -> Breakdown:
    """A breakdown of false lesions over patients, by the size that they have themselves.

    Args:
        cases: Case rows; the cases with a result of every source count.
        lesions: Lesion rows.
        quantity: Key in `QUANTITIES`.
        members: Name of each compared source to the sources whose mean it is, or to itself alone.
        binning: Bins of size, such as those of the reference's lesions.

    Returns:
        Records over everything and in each bin, as `compute_breakdown` gives them, of the number or the ml of false
        lesions in a case. Those of the bins sum to what is over everything.
    """
    seeds = {name: tuple(group) for name, group in members.items() if len(group) > 1}
    units = select_units(cases, lesions, metric="lesion_fp", sources=tuple(members), seeds=seeds)
    wanted = [member for group in members.values() for member in group]
    false = lesions[(lesions["kind"] == "false_positive") & lesions["source"].isin(wanted)]
    value = false["volume_ml"] if quantity == "ml" else pd.Series(1.0, false.index)
    number_of_bin = binning.assign(false["volume_ml"])

    def counted(inside: "np.typing.NDArray[np.bool_]") -> Units:
        sums = value[inside].groupby([false["case_id"][inside], false["source"][inside]]).sum().unstack()
        table = sums.reindex(index=units.table["case_id"], columns=wanted).fillna(0.0).reset_index(drop=True)
        by_seed = {name: table[list(group)] for name, group in seeds.items()}
        return Units(
            "case",
            QUANTITIES[quantity],
            tuple(members),
            units.table,
            units.table,
            pool_seeds(table, members),
            {},
            by_seed,
        )

    everything = counted(np.ones(len(false), dtype=bool))
    parts = [bin_records(everything, None)]
    level = level_of_each([units.table["patient"].nunique()] * REST)
    for k in range(REST):
        low, high = binning.bounds(k)
        records = bin_records(counted(number_of_bin == k), None, level=level)
        parts.append(records.assign(axis=binning.axis, bin=binning.names[k], low=low, high=high))
    return join_records(everything, (binning,), parts)


def list_false_lesions(lesions: pd.DataFrame, sources: Sequence[str]) -> pd.DataFrame:
    """The false lesions of sources, the largest first: source, case_id, volume_ml and the voxel x, y, z."""
    false = lesions[(lesions["kind"] == "false_positive") & lesions["source"].isin(sources)]
    columns = ["source", "case_id", "volume_ml", "x", "y", "z"]
    return false.sort_values("volume_ml", ascending=False, kind="stable")[columns].reset_index(drop=True)


def trade_sentence(alarms: Breakdown, recall: Breakdown, pair: tuple[str, str]) -> str:
    """What the second source finds more, beside the false lesions that it adds, and what each mean is over.

    Patients without a lesion are in the second mean alone.

    Args:
        alarms: `false_alarms` by number.
        recall: The breakdown of lesions by `detected`.
        pair: First and second source.
    """
    first, second = pair
    found, false = (of.pair(first, second).iloc[0].to_dict() for of in (recall, alarms))
    lesions, added = _more(100 * found["mean_difference"], 1), _more(false["mean_difference"], 2)
    than = "than" if found["mean_difference"] else "as"
    of_lesions = f"{number_of(int(found['n']), 'patient')} with {number_of(int(found['units']), 'lesion')}"
    of_cases = patients_text(int(false["n"]), int(false["units"]), int(false["n"]))
    return (
        f"Of 100 lesions of a patient {second} finds {lesions} {than} {first} (mean over {of_lesions}, each patient "
        f"alike), and it has {added} false lesions a case (mean over {of_cases}). "
        f"{_SHOWN[shows_difference(found), shows_difference(false)]}"
    ).strip()


_SHOWN = MappingProxyType(
    {
        (True, True): "",
        (True, False): "The difference in false lesions is not shown.",
        (False, True): "The difference in lesions found is not shown.",
        (False, False): "Neither difference is shown.",
    }
)


def _more(difference: float, digits: int) -> str:
    return f"{number(abs(difference), digits)} {'fewer' if difference < 0 else 'more'}" if difference else "as many"
