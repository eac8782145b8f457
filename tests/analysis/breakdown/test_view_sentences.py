"""The first sentence of a view, by hand: what its chart shows, and no more."""

import pandas as pd
import pytest

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.breakdown.sentences import shared_sentence
from afl_core.analysis.breakdown.units import select_units
from afl_core.analysis.breakdown.view_sentences import distribution_sentence, pairs_sentence, recall_sentence

SIZE = Binning("size", (1.0, 5.0), "own edges")
PAIR = ("FL", "A-FL")


def units_of(values, *, metric="dsc", sizes=(0.5, 2.0, 9.0, 9.0, 9.0), patients="abcde"):
    rows = [
        {
            "case_id": f"case {k}",
            "patient": patients[k],
            "source": source,
            metric: value,
            "reference_volume_ml": sizes[k],
            "roughness": 0.1,
            "released_smoothness": float("nan"),
        }
        for source, of in values.items()
        for k, value in enumerate(of)
    ]
    return select_units(pd.DataFrame(rows), pd.DataFrame(), metric=metric, sources=list(values))


def recall_of(values, sizes):
    rows = [
        {
            "case_id": f"case {k}",
            "patient": f"{k}",
            "source": source,
            "lesion_id": 1,
            "kind": "reference",
            "detected": value,
            "volume_ml": sizes[k],
            "roughness": 0.1,
        }
        for source, of in values.items()
        for k, value in enumerate(of)
    ]
    cases = pd.DataFrame(rows)[["case_id", "patient", "source"]].assign(lesion_fp=0)
    return select_units(cases, pd.DataFrame(rows), metric="detected", sources=list(values), level="lesion")


def test_pairs_are_counted_and_the_middle_half_of_their_differences_is_told():
    units = units_of({"FL": [0.5] * 5, "A-FL": [0.4, 0.5, 0.6, 0.7, 0.8]})
    assert pairs_sentence(units, PAIR) == (
        "A-FL's Dice is higher than FL's in 3 of 5 patients, lower in 1, equal in 1; the middle half of the "
        "differences (A-FL minus FL) lies between 0.000 and +0.200."
    )


def test_cases_of_one_patient_are_one_pair():
    units = units_of({"FL": [0.5] * 5, "A-FL": [0.4, 0.8, 0.6, 0.7, 0.8]}, patients="aacde")
    assert "is higher than FL's in 4 of 4 patients, lower in 0, equal in 0" in pairs_sentence(units, PAIR)


def test_a_unit_stands_behind_the_numbers():
    units = units_of({"FL": [5.0] * 5, "A-FL": [4.0, 5.0, 6.0, 7.0, 8.0]}, metric="hd95_mm")
    assert "lies between 0.0 and +2.0 mm." in pairs_sentence(units, PAIR)
    assert "FL 5.0 (5.0 to 5.0 mm)" in distribution_sentence(units)


def test_medians_and_quartiles_of_each_source():
    units = units_of({"FL": [0.1, 0.2, 0.3, 0.4, 0.5], "A-FL": [0.2, 0.3, 0.4, 0.5, 0.6]})
    assert distribution_sentence(units) == (
        "Median Dice (and quartiles) of 5 cases: FL 0.300 (0.200 to 0.400), A-FL 0.400 (0.300 to 0.500)."
    )


def test_of_many_sources_the_lowest_and_the_highest_are_told():
    units = units_of({f"S{k}": [0.1 * k] * 5 for k in (3, 1, 5, 4, 2)})
    said = "from S1 0.100 (0.100 to 0.100) to S5 0.500 (0.500 to 0.500), of 5 sources."
    assert distribution_sentence(units).endswith(said)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (
            (0.5, 0.6, 2, 9),
            "Lesions found: of 2 small lesions FL 50 %, A-FL 0 %; of 1 large lesion FL 100 %, A-FL 0 %.",
        ),
        ((9, 9, 9, 9), "Lesions found: of 4 large lesions FL 75 %, A-FL 25 %."),
    ],
)
def test_lesions_found_are_those_of_the_outermost_bins(sizes, said):
    assert recall_sentence(recall_of({"FL": [1, 0, 1, 1], "A-FL": [0, 0, 1, 0]}, sizes), SIZE) == said


def test_patients_of_several_bins_are_told():
    values = {"FL": [0.5] * 5, "A-FL": [0.6] * 5}
    apart, together = units_of(values), units_of(values, patients="aacde")
    assert shared_sentence(compute_breakdown(apart, [SIZE]).records, apart) == ""
    assert shared_sentence(compute_breakdown(together, [SIZE]).records, together) == (
        "A patient with cases in several bins of an axis counts in each: their n add up to more than 4 patients."
    )
