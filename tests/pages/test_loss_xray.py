"""The Loss X-ray page through AppTest: what it says is what was measured on the cohort that is open."""

import json
import shutil

import pytest

from afl_core.analysis.focusing import SETTINGS, gammas
from afl_core.analysis.xray import tumours, xray_table
from afl_core.analysis.xray_findings import figure, findings, headline
from afl_core.data.files import save_volume
from afl_core.data.layouts import load_cohort


def text(at) -> str:
    kinds = (at.markdown, at.info, at.warning, at.error, at.caption)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture
def table(results, cohort_folder):
    return xray_table(load_cohort(cohort_folder).cases)[0]


def choice(at, label):
    return next(box for box in at.selectbox if box.label == label)


def slider(at, label):
    return next(s for s in at.slider if s.label == label)


def test_it_says_what_was_measured_here(app, table):
    said = text(app("loss_xray"))
    assert headline(table) in said
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


def test_a_small_case_comes_first(app, table):
    sizes = tumours(table).set_index("case_id")["size"]
    assert sizes[choice(app("loss_xray"), "Case in detail, small to large").value] == sizes.min()


def test_bins_filter_the_cases(app, table):
    at = app("loss_xray")
    choice(at, "Tumour size").set_value("large").run()
    assert not at.exception
    assert choice(at, "Case in detail, small to large").options == ["gained"]
    assert "Over the 1 tumours" in text(at)


def test_a_slider_changes_the_focus_by_size_and_the_distance(app, table):
    at = app("loss_xray")
    assert "yours: Small tumours get more focus than large ones" in text(at)
    slider(at, "Scale of gamma").set_value(0.0)
    slider(at, "Offset of gamma").set_value(0.0).run()
    assert not at.exception
    said = text(at)
    assert "yours: Small and large tumours get the same focus: median gamma 0 in small tumours" in said
    assert "yours equals weighted cross-entropy within 0 % on" in said
    low, _, high = gammas(SETTINGS["A-FL released"], tumours(table).sort_values("size"))
    assert f"A-FL released: Small tumours get less focus than large ones: median gamma {figure(low)}" in said
    assert figure(high) in said


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
    assert "a dark pane is a channel left out" in text(at)


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
    from afl_core.data.files import load_mask

    return load_mask(path).array & False


def affine(path):
    from afl_core.data.files import load_mask

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
