"""The command line, as a person meets it: what it writes, one clear message for a mistake, and never a traceback."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from zipfile import ZipFile

import made_trees
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from made_results import SOURCES, make_manifest, make_tables, write_regions, write_results
from rich.console import Console

import afl_core
from afl_core.analysis.breakdown.export import export_files
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.records import COLUMNS
from afl_core.analysis.statistics.ranks import holm
from afl_core.base import paths
from afl_core.cli import doctor, evaluate_cases, main, terminal
from afl_core.cli.analysis import print_breakdown
from afl_core.errors import DataError
from afl_core.evaluation import prediction_stream
from afl_core.evaluation.results import Results

ROOT = Path(__file__).parents[2]
COMMANDS = tuple(main.COMMANDS)


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one message of a mistake."""
        assert self.code == 2, self
        assert "Traceback" not in self.out + self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        return line


@pytest.fixture
def afl(monkeypatch, capsys, tmp_path):
    """Run a command here, without a pool, with runs and results of its own: what `afl ...` does after its imports."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["afl", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main.main()
        said = capsys.readouterr()
        return Ran(left.value.code or 0, said.out, said.err)

    return run


def afl_process(*arguments: object, **environment: str) -> Ran:
    """The same in a process of its own, with its pool."""
    done = subprocess.run(
        [sys.executable, "-m", "afl_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "300"} | environment,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def files(case_id: str, cohort: Path) -> dict[str, Path]:
    folder = cohort / "HGG" / case_id
    return {path.name.removeprefix(f"{case_id}_").removesuffix(".nii.gz"): path for path in folder.iterdir()}


def add_case(cohort: Path, case_id: str, *, like: str) -> dict[str, Path]:
    """A copy of a case under another name."""
    folder = cohort / "HGG" / case_id
    folder.mkdir()
    for name, path in files(like, cohort).items():
        (folder / f"{case_id}_{name}.nii.gz").write_bytes(path.read_bytes())
    return files(case_id, cohort)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(command):
    listed = " ".join(main.COMMANDS[command][1].split())
    assert " ".join(main.load_command(command).help.split()).startswith(listed)


def test_help_loads_no_command():
    loaded = "bool({'numpy', 'pandas', 'torch', 'streamlit'} & set(sys.modules))"
    code = f"import sys; from afl_core.cli.main import app; app(['--help'], standalone_mode=False); sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_the_version_is_printed(afl):
    ran = afl("--version")
    assert (ran.code, ran.out) == (0, f"afl-workbench {afl_core.__version__}\n")


def test_time_points_of_one_patient_have_no_median(afl, cohort, masks, tmp_path):
    cases = sorted(path.name.removesuffix(".nii.gz") for path in masks.glob("*.nii.gz"))
    (tmp_path / "patients.csv").write_text("case_id,patient\n" + "".join(f"{case},P\n" for case in cases))
    given = ("--data", cohort, "--patients", tmp_path / "patients.csv", "--source", f"A={masks}")
    (record,) = json.loads(afl("evaluate", *given, "--out", tmp_path / "out", "--json").out)["sources"]
    assert record["mean_dsc"] == pytest.approx(Results(tmp_path / "out").cases()["dsc"].mean())
    assert record["median_dsc"] is None


def test_a_table_is_printed_as_json_and_nothing_else(afl, cohort, masks, tmp_path):
    ran = afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out", "--json")
    (record,) = json.loads(ran.out)["sources"]
    dice = Results(tmp_path / "out").cases()["dsc"]
    assert record["source"] == "A"
    assert record["mean_dsc"] == pytest.approx(dice.mean())
    assert record["median_dsc"] == pytest.approx(dice.median())
    document = json.loads(afl("breakdown", tmp_path / "out", "--json", "--out", tmp_path / "b").out)
    assert document == exported(tmp_path / "b")
    assert json.loads(afl("xray", "--data", cohort, "--json").out)["cases"] == len(dice)
    assert "findings" in json.loads(afl("data", "check", cohort, "--json").out)


def test_quiet_keeps_problems_and_verbose_adds_steps(afl, cohort, masks, tmp_path):
    (case_id, *_) = sorted(path.name.removesuffix(".nii.gz") for path in masks.iterdir())
    (masks / f"{case_id}.nii.gz").write_bytes(b"no image")
    evaluated = ("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out")
    verbose = afl(*evaluated, "--verbose")
    assert any(line.startswith("Evaluating: 1 of ") for line in verbose.err.splitlines())
    quiet = afl(*evaluated, "-q")
    assert quiet.code == 0
    assert quiet.out == ""
    assert case_id in quiet.err
    assert "Tables, masks and manifest" in verbose.err
    assert "Tables, masks and manifest" not in quiet.err
    strict = afl(*evaluated, "-q", "--strict")
    assert strict.code == 1
    assert strict.err.endswith("1 prediction or case failed or missing (--strict)\n")


def test_strict_ends_with_an_error_for_a_missing_prediction(afl, cohort, masks, tmp_path):
    evaluated = ("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out", "--strict")
    assert afl(*evaluated).code == 0
    next(masks.iterdir()).unlink()
    ran = afl(*evaluated)
    assert ran.code == 1
    assert "1 prediction or case failed or missing (--strict)" in ran.err


def test_an_unexpected_error_shows_its_traceback_with_verbose_alone(afl, made, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("afl_core.cli.opened.open_compared", broken)
    asked = ("breakdown", made, "--out", tmp_path / "out")
    assert "Traceback" not in afl(*asked).err
    assert "ZeroDivisionError: of ours" in afl(*asked, "--verbose").err.replace("│", "")
    assert "Traceback" in afl(*asked, "--verbose").err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_every_command(afl, command):
    ran = afl(command, "--help")
    assert ran.code == 0
    assert f"afl {command}" in ran.out
    assert len(ran.out.splitlines()) > 5


def test_help_lists_the_commands_and_says_what_it_is_for():
    ran = afl_process("--help")
    assert ran.code == 0
    assert "not a medical device" in ran.out
    for command in COMMANDS:
        assert command in ran.out
    assert afl_process("evaluat").code == 2


def test_one_cohort_with_every_kind_of_bad_case_evaluates_the_good_ones(cohort, masks, tmp_path, make_checkpoint):
    """By the real process with its pool. Each bad case has one sentence; the exit status is that of success."""
    add_case(cohort, "Fewer", like="Case_A")["t2"].unlink()  # which the checkpoint does not need
    add_case(cohort, "Missing", like="Case_A")["t1ce"].unlink()
    for name, path in add_case(cohort, "Bare", like="Case_A").items():
        if name != "seg":
            path.unlink()
    cut = add_case(cohort, "Truncated", like="Case_A")["flair"]
    cut.write_bytes(cut.read_bytes()[:2000])
    four = add_case(cohort, "Four", like="Case_A")["t1ce"]
    image = nib.load(four)
    nib.save(nib.Nifti1Image(np.stack([np.asarray(image.dataobj)] * 2, axis=-1), image.affine), four)
    holes = add_case(cohort, "Holes", like="Case_A")["flair"]
    array = np.asarray(nib.load(holes).dataobj).astype(np.float32)
    array[3, 3, 3] = np.nan
    nib.save(nib.Nifti1Image(array, image.affine), holes)
    other = add_case(cohort, "Other_grid", like="Case_A")["seg"]
    other.write_bytes(files("Case_C", cohort)["seg"].read_bytes())
    empty = add_case(cohort, "Empty", like="Case_A")["seg"]
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), empty)
    for case_id in ("Truncated", "Four", "Holes", "Other_grid", "Empty"):
        (masks / f"{case_id}.nii.gz").write_bytes((masks / "Case_A.nii.gz").read_bytes())

    checkpoint = make_checkpoint(tmp_path / "net")
    out = tmp_path / "out"
    ran = afl_process(
        "evaluate", "--data", cohort, "--source", f"net={checkpoint}", "--source", f"M={masks}", "--out", out
    )
    assert ran.code == 0, ran
    assert "Traceback" not in ran.err
    rows = Results(out).cases()
    good = ["Case_A", "Case_B", "Case_C", "Case_D", "Empty"]
    assert rows[rows["source"] == "net"]["case_id"].tolist() == [*good, "Fewer"]
    assert rows[rows["source"] == "M"]["case_id"].tolist() == [*good, "Four", "Holes", "Truncated"]
    assert rows[(rows["source"] == "M") & (rows["case_id"] == "Empty")]["dsc"].tolist() == [0]
    for said in (
        "Bare: Bare is left out: no image",
        "Missing net: The checkpoint needs the sequence t1ce, which this case does not have",
        "Fewer M: M has no mask of Fewer",
        "Truncated net: Truncated_flair.nii.gz cannot be read as an image: it is truncated",
        "Four net: Four_t1ce.nii.gz has 4 dimensions where 3 are due",
        "Holes net: Holes_flair.nii.gz holds NaN or infinite voxels (received: 1 of",
        "Other_grid: The reference of Other_grid lies on another grid than The flair image of Other_grid",
    ):
        assert sum(line.startswith(said) for line in ran.err.splitlines()) == 1, said
    problems = Results(out).manifest().problems
    assert sorted(problems) == ["Fewer", "Four", "Holes", "Missing", "Other_grid", "Truncated"]
    assert list(Results(out).manifest().data.skipped) == ["Bare"]
    assert "net failed on 4 cases" in ran.err
    assert "M failed on" not in ran.err  # what is wrong with the reference of Other_grid is no fault of a source
    kept = sorted(path.name for path in (out / "masks" / "net").iterdir())
    assert kept == [f"{name}.nii.gz" for name in [*good, "Fewer"]]


def test_evaluating_references_alone_prints_the_mean_dsc(afl, masks, cohort, tmp_path):
    references = tmp_path / "references"
    references.mkdir()
    for case_id in ("Case_A", "Case_C"):
        files(case_id, cohort)["seg"].rename(references / f"{case_id}.nii.gz")
    nothing = np.zeros((32, 32, 32), np.uint8)
    nib.save(nib.Nifti1Image(nothing, nib.load(references / "Case_C.nii.gz").affine), references / "Case_E.nii.gz")
    (masks / "Case_E.nii.gz").write_bytes((references / "Case_E.nii.gz").read_bytes())
    ran = afl("evaluate", "--references", references, "--source", f"A={masks}", "--out", tmp_path / "out")
    assert ran.code == 0
    figures = ran.out.splitlines()[-1].split()
    everything = ["A", "0", "0", f"{(0.75 + 1 + 1) / 3:.3f}", "1.000", "3", "patients"]
    assert figures == [*everything, f"{(0.75 + 1) / 2:.3f}", "2", "patients"]
    assert "A: 2 of 2 lesions found; false positives: 0 in 3 cases" in ran.err


def test_figures_are_over_patients_and_say_so(afl, masks, cohort, tmp_path):
    """A and B are one patient's, with Dice 0.75 and that of B: they are averaged first."""
    table = tmp_path / "patients.csv"
    table.write_text("case_id,patient\nCase_A,p\nCase_B,p\nCase_C,q\nCase_D,r\n")
    arguments = ("--data", cohort, "--patients", table, "--source", f"A={masks}", "--out", tmp_path / "out")
    ran = afl("evaluate", *arguments)
    assert ran.code == 0, ran
    dsc = Results(tmp_path / "out").cases().set_index("case_id")["dsc"]
    patients = [(dsc["Case_A"] + dsc["Case_B"]) / 2, dsc["Case_C"], dsc["Case_D"]]
    mean, median = f"{np.mean(patients):.3f}", f"{np.median(patients):.3f}"
    words = ran.out.splitlines()[-1].split()
    assert words[3:9] == [mean, median, "3", "patients,", "4", "cases"]


