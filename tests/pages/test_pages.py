"""The pages through AppTest: what a reader sees with results, without them, and with damaged ones."""

import json
import time

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from afl_core.base import processes
from afl_core.data.layouts import references_cohort
from afl_core.evaluation.job import EVERY, job_status
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.results import MANIFEST, Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources
from afl_core.ui.shared import bar


def text(at):
    """All prose on the page."""
    kinds = (at.title, at.header, at.subheader, at.markdown, at.info, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


def test_overview_states_the_measured_difference(app, results):
    at = app()
    rows = results.cases().pivot(index="case_id", columns="source", values="dsc")
    assert f"{(rows['A-FL'] - rows['FL']).mean():+.3f}" in text(at)
    assert "3 cases, too few for an interval or a test" in text(at)


def test_overview_table_holds_means_medians_difference_and_interval(app, results):
    table = app().dataframe[0].value.set_index("Metric")
    dsc = results.cases().pivot(index="case_id", columns="source", values="dsc")
    assert table.loc["Dice ↑", "Over"] == "3 patients"
    assert table.loc["Dice ↑", "FL mean"] == f"{dsc['FL'].mean():.3f}"
    assert table.loc["Dice ↑", "A-FL median"] == f"{dsc['A-FL'].median():.3f}"
    assert table.loc["Dice ↑", "Difference"] == f"{(dsc['A-FL'] - dsc['FL']).mean():+.3f}"
    assert table.loc["Dice ↑", "95 % interval"] == "n below 6"


def test_overview_says_that_labels_contradict_anatomy(app, tmp_path):
    """Edema is the outermost label: here 3, by own codes right, and 2 by the scheme that was named."""
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:-2, 2:-2, 2:-2], labels[4:-4, 4:-4, 4:-4], labels[5:-5, 5:-5, 5:-5] = 3, 1, 2
    (tmp_path / "references").mkdir()
    nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "references" / "a.nii.gz")
    cohort = references_cohort(tmp_path / "references", labels="brats2023", region="et")
    results, sources = Results(tmp_path / "results" / "wrong"), parse_sources([f"A={tmp_path / 'references'}@labels"])
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    said = "The label 2 is edema by the labels brats2023, but it lies inside the labels 1, 3 of the tumour core"
    assert any(said in warning.value.replace("\\", "") for warning in app("overview").warning)


def test_overview_counts_the_cases_that_an_empty_mask_touched(app, results):
    said = text(app())
    assert "A-FL: 1 with both masks empty" in said
    assert "FL: 1 with both masks empty, 1 with nothing predicted" in said


def cases_of(at) -> pd.DataFrame:
    """The cases that Compare shows, in their order."""
    return next(frame.value for frame in at.dataframe if "case" in frame.value)


def test_without_results_the_page_says_what_to_do(app):
    assert "afl demo" in text(app())


def test_damaged_results_are_one_message(app, results):
    (results.folder / "cases.parquet").write_bytes(b"not parquet")
    at = app()
    assert len(at.error) == 1
    assert "damaged" in at.error[0].value


@pytest.mark.parametrize("name", ["cases.parquet", "lesions.parquet"])
@pytest.mark.parametrize("page", ["overview", "compare", "breakdown", "follow_up"])
def test_a_file_that_is_gone_is_one_message_of_every_page(app, results, name, page):
    (results.folder / name).unlink()
    at = app(page)
    assert [error.value.split(" \\(")[0] for error in at.error] == [
        f"{name} is missing in the results folder {results.folder.name}"
    ]


def test_compare_opens_the_case_on_which_the_second_source_loses_most(app, results):
    at = app("compare")
    dsc = results.cases().pivot(index="case_id", columns="source", values="dsc")
    assert at.query_params["case"] == (dsc["A-FL"] - dsc["FL"]).idxmin()


def test_compare_opens_the_case_of_the_link(app, results):
    at = app(case="missed", results="small")
    assert at.header[0].value == "missed"
    assert at.query_params["case"] == "missed"


