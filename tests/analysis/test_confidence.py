"""Confidence of a pair: known temperatures, identical sources, the order of cases, empty references, old results."""

from dataclasses import fields

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from made_maps import GRID, PAIR, measure_maps
from scipy.special import expit

from afl_core.analysis.breakdown.bins import tertiles
from afl_core.analysis.confidence import (
    Confidence,
    compare_errors,
    error_rows,
    load_confidence,
    reliability_table,
)
from afl_core.analysis.temperature import OF_MAP, SOFT, load_for_scaling, scale_pair, scaled_table
from afl_core.base.numbers import interval
from afl_core.data.layouts import references_cohort
from afl_core.errors import DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources
from afl_core.evaluation.tables import CONFIDENCE, PARTS
from afl_core.metrics.calibration import brier, ece
from afl_core.metrics.probability_counts import ProbabilityCounts, count_probabilities, mirrored, near
from afl_core.metrics.released import released_dsc, sum_probabilities

MEMBERS = {name: (name,) for name in PAIR}


def stacked(counts) -> ProbabilityCounts:
    return ProbabilityCounts(
        *(np.stack([getattr(of, field.name) for of in counts]) for field in fields(ProbabilityCounts))
    )


def drawn(seed, cases, prefix, temperatures, *, noise=0):
    """Calibrated maps of balls, with their logits multiplied for each source; and the case rows.

    With noise, of that standard deviation, in the logits of the last source, a temperature cannot mend it.
    """
    rng = np.random.default_rng(seed)
    names = [f"{prefix}{k}" for k in range(cases)]
    counts = {source: {part: [] for part in PARTS} for source in temperatures}
    rows = []
    for name in names:
        logits = rng.uniform(0.8, 1.5) * (rng.uniform(3, 5) - GRID) + rng.normal(0, 1, GRID.shape)
        reference = rng.random(GRID.shape) < expit(logits)
        box, voxels = near(reference, (3, 3, 3))
        for source, temperature in temperatures.items():
            own = logits + rng.normal(0, noise, GRID.shape) if noise and source == list(temperatures)[-1] else logits
            p = expit(temperature * own).astype(np.float32)
            counts[source]["grid"].append(count_probabilities(p, reference))
            counts[source]["near"].append(count_probabilities(p[box][voxels], reference[box][voxels]))
            soft = released_dsc(sum_probabilities(np.stack([1 - p, p]), reference))
            facts = {"case_id": name, "patient": name, "reference_volume_ml": reference.sum() / 1000}
            rows.append({**facts, "source": source, SOFT: soft, "roughness": 0.1, "released_smoothness": 0.1})
    found = {}
    for source, of in counts.items():
        parts = {part: stacked(of[part]) for part in PARTS}
        tumour = parts["grid"].logits
        channels = np.stack([mirrored(tumour), tumour], axis=1)
        found[source] = Confidence(np.array(names, object), tuple(names), parts, channels)
    return found, pd.DataFrame(rows)


def test_a_source_that_is_the_other_at_a_temperature_is_no_other_after_scaling():
    both = dict(zip(PAIR, (1, 0.4), strict=True))
    test, cases = drawn(1, 12, "t", both)
    validation, _ = drawn(2, 8, "v", both)
    found = scale_pair(test, validation, MEMBERS, cases, "grid")
    assert list(found.temperatures.values()) == pytest.approx([1, 0.4], rel=0.05)
    assert found.raw["ece_grid"]["ci_low"] > 0
    assert abs(found.scaled["ece_grid"]["mean_difference"]) < 0.05 * found.raw["ece_grid"]["mean_difference"]
    assert found.raw[SOFT]["ci_high"] < 0, "the soft score punishes what is not sure"
    assert abs(found.remaining) < 0.1
    low, high = found.remaining_interval
    assert low < found.remaining < high
    assert f"% remains ({interval(100 * low, 100 * high, 0)} %)." in found.sentence().replace("nothing", "0 %")
    assert found.scaled[SOFT]["ci_low"] <= 0 <= found.scaled[SOFT]["ci_high"]
    assert "fitted on 8 validation cases, over the whole grid (FL " in found.sentence()
    assert OF_MAP not in found.measures, "the map is all that there is"
    assert len(scaled_table(found)) == 2 * len(found.measures)