def test_nrrd_references_and_predictions_give_the_dice_of_their_voxels(afl, tmp_path):
    """In a, 12 of 20 and 15 voxels overlap, a Dice of 24 / 35, stored in other orders; b is named as by 3D Slicer."""
    import SimpleITK as sitk  # noqa: N813

    def mask(path: Path, start: int, end: int, *, turned: bool = False) -> None:
        voxels = np.zeros(8 * 9 * 10, np.uint8)
        voxels[start:end] = 1
        image = sitk.GetImageFromArray(voxels.reshape(8, 9, 10))
        image.SetSpacing((0.5, 0.5, 3.0))
        image.SetOrigin((10.0, -20.0, 30.0))
        path.parent.mkdir(exist_ok=True)
        sitk.WriteImage(sitk.DICOMOrient(image, "RAS") if turned else image, str(path), useCompression=not turned)

    mask(tmp_path / "references" / "a.nrrd", 100, 120)
    mask(tmp_path / "references" / "b.seg.nrrd", 300, 340)
    mask(tmp_path / "net" / "a.nrrd", 108, 123, turned=True)
    mask(tmp_path / "net" / "b.seg.nrrd", 300, 340)
    source = f"net={tmp_path / 'net'}"
    ran = afl("evaluate", "--references", tmp_path / "references", "--source", source, "--out", tmp_path / "out")
    assert ran.code == 0, ran
    rows = Results(tmp_path / "out").cases().set_index("case_id")
    assert rows["dsc"].to_dict() == {"a": pytest.approx(24 / 35), "b": 1}
    assert rows["reference_volume_ml"]["a"] == pytest.approx(20 * 0.75 / 1000)


def test_a_source_of_another_folder_is_said_to_replace_the_one_before(afl, cohort, masks, tmp_path):
    command = ("evaluate", "--data", cohort, "--out", tmp_path / "results", "--quiet", "--source")
    first = afl(*command, f"A={masks}").err
    other = shutil.copytree(masks, tmp_path / "other")
    second = afl(*command, f"A={other}").err
    assert "already" not in first
    assert f"The results have a source A already, from {masks}: its rows are replaced by those of {other}." in second


def test_only_the_wanted_cases_are_evaluated(afl, cohort, masks, tmp_path):
    wanted = ("--case", "Case_C", "--case", "Case_A")
    assert afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out", *wanted).code == 0
    assert pd.read_parquet(tmp_path / "out" / "cases.parquet")["case_id"].tolist() == ["Case_A", "Case_C"]


def test_a_source_without_any_mask_still_prints_a_table(afl, cohort, masks, tmp_path):
    empty = tmp_path / "other"
    empty.mkdir()
    (masks / "Case_A.nii.gz").rename(empty / "unknown.nii.gz")
    ran = afl("evaluate", "--data", cohort, "--source", f"A={empty}", "--out", tmp_path / "out")
    assert "Traceback" not in ran.err
    assert ran.err.count("A has no mask of") == 4


@pytest.mark.parametrize("both", [True, False])
def test_data_or_references_but_not_both_or_none(afl, cohort, masks, tmp_path, both):
    given = ("--data", cohort, "--references", masks) if both else ()
    ran = afl("evaluate", *given, "--source", f"A={masks}", "--out", tmp_path / "out")
    assert ran.error == "Error: Give either --data or --references."
    assert not (tmp_path / "out").exists()


def test_an_unknown_case_suggests_the_nearest(afl, cohort, masks, tmp_path):
    ran = afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path, "--case", "Case-A")
    assert "There is no case of that name (received: Case-A). Did you mean Case_A?" in ran.error


def test_a_wanted_case_that_cannot_be_used_says_why(afl, cohort, masks, tmp_path):
    for name in ("flair", "t1", "t1ce", "t2"):
        files("Case_B", cohort)[name].unlink()
    ran = afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out", "--case", "Case_B")
    assert "Case_B is left out: no image" in ran.error


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_a_bad_data_folder_is_named(afl, masks, tmp_path, kind):
    path = tmp_path / "data"
    if kind == "file":
        path.write_text("")
    if kind == "empty":
        path.mkdir()
    said = {"missing": "There is no such folder", "file": "A folder is due", "empty": "No cases were found"}[kind]
    for command in (
        ("evaluate", "--data", path, "--source", f"A={masks}"),
        ("evaluate", "--references", path, "--source", f"A={masks}"),
    ):
        error = afl(*command, "--out", tmp_path / "out").error
        assert said in error or "There are no masks in the folder" in error
        assert str(path) in error