def test_the_next_case_is_a_click_away_in_the_order_of_the_table(app, results):
    at = app("compare", sort="Smallest first", lesion="1", at="axial-1-2-3")
    order = [str(case) for case in cases_of(at)["case"]]
    assert order == ["healthy", "missed", "gained", "lost"]  # lost was not evaluated
    query = at.query_params["case"]
    here = order.index(query if isinstance(query, str) else query[0])
    forward = next(button for button in at.button if button.label == "Case ›")
    backward = next(button for button in at.button if button.label == "‹ Case")
    assert forward.help.startswith(f"Case {here + 1} of {len(order)}")
    assert (backward.disabled, forward.disabled) == (here == 0, here == len(order) - 1)
    step = 1 if not forward.disabled else -1
    (forward if step == 1 else backward).click().run()
    assert not at.exception
    assert at.query_params["case"] in (order[here + step], [order[here + step]])
    assert "lesion" not in at.query_params
    assert order[here + step] in [s.value.replace("\\", "") for s in at.header]


def test_compare_says_when_the_link_names_no_case(app, results):
    assert "There is no case nobody" in text(app(case="nobody"))


def test_case_table_lists_evaluated_and_other_cases_with_differences(app, results):
    table = cases_of(app("compare", sort="By name")).set_index("case")
    assert list(table.index) == ["gained", "healthy", "lost", "missed"]
    assert np.isnan(table.loc["lost", "FL"])
    assert table.loc["gained", "difference"] == pytest.approx(table.loc["gained", "A-FL"] - table.loc["gained", "FL"])


def test_filters_narrow_the_cases_and_stay_in_the_address(app, results):
    at = app("compare")
    at.text_input(key="find").set_value("gain").run()
    assert list(cases_of(at)["case"]) == ["gained"]
    assert at.query_params["case"] == "gained"  # the case before does not fit
    assert list(cases_of(app("compare", show="Not evaluated"))["case"]) == ["lost"]
    at.text_input(key="find").set_value("nothing is called so").run()
    assert "No case fits these choices" in text(at)
    assert not at.exception


def test_the_address_keeps_filter_and_order_and_a_case_outside_of_them(app, results):
    at = app("compare", case="gained", show="Not evaluated", sort="Largest first")
    assert list(cases_of(at)["case"]) == ["lost"]
    assert at.header[0].value == "gained"
    assert next(b for b in at.button if b.label == "Case ›").help.startswith("Not among the 1 shown")


def test_metric_table_of_a_case_shows_both_sources(app, results):
    at = app(case="gained")
    table = next(frame.value for frame in at.dataframe if "metric" in frame.value)
    row = results.cases().query("case_id == 'gained' and source == 'FL'").iloc[0]
    table = table.set_index("metric")
    assert table.loc["Dice ↑", "FL"] == f"{row['dsc']:.3f}"
    assert table.loc["Lesions found ↑", "FL"] == f"{row['lesion_tp']:.0f}"
    assert table.loc["Dice ↑", "difference"][0] in "+-"
    assert [name.endswith("*") for name in table.index] == ["→ 0" in name for name in table.index]
    assert any(
        "Best at 0: the difference is that of the distances" in caption.value.replace("\\", "")
        for caption in at.caption
    )
    assert table.filter(like="HD95", axis=0)["FL"].item() == f"{row['hd95_mm']:.1f}"  # a tenth of a mm, as everywhere


def test_the_files_of_a_case_can_be_copied_and_every_column_is_explained(app, results):
    at = app(case="gained")
    copied = [block.value for block in at.code]
    for source in ("FL", "A-FL"):
        assert str(mask_path(results.folder, source, "gained")) in copied
    assert sum("gained" in path for path in copied) >= 4  # an image and the reference too
    for frame in at.dataframe:
        columns = json.loads(frame.proto.columns)
        lacking = [name for name in frame.value.columns if not columns.get(name, {}).get("help") and name not in "xyz"]
        assert not lacking


def test_a_false_positive_is_a_row_of_the_lesion_table(app, results):
    at = app(case="missed")
    table = next(frame.value for frame in at.dataframe if "lesion" in frame.value)
    assert list(table["lesion"]) == ["1", "false positive, A-FL"]
    assert table.loc[0, "FL"] == 0


def test_running_a_case_from_the_page_stores_its_rows(app, results):
    at = app(case="lost")
    button = next(b for b in at.button if "Run FL and A-FL" in b.label.replace("\\", ""))
    button.click().run()
    deadline = time.monotonic() + 60
    while (status := job_status(results, "lost")) and status.state == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert job_status(results, "lost").state == "finished"
    assert set(results.cases().query("case_id == 'lost'")["source"]) == {"FL", "A-FL"}


