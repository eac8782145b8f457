"""Curves and matched thresholds: by hand, and on sources that differ in where 0.5 lies alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_maps import GRID, PAIR, measure_maps

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.curves import (
    FALSE_RATES,
    HALF,
    Curves,
    by_size,
    curves_table,
    grid_end_sentence,
    load_curves,
    places_at_rate,
)
from afl_core.analysis.operating_point import _joint_intervals, load_validation, match_thresholds
from afl_core.analysis.statistics.bootstrap import mean_intervals
from afl_core.data.layouts import references_cohort
from afl_core.errors import DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources
from afl_core.metrics.thresholds import THRESHOLDS, count_thresholds

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "detection_picai.json").read_text())


def drawn(rng, radii, *, shift=0.0, prefix="t") -> Curves:
    """Maps of balls, with noise in the logits of each voxel and case; a shift moves every logit."""
    counts = []
    for radius in radii:
        logits = 1.5 * (radius - GRID) + rng.normal(0, 1, GRID.shape) + rng.normal(0, 0.4) - shift
        counts.append(count_thresholds((1 / (1 + np.exp(-logits))).astype(np.float32), radius > GRID, least=10))
    names = [f"{prefix}{k}" for k in range(len(radii))]
    return Curves(
        patients=np.array(names, dtype=object),
        case_ids=tuple(names),
        tp=np.stack([of.tp for of in counts]).astype(float),
        fp=np.stack([of.fp for of in counts]).astype(float),
        false=np.stack([of.false_lesions for of in counts]).astype(float),
        found=np.stack([of.lesions_found() for of in counts]).astype(float),
        reference=np.array([of.reference for of in counts], float),
        lesions=np.ones(len(radii)),
        volume_ml=np.array([of.reference for of in counts], float) / 1000,
    )


def pair_of(seed, cases, prefix, *, shift):
    """The same cases by two sources with noise of their own, of which the second is shifted."""
    rng = np.random.default_rng(seed)
    radii = rng.uniform(3, 5, cases)
    return {name: drawn(rng, radii, shift=by, prefix=prefix) for name, by in zip(PAIR, (0, shift), strict=True)}


def voxels(rng, radii, *, shift, prefix) -> Curves:
    """The same maps as `drawn`, of all cases at once, without their lesions."""
    noise = rng.normal(0, 1, (len(radii), GRID.size)) + rng.normal(0, 0.4, (len(radii), 1))
    distance = radii[:, None] - GRID.ravel()
    below = np.searchsorted(THRESHOLDS, 1 / (1 + np.exp(shift - 1.5 * distance - noise)))  # thresholds below each voxel

    def above(which):
        rows = np.arange(len(radii))[:, None] * 100 + below
        counts = np.bincount(rows[which], minlength=100 * len(radii)).reshape(-1, 100)
        return counts[:, :0:-1].cumsum(axis=1)[:, ::-1].astype(float)

    ids, none = tuple(f"{prefix}{k}" for k in range(len(radii))), np.zeros((len(radii), 99))
    reference = (distance > 0).sum(axis=1).astype(float)
    counts = above(distance > 0), above(distance <= 0)
    return Curves(np.array(ids, object), ids, *counts, none, none, reference, np.ones(len(radii)), reference / 1000)


def shifted(seed, prefix):
    rng = np.random.default_rng(seed)
    radii = rng.uniform(3, 5, 16)
    return {name: voxels(rng, radii, shift=by, prefix=prefix) for name, by in zip(PAIR, (0, 1.5), strict=True)}


def test_a_shifted_threshold_is_no_difference_of_the_losses():
    """In 95 of 100 studies at least; the intervals of `match_thresholds` without its records, for time."""
    studies = [(shifted(seed, "t"), shifted(seed + 1000, "v")) for seed in range(100)]
    at_half = [test["A-FL"].dice[:, HALF] - test["FL"].dice[:, HALF] for test, _ in studies]
    raw = mean_intervals(np.stack(at_half, axis=1))
    matched, shares = np.swapaxes([_joint_intervals(*study, PAIR, "dice") for study in studies], 0, 1)
    assert (raw[:, 1] < 0).sum() == 100, "the difference at 0.5 leaves out 0"
    assert ((matched[:, 0] <= 0) & (matched[:, 1] >= 0)).sum() >= 95, "at matched thresholds it does not"
    assert ((shares[:, 0] <= 0) & (shares[:, 1] >= 0)).sum() >= 95, "nor does the share that remains"
    found = match_thresholds(*studies[0], PAIR)
    assert (found.matched["ci_low"], found.matched["ci_high"]) == tuple(matched[0])
    assert found.remaining_interval == tuple(shares[0])
    assert found.raw["ci_high"] < 0


def by_dice(dice, prefix) -> Curves:
    """Cases with this Dice at each threshold, shape (cases, 99), of a reference of 100 voxels."""
    ids, none = tuple(f"{prefix}{k}" for k in range(len(dice))), np.zeros(dice.shape)
    whole = np.full(len(dice), 100.0)
    return Curves(np.array(ids, object), ids, 100 * dice / (2 - dice), none, none, none, whole, whole / 100, whole)


def test_the_share_that_remains_by_hand():
    """Every patient loses 2d at 0.5 and d at 0.3, which is best: half remains of whichever patients are drawn."""
    lost, place = np.linspace(0.01, 0.08, 8), int(np.flatnonzero(np.float32(0.3) == THRESHOLDS)[0])
    second = np.repeat(0.8 - 2 * lost[:, None], 99, axis=1)
    second[:, place] = 0.8 - lost
    test, validation = (
        {"FL": by_dice(np.full((8, 99), 0.8), prefix), "A-FL": by_dice(second, prefix)} for prefix in "tv"
    )
    found = match_thresholds(test, validation, PAIR)
    assert found.thresholds == pytest.approx((0.5, 0.3))
    assert found.remaining == pytest.approx(0.5)
    assert found.remaining_interval == pytest.approx((0.5, 0.5))
    assert "Of the difference at 0.5, 50 % remains (50 to 50 %)." in found.sentence()
    turned = match_thresholds(test, validation, ("A-FL", "FL"))
    assert turned.remaining_interval == pytest.approx((0.5, 0.5)), "whichever stands first"


def test_no_share_is_given_where_the_difference_at_half_includes_zero():
    lost = np.tile([[0.05], [-0.05]], (4, 99))
    test, validation = (
        {"FL": by_dice(np.full((8, 99), 0.8), prefix), "A-FL": by_dice(0.8 - lost, prefix)} for prefix in "tv"
    )
    found = match_thresholds(test, validation, PAIR)
    assert found.remaining is None
    assert found.sentence().endswith("No difference is shown at 0.5, so there is none of which a part could remain.")


def test_a_share_of_few_patients_has_no_interval():
    test, validation = shifted(1, "t"), shifted(2, "v")
    few = {name: of.of_rows(np.arange(4)) for name, of in test.items()}
    assert np.isnan(match_thresholds(few, validation, PAIR).remaining_interval).all()


def test_one_validation_patient_chooses_thresholds_with_an_interval_of_their_own():
    """There is nothing to draw from: the interval is of two patients', as wide as it comes."""
    test, validation = pair_of(3, 12, "t", shift=-1.0), pair_of(4, 1, "v", shift=-1.0)
    found = match_thresholds(test, validation, PAIR)
    assert found.matched["ci_low"] < found.matched["mean_difference"] < found.matched["ci_high"]


