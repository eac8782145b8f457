"""The Overview page: one sentence, one figure, one gallery; the same numbers as everywhere else."""

import json
import re

import pandas as pd
import pytest
from made_results import CARD, make_tables, write_results

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.sentences import pair_sentence
from afl_core.base import paths
from afl_core.cli.summary import print_summary
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.results import MANIFEST, Results
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.report.build import Findings, build_report
from afl_core.ui.overview.gallery import extremes
from afl_core.ui.overview.picture import forest_panels, source_panels
from afl_core.ui.overview.summary import Summary, summarize

SEEDS = {"FL seed1": 0.0, "FL seed2": 0.01, "A-FL": 0.05}


def text(at) -> str:
    kinds = (at.markdown, at.info, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def made(tmp_path, sources=None) -> Results:
    return Results(write_results(tmp_path / "results" / "made", **({"sources": sources} if sources else {})))


def headline(at) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if "Metric" in frame.value).set_index("Metric")


def test_it_says_what_cases_and_what_lesions_show_in_breakdowns_words(app, tmp_path):
    results = made(tmp_path)
    said = text(app("overview"))
    for level, title in {"case": "Cases", "lesion": "Lesions"}.items():
        breakdown = choose_breakdown((results.cases(), results.lesions()), results.manifest(), Options(level=level))
        sentence = pair_sentence(breakdown.pair("FL", "A-FL").iloc[0].to_dict(), breakdown.units)
        assert sentence in said
        assert sentence in text(app("breakdown", level=title))


def test_seeds_and_empty_cases_count_alike_on_every_page_in_the_report_and_in_the_terminal(app, tmp_path, capsys):
    """By hand: mean over seeds a case, mean over the 24 cases; the last has no tumour and scores 1 by the rule."""
    results = made(tmp_path, SEEDS)
    rows = make_tables(sources=SEEDS)[0]
    wide = rows.pivot(index="case_id", columns="source", values="dsc")
    fl, afl = (wide["FL seed1"] + wide["FL seed2"]) / 2, wide["A-FL"]
    there = rows.drop_duplicates("case_id").set_index("case_id")["reference_volume_ml"] > 0
    basis = (
        "Averaged over seeds: FL of 2 seeds. 1 case without a tumour is counted by the rule for empty masks. "
        f"Mean Dice without it, over 23 of 24 patients: FL {fl[there].mean():.3f}, A-FL {afl[there].mean():.3f}."
    )
    difference = f"{(afl - fl).mean():+.3f}"
    overview = app("overview")
    dice = headline(overview).loc["Dice ↑"]
    assert (dice["FL mean"], dice["A-FL mean"], dice["Difference"]) == (
        f"{fl.mean():.3f}",
        f"{afl.mean():.3f}",
        difference,
    )
    breakdown = app("breakdown")
    statistics = next(frame.value for frame in breakdown.dataframe if "p (Holm)" in frame.value)
    assert f"{statistics['difference'].iloc[0]:+.3f}" == difference
    opened = open_comparison(results.folder)
    options = Options()
    found = choose_breakdown((opened.rows, opened.lesions), opened.manifest, options)
    report = build_report(Findings(found, options, opened, "afl report"))
    assert f">{difference}<" in report
    for said in (text(overview), text(breakdown), report):
        assert basis in said
    case = app("compare", sort="By name")
    shown = next(frame.value for frame in case.dataframe if "case" in frame.value).set_index("case")
    assert shown["difference"].to_numpy() == pytest.approx((afl - fl).to_numpy(), abs=1e-9)
    print_summary(results, ["A-FL"])
    printed = capsys.readouterr().out
    assert f"{afl.mean():.3f}" in printed
    assert f"{afl[there].mean():.3f}" in printed


def summary_of(results: Results) -> Summary:
    summary = summarize(open_comparison(results.folder))
    assert summary is not None
    return summary


def test_the_forest_has_a_mark_a_metric_and_level_by_unit(app, tmp_path):
    summary = summary_of(made(tmp_path))
    scores, distances = forest_panels(summary, ("FL", "A-FL"))
    assert (scores.rows, scores.better) == (("Dice", "Lesion recall"), "higher")
    assert [(mark.label, mark.group) for mark in scores.marks] == [
        ("Dice", "Cases"),
        ("Dice", "Lesions"),
        ("Lesion recall", "Lesions"),
    ]
    assert (distances.rows, distances.better, distances.unit) == (("HD95",), "lower", "mm")
    record = summary.breakdowns["lesion"].pair("FL", "A-FL").iloc[0]
    lesions = scores.marks[1]
    assert (lesions.estimate, lesions.low, lesions.high) == (
        record["mean_difference"],
        record["ci_low"],
        record["ci_high"],
    )


