"""The main metrics over everything, by hand, and what a mean over everything rests on."""

import math

import pandas as pd
import pytest

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.overall import (
    basis_sentence,
    overall,
    penalties_sentence,
    penalty_sentence,
    tumour_sentence,
)
from afl_core.analysis.breakdown.sentences import pair_sentence
from afl_core.analysis.breakdown.units import select_units
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.manifest_sections import SourceSection

NAN = math.nan
SIZES = (2.0, 4.0, 8.0, 0.0)
MASKS = SourceSection(kind="masks", path="/somewhere", files=4)


def cases(sizes=SIZES, **values):
    """Case rows of a, b, c ... from source (A_FL is A-FL) to their Dice; HD95 is ten times that."""
    facts = {"roughness": 0.1, "released_smoothness": 0.1, "empty": ""}
    return pd.DataFrame(
        [
            {"case_id": chr(97 + k), "source": source.replace("_", "-"), "dsc": dsc, "hd95_mm": 10 * dsc}
            | facts
            | {"reference_volume_ml": sizes[k]}
            for source, scores in values.items()
            for k, dsc in enumerate(scores)
        ]
    )


def manifest(rows):
    return Manifest().model_copy(update={"sources": dict.fromkeys(rows["source"].unique(), MASKS)})


def of(rows, **options):
    return overall((rows, pd.DataFrame()), manifest(rows), Options(**options))


def test_every_metric_is_over_the_cases_that_every_source_has():
    """Case c lacks a value of A-FL: means and medians are of a, b and d for both."""
    dice, hd95 = of(cases(FL=[0.5, 0.75, 0.1, 1.0], A_FL=[0.75, 1.0, NAN, 1.0]))
    assert (dice.units.measure.key, hd95.units.measure.key) == ("dsc", "hd95_mm")
    assert (len(dice.units.table), len(dice.units.reference)) == (3, 4)
    assert dice.means.to_dict() == pytest.approx({"FL": 0.75, "A-FL": 2.75 / 3})
    assert dice.medians.to_dict() == pytest.approx({"FL": 0.75, "A-FL": 1.0})
    assert dice.pair("FL", "A-FL")["mean_difference"] == pytest.approx(0.5 / 3)
    assert hd95.pair("FL", "A-FL")["mean_difference"] == pytest.approx(5 / 3)
    assert math.isnan(dice.pair("FL", "A-FL")["ci_low"])  # three patients


def test_one_source_has_means_and_no_common_case_has_none():
    (dice, _) = of(cases(FL=[0.5, 1.0]))
    assert dice.means.to_dict() == dice.medians.to_dict() == {"FL": 0.75}
    nothing = of(cases(FL=[0.5, NAN], A_FL=[NAN, 0.5]))[0]
    assert nothing.pair("FL", "A-FL")["n"] == 0
    assert nothing.medians.isna().all()


def test_one_patient_has_no_median():
    rows = cases(FL=[0.25, 0.75])
    dice = of(rows.assign(case_id=["P1_week_0", "P1_week_1"]))[0]
    assert dice.means["FL"] == 0.5
    assert math.isnan(dice.medians["FL"])


def test_the_rule_for_empty_masks_is_named_once_with_the_mean_without_them():
    dice = of(cases(FL=[0.5, 0.75, 0.25, 1.0], A_FL=[0.7, 0.8, 0.9, 1.0]))[0]
    assert dice.means["FL"] == 0.625
    assert tumour_sentence(dice.units) == (
        "1 case without a tumour is counted by the rule for empty masks. "
        "Mean Dice without it, over 3 of 4 patients: FL 0.500, A-FL 0.800."
    )
    twice = of(cases(FL=[0.5, 0.75, 0.25, 1.0]).assign(case_id=["P1_week_0", "P1_week_1", "P2", "P3"]))[0]
    assert tumour_sentence(twice.units).endswith("Mean Dice without it, over 2 of 3 patients, 3 cases: FL 0.438.")
    assert tumour_sentence(of(cases((1.0, 2.0), FL=[0.5, 0.75]))[0].units) == ""
    none = of(cases((0.0, 0.0), FL=[1.0, 1.0]))[0]
    assert tumour_sentence(none.units) == "2 cases without a tumour are counted by the rule for empty masks."