def test_a_source_that_is_not_ours_is_named(afl, cohort, tmp_path):
    ran = afl("evaluate", "--data", cohort, "--source", f"A={cohort}", "--out", tmp_path / "out")
    assert "This is not a checkpoint of the workbench" in ran.error
    assert str(cohort) in ran.error
    ran = afl("predict", "--model", tmp_path / "none", "--data", cohort, "--out", tmp_path / "out")
    assert "The source model does not exist" in ran.error


def test_a_checkpoint_whose_channels_do_not_match_is_one_message_a_case(afl, cohort, masks, tmp_path, make_checkpoint):
    folder = make_checkpoint(tmp_path / "net")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"sequences": ["flair"]}))
    sources = ("--source", f"net={folder}", "--source", f"A={masks}")
    ran = afl("evaluate", "--data", cohort, *sources, "--out", tmp_path / "out", "--case", "Case_A", "--case", "Case_C")
    assert ran.err.count("The weights in net do not fit the network demo_unet with 1 channel") == 2
    assert Results(tmp_path / "out").cases()["source"].tolist() == ["A", "A"]


def test_a_results_folder_that_cannot_be_written_is_one_message(afl, cohort, masks, tmp_path, make_checkpoint):
    blocked = tmp_path / "file"
    blocked.write_text("")
    ran = afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", blocked)
    assert str(blocked) in ran.error
    net = make_checkpoint(tmp_path / "net")
    ran = afl("predict", "--model", net, "--data", cohort, "--out", blocked, "--case", "Case_C")
    assert "Traceback" not in ran.err
    assert "0 of 1 mask written" in ran.err


def test_the_matcher_is_recorded_and_cannot_be_mixed(afl, cohort, masks, tmp_path):
    command = ("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out", "--case", "Case_C")
    assert "Did you mean overlap" in afl(*command, "--matcher", "overlaps").error
    assert afl(*command, "--matcher", "iou").code == 0
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]["matcher"] == "iou"
    assert "measured with other settings" in afl(*command).error


def test_a_results_folder_of_other_data_is_refused(afl, cohort, masks, tmp_path):
    command = ("--source", f"A={masks}", "--out", tmp_path / "out")
    assert afl("evaluate", "--data", cohort, *command, "--case", "Case_C").code == 0
    assert "belongs to another data set" in afl("evaluate", "--references", masks, *command).error


def test_a_data_set_that_was_moved_is_found_by_a_link_as_the_error_says(afl, cohort, masks, tmp_path):
    given = ("--source", f"A={masks}", "--out", tmp_path / "out", "--case", "Case_C")
    figure = ("figure", tmp_path / "out", "--out", tmp_path / "figure.png")
    assert afl("evaluate", "--data", cohort, *given).code == 0
    new = cohort.rename(tmp_path / "new place")
    said = f"put a link to its new place there: ln -s NEW_PLACE {cohort}."
    assert (
        f"The data set is not where it was measured (received: {cohort}). Move it back, or {said}" in afl(*figure).error
    )
    again = afl("evaluate", "--data", new, *given).error
    assert f"If that data set was moved, put a link to its new place there: ln -s '{new}' {cohort}." in again
    cohort.symlink_to(new)
    assert afl(*figure).code == 0
    assert afl("evaluate", "--data", cohort, *given).code == 0
    cohort.unlink()
    assert afl("evaluate", "--data", new, *given).code == 0


def test_a_damaged_results_folder_is_one_message(afl, cohort, masks, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "cases.parquet").write_bytes(b"PAR1")
    ran = afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", out)
    assert "out/cases.parquet is damaged" in ran.error


def unused(*_):
    raise AssertionError("predicted in this process")


@pytest.mark.parametrize("workers", [1, 2])
def test_predict_writes_masks_on_the_cases_own_grids(afl, cohort, tmp_path, make_checkpoint, monkeypatch, workers):
    """Without references; a case that cannot be read is one message and the others go on, here or in a pool."""
    if workers > 1:
        monkeypatch.setattr(prediction_stream, "predict_masks", unused)
    for case_id in ("Case_A", "Case_B", "Case_D"):
        files(case_id, cohort)["seg"].unlink()
    files("Case_A", cohort)["flair"].write_bytes(gzip.compress(b"not an image"))
    net = make_checkpoint(tmp_path / "net")
    ran = afl("predict", "--model", net, "--data", cohort, "--out", tmp_path / "out", "--workers", workers)
    assert ran.code == 0
    assert "3 of 4 masks written" in ran.err
    assert ran.err.count("Case_A_flair.nii.gz cannot be read as an image") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"Case_{x}.nii.gz" for x in "BCD"]
    for case_id in ("Case_B", "Case_D"):
        mask, image = nib.load(tmp_path / "out" / f"{case_id}.nii.gz"), nib.load(files(case_id, cohort)["flair"])
        assert mask.shape == image.shape
        assert np.array_equal(mask.affine, image.affine)
        assert set(np.unique(np.asarray(mask.dataobj))) <= {0, 1}


def test_a_split_that_names_a_case_which_is_not_there_is_measured_and_warned_of(afl, cohort, masks, tmp_path):
    (cohort / "splits.json").write_text('{"test": ["Case_D", "Case_E"]}')
    ran = afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out", "--split", "test")
    assert ran.code == 0
    assert ran.err.count("Warning: splits.json names 1 case that is not in the data set: Case_E.") == 1
    assert Results(tmp_path / "out").cases()["case_id"].tolist() == ["Case_D"]


def test_a_renamed_source_is_not_measured_again(afl, cohort, masks, tmp_path):
    out = tmp_path / "out"
    command = ("evaluate", "--data", cohort, "--out", out, "--source")
    assert afl(*command, f"A={masks}").code == 0
    before = Results(out).cases()
    assert afl("rename", out, "A", "B tool").code == 0
    assert afl(*command, f"B tool={masks}").code == 0
    after = Results(out).cases()
    assert set(after["source"]) == {"B tool"}
    assert after["seconds"].tolist() == before["seconds"].tolist()  # the time that each took, then
    assert afl(*command, f"C={masks}").code == 0  # the same masks under another name are another source
    assert sorted(Results(out).cases()["source"].unique()) == ["B tool", "C"]
    assert "There is no such source" in afl("rename", out, "A", "D").error
    assert "There are no such results" in afl("rename", tmp_path / "gone", "A", "D").error


def test_train_writes_a_checkpoint_with_scores_of_the_test_split(afl, cohort, tmp_path):
    settings = [f"--set={text}" for text in ("steps=1", "batch_size=1", "patch_size=[16,16,16]", "seed=3")]
    command = ("train", "--loss", "focal", "--data", cohort, "--out", tmp_path / "net", "--sequences", "t2,flair")
    ran = afl(*command, *settings)
    assert ran.code == 0, ran
    card = json.loads((tmp_path / "net" / "card.json").read_text())
    assert card["sequences"] == ["t2", "flair"]
    assert (card["training"]["seed"], card["training"]["steps"], card["loss_settings"]) == (3, 1, {"gamma": 2.0})
    assert card["scores"]["test"]["cases"] == 1
    assert 0 <= card["scores"]["test"]["dsc"] <= 1
    assert card["command"].startswith("afl train --loss focal --data")
    assert "Checkpoint written to" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--loss", "focla"), "There is no loss of that name (received: focla). Did you mean focal?"),
        (("--loss", "focal", "--preset", "dmo"), "Did you mean demo?"),
        (("--loss", "focal", "--set", "steps=0"), "The training setting steps is wrong"),
        (("--loss", "focal", "--set", "stepz=1"), "The training setting stepz is wrong"),
        (("--loss", "focal", "--set", "steps"), "A setting is written NAME=VALUE (received: steps)"),
        (("--loss", "focal", "--set", "sequences=t1"), "The training setting sequences is wrong"),
        (("--loss", "focal", "--set", "preset=demo"), "The training setting preset is wrong"),
        (("--loss", "focal", "--set", "loss_settings={gamma:1}"), "loss_settings must be JSON"),
        (("--loss", "focal", "--set", 'loss_settings={"gama":1}'), "There is no setting of focal of that name"),
        (("--loss", "focal", "--set", "network=unest"), "There is no network of that name (received: unest)"),
        (("--loss", "focal", "--sequences", "t1,dwi"), "Case_A has no dwi image"),
        ((), "Training needs a loss. Give --loss, one of"),
        (("--loss", "focal", "--loss", "dice"), "--out takes one run (received: 2 runs)"),
        (("--resume", "run"), "A run that goes on keeps its settings. Give --resume alone"),
        (("--loss", "focal", "--name", "../x"), "A run needs a plain name (received: ../x)"),
    ],
)
def test_a_wrong_training_option_is_one_message(afl, cohort, tmp_path, arguments, said):
    ran = afl("train", "--data", cohort, "--out", tmp_path / "net", *arguments)
    assert said in ran.error
    assert not (tmp_path / "net").exists()


