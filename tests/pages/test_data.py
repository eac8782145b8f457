"""The Data page: a folder is shown with its layout, labels and region before anything is opened."""

import json
import shutil
from pathlib import Path

import made_trees
import nibabel as nib
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.evaluation.results import MANIFEST, Results
from afl_core.ui.shared.workspace import FOLDER_KEY, OPENED_KEY, PAGE_KEY, open_results


@pytest.fixture
def page(app, tmp_path, monkeypatch):
    """`page(folder)` is the page with that folder typed in."""
    from afl_core.base import paths

    monkeypatch.setattr(paths, "INDEX", tmp_path / "index")

    def run(folder: Path | None = None):
        at = app("data")
        if folder is not None:
            (box,) = [b for b in at.text_input if b.label == "Folder of the data set"]
            box.set_value(str(folder)).run()
        assert not at.exception
        return at

    return run


def text(at):
    kinds = (
        at.title,
        at.header,
        at.subheader,
        at.markdown,
        at.info,
        at.success,
        at.warning,
        at.error,
        at.caption,
        at.expander,
    )
    shown = [str(getattr(element, "value", "") or element.label) for kind in kinds for element in kind]
    return "\n".join(shown).replace("\\", "")


def numbers(at):
    return {metric.label: metric.value for metric in at.metric}


def choice(at, label):
    (widget,) = [w for w in at.selectbox if w.label == label]
    return widget


def test_nothing_is_open_and_nothing_asked(page):
    assert "Give the folder of a data set" in text(page())


def test_the_open_data_set_is_what_is_shown(page, results):
    at = page()
    assert "Recognised as **Plain images and references**" in text(at)
    assert numbers(at) == {
        "Cases": "4",
        "Patients": "4",
        "With a reference": "4",
        "With a tumour": "3",
        "Empty references": "1",
    }
    assert "what the other pages show" in text(at)
    assert "; the open results are of 3 of them." in text(at)  # one of the four cases was not measured
    assert "Nothing is copied or changed" not in text(at)


def test_a_folder_is_shown_for_confirmation_before_it_is_opened(page, tmp_path):
    made_trees.brats2018(tmp_path / "data")
    at = page(tmp_path / "data")
    assert "Recognised as **BraTS 2018" in text(at)
    assert "Nothing is wrong" in text(at)
    assert not list((tmp_path / "results").glob(f"*/{MANIFEST}"))
    (regions,) = at.get("button_group")
    titles = [option.content for option in regions.proto.options]
    assert titles == ["whole tumour (WT): 1+2+4", "tumour core (TC): 1+4", "enhancing tumour (ET): 4"]


def test_opening_makes_results_of_the_region_that_was_chosen(page, tmp_path, make_checkpoint):
    make_checkpoint(tmp_path / "models" / "net")
    made_trees.brats2018(tmp_path / "data")
    at = page(tmp_path / "data")
    at.session_state[f"region {tmp_path / 'data'}  "] = "et"
    at.run()
    assert "Region: enhancing tumour (ET): 4" in text(at)
    (button,) = [b for b in at.button if b.label == "Open for comparing"]
    button.click().run()
    assert not at.exception
    (manifest,) = (tmp_path / "results").glob(f"*/{MANIFEST}")
    said = json.loads(manifest.read_text())
    assert (said["data"]["kind"], said["settings"]["region"]) == ("brats2018", "et")
    assert at.session_state[OPENED_KEY] == manifest.parent.name  # app.py, which AppTest does not run again, opens it


def test_a_link_opens_the_same_report_in_another_session(page, app, tmp_path):
    made_trees.brats2021(tmp_path / "data")
    (tmp_path / "data" / "stray.nii.gz").write_bytes(b"")
    at = page(tmp_path / "data")
    assert at.query_params["folder"] == str(tmp_path / "data")
    assert "Read: 2 cases with 8 images and 2 references. Not read: 1 image file that belongs to no case" in text(at)
    choice(at, "Layout").select("brats2021").run()
    at.session_state[f"region {tmp_path / 'data'} brats2021 "] = "tc"
    next(box for box in at.checkbox if box.label == "Trust the order of voxels").check().run()
    assert not at.exception
    link = {key: at.query_params[key] for key in at.query_params}
    assert {key: link[key] for key in ("layout", "region", "trust_voxel_order")} == {
        "layout": "brats2021",
        "region": "tc",
        "trust_voxel_order": "on",
    }
    other = app("data", **link).run()
    assert text(other) == text(at)
    assert numbers(other) == numbers(at)
    assert {key: other.query_params[key] for key in other.query_params} == link


