"""The paired table: which units are in it, with which values, and why the others are not."""

import math

import numpy as np
import pandas as pd
import pytest

from afl_core.analysis.breakdown.records import patient_means
from afl_core.analysis.breakdown.sentences import false_positives_sentences
from afl_core.analysis.breakdown.units import FACTS, select_units
from afl_core.errors import DataError, UsageError

NAN = math.nan
NO_LESIONS = pd.DataFrame()


def case_rows(values, *, metric="dsc", ids=None):
    """Case rows of a, b, c ... from source to their values; None where a source has no row."""
    rows = []
    for source, scores in values.items():
        for k, value in enumerate(scores):
            facts = {"reference_volume_ml": k + 1.0, "roughness": k / 10, "released_smoothness": k / 1000}
            row = {"case_id": ids[k] if ids else chr(97 + k), "source": source, metric: value, "empty": ""} | facts
            rows += [row] if value is not None else []
    return pd.DataFrame(rows)


def lesion_rows(table):
    """Lesion rows from source to (case, lesion_id, kind, dsc)."""
    rows = []
    for source, lesions in table.items():
        for case, lesion_id, kind, dsc in lesions:
            facts = {"volume_ml": lesion_id / 2, "roughness": 0.1 * lesion_id, "detected": dsc > 0}
            rows.append({"case_id": case, "source": source, "lesion_id": lesion_id, "kind": kind, "dsc": dsc} | facts)
    return pd.DataFrame(rows)


def select(values, sources=("FL", "A-FL"), *, metric="dsc", ids=None, seeds=None):
    return select_units(
        case_rows(values, metric=metric, ids=ids), NO_LESIONS, metric=metric, sources=sources, seeds=seeds
    )


def test_one_row_a_case_and_one_column_a_source():
    units = select({"A-FL": [0.5, 0.6, 0.7], "FL": [0.1, 0.2, 0.3], "other": [0.0, 0.0, 0.0]})
    assert list(units.values.columns) == ["FL", "A-FL"]
    assert units.values["FL"].tolist() == [0.1, 0.2, 0.3]
    assert units.values["A-FL"].tolist() == [0.5, 0.6, 0.7]
    assert tuple(units.table.columns) == tuple(units.reference.columns) == FACTS
    assert units.table["case_id"].tolist() == ["a", "b", "c"]
    assert units.table["size"].tolist() == [1, 2, 3]
    assert units.table["roughness"].tolist() == [0, 0.1, 0.2]
    assert units.table["released_smoothness"].tolist() == [0, 0.001, 0.002]
    assert units.table["lesion_id"].tolist() == [0, 0, 0]
    assert units.pairs == (("FL", "A-FL"),)
    assert (units.noun, units.left_out, units.seeds) == ("cases", {}, {})


def test_rows_in_any_order_are_paired_by_case():
    rows = case_rows({"FL": [0.1, 0.2, 0.3, 0.4], "A-FL": [0.5, 0.6, 0.7, 0.8]})
    for seed in range(4):
        units = select_units(rows.sample(frac=1, random_state=seed), NO_LESIONS, metric="dsc", sources=["FL", "A-FL"])
        by_case = units.values.assign(case=units.table["case_id"], size=units.table["size"]).sort_values("case")
        assert by_case["FL"].tolist() == [0.1, 0.2, 0.3, 0.4]
        assert by_case["A-FL"].tolist() == [0.5, 0.6, 0.7, 0.8]
        assert by_case["size"].tolist() == [1, 2, 3, 4]


def test_only_complete_units_are_compared_and_the_others_counted():
    """b has no row of A-FL, c none of FL, d is undefined for A-FL, e has no row of any: it is not in the results."""
    units = select({"FL": [0.1, 0.2, None, 0.4, None], "A-FL": [0.5, None, 0.7, NAN, None]})
    assert units.table["case_id"].tolist() == ["a"]
    assert units.values.to_numpy().tolist() == [[0.1, 0.5]]
    assert units.left_out == {"no result of FL": 1, "no result of A-FL": 1, "metric undefined": 1}
    assert units.reference["case_id"].tolist() == ["a", "b", "d", "c"]


def test_a_case_without_rows_of_two_sources_counts_for_each():
    units = select({"FL": [0.1, 0.2], "A-FL": [0.5, None], "B": [0.5, None]}, ("FL", "A-FL", "B"))
    assert units.left_out == {"no result of A-FL": 1, "no result of B": 1}


def test_a_metric_that_is_defined_nowhere_leaves_no_unit():
    units = select({"FL": [NAN, NAN], "A-FL": [NAN, 0.5]})
    assert (len(units.table), len(units.values), len(units.reference)) == (0, 0, 2)
    assert list(units.values.columns) == ["FL", "A-FL"]
    assert units.left_out == {"metric undefined": 2}