def test_training_data_with_too_few_cases_to_split_is_one_message(afl, cohort, tmp_path):
    (cohort / "splits.json").unlink()
    for case_id in ("Case_A", "Case_B"):
        files(case_id, cohort)["seg"].unlink()
    ran = afl("train", "--loss", "focal", "--data", cohort, "--out", tmp_path / "net")
    assert "A split needs three patients or more (received: 2)" in ran.error


def test_several_losses_and_seeds_are_paired_runs_under_models(afl, cohort, tmp_path):
    settings = [f"--set={text}" for text in ("steps=1", "batch_size=1", "patch_size=[16,16,16]")]
    ran = afl("train", "--loss", "focal", "--loss", "dice", "--seed", 4, "--data", cohort, *settings, "--name", "x")
    assert ran.code == 0, ran
    runs = sorted((tmp_path / "models" / "runs").iterdir())
    assert [run.name for run in runs] == ["x-demo-dice-seed4", "x-demo-focal-seed4"]
    cards = [json.loads((run / "checkpoint" / "card.json").read_text()) for run in runs]
    assert [card["loss"] for card in cards] == ["dice", "focal"]
    assert len({card["training"]["initial_weights_sha256"] for card in cards}) == 1
    assert len({card["weights_sha256"] for card in cards}) == 2
    (results,) = paths.RESULTS.iterdir()  # measured once, when the last one was finished
    rows = Results(results).cases()
    assert sorted(zip(rows["case_id"], rows["source"], strict=True)) == [("Case_D", "Dice"), ("Case_D", "FL")]


def test_test_cases_that_cannot_be_measured_are_said_after_the_checkpoint(afl, cohort, monkeypatch):
    def full(*args, **kwargs):
        raise DataError("The disk is full")

    monkeypatch.setattr(evaluate_cases, "evaluate_into", full)
    settings = [f"--set={text}" for text in ("steps=1", "batch_size=1", "patch_size=[16,16,16]")]
    ran = afl("train", "--loss", "focal", "--data", cohort, *settings, "--name", "x")
    assert ran.code == 0, ran
    assert "The test cases are not measured: The disk is full" in ran.err
    assert (paths.MODELS / "runs" / "x" / "checkpoint" / "card.json").is_file()


def test_training_takes_layout_labels_and_region(afl, cohort, tmp_path):
    settings = [f"--set={text}" for text in ("steps=1", "batch_size=1", "patch_size=[16,16,16]")]
    wanted = ["--layout", "brats2018", "--labels", "brats2013", "--region", "tc"]
    ran = afl(
        "train", "--loss", "focal", "--data", cohort, *settings, *wanted, "--name", "x", "--out", tmp_path / "net"
    )
    assert ran.code == 0, ran
    said = json.loads((tmp_path / "models" / "runs" / "x" / "run.json").read_text())
    assert said["data_options"] == {
        "layout": "brats2018",
        "labels": "brats2013",
        "region": "tc",
        "trust_voxel_order": False,
        "patients": None,
    }
    card = json.loads((tmp_path / "net" / "card.json").read_text())
    assert (card["data"]["labels"], card["data"]["region"]) == ("brats2013", "tc")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--region", "gland"], "no region of that name (received: gland)"),
        (["--labels", "brain"], "There is no label scheme of that name (received: brain)"),
        (["--layout", "msd"], "No cases were found"),
    ],
)
def test_what_cannot_be_read_makes_no_run(afl, cohort, tmp_path, options, said):
    ran = afl("train", "--loss", "focal", "--data", cohort, *options)
    assert said in ran.error
    assert not (tmp_path / "models" / "runs").exists()


def test_a_run_that_was_stopped_says_how_to_go_on_and_goes_on(afl, cohort, tmp_path, monkeypatch):
    """Ctrl-C at the first report, as the terminal sends it."""
    from afl_core.training.keeper import FolderKeeper

    settings = [f"--set={text}" for text in ("steps=14", "batch_size=1", "patch_size=[16,16,16]", "seed=1")]
    command = ("train", "--loss", "focal", "--data", cohort, *settings)
    assert afl(*command, "--name", "whole").code == 0
    with monkeypatch.context() as patch:
        report = FolderKeeper.report

        def interrupted(keeper, progress):
            report(keeper, progress)
            os.kill(os.getpid(), signal.SIGINT)
            assert keeper.stopping.wait(20)

        patch.setattr(FolderKeeper, "report", interrupted)
        ran = afl(*command, "--name", "run")
    assert ran.code == 130
    assert "Stopped at step 10; go on with: afl train --resume run" in ran.err
    runs = tmp_path / "models" / "runs"
    assert not (runs / "run" / "checkpoint").exists()
    assert afl("train", "--resume", "run").code == 0
    weights = [(runs / name / "checkpoint" / "weights.safetensors").read_bytes() for name in ("whole", "run")]
    assert weights[0] == weights[1]


def test_a_run_to_resume_that_is_not_there_is_one_message(afl):
    assert (
        "There is no such training run (received: gone). There are: none yet" in afl("train", "--resume", "gone").error
    )


def test_a_study_with_a_wrong_setting_is_one_message(afl, cohort, tmp_path):
    ran = afl("study", "--data", cohort, "--out", tmp_path / "out", "--set", "stepz=1")
    assert "The training setting stepz is wrong" in ran.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("home", ["empty", "missing"])
def test_doctor_is_content_before_anything_was_made(tmp_path, home):
    """The checkpoints of the demo come with the workbench, and are not looked for in the home folder."""
    folder = tmp_path / "home"
    if home == "empty":
        folder.mkdir()
    ran = afl_process("doctor", "--json", AFL_HOME=str(folder))
    assert ran.code == 0, ran
    checks = {check["name"]: check for check in json.loads(ran.out)["checks"]}
    assert all(check["fine"] for check in checks.values())
    assert checks["demo cohort"]["detail"] == "not made yet; `afl demo` makes it"
    assert "checkpoint demo_afl" in checks


def test_doctor_is_content_with_a_sound_installation(afl, cohort, tmp_path, monkeypatch, make_checkpoint):
    net = make_checkpoint(tmp_path / "models" / "net")
    (tmp_path / "requirements.txt").write_text("numpy==1.0  # too old\nno-such-package==2.0\n")
    monkeypatch.setattr(doctor, "HOME", tmp_path)
    monkeypatch.setattr(doctor, "SHIPPED", tmp_path)
    monkeypatch.setattr(doctor, "SHIPPED_MODELS", tmp_path / "models")
    monkeypatch.setattr(doctor, "MODELS", tmp_path / "models")
    monkeypatch.setattr(doctor, "DEMO", cohort)
    ran = afl("doctor")
    assert "Some checks failed" in ran.error
    assert f"numpy {np.__version__} (pinned 1.0); no-such-package missing (pinned 2.0)" in ran.out

    (tmp_path / "requirements.txt").write_text(f"numpy=={np.__version__}\n")
    ran = afl("doctor")
    assert ran.code == 0, ran
    assert ran.err == ""

    (net / "weights.safetensors").write_bytes(b"")
    ran = afl("doctor")
    assert "Some checks failed" in ran.error
    assert "net/weights.safetensors is not the file that its card describes" in ran.out