def test_a_link_says_what_of_it_does_not_fit(app, tmp_path):
    made_trees.brats2021(tmp_path / "data")
    wrong = {"layout": "brats1999", "region": "lung", "trust_voxel_order": "perhaps"}
    at = app("data", folder=str(tmp_path / "data"), **wrong)
    assert not at.exception
    for key, value in wrong.items():
        assert any(f"{key}={value} in the address does not fit" in w.value.replace("\\", "") for w in at.warning), key


def test_without_a_fitting_checkpoint_opening_says_so(page, tmp_path):
    made_trees.picai(tmp_path / "data")
    at = page(tmp_path / "data")
    (button,) = [b for b in at.button if b.label == "Open for comparing"]
    button.click().run()
    assert "No checkpoint fits these sequences" in text(at)


def test_labels_of_several_schemes_are_asked_about_and_the_answer_counts(page, tmp_path):
    made_trees.plain(tmp_path / "data")
    at = page(tmp_path / "data")
    assert "The labels 1, 2, 4 could be of 3 known schemes" in text(at)
    choice(at, "Labels").set_value("brats").run()
    assert "could be of" not in text(at)
    assert "Region: whole tumour (WT): 1+2+4" in text(at)
    choice(at, "Labels").set_value("msd").run()
    assert "2 references that cannot be used" in text(at)


