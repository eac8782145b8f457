"""The Breakdown page through AppTest: what it says, and that it says the same as the analysis."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from afl_core.analysis.breakdown import explore, sentences
from afl_core.analysis.breakdown.gain_model import gain_model, model_sentences
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.breakdown.sentences import pair_sentence
from afl_core.base.numbers import p_number
from afl_core.data.covariates import Covariates
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.contrast import measure_contrast
from afl_core.evaluation.results import CASES, LESIONS, MANIFEST, Results

SIZES = np.geomspace(0.2, 60, 30)


@pytest.fixture
def cohort(results: Results) -> Results:
    """Thirty cases with two lesions each; A-FL gains 0.1 on the ten smallest, and nothing is known of their images."""
    rng = np.random.default_rng(5)
    row, lesion = results.cases().iloc[0].to_dict(), results.lesions().iloc[0].to_dict()
    cases, lesions = [], []
    for i, size in enumerate(SIZES):
        base, rough = 0.5 + 0.3 * rng.random(), rng.uniform(0.05, 0.3)
        for source in ("FL", "A-FL"):
            gain = 0.1 * (i < 10) * (source == "A-FL") + rng.normal(0, 0.01)
            facts = {"case_id": f"case{i:02d}", "source": source, "roughness": rough}
            cases.append({**row, **facts, "reference_volume_ml": size, "dsc": base + gain, "empty": ""})
            cases[-1]["released_smoothness"] = size / 1e4
            lesions += [
                {**lesion, **facts, "lesion_id": k, "kind": "reference", "volume_ml": size / (k + 0.5)}
                | {"dsc": base + gain, "detected": True}
                for k in (1, 2)
            ]
    pd.DataFrame(cases).to_parquet(results.folder / CASES)
    pd.DataFrame(lesions).to_parquet(results.folder / LESIONS)
    manifest = json.loads((results.folder / MANIFEST).read_text())
    manifest["data"]["path"] += " that is gone"
    (results.folder / MANIFEST).write_text(json.dumps(manifest))
    return results


def text(at) -> str:
    kinds = (at.markdown, at.info, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def expected(cohort: Results, **options):
    return choose_breakdown((cohort.cases(), cohort.lesions()), cohort.manifest(), Options(**options))


def statistics(at) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if "p (Holm)" in frame.value)


def test_every_bin_has_its_sentence_and_its_row(app, cohort):
    at = app("breakdown")
    breakdown = expected(cohort)
    said = text(at)
    pair = breakdown.pair("FL", "A-FL")
    for record in pair.to_dict("records"):
        assert pair_sentence(record, breakdown.units) in said
    table = statistics(at)
    assert table["difference"].tolist() == pytest.approx(pair["mean_difference"].tolist())
    assert table["p (Holm)"].tolist() == [p_number(p) for p in pair["p_holm"]]
    assert "Small tumours: A-FL better by" in said
    assert "Large tumours: no difference shown" in said
    assert "The edges are ours, the paper publishes none" in said


def test_a_typed_edge_moves_the_bin_and_stays_in_the_address(app, cohort):
    at = app("breakdown")
    field = next(n for n in at.number_input if "Small up to" in n.label)
    assert field.value is None
    field.set_value(1.0).run()
    assert not at.exception
    small = statistics(at).query("bin == 'small'").iloc[0]
    assert small["n"] == (SIZES <= 1).sum()
    assert small["range"] == "up to 1 ml"
    at = app("breakdown", results="small", size_low="1.0")
    assert statistics(at).query("bin == 'small'").iloc[0]["n"] == (SIZES <= 1).sum()


@pytest.mark.parametrize("first", [50, 2])
def test_edges_in_the_wrong_order_are_one_sentence_and_the_page_stays(app, cohort, first):
    at = app("breakdown", size_low=str(first), size_high="2")
    assert len(at.error) == 1
    assert f"must lie below the second (received: {first} and 2)" in at.error[0].value.replace("\\", "")
    assert statistics(at)["n"].tolist() == expected(cohort).pair("FL", "A-FL")["n"].tolist()


def test_released_smoothness_comes_with_its_correlation_with_size(app, cohort):
    at = app("breakdown", smoothness="Released smoothness")
    assert len(at.warning) == 1
    assert "gamma_mSa" in text(at)
    assert "1.00" in at.warning[0].value.replace("\\", "")  # the smoothness of these rows is their size


def test_lesions_count_their_patient_once(app, cohort):
    table = statistics(app("breakdown", level="Lesions"))
    whole = table.iloc[0]
    assert (whole["n"], whole["units"]) == (30, 60)
    breakdown = expected(cohort, level="lesion")
    assert table["difference"].tolist() == pytest.approx(
        breakdown.pair("FL", "A-FL")["mean_difference"].tolist(), nan_ok=True
    )


@pytest.mark.parametrize("view", ["Pairs", "Size x smoothness", "Against size", "Distribution", "Lesion recall"])
@pytest.mark.parametrize("level", ["Cases", "Lesions"])
def test_every_view_draws(app, cohort, view, level):
    at = app("breakdown", view=view, level=level)
    assert not at.error
    assert len(at.get("plotly_chart")) >= 3


def test_the_confounding_view_correlates_and_moves_the_edges(app, cohort):
    at = app("breakdown", view="Confounding")
    table = next(frame.value for frame in at.dataframe if "rho" in frame.value)
    ranks = pd.DataFrame({"size": SIZES, "rough": cohort.cases().drop_duplicates("case_id")["roughness"].to_numpy()})
    assert table["rho"][0] == f"{ranks.corr('spearman').iloc[0, 1]:+.2f}"
    assert len(at.get("plotly_chart")) == 5


def test_false_lesions_stand_beside_recall_and_a_plan_takes_a_difference(app, cohort):
    at = app("breakdown", view="False lesions")
    assert not at.exception
    said = text(at)
    recall = r"finds ([\d.]+ (more|fewer) than|as many as) FL .mean over \d+ patients with \d+ lesions.+, and it has "
    assert re.search(recall + r"([\d.]+ (more|fewer)|as many) false lesions a case", said)
    assert said.index("False lesions, by their own size") < said.index("Recall of lesions, by their size")
    seen, assumed = app("breakdown", view="Planning"), app("breakdown", view="Planning", planned="0.2")
    assert "Planning, not evidence" in text(seen)
    assert "to show the difference that was seen" in text(seen)
    assert "to show that difference" in text(assumed)


def test_a_link_to_a_view_alone_opens_its_tab_with_all_else_that_it_says(app, cohort):
    """As earlier versions wrote them: the view was a tab of its own."""
    old = app("breakdown", view="False lesions", sources=["A-FL", "FL"])
    assert (old.query_params["view"], old.query_params["lesions_view"]) == ("Lesions", "False lesions")
    assert "Of 100 lesions of a patient FL finds" in text(old), "the sources as the link has them"
    new = app("breakdown", view="Lesions", lesions_view="False lesions")
    assert "Of 100 lesions of a patient A-FL finds" in text(new)
    assert "Share of the cases that score" in text(app("breakdown", view="Cases", cases_view="Distribution"))
    assert "One line a case" in text(app("breakdown", view="Cases", cases_view="nonsense"))


def test_masks_have_no_operating_point_and_it_is_said(app, cohort):
    at = app("breakdown", view="Operating point")
    assert not at.error
    assert "They come with checkpoints and maps of probabilities, not with masks" in text(at)


def test_the_published_tables_are_labelled(app, cohort):
    said = text(app("breakdown", view="Published"))
    assert "Published by the paper, not measured here" in said
    assert "2407.09828" in said


def test_the_export_names_the_command_that_gives_the_same(app, cohort):
    at = app("breakdown", view="Export", size_low="1.0", size_high="4.5")
    assert "--edges size=1.0,4.5" in at.code[0].value
    assert "--separate-seeds" not in at.code[0].value
    assert [button.label for button in at.get("download_button")][4:] == [
        "breakdown.json",
        "breakdown.csv",
        "units.csv",
        "Paper kit",
    ]
    assert "afl export" in at.code[0].value


def test_one_source_has_means_but_no_comparison(app, cohort):
    at = app("breakdown", sources="FL")
    assert not at.error
    assert not any("p (Holm)" in frame.value for frame in at.dataframe)
    mean = cohort.cases().query("source == 'FL'")["dsc"].mean()
    assert f"FL's mean Dice, all cases: {mean:.3f} (30 cases; 95 % interval" in text(at)


def test_a_grid_of_small_cells_says_so(app, cohort):
    """Thirty cases over nine cells leave at most 5 in one; two bins of smoothness hold enough."""
    assert "Every cell has fewer than 6 patients" in text(app("breakdown", view="Size x smoothness"))
    wide = app("breakdown", view="Size x smoothness", roughness_low="1", roughness_high="2")
    assert "Every cell has fewer" not in text(wide)


def test_the_level_of_the_intervals_is_said(app, cohort):
    said = text(app("breakdown"))
    assert "95 % over all, 98.3 % in each bin by tumour volume and in each bin by roughness" in said
    assert "Lesions can say otherwise" in said
    assert "Cases can say otherwise" in text(app("breakdown", level="Lesions"))


def test_three_cases_are_too_few_and_said_so(app, results):
    at = app("breakdown")
    assert "too few" in text(at)


@pytest.mark.parametrize("view", ["Distribution", "Lesion recall", "Export"])
def test_tumours_without_roughness_are_binned_by_size(app, cohort, view):
    cases = pd.read_parquet(cohort.folder / CASES)
    cases.assign(roughness=np.nan).to_parquet(cohort.folder / CASES)
    at = app("breakdown", view=view)
    assert not at.error
    assert "There are no bins by roughness: 0 of 30 cases have a value, and three bins need 3" in text(at)
    assert "Means by tumour volume" in text(at)
    assert len(statistics(at)) == 4


def test_no_results_yet_is_said(app, results):
    for name in (CASES, LESIONS):
        (results.folder / name).unlink()
    manifest = json.loads((results.folder / MANIFEST).read_text())
    (results.folder / MANIFEST).write_text(json.dumps(manifest | {"empty_masks": {}}))
    assert "No case has been evaluated yet" in text(app("breakdown"))


def test_seeds_are_averaged_and_can_be_shown_apart(app, cohort):
    cases, lesions, manifest = cohort.cases(), cohort.lesions(), cohort.manifest()
    rng = np.random.default_rng(1)
    parts = [(s, k) for s in ("FL", "A-FL") for k in (1, 2)]
    for table, name in ((cases, CASES), (lesions, LESIONS)):
        seeded = [
            table[table["source"] == s].assign(
                source=f"{s} seed{k}", dsc=lambda t: t["dsc"] + rng.normal(0, 0.01, len(t))
            )
            for s, k in parts
        ]
        pd.concat(seeded, ignore_index=True).to_parquet(cohort.folder / name)
    manifest = manifest.model_copy(update={"sources": {f"{s} seed{k}": manifest.sources[s] for s, k in parts}})
    (cohort.folder / MANIFEST).write_text(json.dumps(manifest.record()))
    at = app("breakdown")
    assert at.multiselect[0].value == ["FL", "A-FL"]
    wide = cohort.cases().pivot(index="case_id", columns="source", values="dsc")
    mean = (wide["A-FL seed1"] + wide["A-FL seed2"] - wide["FL seed1"] - wide["FL seed2"]).mean() / 2
    assert statistics(at)["difference"][0] == pytest.approx(mean)
    apart = app("breakdown", each_seed="true")
    assert len(apart.multiselect[0].value) == 4


def test_the_statistics_are_those_of_the_whole_comparison_at_once(app, cohort):
    """Records are cached an axis at a time; Holm's correction must still count all of them."""
    breakdown = expected(cohort)
    again = compute_breakdown(breakdown.units, breakdown.binnings)
    assert statistics(app("breakdown"))["p (Holm)"].tolist() == [
        p_number(p) for p in again.pair("FL", "A-FL")["p_holm"]
    ]


