"""Columns of the units against each other: their values, and the rank correlation over patients."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_units import PAIR, make_units
from scipy.stats import spearmanr

from afl_core.analysis.breakdown.covariates import with_covariates
from afl_core.analysis.breakdown.explore import colours, columns, explored, explored_sentence


def with_site_and_age(units):
    cases = list(dict.fromkeys(units.table["case_id"]))
    ages = {case: 40.0 + (7 * k) % 31 for k, case in enumerate(cases) if k}
    return with_covariates(units, {"site": {case: "NS"[k % 2] for k, case in enumerate(cases)}, "age": ages})


def test_the_columns_are_axes_covariates_sources_and_the_difference():
    units = with_site_and_age(make_units())
    found = columns(units, PAIR)
    axes = ["size", "roughness", "released_smoothness", "site", "age"]
    assert list(found) == [*axes, "difference", "of FL", "of A-FL"]
    assert found["difference"].title == "Dice, A-FL minus FL"
    np.testing.assert_allclose(found["difference"].values, units.values["A-FL"] - units.values["FL"])
    assert (found["site"].names, found["age"].names) == (("N", "S"), ())
    assert np.isnan(found["age"].values[0])
    assert "difference" not in columns(units, None)
    assert colours(units) == axes[1:]
    assert "roughness" not in columns(replace(units, table=units.table.assign(roughness=np.nan)), PAIR)


def test_a_case_without_a_tumour_has_no_size():
    units = make_units()
    units.table.loc[3, "size"] = 0.0
    assert np.flatnonzero(np.isnan(columns(units, PAIR)["size"].values)).tolist() == [3]


@pytest.mark.parametrize("per_patient", [1, 3])
def test_the_correlation_is_scipys_over_the_means_of_patients(per_patient):
    units = make_units(60, level="lesion", per_patient=per_patient)
    found = columns(units, PAIR)
    means = pd.DataFrame({"x": found["roughness"].values, "y": found["of FL"].values}).dropna()
    means = means.groupby(units.table["patient"]).mean()
    result = explored(units, found["roughness"], found["of FL"])
    assert result.n == len(means)
    assert result.rho == pytest.approx(spearmanr(means["x"], means["y"]).statistic)
    assert result.low < result.rho < result.high


def test_the_sentence_says_how_many_and_that_it_is_exploratory():
    units = with_site_and_age(make_units(60, level="lesion", per_patient=2))
    found = columns(units, PAIR)
    said = explored_sentence(units, found["size"], found["roughness"])
    assert said.startswith("Rank correlation of lesion volume with lesion roughness: ")
    assert "over 45 lesions of 30 patients; exploratory: chosen after the data were seen." in said
    assert "no rank correlation" in explored_sentence(units, found["site"], found["difference"])
    assert "60 lesions of 30 patients" in explored_sentence(units, found["site"], None)


def test_codes_are_numbers_and_names_are_not():
    units = make_units()
    grades = {case: ("2", "4", "10")[k % 3] for k, case in enumerate(units.table["case_id"]) if k}
    found = columns(with_covariates(units, {"grade": grades}), PAIR)
    assert found["grade"].names == ("2", "4", "10")
    numbers = [np.nan, *((2, 4, 10)[k % 3] for k in range(1, 30))]
    np.testing.assert_array_equal(found["grade"].numbers, numbers)
    expected = spearmanr(numbers[1:], found["difference"].values[1:]).statistic
    assert explored(units, found["grade"], found["difference"]).rho == pytest.approx(expected)
    assert columns(with_site_and_age(units), PAIR)["site"].numbers is None


def test_one_column_has_its_median_and_quartiles():
    units = make_units(5)
    units = replace(units, table=units.table.assign(size=[1.0, 2, 3, 4, 100]))
    said = explored_sentence(units, columns(units, PAIR)["size"], None)
    assert said == "Tumour volume: median 3, middle half 2 to 4, over 5 cases of 5 patients."


def test_few_patients_have_no_interval_and_equal_values_no_correlation():
    units = make_units(5)
    found = columns(units, PAIR)
    assert ", without an interval, over 5 cases" in explored_sentence(units, found["size"], found["of FL"])
    same = replace(found["size"], values=np.ones(5))
    assert "is not defined: 5 cases of 5 patients." in explored_sentence(units, same, found["of FL"])