def test_a_difference_of_the_losses_remains():
    test, validation = pair_of(1, 16, "t", shift=0), pair_of(2, 16, "v", shift=0)
    worse = {name: replace(of, tp=0.8 * of.tp) if name == "A-FL" else of for name, of in test.items()}
    found = match_thresholds(worse, validation, PAIR)
    assert found.remaining > 0.8
    low, high = found.remaining_interval
    assert low < found.remaining < high
    assert f"% remains ({100 * low:.0f} to {100 * high:.0f} %)." in found.sentence()


def test_false_lesions_are_matched_to_the_first_source():
    """The first stays at 0.5, whose number of false lesions the second may have."""
    validation = pair_of(3, 12, "v", shift=-2.0)
    validation = {name: replace(of, false=of.false + 2) for name, of in validation.items()}
    rate = validation["FL"].false_so_far[:, HALF].mean()
    found = match_thresholds(pair_of(4, 12, "t", shift=-2.0), validation, PAIR, rule="false")
    assert found.thresholds[0] == 0.5
    place = int(np.flatnonzero(np.isclose(THRESHOLDS, found.thresholds[1]))[0])
    so_far = validation["A-FL"].false_so_far.mean(axis=0)
    assert so_far[place] <= rate
    assert place == 0 or so_far[place - 1] > rate


