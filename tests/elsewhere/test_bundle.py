"""The ZIP for other viewers: its files are those of the case, its colours those of the pages, its scenes are whole."""

import ast
import re
import shlex
from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from afl_core.data.formats.files import load_labels, load_mask, load_volume
from afl_core.elsewhere import bundle as module
from afl_core.elsewhere.bundle import write_bundle
from afl_core.errors import DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS, rgb
from afl_core.volume import Case
from tests.made_results import make_manifest, make_tables, write_case, write_results

CASE = "case_03"


@pytest.fixture
def opened(tmp_path):
    made = open_comparison(write_results(tmp_path / "small", pictures=True))
    assert made.cohort is not None
    return made


def unpacked(opened, tmp_path, case_id=CASE):
    """The folder of the case in the ZIP, as it lies on a disk, and what is said to be missing."""
    file = BytesIO()
    notes = write_bundle(opened, case_id, file)
    with ZipFile(file) as archive:
        assert archive.testzip() is None
        assert all(re.fullmatch(r"[\w.-]+(/[\w.-]+)+", name) and ".." not in name for name in archive.namelist())
        archive.extractall(tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    return folder, notes


def named_files(folder):
    """Every file that scene, loader or README names, relative to the folder."""
    scene = [node.get("fileName") for node in ET.parse(folder / "scene.mrml").iter() if node.get("fileName")]
    loader = ast.parse((folder / "open_in_slicer.py").read_text())
    lists = [node for node in ast.walk(loader) if isinstance(node, ast.List)]
    loaded = [value for node in lists for value in ast.literal_eval(node)]
    lines = [line for line in (folder / "README.txt").read_text().splitlines() if line.startswith("  itksnap")]
    snap = [word for line in lines for word in shlex.split(line)[1:] if not word.startswith("-")]
    return scene, loaded, snap


def label_rows(folder):
    rows = [line for line in (folder / "labels.txt").read_text().splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r' *(\d+) +(\d+) +(\d+) +(\d+) +([01]) +([01]) +([01]) +"([^"]*)"', row) for row in rows]
    assert all(found), "index, red, green, blue, opacity, visible, mesh, name"
    return {int(row[1]): (tuple(map(int, row.group(2, 3, 4))), row[8]) for row in found}


def test_the_files_are_those_of_the_case(opened, tmp_path):
    folder, notes = unpacked(opened, tmp_path)
    assert notes == ()
    case = next(case for case in opened.cohort.cases if case.case_id == CASE)
    assert (folder / "images" / "1_flair.nii.gz").read_bytes() == case.sequences["flair"].read_bytes()
    assert (folder / "reference" / f"{CASE}.nii.gz").read_bytes() == case.reference.read_bytes()
    for k, source in enumerate(opened.sources, start=2):
        stored = opened.mask(CASE, source)
        assert (folder / "masks" / f"{k}_{source}.nii.gz").read_bytes() == stored.read_bytes()


def test_each_viewer_gets_the_masks_on_the_grid_of_the_reference(opened, tmp_path):
    folder, _ = unpacked(opened, tmp_path)
    case = next(case for case in opened.cohort.cases if case.case_id == CASE)
    originals = {
        "1_Reference": case.reference,
        **{f"{k}_{s}": opened.mask(CASE, s) for k, s in ((2, "FL"), (3, "A-FL"))},
    }
    for label, (stem, path) in enumerate(originals.items(), start=1):
        mask = load_mask(path)
        assert mask.array.any()
        for file in (folder / "slicer" / f"{stem}.seg.nrrd", folder / "itksnap" / f"{stem}.nii.gz"):
            read = load_mask(file)
            np.testing.assert_array_equal(read.array, mask.array)
            np.testing.assert_allclose(read.affine, mask.affine)
        assert set(np.unique(load_labels(folder / "itksnap" / f"{stem}.nii.gz").array)) == {0, label}


def test_colours_and_names_are_those_of_the_pages(opened, tmp_path):
    folder, _ = unpacked(opened, tmp_path)
    colours = [REFERENCE_COLOUR, *SOURCE_COLOURS[:2]]
    names = ["Reference", "FL", "A-FL"]
    rows = label_rows(folder)
    assert rows.pop(0) == ((0, 0, 0), "Clear Label")
    assert rows == {k: (rgb(c), name) for k, (c, name) in enumerate(zip(colours, names, strict=True), start=1)}
    for k, (colour, name) in enumerate(zip(colours, names, strict=True), start=1):
        header = (folder / "slicer" / f"{k}_{name}.seg.nrrd").read_bytes().split(b"\n\n")[0].decode()
        shares = [float(part) for part in re.search(r"Segment0_Color:=(.+)", header)[1].split()]
        assert [round(255 * share) for share in shares] == list(rgb(colour))
        assert f"Segment0_Name:={name}\n" in header
        assert f"{colour}  {name}" in (folder / "README.txt").read_text()


def test_scene_loader_and_commands_name_files_that_are_there(opened, tmp_path):
    folder, _ = unpacked(opened, tmp_path)
    for names in named_files(folder):
        assert len(names) >= 4, "an image and three masks"
        assert all((folder / name).is_file() for name in names), names
    scene = ET.parse(folder / "scene.mrml")
    ids = {node.get("id") for node in scene.iter()}
    for node in scene.iter():
        assert set(re.findall(r":(vtkMRML\w+)", node.get("references", ""))) <= ids
    assert [node.get("name") for node in scene.iter("Segmentation")] == ["Reference", "FL", "A-FL"]


