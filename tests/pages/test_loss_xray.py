"""The Loss X-ray page through AppTest: what it says is what was measured on the cohort that is open."""

import json
import shutil

import numpy as np
import pytest
import streamlit as st

from afl_core.analysis.xray.findings import figure, findings, headline
from afl_core.analysis.xray.focusing import SETTINGS, SIZE_FIRST, gammas
from afl_core.analysis.xray.table import tumours, xray_table
from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import load_cohort
from afl_core.errors import CheckpointError
from afl_core.evaluation.sources import parse_sources
from afl_core.ui.loss_xray import gradient


def text(at) -> str:
    kinds = (at.markdown, at.info, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture
def table(results, cohort_folder):
    return xray_table(load_cohort(cohort_folder).cases)[0]


def choice(at, label):
    return next(box for box in at.selectbox if box.label == label)


def slider(at, label, kind="slider"):
    return next(s for s in at.get(kind) if s.label == label)


def press(at, label):
    next(b for b in at.button if b.label == label).click().run()
    assert not at.exception
    return at


def setting(at):
    """Of the loss that is designed."""
    said = next(str(c.value) for c in at.caption if "build_loss" in str(c.value)).replace("\\", "")
    return eval(f"dict({said.partition(', ')[2].partition(')')[0]})")  # our own text, on our own page


def test_it_says_what_was_measured_here(app, table):
    said = text(app("loss_xray"))
    assert headline(table) in said.replace("\N{NO-BREAK SPACE}", " ")
    for finding in findings(table):
        assert finding.claim in said
        assert finding.measured in said


def test_gamma_is_explained_as_a_calculation_on_the_chosen_case(app, table):
    at = app("loss_xray", xray_case="gained")
    row = table.set_index("case_id").loc["gained"]
    assert choice(at, "Case in detail, small to large").value == "gained"
    said = text(at)
    assert f"{row['tumour_voxels']:,} tumour voxels ÷ {row['voxels']:,} voxels | {figure(row['gamma_va'])} |" in said
    assert f"| **{figure(row['gamma_adaptive'])}** |" in said
    assert "| **2** |" in said
    assert "the smaller the tumour, the smaller they are" in said
    assert "That is between cross-entropy and FL." in said  # on a grid as small as this
    row = table.set_index("case_id").loc["missed"]
    background = row["voxels"] - row["tumour_voxels"]
    assert f"{background:,} background voxels keep pulling" in text(app("loss_xray", xray_case="missed"))


@pytest.mark.parametrize(
    ("reading", "said"), [("surface", "nearly the same for every tumour"), ("scale_free", "gamma follows the shape")]
)
def test_the_explanation_follows_the_reading(app, table, reading, said):
    at = app("loss_xray", xray_case="gained")
    at.session_state["reading"] = reading
    at.run()
    row = table.set_index("case_id").loc["gained"]
    assert f"| **{figure(row['gamma_va'] + row[reading])}** |" in text(at)
    assert said.replace("nearly the same", "much the same") in text(at)
    assert "the smaller they are" not in text(at)


def test_a_case_that_is_not_there_is_said_to_be_replaced(app, table):
    assert "nobody has no tumour among those that are shown" in text(app("loss_xray", xray_case="nobody"))


def test_a_small_case_comes_first(app, table):
    sizes = tumours(table).set_index("case_id")["size"]
    assert sizes[choice(app("loss_xray"), "Case in detail, small to large").value] == sizes.min()


def test_bins_filter_the_cases(app, table):
    at = app("loss_xray")
    choice(at, "Tumour size").set_value("large").run()
    assert not at.exception
    assert choice(at, "Case in detail, small to large").options == ["gained"]
    assert "Over the 1 tumour" in text(at)


def test_a_slider_changes_the_focus_by_size_and_the_distance(app, table):
    at = app("loss_xray")
    assert "yours: Small tumours get more focus than large ones" in text(at)
    slider(at, "Scale of gamma", "select_slider").set_value(0.0)
    slider(at, "Offset of gamma").set_value(0.0).run()
    assert not at.exception
    said = text(at)
    assert "yours: Small and large tumours get the same focus: median gamma 0 in small tumours" in said
    assert "yours equals cross-entropy of the same weights within 0 % on" in said
    low, _, high = gammas(SETTINGS["A-FL released"], tumours(table).sort_values("size"))
    assert f"A-FL released: Small tumours get less focus than large ones: median gamma {figure(low)}" in said
    assert figure(high) in said


def test_a_gamma_below_0_is_said_to_be_cut_off(app, table):
    at = app("loss_xray")
    slider(at, "Scale of gamma", "select_slider").set_value(-1000.0)
    slider(at, "Offset of gamma").set_value(0.0).run()
    assert "Yours would be below 0 on 3 of 3 tumours; there it is 0." in text(at)


def test_the_released_loss_and_the_example_are_a_click_away(app, table):
    at = app("loss_xray")
    example = setting(at)
    assert example["gamma_scale"] < 0
    released = SETTINGS["A-FL released"].loss_settings() | {"normalise": True}
    assert setting(press(at, "As released")) == released
    assert setting(press(at, "The example")) == example
    assert setting(press(at, "Size-first")) == SIZE_FIRST.loss_settings() | {"normalise": True}


def test_gamma_can_fall_with_the_size_and_rise_with_the_roughness(app, table):
    at = app("loss_xray")
    choice(at, "Smoothness in gamma (gamma_mSa)").set_value("scale_free")
    slider(at, "Scale of gamma", "select_slider").set_value(5.0)
    slider(at, "Scale of gamma_va", "select_slider").set_value(-7.0).run()
    asked = setting(at)
    assert (asked["gamma_volume"], asked["gamma_volume_scale"], asked["gamma_scale"]) == (True, -7.0, 5.0)
    again = app("loss_xray", loss_settings=json.dumps(asked | {"gamma_volume_scale": -7.2}))
    assert setting(again) == asked


def test_another_smoothness_leaves_the_scale_as_it_was(app, table):
    at = app("loss_xray")
    slider(at, "Scale of gamma", "select_slider").set_value(5.0).run()
    choice(at, "Smoothness in gamma (gamma_mSa)").set_value("surface").run()
    assert setting(at)["gamma_scale"] == 5
    choice(at, "Smoothness in gamma (gamma_mSa)").set_value("none")
    next(s for s in at.select_slider if s.label == "Scale of gamma_va").set_value(0.0).run()
    assert slider(at, "Scale of gamma", "select_slider").disabled
    assert setting(at)["gamma_scale"] == 1


@pytest.mark.parametrize("damage", [{}, {"alpha": "no"}, {"gamma_offset": "x"}, {"gamma_scale": None}, {"alpha": []}])
def test_the_loss_of_the_address_is_the_one_designed_unless_it_is_damaged(app, table, damage):
    asked = SETTINGS["A-FL scale-free"].loss_settings() | {"gamma_scale": 7.0, "gamma_offset": 0.5} | damage
    at = app("loss_xray", loss_settings=json.dumps(asked))
    if damage:
        assert setting(at)["gamma_scale"] < 0
    else:
        assert setting(at) == asked | {"normalise": True}


def test_the_setting_goes_to_training_in_one_click(app, table):
    at = app("loss_xray")
    slider(at, "Offset of gamma").set_value(1.5).run()
    next(b for b in at.button if b.label == "Train with this setting").click().run()
    assert not at.exception
    assert at.query_params["loss"] in ("adaptive_focal", ["adaptive_focal"])
    found = at.query_params["loss_settings"]
    settings = json.loads(found if isinstance(found, str) else found[0])
    assert settings["gamma_offset"] == 1.5
    assert settings["gamma_scale"] < 0
    from afl_core.loss import build_loss

    assert build_loss("adaptive_focal", **settings).terms.gamma_offset == 1.5


def test_released_weights_show_in_the_gradient(app, table):
    at = app("loss_xray", xray_case="gained")
    row = table.set_index("case_id").loc["gained"]
    choice(at, "Probabilities of").set_value("untrained: 0.5 everywhere").run()
    assert f"gets **{100 * row['gamma_va']:.2g} %** of the gradient with A-FL as released, and 50 % with FL" in text(at)
    lesions = next(frame.value for frame in at.dataframe if "lesion" in frame.value)
    assert lesions["A-FL paper"].tolist() == lesions["FL"].tolist()  # untrained: every slope alike, no class weights
    choice(at, "Probabilities of").set_value("model: 0.95 sure").run()
    assert not at.exception
    lesions = next(frame.value for frame in at.dataframe if "lesion" in frame.value)
    assert lesions["A-FL paper"].tolist() != lesions["FL"].tolist()


def test_the_map_draws_three_losses(app, table):
    at = app("loss_xray", xray_case="gained")
    next(t for t in at.toggle if "map" in t.label).set_value(True).run()
    assert not at.exception
    assert not at.error
    assert "where nothing is coloured, its gradient is almost 0" in text(at)


def test_another_preparation_is_measured_anew(app, table):
    at = app("loss_xray")
    choice(at, "What the loss sees").set_value("picai_grid").run()
    assert not at.exception
    assert "÷ 491,520 voxels" in text(at)


def test_a_cohort_without_a_tumour_says_so(app, results, cohort_folder):
    for path in (cohort_folder / "references").iterdir():
        save_volume(path, load_empty(path), affine(path))
    at = app("loss_xray")
    assert "No case of this cohort has a tumour" in text(at)
    assert not at.error


def load_empty(path):
    from afl_core.data.formats.files import load_mask

    return load_mask(path).array & False


def affine(path):
    from afl_core.data.formats.files import load_mask

    return load_mask(path).affine


def test_a_cohort_that_is_gone_says_so(app, results, cohort_folder):
    shutil.rmtree(cohort_folder)
    at = app("loss_xray")
    assert "The X-ray needs the reference masks" in text(at)


def test_without_results_it_says_what_to_do(app):
    assert "afl demo" in text(app("loss_xray"))


def test_a_mask_that_cannot_be_read_is_named(app, results, cohort_folder):
    (cohort_folder / "references" / "missed.nii.gz").write_bytes(b"no mask")
    at = app("loss_xray")
    assert "missed" in "\n".join(e.value for e in at.markdown if "could not" in e.value or "missed" in e.value)
    assert any("could not be measured" in box.label for box in at.expander)


@pytest.fixture
def checked(app, results, cohort_folder, make_checkpoint, tmp_path):
    """The page of results with a checkpoint, "net"."""
    sources = parse_sources([f"net={make_checkpoint(tmp_path / 'net', sequences=('flair', 't1'))}"])
    results.describe_cohort(load_cohort(cohort_folder), sources)
    return app("loss_xray", xray_case="gained")


def test_a_checkpoint_runs_once_when_it_is_chosen_and_can_be_stopped(checked, monkeypatch):
    ran = []

    def run(source, case, *, waiting):
        ran.append((source.name, case.case_id))
        waiting(1.0)
        return np.full((2, 24, 24, 20), 0.5, np.float32)

    monkeypatch.setattr(gradient, "case_probabilities", run)
    for _ in range(2):
        choice(checked, "Probabilities of").set_value("net").run()
        assert not checked.exception
        assert not checked.error
        assert "of the gradient with A-FL as released" in text(checked)
    assert ran == [("net", "gained")]
    gradient._place.clear()
    stopped = []

    def stop(source, case, *, waiting):
        stopped.append(1)
        gradient._back("probabilities small")  # what a press of Stop calls
        st.rerun()

    monkeypatch.setattr(gradient, "case_probabilities", stop)
    checked.run()
    assert not checked.exception
    assert (len(stopped), choice(checked, "Probabilities of").value) == (1, gradient.USUAL)


def test_a_checkpoint_that_fails_is_one_sentence_and_the_choice_stays(checked, monkeypatch):
    def fail(source, case, *, waiting):
        raise CheckpointError("net could not predict gained")

    monkeypatch.setattr(gradient, "case_probabilities", fail)
    choice(checked, "Probabilities of").set_value("net").run()
    assert not checked.exception
    assert [error.value for error in checked.error] == ["net could not predict gained."]
    assert choice(checked, "Probabilities of").value == "net"
