"""False lesions by their own size: counted by hand, and their sums."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.false_alarms import QUANTITIES, false_alarms, list_false_lesions, trade_sentence
from afl_core.analysis.breakdown.measures import build_measure
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.breakdown.units import select_units

BINS = Binning("size", (1.0, 4.0), "own edges")
PAIR = ("FL", "A-FL")
MEMBERS = {name: (name,) for name in PAIR}


def tables(false: dict[tuple[str, str], list[float]], *, patients: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cases of these patients; `false` is case and source to the volumes of false lesions. One lesion a case."""
    names = sorted({source for _, source in false} | set(PAIR))
    cases, lesions = [], []
    for k, patient in enumerate(patients):
        for source in names:
            volumes = false.get((f"c{k}", source), [])
            facts = {
                "case_id": f"c{k}",
                "patient": patient,
                "source": source,
                "roughness": 0.1,
                "released_smoothness": 0.1,
            }
            cases.append(facts | {"reference_volume_ml": 2.0, "lesion_fp": len(volumes), "dsc": 0.5})
            own = {"lesion_id": 1, "kind": "reference", "volume_ml": 2.0, "detected": float(source == "A-FL")}
            lesions.append(facts | own | {"x": 1, "y": 1, "z": 1})
            lesions += [
                facts
                | {"lesion_id": n, "kind": "false_positive", "volume_ml": ml, "detected": 0.0, "x": n, "y": 2, "z": 3}
                for n, ml in enumerate(volumes, start=2)
            ]
    return pd.DataFrame(cases), pd.DataFrame(lesions)


def test_counts_of_a_patient_by_hand():
    false = {("c0", "FL"): [0.5, 0.5, 2.0], ("c1", "FL"): [9.0], ("c2", "A-FL"): [0.2]}
    cases, lesions = tables(false, patients=["p", "p", "q", "r"])
    records = false_alarms(cases, lesions, quantity="number", members=MEMBERS, binning=BINS).pair(*PAIR)
    # FL: patient p has 3 and 1 in two cases, so 2 a case; q and r none. A-FL: q has 1.
    assert records["mean_difference"].tolist() == pytest.approx([1 / 3 - 2 / 3, 1 / 3 - 1 / 3, -0.5 / 3, -0.5 / 3])
    assert records["bin"].tolist() == ["all", "small", "medium", "large"]
    assert records["n"].tolist() == [3] * 4, "patients without any count as 0"
    in_ml = false_alarms(cases, lesions, quantity="ml", members=MEMBERS, binning=BINS).pair(*PAIR)
    assert in_ml["mean_difference"].tolist()[0] == pytest.approx(0.2 / 3 - (3 + 9) / 2 / 3)


def test_a_case_that_a_source_lacks_is_left_out():
    cases, lesions = tables({("c0", "FL"): [1.0]}, patients=["p", "q"])
    cases = cases[~((cases["case_id"] == "c0") & (cases["source"] == "A-FL"))]
    records = false_alarms(cases, lesions, quantity="number", members=MEMBERS, binning=BINS).pair(*PAIR)
    assert records["n"].tolist() == [1] * 4
    assert records["mean_difference"].tolist() == [0.0] * 4


def test_seeds_are_averaged():
    false = {("c0", "FL seed1"): [0.5], ("c0", "FL seed2"): [0.5, 0.5, 0.5]}
    cases, lesions = tables(false, patients=["p", "q"])
    members = {"FL": ("FL seed1", "FL seed2"), "A-FL": ("A-FL",)}
    records = false_alarms(cases, lesions, quantity="number", members=members, binning=BINS).records
    assert records[(records["source"] == "FL") & (records["bin"] == "all")]["mean"].tolist() == [1.0]


DRAWN = st.dictionaries(
    st.tuples(st.sampled_from([f"c{k}" for k in range(8)]), st.sampled_from(PAIR)),
    st.lists(st.floats(0.01, 20), max_size=4),
)