@pytest.mark.parametrize("kind", ["missing", "file", "not made"])
def test_doctor_says_where_things_are_kept_and_whether_that_works(tmp_path, monkeypatch, kind):
    home = tmp_path / "home"
    if kind == "file":
        home.write_text("no folder")
    elif kind == "not made":
        home = Path("/proc/nowhere")  # not even root can write there
    monkeypatch.setenv("AFL_HOME", str(home))
    monkeypatch.setattr(doctor, "HOME", home)
    monkeypatch.setattr(doctor, "RESULTS", home / "data" / "results")
    monkeypatch.setattr(doctor, "MODELS", home / "models")
    where, results, runs = doctor._folders()
    assert where.fine == results.fine == runs.fine == (kind == "missing")
    assert f"{home}" in where.detail
    assert "as AFL_HOME says" in where.detail
    assert ("made when it is needed" in results.detail) == (kind == "missing")
    assert ("cannot be written" in results.detail) == (kind != "missing")


def test_a_path_without_its_option_is_told_which_there_are(afl, cohort):
    needed = {"xray": (), "train": (), "evaluate": ("--source", "A=masks", "--out", "out")}
    for command, options in needed.items():
        error = afl(command, cohort, *options).error
        assert f"afl {command} cannot tell what this is (received: {cohort})" in error
        assert "--data PATH (the folder of a data set)" in error
    assert "--references PATH" in afl("xray", cohort).error


def test_a_metric_is_understood_by_its_label(afl, made, tmp_path):
    assert afl("breakdown", made, "--metric", "dice", "--level", "CASE", "--out", tmp_path / "out").code == 0
    assert exported(tmp_path / "out")["options"]["metric"] == "dsc"
    assert "Did you mean dsc?" in afl("breakdown", made, "--metric", "dise", "--out", tmp_path / "out").error


def test_a_name_with_brackets_is_printed_as_it_is(afl, cohort, masks, tmp_path):
    folder = masks.rename(tmp_path / "[bold]masks")
    ran = afl("evaluate", "--data", folder, "--source", f"A={folder}", "--out", tmp_path / "out")
    assert "[bold]masks" in ran.error