def test_recall_beside_cases_has_the_tertiles_of_the_lesions(app, cohort):
    """A lesion is smaller than its case: by the edges of the cases nearly all would be small."""
    sizes = cohort.lesions().drop_duplicates(["case_id", "lesion_id"])["volume_ml"]
    low, high = np.quantile(sizes, [1 / 3, 2 / 3])
    assert f"at {low:.3g} and {high:.3g} ml" in text(app("breakdown", view="Lesion recall"))
    fixed = app("breakdown", view="Lesion recall", size_low="1.5", size_high="4.5")
    assert "at 1.5 and 4.5 ml" in text(fixed)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_cases_have_their_table_without_bins(app, results, n):
    rows = pd.read_parquet(results.folder / CASES)
    kept = rows["case_id"].drop_duplicates()[:n]
    rows[rows["case_id"].isin(kept)].to_parquet(results.folder / CASES)
    (results.folder / MANIFEST).touch()
    at = app("breakdown")
    assert not at.error
    assert f"{n} case" in text(at)


def test_a_covariate_is_a_further_axis_that_is_marked_and_counted(app, cohort):
    rows = cohort.cases().drop(columns=["surface_area_mm2", "patient"])  # what is left is the same in every case
    rows.to_parquet(cohort.folder / CASES)
    assert not [m for m in app("breakdown").multiselect if "Further axes" in m.label]
    sites = {f"case{i:02d}": ("North", "South")[i % 2] for i in range(30)}
    cohort.keep_covariates(Covariates("sites.csv", {"site": sites}))
    at = app("breakdown")
    before = len(statistics(at))
    (control,) = [m for m in at.multiselect if "Further axes" in m.label]
    control.set_value(["site"]).run()
    assert not at.exception
    breakdown, said = expected(cohort, by=("size", "roughness", "site")), text(at)
    table = statistics(at)
    assert table["by"].tolist()[before:] == ["Site (exploratory)"] * 2
    assert table["p (Holm)"].tolist() == [p_number(p) for p in breakdown.pair("FL", "A-FL")["p_holm"]]
    assert (
        f"Holm's correction counts all {breakdown.n_tests} tests of the breakdown. Axes, metrics, sources and views"
        in said
    )
    assert "Site, exploratory: chosen after the data were seen" in said
    assert "### Means by site (exploratory)" in said
    assert "Cases with site North (exploratory): " in said