def test_intervals_cover_what_a_temperature_alone_does():
    """In about 95 of 100 studies the interval at temperatures holds 0, where maps differ by noise and one of these."""
    held = 0
    for seed in range(30):
        test, cases = drawn(10 * seed, 10, "t", {"FL": 1})
        other, others = drawn(10 * seed + 1, 10, "t", {"A-FL": 1.8})
        validation = {**drawn(10 * seed + 2, 6, "v", {"FL": 1})[0], **drawn(10 * seed + 3, 6, "v", {"A-FL": 1.8})[0]}
        found = scale_pair({**test, **other}, validation, MEMBERS, pd.concat([cases, others]), "grid")
        held += found.scaled[SOFT]["ci_low"] <= 0 <= found.scaled[SOFT]["ci_high"]
    assert held >= 26


def test_the_interval_of_what_remains_covers_it():
    """In 19 of 20 studies; what remains is known of 150 cases by which both temperatures and scores are known well."""
    both = dict(zip(PAIR, (1, 0.5), strict=True))
    (test, cases), (validation, _) = drawn(1, 150, "t", both, noise=0.7), drawn(2, 150, "v", both, noise=0.7)
    whole = scale_pair(test, validation, MEMBERS, cases, "grid")
    assert 0.3 < whole.remaining < 0.5
    ends = np.array([_remaining_of_study(seed, both) for seed in range(20)])
    assert ((ends[:, 0] <= whole.remaining) & (whole.remaining <= ends[:, 1])).sum() >= 17
    assert np.median(ends[:, 1] - ends[:, 0]) < 0.3, "and it says something"


def _remaining_of_study(seed, both):
    (test, cases), (validation, _) = (drawn(100 + 2 * seed + k, (12, 8)[k], "tv"[k], both, noise=0.7) for k in (0, 1))
    return scale_pair(test, validation, MEMBERS, cases, "grid").remaining_interval


def test_the_share_that_remains_is_the_same_whichever_source_stands_first():
    both = dict(zip(PAIR, (1, 0.5), strict=True))
    (test, cases), (validation, _) = drawn(5, 9, "t", both, noise=1), drawn(6, 8, "v", both, noise=1)
    found = scale_pair(test, validation, MEMBERS, cases, "grid")
    turned = scale_pair(test, validation, {name: (name,) for name in PAIR[::-1]}, cases, "grid")
    assert turned.remaining_interval == pytest.approx(found.remaining_interval)
    few, rows = drawn(5, 4, "t", both, noise=1)
    assert np.isnan(scale_pair(few, validation, MEMBERS, rows, "grid").remaining_interval).all()


def test_identical_sources_differ_by_nothing():
    one, cases = drawn(3, 9, "t", {"FL": 1.4})
    test = dict.fromkeys(PAIR, one["FL"])
    both = pd.concat([cases, cases.assign(source="A-FL")])
    compared = compare_errors(both, error_rows(test), MEMBERS, [tertiles("size", cases["reference_volume_ml"])])
    for breakdowns in compared.values():
        for breakdown in breakdowns.values():
            assert (breakdown.pair(*PAIR)["mean_difference"] == 0).all()
            assert breakdown.n_tests == len(PARTS) * 4, "of bins of three patients there is none"


def test_the_order_of_cases_changes_nothing_and_swapped_sources_turn_the_sign():
    test, cases = drawn(4, 9, "t", {"FL": 1, "A-FL": 1.5})
    shuffled = cases.sample(frac=1, random_state=1)
    errors = error_rows(test)
    first = compare_errors(cases, errors, MEMBERS, [])["near"]["ece"].pair(*PAIR).iloc[0]
    again = compare_errors(shuffled, errors.sample(frac=1, random_state=2), MEMBERS, [])["near"]["ece"]
    assert again.pair(*PAIR).iloc[0]["mean_difference"] == pytest.approx(first["mean_difference"])
    turned = compare_errors(cases, errors, {name: (name,) for name in PAIR[::-1]}, [])["near"]["ece"]
    assert turned.pair(*PAIR[::-1]).iloc[0]["mean_difference"] == pytest.approx(-first["mean_difference"])