def test_a_case_without_a_file_of_a_source_is_said_and_only_the_others_are_run(app, results, tmp_path):
    (tmp_path / "FL" / "lost.nii.gz").unlink()
    at = app(case="lost")
    assert "There is no file of FL for this case. Add it and measure again." in text(at)
    assert [b.label for b in at.button if b.label.startswith("Run")] == ["Run A-FL on this case"]
    kept = (tmp_path / "A-FL" / "lost.nii.gz").rename(tmp_path / "kept.nii.gz")
    at = app(case="lost")
    assert "There is no file of FL and A-FL for this case." in text(at)
    assert not [b.label for b in at.button if b.label.startswith("Run")]
    kept.rename(tmp_path / "A-FL" / "lost.nii.gz")
    assert [b.label for b in app(case="lost").button if b.label.startswith("Run")] == ["Run A-FL on this case"]


def test_a_case_shows_the_progress_of_a_job_of_every_case(app, results):
    folder = results.folder / "jobs" / EVERY
    folder.mkdir(parents=True)
    status = {"state": "running", "message": "1 of 4 cases", "done": 1, "total": 4}
    (folder / "status.json").write_text(json.dumps(status))
    with processes.hold(folder):
        at = app(case="lost")
        assert at.get("progress")[0].text == "1 of 4 cases"
        assert not any("Run FL" in b.label for b in at.button)
        assert not app(case="gained").get("progress")  # it has its results


def test_every_case_is_measured_from_the_overview(app, results):
    at = app()
    assert "1 of 4 cases has no result yet" in text(at)
    next(b for b in at.button if b.label == "Measure every case").click().run()
    deadline = time.monotonic() + 60
    while job_status(results, EVERY).state == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert job_status(results, EVERY).state == "finished"
    assert results.cases()["case_id"].value_counts().to_dict() == dict.fromkeys(
        ("gained", "lost", "missed", "healthy"), 2
    )
    assert not any(b.label == "Measure every case" for b in app().button)


def test_cases_whose_predictions_failed_are_not_said_to_have_no_result_yet(app, results, tmp_path):
    record = json.loads((results.folder / "manifest.json").read_text())
    record["problems"] = {"lost": {"FL": "It holds fractions.", "A-FL": "It holds fractions."}}
    (results.folder / "manifest.json").write_text(json.dumps(record))
    at = app()
    assert "1 of 4 cases has no result for every source: predictions are missing or cannot be used" in text(at)
    labels = [b.label for b in at.button]
    assert "Measure again" in labels
    assert "Measure every case" not in labels


def test_images_that_are_gone_leave_the_numbers(app, results, cohort_folder):
    cohort_folder.rename(cohort_folder.with_name("moved"))
    at = app(case="gained")
    assert "images cannot be shown" in text(at)
    assert any("metric" in frame.value for frame in at.dataframe)


def test_a_truncated_image_is_one_sentence_and_the_other_panels_stay(app, results, cohort_folder):
    path = cohort_folder / "images" / "gained_flair.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    at = app(case="gained", sequence="flair")
    assert "Shown without its image. gained_flair.nii.gz cannot be read" in text(at)
    assert any("metric" in frame.value for frame in at.dataframe)
    assert not at.error  # the masks are shown


def test_a_case_whose_files_are_gone_is_named_and_in_no_number(app, results, cohort_folder):
    def counted(at) -> int:
        table = next(frame.value for frame in at.dataframe if "Metric" in frame.value)
        return max(int(over.split()[0]) for over in table["Over"])

    before = counted(app("overview"))
    for path in (*(cohort_folder / "images").glob("gained_*"), cohort_folder / "references" / "gained.nii.gz"):
        path.unlink()
    st.cache_resource.clear()
    at = app("overview")
    assert "1 measured case is in no number here: not, or no longer, among the cases of this data set" in text(at)
    assert counted(at) == before - 1


def test_a_checkpoint_that_learned_another_region_says_so(app, results, make_card):
    manifest = json.loads((results.folder / MANIFEST).read_text())
    manifest["settings"]["region"] = "et"
    card = make_card(data={"region": "tc"}, training={"steps": 2, "batch_size": 1, "seed": 0, "parameters": 9})
    manifest["sources"]["FL"] = {"kind": "checkpoint", "path": "nowhere", "fingerprint": "f00d"} | {
        "card": card.model_dump(mode="json")
    }
    (results.folder / MANIFEST).write_text(json.dumps(manifest))
    shown = [expander.label for expander in app("overview").expander]
    said = "It was trained on the tumour core (TC), and is measured on the enhancing tumour (ET)"
    assert any(said in label.replace("\\", "") for label in shown), shown


