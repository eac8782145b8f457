"""Volumes over time against values computed by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afl_core import evaluate
from afl_core.analysis.follow_up import (
    CATEGORIES,
    COMPLETE,
    ORDER_RULE,
    PARTIAL,
    PROGRESSION,
    STABLE,
    agreement_of_change,
    category_matrix,
    disagreement_sentence,
    follow_up_table,
    opened_table,
    order_sentence,
    response,
    seeds_sentence,
    unmeasured_visits,
    unsure_sentence,
)
from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import DataOptions
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import open_comparison


def rows_of(volumes, patient="P1"):
    """Case rows of one patient; `volumes` is source to volumes, "reference" first, None for a row that is not there."""
    reference, sources = volumes["reference"], {k: v for k, v in volumes.items() if k != "reference"}
    return pd.DataFrame(
        [
            {"case_id": f"{patient}_week_{k}", "patient": patient, "source": source}
            | {"reference_volume_ml": reference[k], "predicted_volume_ml": predicted}
            for source, values in sources.items()
            for k, predicted in enumerate(values)
            if predicted is not None
        ]
    )


@pytest.mark.parametrize(
    ("volume", "baseline", "nadir", "category"),
    [
        (0, 10, 10, COMPLETE),
        (0, 10, 0, COMPLETE),
        (3.5, 10, 10, PARTIAL),  # 65 % less, to the digit
        (3.51, 10, 10, STABLE),
        (14, 10, 10, PROGRESSION),  # 40 % more; 1.4 * 10 is 14
        (13.99, 10, 10, STABLE),
        (4.2, 3, 3, PROGRESSION),  # 1.4 * 3 is 4.199999... in binary
        (0.35 * 1.1, 1.1, 1.1, PARTIAL),
        (1.4 * 2.2, 2.2, 2.2, PROGRESSION),
        (2.8, 100, 2, PROGRESSION),  # far below baseline, and yet 40 % above the nadir
        (2.7, 100, 2, PARTIAL),
        (0.1, 10, 0, PROGRESSION),  # it came back
        (0, 0, 0, STABLE),  # nothing was there to respond
        (0.1, 0, 0, PROGRESSION),
        (math.nan, 1, 1, ""),
        (1, math.nan, 1, ""),
    ],
)
def test_response_by_the_thresholds(volume, baseline, nadir, category):
    assert response(volume, baseline_ml=baseline, nadir_ml=nadir) == category


volumes = st.floats(min_value=0.01, max_value=1e4)


@given(volumes, volumes, volumes, st.sampled_from([0.01, 1000.0]))
def test_response_does_not_depend_on_the_unit(volume, baseline, nadir, scale):
    for value, limit in ((volume / baseline, 0.35), (volume / nadir, 1.4)):
        if abs(value - limit) < 1e-6:
            return
    scaled = response(volume * scale, baseline_ml=baseline * scale, nadir_ml=nadir * scale)
    assert response(volume, baseline_ml=baseline, nadir_ml=nadir) == scaled


def test_changes_nadir_and_categories_by_hand():
    table = follow_up_table(rows_of({"reference": [20, 5, 8, 0], "A": [20, 10, 7, 1]}))
    assert table["reference_change_ml"].tolist()[1:] == [-15, -12, -20]
    assert table["reference_change_percent"].tolist()[1:] == [-75, -60, -100]
    assert table["reference_from_nadir_ml"].tolist()[1:] == [-15, 3, -5]  # nadirs 20, 5, 5
    assert table["reference_from_nadir_percent"].tolist()[1:] == pytest.approx([-75, 60, -100])
    assert table["reference_category"].tolist() == ["", PARTIAL, PROGRESSION, COMPLETE]
    assert table["predicted_category"].tolist() == ["", STABLE, PARTIAL, PARTIAL]  # 10, 7 and 1 of 20
    assert table["agrees"].tolist() == [None, False, False, False]
    assert np.isnan(table["reference_change_ml"].iloc[0])
    assert table["time_point"].tolist() == [1, 2, 3, 4]
    assert disagreement_sentence(table, "A").endswith("at 3 of 3 time points after baseline (1 patient).")


def test_nothing_at_baseline_has_no_percentage():
    table = follow_up_table(rows_of({"reference": [0, 0, 2], "A": [1, 0, 0]}))
    assert table["reference_change_ml"].tolist()[1:] == [0, 2]
    assert table["reference_change_percent"].isna().all()
    assert table["reference_category"].tolist() == ["", STABLE, PROGRESSION]
    assert table["predicted_category"].tolist() == ["", COMPLETE, COMPLETE]


def test_a_missing_prediction_leaves_the_reference_as_it_is():
    rows = rows_of({"reference": [10, 2, 3], "A": [10, None, 3], "B": [10, 2, 3]})
    table = follow_up_table(rows)
    own = table[table["source"] == "A"]
    assert own["reference_volume_ml"].tolist() == [10, 2, 3]
    assert own["reference_category"].tolist() == ["", PARTIAL, PROGRESSION]
    assert own["predicted_category"].tolist() == ["", "", PARTIAL]  # its nadir is 10
    assert own["agrees"].tolist() == [None, None, False]
    assert category_matrix(table, "A").loc[PROGRESSION, PARTIAL] == 1
    assert category_matrix(table, "A").to_numpy().sum() == 1


def test_without_a_prediction_at_baseline_a_source_has_no_change():
    rows = rows_of({"reference": [10, 2, 3], "A": [None, 2, 4], "B": [10, 2, 3]})
    own = follow_up_table(rows).query("source == 'A'")
    assert own["predicted_change_ml"].isna().all()
    assert own["predicted_from_nadir_ml"].isna().all()
    assert set(own["predicted_category"]) == {""}
    found = agreement_of_change(follow_up_table(rows)).set_index("source")
    assert found.loc["A", ["patients", "left_out"]].tolist() == [0, 1]
    assert np.isnan(found.loc["A", "bias_ml"])
    assert found.loc["B", "bias_ml"] == 0
    assert np.isnan(found.loc["B", "low_ml"])  # of one patient


def test_a_patient_with_one_time_point_is_left_out():
    one = rows_of({"reference": [10], "A": [9]}, "alone")
    both = pd.concat([one, rows_of({"reference": [10, 2], "A": [9, 1]})], ignore_index=True)
    assert set(follow_up_table(both)["patient"]) == {"P1"}
    assert follow_up_table(one).empty
    assert follow_up_table(pd.DataFrame()).empty


def test_a_case_without_a_volume_is_no_time_point():
    assert follow_up_table(rows_of({"reference": [10, math.nan], "A": [9, 1]})).empty


def test_a_case_named_twice_is_refused():
    rows = rows_of({"reference": [10, 2], "A": [9, 1]})
    with pytest.raises(UsageError, match="one region"):
        follow_up_table(pd.concat([rows, rows]))


def test_limits_of_agreement_by_hand():
    """Errors of the change from first to last: 1, 3, 2, -2 (mean 1, SD sqrt(14/3)); the middle counts not."""
    changes = [(-5, -4), (2, 5), (0, 2), (1, -1)]
    rows = pd.concat(
        rows_of({"reference": [10, 7, 10 + r], "A": [20, 99, 20 + p]}, f"P{k}") for k, (r, p) in enumerate(changes)
    )
    (found,) = agreement_of_change(follow_up_table(rows)).to_dict("records")
    sd = math.sqrt(14 / 3)
    assert (found["patients"], found["left_out"]) == (4, 0)
    assert found["bias_ml"] == pytest.approx(1)
    assert found["low_ml"] == pytest.approx(1 - 1.96 * sd)
    assert found["high_ml"] == pytest.approx(1 + 1.96 * sd)
    assert found["bias_margin_ml"] == pytest.approx(3.182446 * sd / 2, rel=1e-6)  # Student's t of 3
    assert found["limit_margin_ml"] == pytest.approx(3.182446 * sd * math.sqrt(3 / 4), rel=1e-6)


def test_the_matrix_has_every_category_in_order():
    matrix = category_matrix(follow_up_table(rows_of({"reference": [10, 2], "A": [9, 1]})), "A")
    assert tuple(matrix.index) == tuple(matrix.columns) == CATEGORIES
    assert matrix.loc[PARTIAL, PARTIAL] == matrix.to_numpy().sum() == 1


def test_visits_that_were_not_measured_are_named():
    rows = rows_of({"reference": [10, 2], "A": [9, 1]})
    cases = [("P1_week_0", "P1"), ("P1_week_9", "P1"), ("P2_week_0", "P2")]
    cohort = SimpleNamespace(cases=[SimpleNamespace(case_id=c, patient=p) for c, p in cases])
    assert unmeasured_visits(SimpleNamespace(rows=rows, cohort=cohort)) == ["P1_week_9"]
    assert unmeasured_visits(SimpleNamespace(rows=rows, cohort=None)) == []


def dated(tmp_path, table):
    """Results of three visits of P, whose names say 1, 2, 3, with a table of patients."""
    for k in (1, 2, 3):
        for folder, length in (("references", 2 * k), ("FL seed1", 2 * k), ("FL seed2", 2 * k + 2)):
            array = np.zeros((12, 8, 8), np.uint8)
            array[1 : 1 + length, 2:6, 2:6] = 1
            save_volume(tmp_path / folder / f"P_visit{k}.nii.gz", array, np.eye(4))
    (tmp_path / "visits.csv").write_text(table)
    sources = {name: tmp_path / name for name in ("FL seed1", "FL seed2")}
    options = DataOptions(patients=str(tmp_path / "visits.csv"))
    evaluate(sources, tmp_path / "out", references=tmp_path / "references", options=options)
    return open_comparison(tmp_path / "out")


DATES = "case_id,patient,date\nP_visit1,P,2021-03-01\nP_visit2,P,2021-01-01\nP_visit3,P,{}\n"


def test_the_dates_of_a_table_order_the_time_points_and_results_hold_no_date(tmp_path):
    opened = dated(tmp_path, DATES.format("2021-02-01"))
    table = opened_table(opened)
    assert table["case_id"].tolist() == ["P_visit2", "P_visit3", "P_visit1"]
    assert table["days"].tolist() == [0, 31, 59]
    assert order_sentence(opened, table) == ("Time points stand in the order that the column date of visits.csv gives.")
    record = opened.manifest.data.patients
    assert record["order"] == {"P_visit1": 59, "P_visit2": 0, "P_visit3": 31}  # days since the first
    assert "2021" not in (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("date", ["", "2021-01-01", "2021-02-30"])
def test_a_date_that_is_missing_wrong_or_there_twice_leaves_the_names(tmp_path, date):
    opened = dated(tmp_path, DATES.format(date))
    table = opened_table(opened)
    assert table["case_id"].tolist() == ["P_visit1", "P_visit2", "P_visit3"]
    assert table["days"].isna().all()
    assert "Of P it gives no order, or one twice" in order_sentence(opened, table)


def test_a_rank_is_no_number_of_days(tmp_path):
    table = opened_table(dated(tmp_path, "case_id,patient,order\nP_visit1,P,3\nP_visit2,P,1\nP_visit3,P,7\n"))
    assert table["case_id"].tolist() == ["P_visit2", "P_visit1", "P_visit3"]
    assert table["days"].isna().all()


def test_the_patients_name_alone_is_the_baseline():
    """1.0 ml, 0.3 ml at day 3 and 0.1 ml at day 15: 70 and 90 % less."""
    rows = rows_of({"reference": [1.0, 0.3, 0.1], "A": [1.0, 0.3, 0.1]}, "UCSF-PDGM-0138")
    rows["case_id"] = ["UCSF-PDGM-0138", "UCSF-PDGM-0138_FU003d", "UCSF-PDGM-0138_FU015d"]
    table = follow_up_table(rows.iloc[::-1])
    assert table["reference_volume_ml"].tolist() == [1.0, 0.3, 0.1]
    assert table["reference_category"].tolist() == ["", PARTIAL, PARTIAL]
    assert table["days"].tolist() == [0, 3, 15]


def test_an_order_that_is_a_guess_names_the_patients(tmp_path):
    for folder in ("references", "FL"):
        for case_id in ("P1_week_2", "P1_visit3", "P2_week_2", "P2_week_3"):
            save_volume(tmp_path / folder / f"{case_id}.nii.gz", np.eye(4, dtype=np.uint8)[..., None], np.eye(4))
    evaluate({"FL": tmp_path / "FL"}, tmp_path / "out", references=tmp_path / "references")
    opened = open_comparison(tmp_path / "out")
    assert unsure_sentence(opened, opened_table(opened)).startswith("The order of the time points of P1 is a guess")


def test_seeds_count_as_their_mean(tmp_path):
    opened = dated(tmp_path, "case_id,patient\nP_visit1,P\nP_visit2,P\nP_visit3,P\n")
    table = opened_table(opened)
    assert table["source"].unique().tolist() == ["FL"]
    assert table["predicted_volume_ml"].tolist() == pytest.approx([0.048, 0.080, 0.112])  # lengths 3, 5, 7 of 16 mm2
    assert seeds_sentence(opened) == "The volume of FL (2 seeds) is the mean over its seeds."
    assert order_sentence(opened, table) == ORDER_RULE