def test_a_worker_that_was_killed_is_one_message(afl, cohort, masks, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise BrokenExecutor

    monkeypatch.setattr(evaluate_cases, "evaluate_into", killed)
    ran = afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out")
    assert "A worker process was ended from outside" in ran.error


@pytest.fixture
def made(tmp_path):
    """A results folder of made numbers, without images."""
    return write_results(tmp_path / "made")


def exported(folder: Path) -> dict:
    return json.loads((folder / "breakdown.json").read_text(), parse_constant=pytest.fail)


def test_breakdown_writes_the_files_of_what_is_computed(afl, made, tmp_path):
    options = ("--by", "size,roughness", "--bins", "tertiles", "--metric", "dsc")
    ran = afl("breakdown", made, *options, "--out", tmp_path / "new" / "out")
    assert ran.code == 0, ran
    results = Results(made)
    asked = Options(by=("size", "roughness"))
    found = choose_breakdown((results.cases(), results.lesions()), results.manifest(), asked)
    expected = export_files(found, asked, results.manifest(), results="made")
    for name, content in expected.items():
        assert (tmp_path / "new" / "out" / name).read_bytes() == content
    assert len(list((tmp_path / "new" / "out").iterdir())) == 3
    table = pd.read_csv(tmp_path / "new" / "out" / "breakdown.csv")
    assert list(table.columns) == list(COLUMNS)
    finite = found.records.replace([np.inf, -np.inf], np.nan)
    for name in ("mean", "mean_difference", "ci_low", "p_holm", "effect", "n_higher", "high"):
        assert table[name].tolist() == pytest.approx(finite[name].tolist(), abs=0, rel=0, nan_ok=True), name
    assert f"{found.pair('FL', 'A-FL')['mean_difference'][0]:+.3f}" in ran.out
    assert "Dice, all cases: " in ran.out or "No difference in mean Dice shown" in ran.out


def test_export_writes_the_formats_that_are_named_or_all(afl, made, tmp_path):
    ran = afl("export", made, "--metric", "hd95_mm", "--latex", "--docx-table-csv", "--out", tmp_path / "new" / "paper")
    assert ran.code == 0, ran
    names = {path.name for path in (tmp_path / "new" / "paper").iterdir()}
    assert {"main.tex", "table_bins.tex", "table_bins_printed.csv", "references.bib", "breakdown.json"} <= names
    assert not [name for name in names if name.endswith(".md")]
    assert exported(tmp_path / "new" / "paper")["metric"]["key"] == "hd95_mm"
    assert afl("export", made, "--out", tmp_path / "all").code == 0
    assert (tmp_path / "all" / "methods.md").is_file()
    assert "The paper kit is a folder" in afl("export", made, "--out", tmp_path / "all" / "methods.md").error


def test_bundle_writes_one_case_for_other_viewers(afl, tmp_path):
    made = write_results(tmp_path / "pictures", pictures=True)
    assert afl("bundle", made, "case_03", "--out", tmp_path / "new" / "case.zip").code == 0
    with ZipFile(tmp_path / "new" / "case.zip") as archive:
        assert "case_03/scene.mrml" in archive.namelist()
    assert "case_03" in afl("bundle", made, "case_033", "--out", tmp_path / "other.zip").error
    assert not (tmp_path / "other.zip").exists()
    assert "The bundle is one file" in afl("bundle", made, "case_03", "--out", tmp_path).error


def test_breakdown_and_report_of_all_regions_correct_over_all_of_them(afl, tmp_path):
    folder = write_regions(tmp_path / "several", whole=SOURCES, et=SOURCES, ncr={"FL": 0.0})
    ran = afl("breakdown", folder, "--regions", "all", "--out", tmp_path / "out")
    assert ran.code == 0, ran
    table, document = pd.read_csv(tmp_path / "out" / "breakdown.csv"), exported(tmp_path / "out")
    tested = table.dropna(subset="p")
    assert tested["p_holm"].tolist() == pytest.approx(holm(tested["p"]).tolist(), abs=0)
    assert tested.groupby("region").size().to_dict() == {"whole": 7, "et": 7}
    said = "14 comparisons together: 2 regions x 7 comparisons"
    assert said in document["correction"]
    assert said in ran.out
    assert json.loads(afl("breakdown", folder, "--regions", "whole, ET,ncr", "--json").out) == document
    two = json.loads(afl("breakdown", folder, "--regions", "ET,wt", "--json").out)
    assert list(two["regions"]) == ["et", "whole"]
    html = tmp_path / "report.html"
    assert afl("report", folder, "--regions", "all", "--out", html).code == 0
    text = html.read_text(encoding="utf-8")
    assert said in text
    assert "What follows is of the whole tumour (WT) alone" in text
    assert '"not_compared": {}' in text
    assert said not in afl("report", folder, "--out", html).out + html.read_text(encoding="utf-8")


def test_evaluate_asks_for_the_tumour_beside_an_organ(afl, tmp_path):
    for folder in ("refs", "A"):
        made_trees.write(tmp_path / folder / "a.nii.gz", [1, 2])
    given = ("--references", tmp_path / "refs", "--labels", "liver=1,tumor=2")
    sources = ("--source", f"A={tmp_path / 'A'}", "--out", tmp_path / "out")
    refused = afl("evaluate", *given, *sources)
    assert refused.code
    assert "not said which label is the tumour" in refused.error
    assert "--region tumor. To count all of it: --region whole" in refused.error
    assert "--region tumor" in afl("xray", *given).error
    assert afl("evaluate", *given, *sources, "--region", "tumor").code == 0
    assert set(Results(tmp_path / "out").cases()["region"]) == {"tumor"}
    assert afl("xray", *given, "--region", "whole").code == 0


def test_regions_are_refused_where_they_cannot_be_meant(afl, tmp_path):
    folder = write_regions(tmp_path / "several", whole=SOURCES, et=SOURCES)
    assert "Give --region or --regions" in afl("breakdown", folder, "--region", "et", "--regions", "all").error
    assert "was not measured" in afl("breakdown", folder, "--regions", "whole,ncr").error


def test_regions_that_masks_do_not_tell_apart_are_said_to_be_unmeasured(afl, cohort, masks, tmp_path):
    given = ("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", tmp_path / "out")
    said = "Nothing was measured in the regions tc, et: the files of every source are of the region whole alone."
    assert said not in afl(*given).err  # nobody asked
    assert f"Warning: {said}" in afl(*given, "--regions", "whole,tc,et").err
    assert "Nothing was measured in the region tc" in afl("breakdown", tmp_path / "out", "--region", "tc").error
    assert "Nothing was measured in the region tc" in afl("breakdown", tmp_path / "out", "--regions", "tc,wt").error


def test_breakdown_without_a_folder_is_printed_alone(afl, made, tmp_path):
    ran = afl("breakdown", made)
    assert (ran.code, "written to" in ran.out, "large" in ran.out) == (0, False, True), ran
    assert afl("breakdown", made, "--out", tmp_path).out.startswith(ran.out[:200])


def test_too_few_values_end_only_bins_that_were_named(afl, made, tmp_path):
    rows = pd.read_parquet(made / "cases.parquet")
    rows.loc[rows["case_id"] > "case_02", "roughness"] = np.nan  # two cases carry one
    rows.to_parquet(made / "cases.parquet")
    said = "There are no bins by roughness: 2 of 24 cases have a value, and three bins need 3"
    ran = afl("breakdown", made, "--out", tmp_path)
    assert (ran.code, said in ran.out) == (0, True), ran
    assert [b["axis"] for b in exported(tmp_path)["bins"]] == ["size"]
    assert exported(tmp_path)["unbinned"][0].startswith(said)
    assert afl("report", made, "--out", tmp_path / "report.html").code == 0
    page = (tmp_path / "report.html").read_text()
    assert said in page
    assert 'id="by-size"' in page
    assert 'id="by-roughness"' not in page
    named = afl("breakdown", made, "--by", "size,roughness", "--out", tmp_path).error
    assert "Roughness has too few values in the reference set for three bins (received: 2, 3 are needed)" in named


def test_axes_that_were_opened_before_are_counted_and_not_shown(afl, made, tmp_path):
    given = ("breakdown", made, "--by", "size", "--out", tmp_path)
    assert afl(*given, "--opened-before", "Roughness, released_smoothness").code == 0
    before = exported(tmp_path)
    assert before["options"]["opened"] == ["roughness", "released_smoothness"]
    assert afl(*given).code == 0
    alone = exported(tmp_path)
    assert before["tests"] > alone["tests"]
    assert {record["axis"] for record in before["records"]} == {"all", "size"}
    said = " ".join(afl(*given, "--opened-before", "roughness").out.split())
    assert "and those of axes that were opened before: roughness." in said
    assert "axis" in afl(*given, "--opened-before", "rougness").error


def test_breakdown_takes_its_options_in_any_order(afl, made, tmp_path):
    ran = afl(
        *("breakdown", made, "--out", tmp_path, "--level", "lesion", "--source", "A-FL", "--source", "FL"),
        *("--by", "roughness,size", "--edges", "size=2,9.5", "--edges", "roughness=0.1,0.2"),
    )
    assert ran.code == 0, ran
    said = exported(tmp_path)
    assert said["options"]["sources"] == ["A-FL", "FL"]
    assert [(b["axis"], b["low"], b["high"], b["how"]) for b in said["bins"]] == [
        ("roughness", 0.1, 0.2, "own edges"),
        ("size", 2, 9.5, "own edges"),
    ]
    assert said["metric"]["label"] == "Lesion Dice"
    pairs = {(r["minus"], r["source"]) for r in said["records"] if r["minus"]}
    assert pairs == {("A-FL", "FL")}


def test_seeds_are_averaged_unless_they_are_separated(afl, tmp_path):
    made = write_results(tmp_path / "made", sources={"FL": 0.0, "A-FL seed1": 0.1, "A-FL seed2": 0.2})
    assert afl("breakdown", made, "--out", tmp_path).code == 0
    assert list(exported(tmp_path)["sources"]) == ["FL", "A-FL"]
    assert afl("breakdown", made, "--out", tmp_path, "--separate-seeds").code == 0
    assert list(exported(tmp_path)["sources"]) == ["FL", "A-FL seed1", "A-FL seed2"]


def test_bins_of_the_training_split_come_from_its_references(afl, cohort, masks, tmp_path):
    """Case_A and Case_B are the training split: of two values there are no tertiles, and the message says so."""
    out = tmp_path / "out"
    assert afl("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", out).code == 0
    few = afl("breakdown", out, "--bins", "training", "--by", "size", "--out", tmp_path).error
    assert "Tumour volume has too few values in the training split for three bins" in few
    splits = {"train": ["Case_A", "Case_B", "Case_D"], "test": ["Case_C"]}
    (cohort / "splits.json").write_text(json.dumps(splits))
    assert afl("breakdown", out, "--bins", "training", "--by", "size", "--out", tmp_path).code == 0
    (binned,) = exported(tmp_path)["bins"]
    volumes = [0.008 * voxels for voxels in (512, 280, 8 * 10 * 14)]
    assert (binned["low"], binned["high"]) == pytest.approx(np.quantile(volumes, [1 / 3, 2 / 3]))
    assert binned["how"] == "tertiles of the training split (3 values)"


WRITTEN = "Edges are written AXIS=LOW,HIGH: two different numbers, the lower first"


@pytest.mark.parametrize("command", ["breakdown", "report"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--metric", "dcs"), "Did you mean dsc?"),
        (("--level", "lesion", "--metric", "iou"), "There is no metric of lesions of that name (received: iou)"),
        (("--level", "cases"), "There is no level of that name (received: cases). Did you mean case?"),
        (("--source", "AFL"), "These results have no such source (received: AFL). There are: FL, A-FL"),
        (("--source", "FL", "--source", "FL"), "Give each source once"),
        (("--by", "size,roughnes"), "Did you mean roughness?"),
        (("--by", "size,size"), "Give each axis once (received: size,size)"),
        (("--by", ""), "An axis has no name"),
        (
            ("--bins", "quartiles"),
            "no kind of bins of that name (received: quartiles). Did you mean tertiles? There are",
        ),
        (("--bins", "training"), "The training split is not known. The data set is not where it was measured"),
        *(
            (("--edges", edges), f"{WRITTEN} (received: {edges}). For example --edges size=5,20")
            for edges in (
                "size",
                "size=5",
                "size=1,2,3",
                "size=a,b",
                "size=1,inf",
                "size=nan,2",
                "size=9,2",
                "size=5,5",
            )
        ),
        (("--edges", "size=-5,nan"), f"{WRITTEN} (received: size=-5,nan)"),
        (
            ("--edges", "size=-5,20"),
            "Edges of Tumour volume must be two ascending numbers, 0 or more (received: -5, 20)",
        ),
        (("--edges", "volume=1,2"), "Edges are for an axis of --by, once each (received: volume=1,2)"),
        (("--by", "size", "--edges", "roughness=0.1,0.2"), "Edges are for an axis of --by, once each"),
        (("--by", "size,"), "An axis has no name (received: size,). Write the names of axes with one comma between"),
        (("--opened-before", ","), "An axis has no name (received: ,). Write the names of axes with one comma between"),
        (("--opened-before", "nonsense"), "There is no axis of that name (received: nonsense). There are: size, "),
        (("--edges", "size=1,2", "--edges", "size=3,4"), "Edges are for an axis of --by, once each"),
    ],
)
def test_a_wrong_option_of_a_breakdown_is_one_message(afl, made, tmp_path, command, options, said):
    out = tmp_path / "out" if command == "breakdown" else tmp_path / "report.html"
    assert said in afl(command, made, *options, "--out", out).error
    assert not out.exists()


def test_figure_shows_the_extreme_cases_or_those_asked_for(afl, tmp_path):
    folder = write_results(tmp_path / "made", pictures=True)
    cases = make_tables()[0].drop_duplicates("case_id").set_index("case_id")
    ran = afl("figure", folder, "--case", "smooth=case_00", "--out", tmp_path / "new" / "figure.svg")
    assert ran.code == 0, ran
    assert f"large {cases['reference_volume_ml'].idxmax()}" in ran.err
    assert "smooth case_00" in ran.err
    text = (tmp_path / "new" / "figure.svg").read_text(encoding="utf-8")
    assert text.count("<image") >= 4 * 3 * 2  # surfaces and slices of four cases in three rows


def test_figure_says_what_is_wrong(afl, made, tmp_path):
    folder = write_results(tmp_path / "seen", pictures=True)
    assert "no format of that name" in afl("figure", folder, "--out", tmp_path / "figure.gif").error
    assert "no role of that name" in afl("figure", folder, "--case", "huge=x", "--out", tmp_path / "a.png").error
    assert "no case of that name" in afl("figure", folder, "--case", "large=x", "--out", tmp_path / "a.png").error
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("command", ["breakdown", "report", "figure"])
def test_what_is_no_results_folder_is_named(afl, tmp_path, command):
    out = tmp_path / ("out.png" if command == "figure" else "out.html")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for folder, todo in (
        ("missing", "There is no such folder"),
        ("empty", "It has no manifest.json"),
        ("file", "There"),
    ):
        error = afl(command, tmp_path / folder, "--out", out).error
        assert f"This is not a results folder (received: {tmp_path / folder}). {todo}" in error
    (tmp_path / "empty" / "manifest.json").write_text("{}")
    assert "empty/manifest.json is damaged" in afl(command, tmp_path / "empty", "--out", out).error
    never_evaluated = make_manifest(tmp_path).model_copy(update={"empty_masks": {}})
    (tmp_path / "empty" / "manifest.json").write_text(never_evaluated.model_dump_json())
    assert "These results hold no evaluated case" in afl(command, tmp_path / "empty", "--out", out).error


def test_breakdown_says_how_many_cases_it_leaves_out_and_why(afl, made):
    rows = pd.read_parquet(made / "cases.parquet")
    of_other = (rows["source"] == "A-FL") & rows["case_id"].isin(["case_03", "case_04"])
    rows.loc[rows["case_id"] == "case_05", "dsc"] = np.nan
    rows[~of_other].to_parquet(made / "cases.parquet")
    said = afl("breakdown", made).out
    assert "Left out of 24 cases: no result of A-FL: 2; metric undefined: 1." in " ".join(said.split())


def test_breakdown_of_one_source_has_its_means(afl, made, tmp_path):
    ran = afl("breakdown", made, "--source", "FL", "--out", tmp_path)
    assert ran.code == 0
    mean = make_tables()[0].query("source == 'FL'")["dsc"].mean()
    assert f"FL's mean Dice, all cases: {mean:.3f} (" in ran.out
    assert "p (Holm)" not in ran.out
    assert exported(tmp_path)["sentences"] == []


def test_the_table_of_a_breakdown_fits_80_columns(made, monkeypatch):
    results, options = Results(made), Options(metric="hd95_mm", by=("size", "released_smoothness"))
    found = choose_breakdown((results.cases(), results.lesions()), results.manifest(), options)
    wide = {"n": 1251, "mean_difference": -10.123, "ci_low": -12.345, "ci_high": 10.123, "p_holm": 0.5}
    records = found.records.assign(**wide)
    records.loc[records["axis"] == "released_smoothness", ["low", "high"]] = 0.00153, 0.00267
    text = StringIO()
    monkeypatch.setattr(terminal, "output", Console(file=text, width=80))
    print_breakdown(replace(found, records=records))
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert lines[1] == ["bin", "range", "n", "mean", "interval", "p", "(Holm)"]
    rows = [line for line in lines if line[-1:] == ["0.500"]]
    assert len(rows) == len(found.pair("FL", "A-FL")) > 6
    assert all(row[-6:] == ["1251", "-10.1", "-12.3", "to", "+10.1", "0.500"] for row in rows)
    assert ["medium", "0.00153", "to", "0.00267"] in [row[:4] for row in rows]


def test_report_embeds_the_same_breakdown(afl, made, tmp_path):
    assert afl("breakdown", made, "--out", tmp_path).code == 0
    ran = afl("report", made, "--out", tmp_path / "new" / "report.html")
    assert ran.code == 0, ran
    text = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    start = text.index('id="breakdown">') + len('id="breakdown">')
    assert json.loads(text[start : text.index("</script>", start)]) == exported(tmp_path)
    assert f"afl report {made} --out {tmp_path / 'new' / 'report.html'}" in text
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    assert "the data set cannot be opened" in text


def test_report_is_a_file_not_a_folder(afl, made, tmp_path):
    assert "The report is one file" in afl("report", made, "--out", tmp_path).error


def test_breakdown_by_the_real_process_loads_no_torch(made, tmp_path):
    code = "import sys; from afl_core.cli.main import app; app(sys.argv[1:], standalone_mode=False); "
    code += "sys.exit(bool({'torch', 'monai', 'plotly', 'matplotlib'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "breakdown", str(made), "--out", str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == 0
    assert exported(tmp_path)["results"] == "made"


def real(name: str) -> Path:
    data = os.environ.get("AFL_REAL_DATA")
    if not data:
        pytest.skip("AFL_REAL_DATA is not set: it names the folder of real cases")
    return Path(data) / name


def test_real_prostate_masks_give_the_dsc_of_two_lines_of_numpy(tmp_path):
    studies = real("picai_masks") / "csPCa_lesion_delineations"
    whole, source = studies / "human_expert" / "resampled", studies / "AI" / "Bosma22a"
    paths = sorted(whole.glob("*.nii.gz"))
    assert len(paths) == 179
    references = tmp_path / "references"
    references.mkdir()
    for path in paths[::12]:  # all of them take a minute of two cores
        shutil.copy(path, references)
    ran = afl_process("evaluate", "--references", references, "--source", f"AI={source}", "--out", tmp_path / "out")
    assert ran.code == 0, ran
    rows = Results(tmp_path / "out").cases()
    assert len(rows) == 15
    scores = []
    for path in paths[::12]:
        a, b = (np.asarray(nib.load(folder / path.name).dataobj) > 0 for folder in (whole, source))
        scores += [2 * (a & b).sum() / (a.sum() + b.sum())] if a.any() else []
    assert 0 < len(scores) < 15
    positive = rows[rows["reference_volume_ml"] > 0]
    assert positive["dsc"].mean() == pytest.approx(np.mean(scores), abs=1e-12)
    assert re.search(rf"AI .* {np.mean(scores):.3f} +{len(scores)} patients", ran.out)


def test_real_brain_cases_are_evaluated_against_a_folder_of_masks(tmp_path):
    from scipy import ndimage

    data = real("brats_2013")
    expected = {}
    (tmp_path / "eroded").mkdir()
    for path in data.glob("*/OTMultiClass.nii.gz"):
        image = nib.load(path)
        reference = np.asarray(image.dataobj) > 0
        eroded = ndimage.binary_erosion(reference)
        expected[path.parent.name] = 2 * eroded.sum() / (eroded.sum() + reference.sum())
        nib.save(
            nib.Nifti1Image(eroded.astype(np.uint8), image.affine), tmp_path / "eroded" / f"{path.parent.name}.nii.gz"
        )
    ran = afl_process("evaluate", "--data", data, "--source", f"E={tmp_path / 'eroded'}", "--out", tmp_path / "out")
    assert ran.code == 0, ran
    rows = Results(tmp_path / "out").cases().set_index("case_id")
    assert len(rows) == len(expected) == 3
    for case_id, dsc in expected.items():
        assert rows["dsc"][case_id] == pytest.approx(dsc, abs=1e-12)
        assert rows["sensitivity"][case_id] < rows["precision"][case_id] == 1
        stored = nib.load(tmp_path / "out" / "masks" / "E" / f"{case_id}.nii.gz")
        assert np.array_equal(stored.affine, nib.load(data / case_id / "OTMultiClass.nii.gz").affine)


def test_what_fails_leaves_no_folder(afl, cohort, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), other / "unknown.nii.gz")
    ran = afl("evaluate", "--data", cohort, "--source", f"A={other}", "--out", tmp_path / "out")
    assert ran.error
    assert not (tmp_path / "out").exists()
    (tmp_path / "kept").mkdir()
    afl("evaluate", "--data", cohort, "--source", f"A={other}", "--out", tmp_path / "kept")
    assert (tmp_path / "kept").exists(), "a folder that was there stays"
    ran = afl("train", "--loss", "focal", "--data", cohort, "--sequences", "none", "--name", "x")
    assert ran.error
    assert not (tmp_path / "models" / "runs" / "x").exists()