@pytest.mark.parametrize(("folder", "said"), [("nowhere", "nowhere"), ("FL", "No cases")])
def test_opening_a_wrong_folder_is_explained(app, results, cohort_folder, tmp_path, folder, said):
    """The line on top alone: AppTest drops what the entry file draws when a page of st.navigation reruns."""
    at = AppTest.from_string("from afl_core.ui.shared.bar import show_bar\nshow_bar('A')", default_timeout=60)
    at.run()
    at.text_input[0].set_value(str(tmp_path / folder))
    at.button[0].click().run()
    assert len(at.error) == 1
    assert said in at.error[0].value.replace("\\", "")


def test_names_from_files_are_not_formatted(app, results):
    """A source called by Markdown would be bold; a manifest is a file that anybody may have written."""
    path = results.folder / MANIFEST
    path.write_text(path.read_text().replace(str(results.folder.parent), "**/bold/**"))
    assert "**" not in "".join(str(w.value).replace("\\*", "") for w in app().warning)


def test_opening_a_data_set_again_opens_its_results(app, results, cohort_folder):
    """From results that the address names; the form is then another one, which is closed."""
    Results(results.folder.parent / "bare").describe_cohort(references_cohort(cohort_folder / "references"), ())
    at = AppTest.from_string("from afl_core.ui.shared.bar import show_bar\nshow_bar('A')", default_timeout=60)
    at.query_params["results"] = "bare"
    at.run()
    assert at.selectbox[0].value == "bare"
    (before,) = at.get("popover")
    at.text_input[0].set_value(str(cohort_folder))
    at.button[0].click().run()
    assert not at.error
    assert not at.warning
    assert (at.selectbox[0].value, at.query_params["results"]) == ("small", "small")
    (after,) = at.get("popover")
    assert after.proto.id != before.proto.id
    at.selectbox[0].set_value("bare").run()
    assert not at.warning
    assert at.query_params["results"] == "bare"
    assert sorted(folder.name for folder in results.folder.parent.iterdir()) == ["bare", "small"]


def test_a_link_to_results_that_there_are_not_says_so_once(app, results):
    at = AppTest.from_string("from afl_core.ui.shared.bar import show_bar\nshow_bar('A')", default_timeout=60)
    at.query_params["results"] = "gone"
    at.run()
    assert [warning.value for warning in at.warning] == ["There are no results of the name gone."]
    assert at.selectbox[0].value == "small"
    at.run()
    assert not at.warning