@pytest.mark.parametrize("metric", ["volume_error_ml", "relative_volume_error"])
def test_what_is_best_at_zero_compares_by_its_distance_from_zero(metric):
    units = select({"FL": [-2.0, 1.0], "A-FL": [0.5, -3.0]}, metric=metric)
    assert units.values["FL"].tolist() == [2, 1]
    assert units.values["A-FL"].tolist() == [0.5, 3]
    assert (units.measure.absolute, units.measure.better) == (True, "lower")


def test_seeds_are_averaged_case_by_case():
    values = {"FL seed1": [0.1, 0.2, NAN], "FL seed2": [0.3, 0.6, 0.9], "A-FL": [0.5, 0.5, 0.5]}
    units = select(values, seeds={"FL": ("FL seed1", "FL seed2")})
    assert units.sources == ("FL", "A-FL")
    assert units.values["FL"].tolist() == pytest.approx([0.2, 0.4])
    assert units.values["A-FL"].tolist() == [0.5, 0.5]
    assert units.left_out == {"metric undefined": 1}
    assert list(units.seeds) == ["FL"]
    assert units.seeds["FL"].to_numpy().tolist() == [[0.1, 0.3], [0.2, 0.6]]
    assert list(units.seeds["FL"].columns) == ["FL seed1", "FL seed2"]


def test_the_distance_from_zero_is_taken_before_seeds_are_averaged():
    values = {"s1": [-2.0], "s2": [2.0], "A-FL": [1.0]}
    units = select(values, ("FL", "A-FL"), metric="volume_error_ml", seeds={"FL": ("s1", "s2")})
    assert units.values["FL"].tolist() == [2]


def test_a_missing_seed_leaves_the_case_out():
    values = {"s1": [0.1, 0.2], "s2": [0.3, None], "A-FL": [0.5, 0.5]}
    units = select(values, seeds={"FL": ("s1", "s2")})
    assert units.table["case_id"].tolist() == ["a"]
    assert units.left_out == {"no result of s2": 1}


def test_studies_of_one_patient_are_averaged():
    ids = ["10005_1000005", "10005_1000006", "10006_1000007", "BraTS-GLI-00002-000", "BraTS-GLI-00002-001"]
    units = select({"FL": [0.1, 0.3, 0.5, 0.7, 0.8], "A-FL": [0.2, 0.8, 0.6, 0.7, 1.0]}, ids=ids)
    assert units.table["patient"].tolist() == ["10005", "10005", "10006", "BraTS-GLI-00002", "BraTS-GLI-00002"]
    means = patient_means(units, np.ones(5, dtype=bool))
    assert means.index.tolist() == ["10005", "10006", "BraTS-GLI-00002"]
    assert means["FL"].tolist() == pytest.approx([0.2, 0.5, 0.75])
    assert means["A-FL"].tolist() == pytest.approx([0.5, 0.6, 0.85])
    assert patient_means(units, np.array([0, 1, 0, 0, 0], dtype=bool))["FL"].tolist() == [0.3]


def test_every_pair_of_later_and_earlier_source():
    units = select({name: [0.1, 0.2] for name in "abc"}, ("c", "a", "b"))
    assert units.pairs == (("c", "a"), ("c", "b"), ("a", "b"))
    assert select({"a": [0.5]}, ("a",)).pairs == ()


def test_names_with_spaces_and_of_columns():
    units = select({"A-FL (ours) v2": [0.5], "case_id": [0.6], "size": [0.7]}, ("case_id", "A-FL (ours) v2", "size"))
    assert units.values.to_dict("records") == [{"case_id": 0.6, "A-FL (ours) v2": 0.5, "size": 0.7}]
    assert units.table["case_id"].tolist() == ["a"]


FOUND = {
    "FL": [
        ("a", 1, "reference", 0.5),
        ("a", 2, "reference", 0.0),
        ("a", 3, "ignored", 0.9),
        ("a", 4, "false_positive", 0),
    ],
    "A-FL": [
        ("a", 1, "reference", 0.6),
        ("a", 2, "reference", 0.3),
        ("a", 3, "ignored", 0.9),
        ("b", 1, "reference", 0.8),
    ],
}


def select_lesions(metric="dsc", lesions=FOUND):
    cases = case_rows({"FL": [0.1, 0.2, 0.3], "A-FL": [0.1, 0.2, 0.3]})
    return select_units(cases, lesion_rows(lesions), metric=metric, sources=("FL", "A-FL"), level="lesion")


def test_lesions_of_the_reference_are_units_and_nothing_else():
    units = select_lesions()
    assert units.table[["case_id", "lesion_id", "size"]].to_numpy().tolist() == [["a", 1, 0.5], ["a", 2, 1.0]]
    assert units.values.to_dict("list") == {"FL": [0.5, 0.0], "A-FL": [0.6, 0.3]}
    assert units.table["patient"].tolist() == ["a", "a"]
    assert units.reference[["case_id", "lesion_id"]].to_numpy().tolist() == [["a", 1], ["a", 2], ["b", 1]]
    assert units.left_out == {"no result of FL": 1}
    assert units.noun == "lesions"
    assert units.table["roughness"].tolist() == [0.1, 0.2]
    assert units.table["released_smoothness"].isna().all()