def test_seeds_are_averaged_and_each_has_its_temperature():
    seeds = {"FL seed1": 1, "FL seed2": 0.5, "A-FL seed1": 1.3, "A-FL seed2": 1.6}
    members = {"FL": tuple(seeds)[:2], "A-FL": tuple(seeds)[2:]}
    (test, cases), (validation, _) = drawn(8, 8, "t", seeds), drawn(9, 8, "v", seeds)
    found = scale_pair(test, validation, members, cases, "near")
    assert list(found.temperatures.values()) == pytest.approx(list(seeds.values()), rel=0.1)
    of = {name: ece(of.parts["near"]).mean() for name, of in test.items()}
    first, second = (np.mean([of[name] for name in group]) for group in members.values())
    assert found.raw["ece_near"]["mean_difference"] == pytest.approx(second - first)
    whole = compare_errors(cases, error_rows(test), members, [])["near"]["ece"].pair("FL", "A-FL").iloc[0]
    assert whole["mean_difference"] == pytest.approx(second - first)


def test_curves_pool_the_voxels_of_all_cases():
    test, _ = drawn(5, 7, "t", {"FL": 1})
    of = test["FL"]
    curve, (low, high) = of.curve("grid"), of.curve_interval("grid")
    assert curve.voxels.sum() == 7 * GRID.size
    assert curve.frequency[19] == of.parts["grid"].reference[:, 95:].sum() / of.parts["grid"].voxels[:, 95:].sum()
    some = curve.voxels > 300
    assert ((low <= curve.frequency) & (curve.frequency <= high))[some].all()
    assert len(reliability_table(test)) == 2 * 20


@pytest.fixture
def folders(tmp_path):
    """Results of maps on test and on validation cases."""
    measure_maps(tmp_path, tmp_path / "results", noise=1)
    return tmp_path


def test_results_keep_what_follows_from_the_maps(folders):
    opened, validation = (open_comparison(folders / "results" / part) for part in ("test", "validation"))
    found, fitted = load_for_scaling(opened, validation, MEMBERS)
    for name in PAIR:
        of = found[name]
        for k, case in enumerate(of.case_ids):
            p, reference = (
                np.asarray(nib.load(folders / "test" / folder / f"{case}.nii.gz").dataobj)
                for folder in (name, "references")
            )
            exact = count_probabilities(p.astype(np.float32), reference > 0)
            assert ece(of.parts["grid"])[k] == pytest.approx(float(ece(exact)))
            assert brier(of.parts["grid"])[k] == pytest.approx(((p - reference) ** 2).mean())
        assert (of.parts["near"].voxels.sum(axis=1) <= of.parts["grid"].voxels.sum(axis=1)).all()
        assert not of.own_channels
    scaled = scale_pair(found, fitted, MEMBERS, opened.rows, "near")
    assert scaled.validation_cases == 7
    assert set(scaled.temperatures) == set(PAIR)
    assert OF_MAP not in scaled.measures


def test_an_empty_reference_has_no_error_near_it(tmp_path):
    for name, array in {
        "references": np.zeros(GRID.shape, np.uint8),
        "FL": np.full(GRID.shape, 0.2, np.float32),
    }.items():
        path = tmp_path / name / "c.nii.gz"
        path.parent.mkdir()
        nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    results, cohort = Results(tmp_path / "results"), references_cohort(tmp_path / "references")
    cases, decided = begin(results, cohort, cohort.cases, parse_sources([f"FL={tmp_path / 'FL'}"]))
    evaluate_into(results, cases, decided)
    row = error_rows(load_confidence(open_comparison(results.folder))).iloc[0]
    assert row["ece_grid"] == pytest.approx(0.2, abs=1e-6)
    assert np.isnan(row["ece_near"])


def test_results_of_an_earlier_version_read_on_and_say_what_they_lack(folders):
    (folders / "results" / "test" / CONFIDENCE).unlink()
    opened = open_comparison(folders / "results" / "test")
    assert len(opened.rows) == 14
    with pytest.raises(DataError, match="evaluate into another folder, as for results of an earlier version"):
        load_confidence(opened)


def test_patients_of_the_test_cases_fit_no_temperature(folders):
    opened = open_comparison(folders / "results" / "test")
    with pytest.raises(DataError, match="Patients of the validation cases are among"):
        load_for_scaling(opened, opened, MEMBERS)


def test_a_source_without_a_temperature_is_named():
    test, cases = drawn(6, 7, "t", {"FL": 1, "A-FL": 1})
    validation, _ = drawn(7, 7, "v", {"FL": 1, "A-FL": 1e4})
    with pytest.raises(DataError, match="No temperature fits A-FL"):
        scale_pair(test, validation, MEMBERS, cases, "grid")


def test_a_renamed_source_keeps_its_counts(folders):
    results = Results(folders / "results" / "test")
    results.rename_source("FL", "Focal")
    assert set(load_confidence(open_comparison(results.folder))) == {"Focal", "A-FL"}