def test_the_diagonal_that_an_empty_mask_costs_is_told_beside_a_distance():
    """FL predicts nothing on b, A-FL nothing on b and c; on a alone the difference is +2."""
    rows = cases((1.0, 2.0, 3.0), FL=[0.5, 0.0, 0.5], A_FL=[0.7, 0.0, 0.0])
    rows.loc[[1, 4, 5], ["empty", "hd95_mm"]] = ["prediction", 300.0]
    dice, hd95 = of(rows)
    assert penalty_sentence(hd95.units, ("FL", "A-FL")) == (
        "Where one of the two masks is empty, HD95 is the diagonal of the grid (cases: FL 1, A-FL 2). "
        "Without 2 cases that count a penalty: +2.0 mm."
    )
    assert hd95.pair("FL", "A-FL")["unpenalised_difference"] == pytest.approx(2.0)
    assert penalty_sentence(dice.units, ("FL", "A-FL")) == ""
    assert penalty_sentence(of(rows.assign(empty=""))[1].units, ("FL", "A-FL")) == ""
    assert penalty_sentence(hd95.units, None) == ""
    said = penalties_sentence([dice.units, hd95.units], ("FL", "A-FL"))
    assert said.endswith("; the differences without these: HD95 +2.0 mm without 2 cases.")
    assert penalties_sentence([dice.units], ("FL", "A-FL")) == ""


def test_a_bin_says_its_difference_without_penalties_and_another_bin_nothing():
    """12 patients, all 1 mm nearer; of the six small tumours FL misses one, which costs it 301 mm: -51, not -1."""
    n = 12
    rows = cases(tuple(map(float, range(1, n + 1))), FL=[0.5] * n, A_FL=[0.4] * n)
    rows.loc[0, ["empty", "hd95_mm"]] = ["prediction", 305.0]
    found = choose_breakdown(
        (rows, pd.DataFrame()), manifest(rows), Options("hd95_mm", by=("size",), edges={"size": (6, 9)})
    )
    small, medium = (found.pair("FL", "A-FL").iloc[k].to_dict() for k in (1, 2))
    assert (small["penalised"], medium["penalised"]) == (1, 0)
    assert small["mean_difference"] == pytest.approx(-51)
    assert small["unpenalised_difference"] == pytest.approx(-1)
    assert pair_sentence(small, found.units).endswith(" Without 1 case that counts a penalty: -1.0 mm.")
    assert "penalty" not in pair_sentence(medium, found.units)


def test_a_missed_lesion_counts_a_penalty_too():
    """Of two lesions A misses one (HD95 290 mm); where both find it, B is 2 mm nearer."""
    facts = {"kind": "reference", "roughness": 0.1, "volume_ml": 1.0}
    lesions = pd.DataFrame(
        [
            {"case_id": "a", "source": source, "lesion_id": k, "hd95_mm": mm, "detected": float(mm < 100)} | facts
            for source, both in (("A", (8.0, 290.0)), ("B", (6.0, 5.0)))
            for k, mm in enumerate(both, start=1)
        ]
    )
    units = select_units(cases((1.0,), A=[0.5], B=[0.5]), lesions, metric="hd95_mm", sources=["A", "B"], level="lesion")
    assert penalty_sentence(units, ("A", "B")) == (
        "A missed lesion counts the diagonal of the grid, or the matcher's penalty, as its Lesion HD95 "
        "(lesions: A 1, B 0). Without 1 lesion that counts a penalty: -2.0 mm."
    )


def test_seeds_are_averaged_and_counted():
    rows = cases((1.0, 2.0), FL_seed1=[0.2, 0.4], FL_seed2=[0.4, 0.8], A_FL=[0.5, 0.5])
    rows["source"] = rows["source"].replace({"FL-seed1": "FL seed1", "FL-seed2": "FL seed2"})
    dice = of(rows)[0]
    assert dice.means.to_dict() == pytest.approx({"FL": 0.45, "A-FL": 0.5})
    assert basis_sentence(dice.units) == "Averaged over seeds: FL of 2 seeds."
    apart = of(rows, pool_seeds=False)[0]
    assert list(apart.means.index) == ["FL seed1", "FL seed2", "A-FL"]
    assert basis_sentence(apart.units) == ""