def test_an_axis_that_was_put_away_again_is_counted_to_the_end_of_the_visit(app, cohort):
    sites = {f"case{i:02d}": ("North", "South")[i % 2] for i in range(30)}
    cohort.keep_covariates(Covariates("sites.csv", {"site": sites}))
    at = app("breakdown", view="Export")
    for chosen in (["site"], []):
        at.multiselect(key="covariates").set_value(chosen).run()
    at.selectbox(key="smoothness").set_value("released_smoothness").run()
    assert not at.exception
    breakdown = expected(cohort, by=("size", "released_smoothness"), opened=("roughness", "site"))
    table = statistics(at)
    assert set(table["by"]) == {"", "Tumour volume", "Released smoothness"}
    assert table["p (Holm)"].tolist() == [p_number(p) for p in breakdown.pair("FL", "A-FL")["p_holm"]]
    assert sentences.tests_sentence(breakdown) in text(at)
    assert "those of axes that were opened before: roughness, site." in text(at)
    assert "--opened-before roughness,site" in at.code[0].value
    assert at.query_params["opened"] == ["roughness", "site"]
    linked = app("breakdown", **{"opened": "site"})
    assert "those of axes that were opened before: site." in text(linked)
    assert len(statistics(linked)) == len(breakdown.pair("FL", "A-FL"))