def test_a_second_reader_finds_the_masks_where_they_are(opened, tmp_path):
    """SimpleITK, on which 3D Slicer's and ITK-SNAP's own readers of these formats rest."""
    folder, _ = unpacked(opened, tmp_path)
    stored = SimpleITK.ReadImage(str(opened.mask(CASE, "FL")))
    for name in ("slicer/2_FL.seg.nrrd", "itksnap/2_FL.nii.gz"):
        read = SimpleITK.ReadImage(str(folder / name))
        shape = SimpleITK.LabelShapeStatisticsImageFilter()
        expected = SimpleITK.LabelShapeStatisticsImageFilter()
        shape.Execute(read != 0)
        expected.Execute(stored != 0)
        np.testing.assert_allclose(shape.GetCentroid(1), expected.GetCentroid(1), atol=1e-4)
        assert shape.GetNumberOfPixels(1) == expected.GetNumberOfPixels(1) == 125


def test_an_image_that_is_read_otherwise_than_stored_comes_as_it_is_read(opened, tmp_path):
    """A channel of a 4-D file: neither viewer would choose it by itself."""
    case = next(case for case in opened.cohort.cases if case.case_id == CASE)
    image = nib.load(case.sequences["flair"])
    array = np.asarray(image.dataobj).astype(np.float32)
    nib.save(nib.Nifti1Image(np.stack([array, 2 * array], axis=-1), image.affine), tmp_path / "both.nii.gz")
    other = replace(case, sequences={"t1": tmp_path / "both.nii.gz"}, channels={"t1": 1})
    folder, notes = unpacked(replace(opened, cohort=replace(opened.cohort, cases=(other,))), tmp_path)
    assert notes == ("images/1_t1.nii.gz is not a file of the data set: it is the t1 image as it is read.",)
    np.testing.assert_array_equal(load_volume(folder / "images" / "1_t1.nii.gz").array, 2 * array)
    assert notes[0] in (folder / "README.txt").read_text()


def test_a_case_without_images(opened, tmp_path):
    cases = tuple(replace(case, sequences={}) for case in opened.cohort.cases)
    folder, _ = unpacked(replace(opened, cohort=replace(opened.cohort, cases=cases)), tmp_path)
    assert not (folder / "images").exists()
    assert "There is no image here" in (folder / "README.txt").read_text()
    for names in named_files(folder):
        assert names
        assert all((folder / name).is_file() for name in names)


def test_what_is_missing_is_said_and_ends_nothing(opened, tmp_path):
    opened.mask(CASE, "FL").unlink()
    gone = next(case for case in opened.cohort.cases if case.case_id == CASE).sequences["flair"]
    gone.unlink()
    folder, notes = unpacked(opened, tmp_path)
    assert [note.split(" (")[0] for note in notes][1] == f"The stored mask of FL on {CASE} is gone"
    assert notes[0].startswith("images/1_flair.nii.gz could not be read")
    assert all(note in (folder / "README.txt").read_text() for note in notes)
    assert sorted(path.name for path in (folder / "masks").iterdir()) == ["2_A-FL.nii.gz"]
    assert label_rows(folder)[2] == (rgb(SOURCE_COLOURS[1]), "A-FL"), "the colour that it has on the page"


def test_no_data_set_and_no_mask(opened, tmp_path):
    folder, notes = unpacked(replace(opened, cohort=None, problem="The folder is gone"), tmp_path)
    assert notes == ("The folder is gone",)
    assert set(label_rows(folder)) == {0, 1, 2}
    with pytest.raises(DataError, match="There is no mask of nobody"):
        write_bundle(opened, "nobody", BytesIO())


def test_files_that_are_too_large_are_named_instead(opened, tmp_path, monkeypatch):
    case = next(case for case in opened.cohort.cases if case.case_id == CASE)
    monkeypatch.setattr(module, "MAX_BYTES", case.sequences["flair"].stat().st_size - 1)
    folder, notes = unpacked(opened, tmp_path)
    assert notes[0].startswith("images/1_flair.nii.gz would make this file larger than")
    assert not (folder / "images").exists()


@pytest.mark.parametrize("case_id", ["a b & <c> 'd'", "..hidden", "émile 中", "$(rm -rf x)", "x" * 200])
def test_a_hostile_case_name_is_a_plain_folder(tmp_path, case_id):
    results = write_results(tmp_path / "small")
    rows, lesions = make_tables()
    manifest = make_manifest(tmp_path / "data")
    write_case(results, tmp_path / "data", case_id, {"FL": 0, "A-FL": 0})
    opened = open_comparison(results)
    rows = rows.replace({"case_id": {CASE: case_id}})
    root = tmp_path / "data"
    case = Case(
        case_id, {"t1 <c>": root / "images" / f"{case_id}_flair.nii.gz"}, root / "references" / f"{case_id}.nii.gz"
    )

    class Cohort:
        cases = (case,)

    opened = replace(opened, rows=rows, given_lesions=lesions, manifest=manifest, cohort=Cohort())
    folder, notes = unpacked(opened, tmp_path, case_id)
    assert notes == ()
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", folder.name)
    assert load_volume(folder / "images" / "1_t1_c.nii.gz").array.shape == (16, 18, 12)
    assert case_id in (folder / "README.txt").read_text()