@settings(max_examples=30, deadline=None)
@given(false=DRAWN, quantity=st.sampled_from(list(QUANTITIES)))
def test_bins_sum_to_everything_and_swapped_sources_flip_signs(false, quantity):
    cases, lesions = tables(false, patients=[f"p{k // 2}" for k in range(16)])
    found = false_alarms(cases, lesions, quantity=quantity, members=MEMBERS, binning=BINS)
    for source in PAIR:
        means = found.records[found.records["source"] == source].set_index("bin")["mean"]
        assert means[["small", "medium", "large"]].sum() == pytest.approx(means["all"])
    if quantity == "number":
        of_rows = cases.groupby(["source", "patient"])["lesion_fp"].mean().groupby("source").mean()
        everything = found.records[found.records["bin"] == "all"].set_index("source")["mean"]
        assert everything.to_dict() == pytest.approx(of_rows.to_dict()), "bins sum to lesion_fp"
    turned = {name: MEMBERS[name] for name in reversed(PAIR)}
    swapped = false_alarms(cases, lesions, quantity=quantity, members=turned, binning=BINS).pair(*reversed(PAIR))
    forward = found.pair(*PAIR)
    np.testing.assert_allclose(swapped["mean_difference"], -forward["mean_difference"], atol=1e-12)
    np.testing.assert_allclose(swapped["p"], forward["p"])


def test_the_trade_in_words():
    cases, lesions = tables({("c0", "A-FL"): [0.5, 0.5]}, patients=["p", "q"])
    alarms = false_alarms(cases, lesions, quantity="number", members=MEMBERS, binning=BINS)
    recall = compute_breakdown(
        select_units(cases, lesions, metric=build_measure("lesion", "detected"), sources=PAIR, level="lesion"), ()
    )
    assert trade_sentence(alarms, recall, PAIR) == (
        "Of 100 lesions of a patient A-FL finds 100.0 more than FL (mean over 2 patients with 2 lesions, each patient "
        "alike), and it has 1.00 more false lesions a case (mean over 2 patients). Neither difference is shown."
    )


def test_each_mean_of_the_trade_says_what_it_is_over():
    """Of three patients with four cases, `q` has no lesion, so it is in the mean of false lesions alone."""
    cases, lesions = tables({("c1", "A-FL"): [0.5]}, patients=["p", "q", "r", "r"])
    lesions = lesions[(lesions["patient"] != "q") | (lesions["kind"] != "reference")]
    alarms = false_alarms(cases, lesions, quantity="number", members=MEMBERS, binning=BINS)
    recall = compute_breakdown(
        select_units(cases, lesions, metric=build_measure("lesion", "detected"), sources=PAIR, level="lesion"), ()
    )
    said = trade_sentence(alarms, recall, PAIR)
    assert "100.0 more than FL (mean over 2 patients with 3 lesions, each patient alike)" in said
    assert "0.33 more false lesions a case (mean over 3 patients, 4 cases)" in said


def test_as_many_is_no_number_of_more():
    cases, lesions = tables({}, patients=["p", "q"])
    alarms = false_alarms(cases, lesions, quantity="number", members=MEMBERS, binning=BINS)
    recall = compute_breakdown(
        select_units(cases, lesions, metric=build_measure("lesion", "detected"), sources=PAIR, level="lesion"), ()
    )
    said = trade_sentence(alarms, replace(recall, records=recall.records.assign(mean_difference=0.0)), PAIR)
    assert said.startswith("Of 100 lesions of a patient A-FL finds as many as FL (mean over")
    assert "and it has as many false lesions a case" in said


def test_a_difference_that_is_shown_is_not_doubted():
    false = {(f"c{k}", "A-FL"): [0.5] for k in range(12)}
    cases, lesions = tables(false, patients=[f"p{k}" for k in range(12)])
    alarms = false_alarms(cases, lesions, quantity="number", members=MEMBERS, binning=BINS)
    recall = compute_breakdown(
        select_units(cases, lesions, metric=build_measure("lesion", "detected"), sources=PAIR, level="lesion"), ()
    )
    assert trade_sentence(alarms, recall, PAIR).endswith("1.00 more false lesions a case (mean over 12 patients).")


def test_the_list_has_the_largest_first():
    _, lesions = tables({("c0", "FL"): [0.5, 3.0], ("c1", "A-FL"): [1.0]}, patients=["p", "q"])
    assert list_false_lesions(lesions, PAIR)["volume_ml"].tolist() == [3.0, 1.0, 0.5]
    assert list_false_lesions(lesions, ["A-FL"])["case_id"].tolist() == ["c1"]