def test_recall_is_the_mean_of_what_was_found():
    units = select_lesions("detected")
    assert units.values.to_dict("list") == {"FL": [1.0, 0.0], "A-FL": [1.0, 1.0]}
    assert units.measure.label == "Lesion recall"


@pytest.mark.parametrize("kind", ["false_positive", "ignored"])
def test_results_without_a_lesion_of_the_reference(kind):
    with pytest.raises(DataError, match="no lesion of a reference"):
        select_lesions(lesions={"FL": [("a", 1, kind, 0.0)]})
    with pytest.raises(DataError, match="no lesion of a reference"):
        select_units(case_rows({"FL": [0.5]}), NO_LESIONS, metric="dsc", sources=["FL"], level="lesion")


def test_results_without_a_row():
    with pytest.raises(DataError, match="no evaluated case"):
        select_units(pd.DataFrame(), NO_LESIONS, metric="dsc", sources=["FL"])


@pytest.mark.parametrize(
    ("level", "metric", "near"),
    [("case", "dice", "There are: dsc"), ("case", "hd95", "Did you mean hd95_mm"), ("lesion", "iou", "dsc_in_region")],
)
def test_a_metric_that_does_not_exist(level, metric, near):
    with pytest.raises(UsageError, match=f"metric of {level}s.*{near}"):
        select_units(case_rows({"FL": [0.5]}), NO_LESIONS, metric=metric, sources=["FL"], level=level)


def test_a_metric_that_these_results_do_not_have():
    with pytest.raises(UsageError, match=r"no HD95 \(received: hd95_mm\)"):
        select_units(case_rows({"FL": [0.5]}), NO_LESIONS, metric="hd95_mm", sources=["FL"])


def test_results_of_an_earlier_version_lack_a_descriptor():
    with pytest.raises(UsageError, match="no roughness"):
        select_units(case_rows({"FL": [0.5]}).drop(columns="roughness"), NO_LESIONS, metric="dsc", sources=["FL"])


def test_a_source_that_does_not_exist():
    with pytest.raises(UsageError, match=r"no such source \(received: fl\). There are: FL, A-FL"):
        select({"FL": [0.5], "A-FL": [0.5]}, ("FL", "fl"))
    with pytest.raises(UsageError, match=r"no such source \(received: FL seed3\)"):
        select({"FL seed1": [0.5]}, ("FL",), seeds={"FL": ("FL seed1", "FL seed3")})


@pytest.mark.parametrize(
    ("sources", "received"), [((), "none"), (("FL", "FL"), "FL, FL"), (("FL", "seeds"), "FL, seeds")]
)
def test_a_source_given_twice_or_none(sources, received):
    with pytest.raises(UsageError, match=f"each source once .received: {received}"):
        select({"FL": [0.5], "A-FL": [0.5]}, sources, seeds={"seeds": ("FL", "A-FL")})


def test_lesions_come_with_the_false_positives_of_the_cases_that_every_source_has():
    """Case c has no row of A-FL; the two seeds of FL have 5 + 1 and 1 + 1 in a and b, 4 on average."""
    cases = case_rows({"s1": [0.5, 0.5, 0.5], "s2": [0.5, 0.5, 0.5], "A-FL": [0.5, 0.5, None]})
    false = {("s1", "a"): 5, ("s1", "b"): 1, ("s2", "a"): 1, ("s2", "b"): 1, ("A-FL", "a"): 30, ("A-FL", "b"): 0}
    cases["lesion_fp"] = [false.get(pair, 100) for pair in zip(cases["source"], cases["case_id"], strict=True)]
    lesions = lesion_rows({name: [("a", 1, "reference", 0.5)] for name in ("s1", "s2", "A-FL")})
    lesions = lesions.assign(released_smoothness=NAN)
    chosen = {"metric": "detected", "sources": ("FL", "A-FL"), "level": "lesion", "seeds": {"FL": ("s1", "s2")}}
    units = select_units(cases, lesions, **chosen)
    assert (units.false_positives, units.cases) == ({"FL": 4.0, "A-FL": 30.0}, 2)
    assert false_positives_sentences(units) == (
        "FL: false positives: 4 in 2 of 2 cases, 2.00 a case.",
        "A-FL: false positives: 30 in 1 of 2 cases, 15.00 a case.",
    )
    without = select_units(cases.drop(columns="lesion_fp"), lesions, **chosen)
    assert false_positives_sentences(without) == ()


def test_axes_are_named_for_the_units():
    lesions = lesion_rows({"FL": [("a", 1, "reference", 0.5)]})
    units = select_units(case_rows({"FL": [0.5]}), lesions, metric="dsc", sources=("FL",), level="lesion")
    assert [units.axis(key).title for key in ("size", "roughness")] == ["Lesion volume (ml)", "Lesion roughness"]
    assert units.axis("size").key == "size"
    assert select({"FL": [0.5]}, ("FL",)).axis("size").title == "Tumour volume (ml)"