def test_the_sentence_names_the_direction_only_where_the_interval_leaves_zero(app, results):
    manifest = json.loads((results.folder / MANIFEST).read_text())
    manifest["data"]["path"] += " that is gone"  # or cases that are not in it would not count
    (results.folder / MANIFEST).write_text(json.dumps(manifest))
    once = results.cases()
    table = pd.concat([once.assign(case_id=once["case_id"] + suffix) for suffix in "ab"], ignore_index=True)
    rng = np.random.default_rng(0)
    gain = np.where(table["source"] == "A-FL", 0.2 + 0.01 * rng.random(len(table)), 0.1)
    table.assign(dsc=gain).to_parquet(results.folder / "cases.parquet")
    assert "Dice, all cases: A-FL better than FL by 0.10" in text(app())
    table.assign(dsc=0.3 - gain).to_parquet(results.folder / "cases.parquet")
    (results.folder / MANIFEST).touch()
    assert "Dice, all cases: A-FL worse than FL by 0.10" in text(app())
    gain[table["source"] == "A-FL"] = np.resize([0.2, 0.0], len(table) // 2)
    table.assign(dsc=gain).to_parquet(results.folder / "cases.parquet")
    (results.folder / MANIFEST).touch()
    assert "Dice, all cases: no difference shown (A-FL minus FL" in text(app())


def test_the_sentence_counts_patients_where_they_came_more_than_once(app, results):
    manifest = json.loads((results.folder / MANIFEST).read_text())
    manifest["data"] = {"path": "/gone", "kind": "plain", "skipped": {}}
    (results.folder / MANIFEST).write_text(json.dumps(manifest))
    visits = {case: f"sub-01_ses-{k}" for k, case in enumerate(results.cases()["case_id"].unique(), start=1)}
    for name in ("cases.parquet", "lesions.parquet"):
        table = pd.read_parquet(results.folder / name)
        table.assign(case_id=table["case_id"].map(visits)).to_parquet(results.folder / name)
    assert "3 cases of 1 patient, too few for an interval or a test." in text(app())


def test_back_to_the_overview_does_not_bounce(app, results):
    """The address /?case=ID leads to Compare once; the browser's Back comes to it again."""
    at = app(case="missed")
    assert at.header[0].value == "missed"
    at.switch_page("pages/overview.py")
    at.query_params["case"] = "missed"
    at.run()
    assert "Research use only" in text(at)


@pytest.mark.parametrize(
    "page", ["overview", "compare", "breakdown", "follow_up", "loss_xray", "training", "data", "help"]
)
def test_a_page_that_is_drawn_again_leaves_the_address_alone(app, results, monkeypatch, page):
    """A write sends all of it as the page began, without what the viewer wrote since, as a step to go back."""
    at = app(page)
    written = []
    monkeypatch.setattr(QueryParams, "_send_query_param_msg", lambda query: written.append(query.to_dict()))
    at.run()  # the page alone
    at.query_params.pop("case", None)  # it leads to Compare
    at.switch_page("app.py").run()  # the line on top of it
    assert not at.exception, at.exception
    assert at.title[0].value == "A-FL workbench"
    assert written == []


def test_a_choice_of_results_that_was_lost_comes_from_the_address(monkeypatch):
    """A click in a table that switches the page can lose it; then the demo opened instead."""
    state = {bar.ADDRESS_KEY: "small"}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(st, "query_params", {"results": "small"})
    bar._follow_address(["demo", "small"])
    assert state["results"] == "small"
    state["results"] = "demo"  # what the reader chooses stays, until the address names others
    bar._follow_address(["demo", "small"])
    assert state["results"] == "demo"


HOSTILE = '<img src=x onerror="alert(1)"> **bold** [a](http://b)'


@pytest.mark.parametrize("page", ["overview", "compare", "breakdown", "follow_up"])
def test_html_in_names_is_shown_as_text(app, results, page):
    """Case ids and messages come from files; the name of a source is checked when it is given."""
    for name in ("cases.parquet", "lesions.parquet"):
        table = pd.read_parquet(results.folder / name)
        table["case_id"] = table["case_id"].replace({"gained": HOSTILE})
        table.to_parquet(results.folder / name)
    manifest = json.loads((results.folder / MANIFEST).read_text())
    manifest["data"]["path"] += " that is gone"
    manifest["problems"] = {HOSTILE: {"FL": f"no mask of {HOSTILE}"}}
    manifest["missing"] = {"FL": [HOSTILE]}
    (results.folder / MANIFEST).write_text(json.dumps(manifest))
    at = app(page) if page != "compare" else app(case=HOSTILE)
    shown = [
        element
        for kind in ("markdown", "header", "subheader", "caption", "warning", "error", "info")
        for element in at.get(kind)
    ]
    texts = [str(element.value) for element in shown]
    raw = [said for said in texts if "<img" in said.replace("\\<img", "") or "**bold" in said.replace("\\*", "")]
    assert not raw
    assert not [
        element for element in shown if "img" in str(element.value) and getattr(element.proto, "allow_html", False)
    ]
    if page == "compare":
        assert any(HOSTILE in said.replace("\\", "") for said in texts)
    if page == "overview":
        assert "Missing predictions: FL: 1 of 4" in text(at)


def test_compare_offers_the_case_for_other_viewers(app, results):
    labels = [button.label for button in app("compare").get("download_button")]
    assert "Open elsewhere: ZIP for 3D Slicer and ITK-SNAP" in labels


def test_compare_offers_the_figure_of_its_extreme_cases(app, results):
    at = app("compare")
    chosen = {box.label: box.value for box in at.selectbox if (box.key or "").startswith("example")}
    assert chosen == {"Large": "gained", "Small": "missed"}  # the only two with a tumour
    (command,) = [block.value for block in at.code if "afl figure" in block.value]
    assert "--case large=gained --case small=missed --out examples.png" in command