def test_the_confounding_view_has_the_covariates_that_were_chosen(app, cohort):
    columns = {"age": {f"case{i:02d}": 40.0 + 7 * i % 31 for i in range(30)}}
    cohort.keep_covariates(Covariates("ages.csv", columns))
    assert "Choose some as further axes" in text(app("breakdown", view="Confounding"))
    at = app("breakdown", view="Confounding", covariates="Age")
    assert not at.exception
    breakdown = expected(cohort, by=("size", "roughness", "age"))
    model = gain_model(breakdown.units, ("FL", "A-FL"), ("size", "roughness", "age"))
    said = text(at)
    assert all(sentence in said for sentence in model_sentences(model, breakdown.units, ("FL", "A-FL")))
    terms = next(frame.value for frame in at.dataframe if "term" in frame.value)
    assert terms["term"].tolist() == ["tumour volume", "roughness", "age"]
    ranked = next(frame.value for frame in at.dataframe if "with volume" in frame.value)
    assert ranked["rank correlation of"].tolist() == ["age"]


def test_explore_sets_any_two_columns_against_each_other(app, cohort):
    columns = {"age": {f"case{i:02d}": 40.0 + 7 * i % 31 for i in range(30)}}
    cohort.keep_covariates(Covariates("ages.csv", columns))
    at = app("breakdown", view="Explore")
    assert not at.exception
    units = expected(cohort).units
    found = explore.columns(units, ("FL", "A-FL"))
    assert explore.explored_sentence(units, found["size"], found["difference"]) in text(at)
    assert "by construction" not in text(at)
    at.selectbox(key="explore_right").set_value("age").run()
    at.selectbox(key="explore_colour").set_value("roughness").run()
    assert not at.exception
    assert explore.explored_sentence(units, found["age"], found["difference"]) in text(at)
    at.selectbox(key="explore_right").set_value("of FL").run()
    assert "A difference goes with its own two sources by construction." in text(at)
    at.selectbox(key="explore_top").set_value("none").run()
    assert explore.explored_sentence(units, found["of FL"], None) in text(at)
    assert "30 cases of 30 patients" in text(at)