def test_a_wrong_an_empty_and_an_ambiguous_folder(page, tmp_path):
    assert "There is no such folder" in text(page(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    at = page(tmp_path / "empty")
    assert "No cases were found" in text(at)
    assert "PI-CAI" in at.table[0].value.index
    made_trees.plain(tmp_path / "both")
    made_trees.brats2021(tmp_path / "both")
    at = page(tmp_path / "both")
    assert "follows more than one layout" in text(at)
    choice(at, "Layout").set_value("brats2021").run()
    assert numbers(at)["Cases"] == "2"


def test_advice_is_in_terms_of_the_page(page, tmp_path):
    for case_id in ("patient01", "patient02"):
        made_trees.write(tmp_path / "flat" / f"{case_id}.nii.gz", [1])
        made_trees.write(tmp_path / "deep" / "SET images" / case_id / f"{case_id}_seg.nii.gz", [1])
    at = page(tmp_path / "flat")
    assert 'If they are masks alone, choose Layout: "Masks alone"' in text(at)
    deep = text(page(tmp_path / "deep"))
    assert f"Folder: '{tmp_path}/deep/SET images' with Layout: \"Masks alone\"" in deep
    assert "--" not in text(at) + deep
    at = page(tmp_path / "flat")
    next(b for b in at.button if b.label == "Read as masks alone").click().run()
    assert numbers(at)["Cases"] == "2"


def test_masks_alone_by_choice(page, tmp_path):
    for name in ("a", "b"):
        made_trees.write(tmp_path / "masks" / f"{name}.nii.gz", [1])
    at = page(tmp_path / "masks")
    choice(at, "Layout").set_value("masks").run()
    assert numbers(at)["With a tumour"] == "2"
    assert "There are masks alone" in text(at)
    assert "--references" in at.code[0].value


def test_masks_alone_are_x_rayed_in_one_click(page, tmp_path, monkeypatch):
    from afl_core.ui.data import choose

    for name in ("a", "b", "c"):
        made_trees.write(tmp_path / "masks" / f"{name}.nii.gz", [1])
    at = page(tmp_path / "masks")
    choice(at, "Layout").set_value("masks").run()
    went = []
    monkeypatch.setattr(choose.st, "switch_page", went.append)
    (button,) = [b for b in at.button if b.label == "Loss X-ray"]
    button.click().run()
    assert not at.exception
    assert went == ["pages/loss_xray.py"]
    (manifest,) = (tmp_path / "results").glob(f"*/{MANIFEST}")
    assert at.session_state[OPENED_KEY] == manifest.parent.name
    assert json.loads(manifest.read_text())["sources"] == {}


@pytest.mark.parametrize("name", ["overview", "compare", "breakdown", "follow_up", "loss_xray"])
def test_results_without_a_source_open_on_every_page(app, tmp_path, name):
    for case_id in ("a", "b", "c"):
        made_trees.write(tmp_path / "masks" / f"{case_id}.nii.gz", [1])
    Results(tmp_path / "results" / "bare").describe_cohort(references_cohort(tmp_path / "masks"), ())
    at = app(name)
    said = text(at)
    if name in ("overview", "breakdown", "follow_up"):
        assert "Loss X-ray needs the references alone" in said
    if name == "loss_xray":
        assert "the 3 tumours of 3 measured cases" in said


def test_a_split_is_shown_and_saved_by_seed(page, tmp_path):
    root = tmp_path / "data"
    made_trees.brats2023(root)
    shutil.copytree(root / "BraTS-MET-00100-000", root / "BraTS-MET-00101-000")
    for path in (root / "BraTS-MET-00101-000").iterdir():
        path.rename(path.with_name(path.name.replace("00100", "00101")))
    for name in ("t1n", "t1c", "t2w", "t2f"):
        made_trees.write(root / "BraTS-MET-00102-000" / f"BraTS-MET-00102-000-{name}.nii.gz")
    made_trees.write(root / "BraTS-MET-00102-000" / "BraTS-MET-00102-000-seg.nii.gz", [1, 2, 3])
    at = page(root)
    assert "Left out for the findings above: BraTS-MET-00101-000." in text(at)
    assert "same bytes under several names" in text(at)
    at.number_input[0].set_value(3).run()
    (button,) = [b for b in at.button if b.label.startswith("Save as")]
    button.click().run()
    saved = json.loads((root / "splits.json").read_text())
    assert sorted(map(len, saved.values())) == [1, 1, 2]
    assert "Its splits.json has" in text(at)


def test_many_references_are_read_after_a_click(page, tmp_path, monkeypatch):
    from afl_core.ui.data import choose

    monkeypatch.setattr(choose, "AT_ONCE", 1)
    made_trees.brats2018(tmp_path / "data")
    at = page(tmp_path / "data")
    assert numbers(at)["With a tumour"] == "?"
    assert "2 references were not read yet" in text(at)
    (button,) = [b for b in at.button if b.label == "Read 2 references"]
    button.click().run()
    assert numbers(at)["With a tumour"] == "2"
    at.run()
    assert numbers(at)["With a tumour"] == "2"


def test_names_of_files_are_not_formatted(page, tmp_path):
    name = "<img src=x onerror=alert(1)> **bold** [a](http:b)"
    made_trees.write(tmp_path / "data" / "images" / f"{name.replace('/', '')}_t1.nii.gz")
    made_trees.write(tmp_path / "data" / "stray *x*.nii.gz")
    at = page(tmp_path / "data")
    shown = "\n".join(str(m.value) for m in at.markdown)
    assert "**bold**" not in shown
    assert "<img" not in shown.replace("\\<", "")


def test_the_top_line_keeps_its_form_when_results_were_just_opened(app, tmp_path):
    made_trees.brats2021(tmp_path / "data")
    Results(tmp_path / "results" / "some").describe_cohort(load_cohort(tmp_path / "data", region="et"), ())
    code = "import streamlit as st\nfrom afl_core.ui.shared.bar import OPENED_KEY, show_bar\n"
    at = AppTest.from_string(code + "st.session_state[OPENED_KEY] = 'some'\nshow_bar('A')", default_timeout=60)
    at.run()
    assert [box.label for box in at.text_input] == ["Folder on this machine"]
    assert "Tumour is the enhancing tumour (ET)." in text(at)


def test_the_top_line_leads_a_new_data_set_to_the_page(app, tmp_path):
    """The line on top alone: AppTest drops what the entry file draws when a page of st.navigation reruns."""
    made_trees.brats2021(tmp_path / "data")
    at = AppTest.from_string("from afl_core.ui.shared.bar import show_bar\nshow_bar('A')", default_timeout=60)
    at.run()
    at.text_input[0].set_value(str(tmp_path / "data"))
    at.button[0].click().run()
    assert not at.error
    assert (at.session_state[PAGE_KEY], at.session_state[FOLDER_KEY]) == ("pages/data.py", str(tmp_path / "data"))
    assert not list((tmp_path / "results").iterdir())


def test_the_order_of_voxels_is_trusted_if_asked_and_the_page_opens_so_again(page, tmp_path, make_checkpoint):
    """A reference whose axes are stored the other way: an error until the order of voxels is trusted."""
    make_checkpoint(tmp_path / "models" / "net")
    made_trees.brats2018(tmp_path / "data")
    path = next((tmp_path / "data").rglob("*_seg.nii*"))
    image = nib.load(path)
    flipped = nib.Nifti1Image(np.asarray(image.dataobj), image.affine @ np.diag([-1, -1, 1, 1]))
    path.unlink()
    nib.save(flipped, path)
    at = page(tmp_path / "data")
    assert "on another grid than the case" in text(at)
    assert 'tick "Trust the order of voxels"' in text(at)
    (box,) = [b for b in at.checkbox if b.label == "Trust the order of voxels"]
    box.check().run()
    assert "on another grid than the case" not in text(at)
    assert any("--trust-voxel-order" in code.value for code in at.code)
    (button,) = [b for b in at.button if b.label == "Open for comparing"]
    button.click().run()
    (manifest,) = (tmp_path / "results").glob(f"*/{MANIFEST}")
    assert json.loads(manifest.read_text())["settings"]["trust_voxel_order"] is True
    again = page()
    assert [b.value for b in again.checkbox if b.label == "Trust the order of voxels"] == [True]


def field(at, label):
    (widget,) = [w for w in at.text_input if w.label == label]
    return widget


def test_every_folder_that_is_typed_is_read_and_the_last_one_stays(page, tmp_path):
    """Also where one was opened from the line on top before, and after a visit to another page."""
    label, masks = "Folder of the data set", ("opened", "first", "second", "third")
    for n, name in enumerate(masks, 1):
        for case in range(n):
            made_trees.write(tmp_path / name / "images" / f"case{case}_t1.nii.gz")
            made_trees.write(tmp_path / name / "references" / f"case{case}.nii.gz", [1])
    at = page()
    at.session_state[FOLDER_KEY] = str(tmp_path / "opened")
    at.run()
    assert (field(at, label).value, numbers(at)["Cases"]) == (str(tmp_path / "opened"), "1")
    for name, cases in (("first", "2"), ("second", "3"), ("third", "4")):
        field(at, label).set_value(str(tmp_path / name)).run()
        for _ in range(2):  # a further run changes nothing
            assert (field(at, label).value, numbers(at)["Cases"]) == (str(tmp_path / name), cases)
            assert at.query_params["folder"] == str(tmp_path / name)
            at.run()
    at.switch_page("pages/help.py").run()
    at.query_params.clear()  # as the links on top do
    at.switch_page("pages/data.py").run()
    assert (field(at, label).value, numbers(at)["Cases"]) == (str(tmp_path / "third"), "4")
    at.query_params["folder"] = str(tmp_path / "second")  # the browser's Back
    at.run()
    assert (field(at, label).value, numbers(at)["Cases"]) == (str(tmp_path / "second"), "3")
    del at.query_params["folder"]  # and Back again, to the page before anything was typed
    at.run()
    assert (field(at, label).value, "folder" in at.query_params) == ("", False)


def test_other_results_bring_their_own_folder(page, tmp_path, results):
    label = "Folder of the data set"
    made_trees.plain(tmp_path / "typed")
    at = page(tmp_path / "typed")
    Results(tmp_path / "results" / "more").describe_cohort(load_cohort(tmp_path / "typed"), ())
    for name, folder in (("more", "typed"), ("small", "cohort")):
        at.session_state["workspace"] = open_results(tmp_path / "results" / name)  # as app.py does
        at.run()
        assert (field(at, label).value, "folder" in at.query_params) == (str(tmp_path / folder), False)


def test_own_codes_are_written_and_what_is_wrong_about_them_is_said(page, tmp_path):
    """Decathlon's 1 and 2 are edema and core; this set has 1 enhancing tumour, 2 necrosis and 3 edema."""
    for case_id in "ab":
        made_trees.write(tmp_path / "data" / "images" / f"{case_id}_t1.nii.gz")
        made_trees.write(tmp_path / "data" / "references" / f"{case_id}.nii.gz", [1, 2, 3])
    at = page(tmp_path / "data")
    choice(at, "Labels").set_value("codes").run()
    assert "Write what each label is" in text(at)
    field(at, "Own codes").set_value("et=1,ncr=1").run()
    assert [e.value.replace("\\", "") for e in at.error] == [
        "Two labels have one name or one number (received: et=1,ncr=1). "
        'Write NAME=NUMBER, parted by commas, such as Labels: "Own codes", et=1,ncr=2,ed=3.'
    ]
    field(at, "Own codes").set_value("ED=3, et=1, ncr=2").run()
    (regions,) = at.get("button_group")
    titles = [option.content for option in regions.proto.options]
    expected = [
        "whole tumour (WT): 1+2+3",
        "enhancing tumour (ET): 1",
        "necrotic core (NCR): 2",
        "edema (ED): 3",
        "tumour core (TC): 1+2",
    ]
    assert titles == expected
    assert "Region: whole tumour (WT): 1+2+3" in text(at)
    assert any("--labels et=1,ncr=2,ed=3 --source" in code.value for code in at.code)


def test_own_codes_and_patients_of_results_that_are_open_stand_in_the_fields(page, tmp_path):
    for case_id in ("p1_a", "p1_b"):
        made_trees.write(tmp_path / "masks" / f"{case_id}.nii.gz", [1, 3])
    table = tmp_path / "patients.csv"
    table.write_text("case_id,patient\np1_a,P1\np1_b,P1\n")
    cohort = references_cohort(tmp_path / "masks", labels="et=1,ed=3", region="et", patients=table)
    Results(tmp_path / "results" / "own").describe_cohort(cohort, ())
    at = page()
    assert (choice(at, "Labels").value, field(at, "Own codes").value) == ("codes", "et=1,ed=3")
    assert field(at, "Table of patients").value == str(table)
    assert numbers(at)["Patients"] == "1"
    assert "Region: enhancing tumour (ET): 1" in text(at)


def test_a_table_says_who_is_one_patient_and_the_results_keep_it(page, tmp_path, results):
    table = tmp_path / "patients.csv"
    table.write_text("case_id,patient\ngained,P1\nlost,P1\nmissed,P2\nhealthy,P3\n")
    at = page()
    assert numbers(at)["Patients"] == "4"
    field(at, "Table of patients").set_value(str(tmp_path / "none.csv")).run()
    (error,) = [e.value.replace("\\", "") for e in at.error]
    assert error.startswith("There is no such table")
    field(at, "Table of patients").set_value(str(table)).run()
    assert numbers(at)["Patients"] == "3"
    (button,) = [b for b in at.button if b.label == "Open its results"]
    button.click().run()
    assert not at.exception
    assert at.session_state[OPENED_KEY] == "small"
    assert results.cases().set_index("case_id")["patient"].to_dict() == {
        "gained": "P1",
        "missed": "P2",
        "healthy": "P3",
    }
    assert "4 cases of 3 patients, by patients.csv" in text(page())


def test_the_printed_command_reads_the_folder_as_the_page_does(page, tmp_path):
    """Also the layout that was chosen, in a folder that follows two."""
    made_trees.plain(tmp_path / "both")
    made_trees.brats2021(tmp_path / "both")
    table = tmp_path / "patients.csv"
    table.write_text("case_id,patient\nBraTS2021_00000,P1\n")
    at = page(tmp_path / "both")
    choice(at, "Layout").set_value("brats2021").run()
    field(at, "Table of patients").set_value(str(table)).run()
    (command,) = [code.value for code in at.code]
    assert f"--data {tmp_path / 'both'} --layout brats2021 --patients {table} --source" in command


def test_a_tumour_beside_an_organ_is_chosen_before_anything_is_measured(page, tmp_path):
    made_trees.nnunet(tmp_path / "data")
    path = next((tmp_path / "data").rglob("dataset.json"))
    labels = {"background": 0, "liver": 1, "edge": 3, "tumor": 2}
    path.write_text(json.dumps({"channel_names": {"0": "CT"}, "labels": labels}))
    for extra in path.parent.glob("images*/*_000[123].nii.gz"):
        extra.unlink()
    at = page(tmp_path / "data")
    assert "Choose which label is the tumour. The labels name liver beside tumor" in text(at)
    assert "Region: tumor" in text(at)
    assert not numbers(at)
    (region,) = [group for group in at.button_group if group.label == "Region that counts as tumour"]
    assert (region.value, region.options[0]) == (None, "tumor: 2")
    region.set_value("tumor").run()
    assert not at.exception
    assert numbers(at)["Cases"]
    assert "Region: tumor: 2" in text(at)


def test_an_archive_is_shown_as_its_folder_is(page, tmp_path, monkeypatch):
    from made_addresses import packed

    from afl_core.base import paths

    monkeypatch.setattr(paths, "REMOTE", tmp_path / "fetched")
    made_trees.plain(tmp_path / "tree")
    shown = text(page(tmp_path / "tree"))
    at = page(packed(tmp_path / "tree", "zip"))
    assert text(at).replace("tree.zip", "tree") == shown
    assert f"--data {tmp_path / 'tree.zip'}" in "".join(code.value for code in at.code)


def test_a_password_in_an_address_is_refused_and_stays_out_of_the_link(page):
    at = page(Path("https://me:secret@example.org/data"))
    assert "An address must hold no user, password or token" in text(at)
    assert "secret" not in text(at) + str(dict(at.query_params))
