"""`afl curves`: its table, its CSV and the pair at matched thresholds; and the report's section of the same numbers."""

import json
import re

import pandas as pd
import pytest
from made_maps import measure_maps


@pytest.fixture
def parts(tmp_path):
    """Results of maps on test and on validation cases, of which the second source is shifted."""
    measure_maps(tmp_path, tmp_path / "results")
    return tmp_path / "results"


def test_the_table_the_file_and_the_report_say_the_same(call, parts, tmp_path):
    code, out, err = call("curves", parts / "test", "--out", tmp_path / "out")
    assert code == 0, err
    assert "average precision" in out
    table = pd.read_csv(tmp_path / "out" / "curves.csv")
    at_half = table[table["threshold"] == 0.5].set_index("source")
    assert len(table) == 2 * 99
    for name in ("FL", "A-FL"):
        assert re.search(rf"{name} +{at_half.loc[name, 'mean_dice']:.3f}", out)
    code, _, err = call("report", parts / "test", "--out", tmp_path / "report.html")
    assert code == 0, err
    html = (tmp_path / "report.html").read_text()
    assert '<section id="operating-point">' in html
    assert f"{at_half.loc['A-FL', 'lesion_f1']:.3f}" in html
    said = f"Mean Dice at 0.5, and at the best threshold of these cases: FL {at_half.loc['FL', 'mean_dice']:.3f} (best "
    assert said in html
    usual, best = at_half["mean_dice"], table.groupby("source")["mean_dice"].max()
    assert usual["A-FL"] - usual["FL"] < -0.1, "it is FL shifted, so that the best thresholds leave no difference"
    assert best["A-FL"] == pytest.approx(best["FL"])
    assert (
        f"A-FL minus FL, mean Dice: {usual['A-FL'] - usual['FL']:+.3f} at 0.5, 0.000 with the threshold of each that "
        "is best on these cases, which flatters both."
    ) in html
    assert '<section id="confidence">' in html
    code, _, err = call("confidence", parts / "test", "--out", tmp_path / "out")
    assert code == 0, err
    ece = pd.read_csv(tmp_path / "out" / "calibration.csv")
    assert f"{ece['mean_difference'].dropna().iloc[0]:+.4f}" in html


def test_json_has_the_pair_at_thresholds_of_other_patients(call, parts):
    code, out, err = call("curves", parts / "test", "--validation", parts / "validation", "--json", "--quiet")
    assert code == 0, err
    document = json.loads(out, parse_constant=pytest.fail)
    assert list(document["matched"]["thresholds"]) == ["FL", "A-FL"]
    assert len(document["curves"]) == 2 * 99


def test_a_damaged_table_of_counts_costs_its_section_and_is_told_in_the_report(call, parts, tmp_path):
    (parts / "test" / "curves.parquet").write_bytes(b"")
    code, _, err = call("report", parts / "test", "--out", tmp_path / "report.html")
    assert code == 0, err
    assert "curves.parquet is damaged" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_counts_without_rows_of_cases_are_one_message(call, parts):
    (parts / "test" / "cases.parquet").unlink()
    code, out, err = call("curves", parts / "test", "--validation", parts / "validation")
    assert code != 0
    assert "cases.parquet is missing in the results folder test" in " ".join((out + err).split())
    pd.read_parquet(parts / "validation" / "cases.parquet")[:0].to_parquet(parts / "test" / "cases.parquet")
    code, out, err = call("curves", parts / "test", "--validation", parts / "validation")
    assert code != 0
    assert "hold no row of a case" in " ".join((out + err).split())
    assert "unexpected" not in err
