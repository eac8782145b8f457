"""Covariates given one another: constructed gains are found, what cannot be said is not, permuted ones are rejected
in 5 of 100."""

from dataclasses import replace

import numpy as np
import pytest
from made_units import PAIR, make_units
from scipy.stats import spearmanr

from afl_core.analysis.breakdown.covariates import with_covariates
from afl_core.analysis.breakdown.gain_model import covariate_correlations, gain_model, model_sentences

AXES = ("size", "age", "site")


def made(n=48, *, gain=None, rng=None, per_patient=1):
    """Units with an age and a site that have nothing to do with anything else; their differences are `gain`."""
    rng = rng or np.random.default_rng(4)
    units = make_units(n, per_patient=per_patient)
    cases = list(dict.fromkeys(units.table["case_id"]))
    age = dict(zip(cases, rng.permutation(len(cases)) + 30.0, strict=True))
    site = dict(
        zip(cases, rng.permutation(["North", "South", "West"] * len(cases))[: len(cases)].tolist(), strict=True)
    )
    units = with_covariates(units, {"age": age, "site": site})
    if gain is None:
        return units
    difference = gain(units.table) if callable(gain) else gain
    return replace(units, values=units.values.assign(**{PAIR[1]: units.values[PAIR[0]] + difference}))


def noise(n=48):
    return np.random.default_rng(8).normal(0, 0.01, n)


def test_a_gain_at_one_site_is_found_there_given_the_others():
    south = 1  # its place among the names
    units = made(gain=lambda table: 0.2 * (table["site"] == south).to_numpy() + noise())
    model = gain_model(units, PAIR, AXES)
    assert (model.n, model.of) == (48, 48)
    terms = {term.what: term for term in model.terms}
    common = ({f"site {name}" for name in ("North", "South", "West")} - terms.keys()).pop()
    assert set(terms) == {"tumour volume", "age", "site North", "site South", "site West"} - {common}
    said = model_sentences(model, units, PAIR)[0]
    assert "exploratory: chosen after the data were seen" in said
    shown = {what for what, term in terms.items() if term.p_holm < 0.05}
    if common == "site South":
        assert shown == {"site North", "site West"}
        assert all(terms[what].estimate == pytest.approx(-0.2, abs=0.02) for what in shown)
    else:
        assert shown == {"site South"}
        assert terms["site South"].estimate == pytest.approx(0.2, abs=0.02)
    assert all(what in said for what in shown)


def test_a_number_is_the_change_from_the_lowest_to_the_highest():
    units = made(gain=lambda table: 0.1 * (table["age"].rank().to_numpy() - 1) / 47 + noise() / 1e6)
    (age,) = [term for term in gain_model(units, PAIR, AXES).terms if term.what == "age"]
    assert age.estimate == pytest.approx(0.1, abs=1e-4)


def test_what_size_gives_already_is_left_out_and_said():
    units = made(gain=noise())
    volume = dict(zip(units.table["case_id"], units.table["size"], strict=True))
    model = gain_model(with_covariates(units, {"volume": volume}), PAIR, ("size", "volume"))
    assert [term.what for term in model.terms] == ["tumour volume"]
    assert model.left_out == ("Volume is left out: what stands before it gives it already.",)


def test_too_few_patients_have_no_model_and_a_rare_value_is_left_out():
    few = gain_model(made(11, gain=noise(11)), PAIR, AXES)
    assert not few.terms
    assert few.problem.endswith("11 patients have a value of all, and 2 terms would need 12.")
    assert few.left_out == ("Site is left out: it takes two values that 6 patients have.",)
    assert model_sentences(few, made(11), PAIR) == (few.problem, *few.left_out)
    assert [term.what for term in gain_model(made(12, gain=noise(12)), PAIR, AXES).terms] == ["tumour volume", "age"]
    units = made(gain=noise())
    one = units.table["case_id"].iloc[0]
    grade = {case: "1" if case == one else "23"[k % 2] for k, case in enumerate(units.table["case_id"])}
    model = gain_model(with_covariates(units, {"grade": grade}), PAIR, ("size", "grade"))
    assert (model.n, model.of) == (47, 48)
    assert model.left_out == ("Grade 1 is left out: fewer than 6 patients have it.",)


def test_correlations_are_spearmans_and_a_value_is_1_or_0():
    units = made(gain=lambda table: table["age"].to_numpy() / 100 + noise())
    age, *sites = covariate_correlations(units, PAIR, ("age", "site"))
    difference = units.values[PAIR[1]] - units.values[PAIR[0]]
    assert age.difference.rho == pytest.approx(spearmanr(units.table["age"], difference).statistic)
    assert age.size.rho == pytest.approx(spearmanr(units.table["age"], units.table["size"]).statistic)
    rough = units.table["roughness"].notna()
    assert age.roughness.n == rough.sum()
    assert age.roughness.rho == pytest.approx(
        spearmanr(units.table["age"][rough], units.table["roughness"][rough]).statistic
    )
    assert [row.what for row in sites] == ["site North", "site South", "site West"]
    assert sites[0].difference.rho == pytest.approx(spearmanr(units.table["site"] == 0, difference).statistic)
    of_two = with_covariates(units, {"sex": {case: "fm"[k % 2] for k, case in enumerate(units.table["case_id"])}})
    assert [row.what for row in covariate_correlations(of_two, PAIR, ("sex",))] == ["sex m"]


def test_patients_count_once():
    units = made(96, gain=noise(96), per_patient=2)
    assert gain_model(units, PAIR, AXES).n == 48
    assert covariate_correlations(units, PAIR, ("age",))[0].difference.n == 48


@pytest.mark.parametrize("n", [24, 60])
def test_permuted_covariates_are_rejected_in_5_of_100(n):
    """The gain goes with size and its spread does too, with heavy tails; age and site are permuted."""
    rng, rejected, anything, runs = np.random.default_rng(11), 0, 0, 300
    for _ in range(runs):
        spread = np.geomspace(0.2, 1, n) * rng.standard_t(4, n)
        units = made(n, gain=np.linspace(0, 1, n) + spread, rng=rng)
        terms = [term for term in gain_model(units, PAIR, AXES).terms if term.what != "tumour volume"]
        assert terms
        rejected += sum(term.p < 0.05 for term in terms) / len(terms)
        anything += any(term.p_holm < 0.05 for term in terms)
    error = np.sqrt(0.05 * 0.95 / runs)
    assert rejected / runs < 0.05 + 2 * error
    assert anything / runs < 0.05 + 2 * error