def test_explore_takes_the_choice_of_the_address_and_lesions(app, cohort):
    at = app("breakdown", view="Explore", level="Lesions", explore_right="Lesion roughness", explore_top="Nothing")
    assert not at.exception
    assert at.selectbox(key="explore_right").value == "roughness"
    assert "Lesion roughness: median" in text(at)
    assert "60 lesions of 30 patients" in text(at)


def test_a_covariate_colours_the_trend(app, cohort):
    cohort.keep_covariates(Covariates("t.csv", {"age": {f"case{i:02d}": 40.0 + i for i in range(30)}}))
    at = app("breakdown", view="Against size")
    control = at.selectbox(key="trend_colour")
    assert control.value == "roughness"
    assert {"Roughness", "Released smoothness", "Age"} <= set(control.options)
    control.set_value("age").run()
    assert not at.exception
    drawn = [chart.proto.spec for chart in at.get("plotly_chart")]
    assert any('"Age"' in spec for spec in drawn)


def test_contrast_is_a_further_axis_once_its_command_was_given(app, results):
    said = text(app("breakdown"))
    assert "Contrast and signal to noise are not measured yet" in said
    assert f"afl contrast {results.folder}" in said
    _, problems = measure_contrast({"whole": open_comparison(results.folder)}, "flair")
    assert not problems
    at = app("breakdown", covariates="Contrast on flair")
    assert not at.exception
    assert "afl contrast" not in text(at)
    (control,) = [m for m in at.multiselect if "Further axes" in m.label]
    assert {"Contrast on flair", "Signal to noise on flair", "Contrast to noise on flair"} <= set(control.options)
    assert control.value == ["contrast"]
    assert "Contrast on flair (exploratory)" in statistics(at)["by"].tolist()
    at = app("breakdown", view="Explore", level="Lesions", explore_right="Contrast to noise on flair")
    assert not at.exception
    assert at.selectbox(key="explore_right").value == "contrast_to_noise"