def test_few_false_lesions_choose_no_threshold():
    validation = {name: replace(of, false=0 * of.false) for name, of in pair_of(3, 12, "v", shift=-2.0).items()}
    with pytest.raises(DataError, match=r"too few false lesions.*FL has 0 false lesions at 0\.5"):
        match_thresholds(pair_of(4, 12, "t", shift=0), validation, PAIR, rule="false")


def test_a_map_that_floods_the_grid_is_paid_for_no_lesion():
    """Two false lesions above 0.05, which are one with everything below: they stay counted."""
    zeros = np.zeros((1, 99))
    false, found = zeros + 2 * (np.arange(99) >= 4), zeros + (np.arange(99) < 4)
    ids, one = ("a",), np.ones(1)
    curves = Curves(np.array(ids, object), ids, found, zeros, false, found, one, one, one)
    assert curves.false_a_case[0] == 0
    assert curves.false_so_far[0].tolist() == [2.0] * 99
    assert np.isnan(curves.sensitivity_at(1))  # every threshold has two: nothing is known of one
    assert curves.sensitivity_at(2) == 1
    assert curves.average_precision == pytest.approx(1 / 3)
    assert grid_end_sentence({"A": curves}) == "", "nothing is found at the end"


def test_patients_of_the_test_cases_choose_no_threshold():
    test = pair_of(5, 8, "t", shift=0)
    with pytest.raises(DataError, match="Patients of the validation cases are among"):
        match_thresholds(test, test, PAIR)


def test_curves_by_hand():
    zeros = np.zeros((2, 99))
    tp, fp = zeros.copy(), zeros.copy()
    tp[0, :60], fp[0, :20] = 4, 2
    false, sizes = zeros + (np.arange(99) < 30), np.array([8.0, 0.0])
    curves = Curves(np.array(["p", "q"], object), ("a", "b"), tp, fp, false, tp / 4, sizes, sizes / 8, sizes / 1000)
    assert curves.dice[0, [0, 30, 70]].tolist() == pytest.approx([8 / 14, 8 / 12, 0])
    assert curves.dice[1].tolist() == [1.0] * 99, "both empty"
    assert curves.mean_dice[30] == pytest.approx((8 / 12 + 1) / 2)
    assert THRESHOLDS[curves.best()] == np.float32(0.5), "of 0.21 to 0.6 the nearest to 0.5"
    assert [curves.sensitivity_at(rate) for rate in (0, 2)] == [1.0, 1.0]
    assert places_at_rate(curves.false_a_case[None], np.array([0.5])).tolist() == [30]
    assert len(curves_table({"A": curves})) == 99
    assert len(FALSE_RATES) == 7


@pytest.fixture
def folders(tmp_path):
    """Results of maps on test and on validation cases."""
    measure_maps(tmp_path, tmp_path / "results")
    return tmp_path


def test_results_keep_the_counts_from_which_their_dice_follows(folders):
    opened = open_comparison(folders / "results" / "test")
    curves = load_curves(opened)
    for name in PAIR:
        dsc = opened.rows[opened.rows["source"] == name].set_index("case_id")["dsc"].loc[list(curves[name].case_ids)]
        np.testing.assert_allclose(curves[name].dice[:, HALF], dsc)
    validation = load_validation(opened, open_comparison(folders / "results" / "validation"), PAIR)
    found = match_thresholds(curves, validation, PAIR)
    assert found.thresholds[1] < found.thresholds[0] == pytest.approx(0.5, abs=0.05)
    assert abs(found.remaining) < 0.2


def test_masks_have_no_counts_and_another_source_chooses_no_threshold(folders):
    results = Results(folders / "masks_results")
    references = folders / "validation" / "references"
    cohort = references_cohort(references)
    cases, decided = begin(results, cohort, cohort.cases, parse_sources([f"FL={references}"]))
    evaluate_into(results, cases, decided)
    masks, opened = open_comparison(results.folder), open_comparison(folders / "results" / "test")
    with pytest.raises(DataError, match="no counts at every threshold"):
        load_curves(masks)
    with pytest.raises(DataError, match="does not hold the same A-FL"):
        load_validation(opened, masks, PAIR)