def test_the_gallery_is_of_the_furthest_cases_on_either_side(app, tmp_path):
    results = made(tmp_path)
    gains, losses = extremes(summary_of(results), ("FL", "A-FL"))
    wide = results.cases().pivot(index="case_id", columns="source", values="dsc")
    order = (wide["A-FL"] - wide["FL"]).sort_values()
    assert list(losses["case_id"]) == list(order.index[:3])
    assert list(gains["case_id"]) == list(order.index[:-4:-1])
    at = app("overview")
    links = [link.proto for link in at.get("page_link")]
    assert [link.label.replace("\\", "") for link in links] == [*gains["case_id"], *losses["case_id"]]
    assert all("case=" in link.query_string and "results=made" in link.query_string for link in links)


THREE = {"FL": 0.0, "A-FL": 0.05, "DiceCE": -0.3}


def test_every_source_is_compared_with_the_baseline_of_the_address(app, tmp_path):
    results = made(tmp_path, THREE)
    at = app("overview", baseline="DiceCE")
    summary = summary_of(results)
    breakdown = summary.breakdowns["case"]
    assert pair_sentence(breakdown.pair("DiceCE", "FL").iloc[0].to_dict(), breakdown.units) in text(at)
    dice = next(frame.value for frame in at.dataframe if "Metric" in frame.value).iloc[0]
    for other in ("FL", "A-FL"):
        difference = (summary.units.values[other] - summary.units.values["DiceCE"]).mean()
        assert dice[f"{other} difference"] == f"{difference:+.3f}"
        assert " to " in dice[f"{other} interval"]
    assert "DiceCE difference" not in dice
    (panel,) = source_panels(summary, "DiceCE")
    assert panel.rows == ("FL", "A-FL")
    assert [mark.group for mark in panel.marks] == ["Cases", "Lesions"] * 2
    assert panel.marks[0].estimate == summary.metrics["case"][0].pair("DiceCE", "FL")["mean_difference"]


def test_a_new_baseline_that_was_compared_gives_way(app, tmp_path):
    results = made(tmp_path, THREE)
    at = app("overview", compared="DiceCE")
    at.selectbox(key="baseline").set_value("DiceCE").run()
    assert not at.exception
    breakdown = summary_of(results).breakdowns["case"]
    assert pair_sentence(breakdown.pair("DiceCE", "FL").iloc[0].to_dict(), breakdown.units) in text(at)


def test_two_sources_have_no_baseline_to_choose(app, tmp_path):
    made(tmp_path)
    at = app("overview")
    assert "baseline" not in {box.key for box in at.selectbox}
    assert "Every source" not in text(at)


def test_one_source_is_shown_against_volume(app, tmp_path):
    results = made(tmp_path, {"FL": 0.0})
    at = app("overview")
    dsc = results.cases()["dsc"]
    assert f"FL's mean Dice, all cases: {dsc.mean():.3f} (24 cases;" in text(at)
    best, worst = extremes(summary_of(results), None)
    assert list(best["first"]) == sorted(dsc)[:-4:-1]
    assert list(worst["first"]) == sorted(dsc)[:3]
    (chart,) = at.get("plotly_chart")
    figure = json.loads(chart.proto.spec)
    assert figure["layout"]["xaxis"]["title"]["text"] == "Tumour volume (ml, logarithmic), n = 23"


def test_networks_of_drawn_tumours_on_other_data_are_told_at_the_result(app, tmp_path):
    results = made(tmp_path)
    said = (
        "FL is a network that was trained on the drawn tumours of the synthetic demo cohort, and measured here on other"
    )
    assert said not in text(app("overview"))
    manifest = json.loads((results.folder / MANIFEST).read_text())
    manifest["sources"]["FL"]["card"] = CARD | {"data": {"name": paths.DEMO_NAME}}
    (results.folder / MANIFEST).write_text(json.dumps(manifest))
    assert said in text(app("overview"))
    for name in ("cases.parquet", "lesions.parquet"):  # a copy of the demo, wherever it lies
        table = pd.read_parquet(results.folder / name)
        table.assign(case_id=paths.DEMO_CASE + table["case_id"]).to_parquet(results.folder / name)
    (results.folder / MANIFEST).touch()
    copy = text(app("overview"))
    assert said not in copy
    assert "Synthetic cohort." in copy


def test_the_gallery_names_the_colours_of_the_outlines(app, results):
    """In the order in which the pictures take them, whatever pair is chosen."""
    (legend,) = [block.proto.body for block in app().get("html") if "Outlines" in block.proto.body]
    marks = re.findall(r"color: (#\w+)[^>]*>■</b> ([^<]+)</span>", legend)
    assert marks == [(REFERENCE_COLOUR, "reference"), (SOURCE_COLOURS[0], "FL"), (SOURCE_COLOURS[1], "A-FL")]