def test_one_cause_of_many_problems_is_one_line(afl, tmp_path):
    folder, other = tmp_path / "references", tmp_path / "other"
    for path in (other / "unknown.nii.gz", *(folder / f"case{k:04d}.nii.gz" for k in range(60))):
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), path)
    ran = afl("evaluate", "--references", folder, "--source", f"A={other}", "--out", tmp_path / "out", "--workers", "1")
    lines = [line for line in ran.err.splitlines() if "has no mask of" in line]
    assert len(lines) == 1
    assert lines[0].startswith(
        "60: case0000 A, case0001 A, case0002 A and 57 more. The first: A has no mask of case0000"
    )


MARK = "---- command ----"
ONE_BY_ONE = f"""
import json, sys
from afl_core.cli.main import main
for arguments in json.loads(sys.argv[1]):
    print({MARK!r}, flush=True)
    sys.argv = ["afl", *arguments]
    try:
        main()
    except SystemExit:
        pass
    sys.stderr.flush()
"""
"""Several commands in a process: each alone would import everything anew."""


@pytest.mark.parametrize("columns", ["40", "200"])
def test_a_terminal_without_letters_or_width(columns, tmp_path):
    """Names that the terminal cannot show are written in escapes; no command ends for them."""
    folder = tmp_path / "références"
    folder.mkdir()
    for k in range(3):
        mask = np.zeros((12, 12, 12), np.uint8)
        mask[2 : 5 + k, 2:6, 2:6] = 1
        nib.save(nib.Nifti1Image(mask, np.eye(4)), folder / f"Zoë_{k}_漢字.nii.gz")
    bare = {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": columns}
    commands = (
        ("--help",),
        ("doctor",),
        ("data", "check", folder, "--masks"),
        ("evaluate", "--references", folder, "--source", f"A={folder}", "--out", tmp_path / "out", "--workers", "1"),
        ("breakdown", tmp_path / "out", "--by", "size", "--out", tmp_path / "table"),
        ("report", tmp_path / "out", "--by", "size", "--out", tmp_path / "é.html"),
        ("evaluate", "--references", tmp_path / "ö", "--source", f"A={folder}", "--out", tmp_path / "no"),
    )
    each = [[str(part) for part in arguments] for arguments in commands]
    home = {"AFL_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ONE_BY_ONE, json.dumps(each, ensure_ascii=False)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    ran = subprocess.run(command, env=os.environ | bare | home, cwd=ROOT, check=False, **streams)
    said = ran.stdout.decode("ascii")
    assert ran.returncode == 0, said
    assert "Traceback" not in said, said
    by_command = said.split(MARK)[1:]
    assert len(by_command) == len(commands)
    for arguments, words in zip(commands, by_command, strict=True):
        assert "Error" not in words or arguments[0] in ("evaluate", "doctor"), words


def test_covariates_are_kept_with_the_results_and_what_is_odd_is_said(afl, cohort, masks, tmp_path):
    table, out = tmp_path / "sites.csv", tmp_path / "out"
    table.write_text("case_id,site\nCase_A,North\nCase_B,South\nelsewhere,North\n")
    given = ("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", out)
    ran = afl(*given, "--covariates", table)
    assert ran.code == 0
    assert "1 id is in sites.csv that no case of these has: elsewhere." in ran.err
    kept = Results(out).manifest().covariates
    assert kept.columns == {"site": {"Case_A": "North", "Case_B": "South"}}
    assert afl(*given).code == 0  # without a table, they stay
    assert Results(out).manifest().covariates == kept
    table.write_text("case_id,site\nCase_A,North\nCase_A,South\n")
    assert "Case_A: site North and South" in afl(*given, "--covariates", table).error
    assert Results(out).manifest().covariates == kept


def test_repeated_scans_are_said_once_and_patients_beside_covariates_that_are_not_used(afl, write_nifti, tmp_path):
    for name in ("refs/P01_T1", "refs/P01_T2", "refs/P01_T3", "masks/P01_T1", "masks/P01_T2"):  # one has no mask
        write_nifti(tmp_path / f"{name}.nii.gz", np.pad(np.ones((4, 4, 4), np.uint8), 2))
    table = tmp_path / "visits.csv"
    table.write_text("case_id,patient,site\nP01_T1,P01,N\nP01_T2,P01,S\nP01_T3,P01,S\n")
    given = ("evaluate", "--references", tmp_path / "refs", "--source", f"A={tmp_path / 'masks'}")
    ran = afl(*given, "--covariates", table, "--out", tmp_path / "out")
    assert ran.code == 0
    assert ran.err.count("look like repeated scans") == 1
    assert "visits.csv has a column patient that groups the cases otherwise (1 patient there, 3 here)" in ran.err
    ran = afl(*given, "--covariates", table, "--patients", table, "--out", tmp_path / "out")
    assert "repeated scans" not in ran.err
    assert "a column patient" not in ran.err
    assert "repeated scans" not in afl(*given, "--out", tmp_path / "out").err  # the results keep their patients


def test_breakdown_reads_covariates_for_this_once(afl, made, tmp_path):
    table = tmp_path / "sites.csv"
    rows = [f"case_{k:02d},{('North', 'South')[k % 2]}" for k in range(23)]
    table.write_text("\n".join(["case_id,Site", *rows]))
    before = (made / "manifest.json").read_bytes()
    ran = afl("breakdown", made, "--by", "size,SITE", "--covariates", table, "--out", tmp_path / "out")
    assert ran.code == 0
    assert "Site (exploratory)" in ran.out
    assert "1 case is not in sites.csv and without a value of its columns: case_23." in ran.err
    document = json.loads((tmp_path / "out" / "breakdown.json").read_text())
    assert [part["exploratory"] for part in document["bins"]] == [False, True]
    assert (made / "manifest.json").read_bytes() == before
    assert "There is no axis of that name (received: site)" in afl("breakdown", made, "--by", "site").error


def test_report_reads_covariates_for_this_once(afl, made, tmp_path):
    table, out = tmp_path / "sites.csv", tmp_path / "r.html"
    table.write_text("case_id,site\n" + "".join(f"case_{k:02d},{'NS'[k % 2]}\n" for k in range(24)))
    before = (made / "manifest.json").read_bytes()
    given = ("report", made, "--by", "size,site", "--out", out)
    assert "There is no axis of that name (received: site)" in afl(*given).error
    assert afl(*given, "--covariates", table).code == 0
    assert "Covariates (sites.csv): site." in out.read_text()
    assert (made / "manifest.json").read_bytes() == before


def test_covariates_hold_for_every_region(afl, tmp_path):
    folder = write_regions(tmp_path / "regions", whole=SOURCES, tc=SOURCES)
    table = tmp_path / "sites.csv"
    table.write_text("case_id,site\n" + "".join(f"case_{k:02d},{'NS'[k % 2]}\n" for k in range(24)))
    given = ("breakdown", folder, "--regions", "all", "--by", "size,site", "--covariates", table)
    ran = afl(*given)
    assert ran.code == 0
    assert ran.out.count("Site (exploratory)") == 2


@pytest.mark.parametrize("name", ["ages.csv", "mine/participants.tsv"])
def test_a_participants_tsv_gives_covariates_by_itself(afl, cohort, masks, tmp_path, name):
    participants, out = cohort / "participants.tsv", tmp_path / "out"
    participants.write_text("participant_id\tsite\nCase_A\tN\nCase_B\tS\n")
    given = ("evaluate", "--data", cohort, "--source", f"A={masks}", "--out", out)
    assert afl(*given).code == 0
    assert Results(out).manifest().covariates.columns == {"site": {"Case_A": "N", "Case_B": "S"}}
    table = tmp_path / name
    table.parent.mkdir(exist_ok=True)
    table.write_text("case_id\tage\nCase_A\t40\nCase_B\t50\n".replace("\t", "," if name.endswith("csv") else "\t"))
    assert afl(*given, "--covariates", table).code == 0
    assert afl(*given).code == 0  # a table that was given goes before the participants.tsv
    assert list(Results(out).manifest().covariates.columns) == ["age"]
    participants.write_text("participant_id\tsite\nCase_A\tN\nCase_A\tS\n")
    shutil.rmtree(out)
    ran = afl(*given)
    assert "No covariates of participants.tsv." in ran.err
    assert "Case_A: site N and S" in afl("breakdown", out, "--by", "site").error