@pytest.mark.parametrize("name", ORACLE["cohorts"])
def test_average_precision_and_sensitivity_are_those_of_picai_eval(name):
    """Each case of the oracle lists what picai_eval 1.4.13 took for a lesion (1) or a false alarm (0), and how sure."""
    oracle = ORACLE["cohorts"][name]
    cases = [np.array(case, float).reshape(-1, 2) for case in oracle["cases"]]
    found, false = (
        np.array([(case[case[:, 0] == kind, 1, None] > THRESHOLDS).sum(axis=0) for case in cases], float)
        for kind in (1, 0)
    )
    lesions, nothing = np.array([case[:, 0].sum() for case in cases]), np.zeros(len(cases))
    ids = tuple(map(str, range(len(cases))))
    curves = Curves(np.array(ids, object), ids, found, false, false, found, nothing, lesions, nothing)
    assert curves.average_precision == pytest.approx(oracle["ap"], abs=1e-6, nan_ok=True)
    if name == "no lesion is missed":  # picai_eval leaves the lowest confidence out there, see test_detection.py
        return
    for rate, sensitivity in oracle["sensitivity"].items():
        assert curves.sensitivity_at(float(rate)) == pytest.approx(sensitivity, abs=1e-6, nan_ok=True), rate


def test_f1_precision_and_bins_by_hand():
    ids, zeros = ("a", "b", "c"), np.zeros((3, 99))
    found, false = zeros + np.array([[1], [2], [0]]), zeros + np.array([[1], [0], [2]])
    sizes = np.array([500.0, 2000.0, 0.0])
    patients, lesions = np.array(ids, object), np.array([2.0, 2.0, 0.0])
    curves = Curves(patients, ids, found, false, false, found, sizes, lesions, sizes / 1000)
    assert curves.precision[HALF] == 3 / 6
    assert curves.lesion_f1[HALF] == 2 * 3 / (2 * 3 + 3 + 1), "3 found, 3 false, 1 missed"
    assert curves.average_precision == 3 / 4 * 3 / 6, "one step, to a sensitivity of 3 of 4"
    assert curves.end_share == 1
    assert grid_end_sentence({"A": curves}).startswith("Do not compare the average precision of A (100 %):")
    parts = by_size({"A": curves}, Binning("size", (1.0, 3.0), "by hand"))
    ids_of = {name: of["A"].case_ids for name, of in parts.items()}
    assert ids_of == {"small": ("a",), "medium": ("b",), "no tumour": ("c",)}
    assert parts["small"]["A"].lesion_f1[HALF] == 2 * 1 / (2 * 1 + 1 + 1)
    assert np.isnan(parts["no tumour"]["A"].average_precision)
    assert np.isnan(curves.of_rows(np.arange(0)).lesion_f1[HALF])


def test_seeds_count_together(tmp_path):
    """Two seeds of FL, of which the second is A-FL's map: means over both, one threshold for both."""
    measure_maps(tmp_path, tmp_path / "results", sources=("FL seed1", "FL seed2"))
    opened = open_comparison(tmp_path / "results" / "test")
    both, each = load_curves(opened, pool_seeds=True), load_curves(opened)
    assert list(both) == ["FL"]
    assert list(each) == ["FL seed1", "FL seed2"]
    np.testing.assert_allclose(both["FL"].mean_dice, np.mean([of.mean_dice for of in each.values()], axis=0))
    np.testing.assert_allclose(both["FL"].false_a_case, np.mean([of.false_a_case for of in each.values()], axis=0))
    np.testing.assert_allclose(both["FL"].sensitivity, np.mean([of.sensitivity for of in each.values()], axis=0))
    assert both["FL"].n_cases == 7


def test_a_pair_of_means_over_seeds_is_compared_case_by_case():
    test, validation = pair_of(1, 16, "t", shift=0), pair_of(2, 16, "v", shift=0)
    twice = {name: of.of_rows(np.tile(np.arange(16), 2)) if name == "A-FL" else of for name, of in test.items()}
    alone, doubled = (match_thresholds(of, validation, PAIR, rule="false") for of in (test, twice))
    for key in ("mean_difference", "ci_low", "ci_high", "p"):
        assert doubled.matched[key] == pytest.approx(alone.matched[key]), key
        assert doubled.raw[key] == pytest.approx(alone.raw[key]), key
