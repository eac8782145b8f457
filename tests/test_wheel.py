"""The wheel: what it holds, and that its core works where none of the extras is installed."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from afl_core import evaluate

ROOT = Path(__file__).parents[1]
EXTRAS = ("torch", "monai", "safetensors", "streamlit", "pyvista", "vtkmodules", "starlette", "pydeck", "nnunetv2")
EXTRAS += ("dask", "distributed", "dask_jobqueue")

CORE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {extras!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
sys.path.insert(0, {wheel!r})
import importlib.util

def find(name, package=None, found=importlib.util.find_spec):
    return None if name.partition(".")[0] in {extras!r} else found(name, package)

importlib.util.find_spec = find
import afl_core
assert afl_core.__file__.startswith({wheel!r})
from afl_core.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, as a file."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def core(wheel, tmp_path_factory):
    """`core(*arguments)` runs `afl` from the unpacked wheel in an empty folder, where no extra can be imported."""
    place, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    code = CORE.format(extras=EXTRAS, wheel=str(place))
    environment = {key: value for key, value in os.environ.items() if key not in ("AFL_HOME", "PYTHONPATH")}
    environment |= {"XDG_DATA_HOME": str(folder / "share"), "COLUMNS": "300"}

    def run(*arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    run.place, run.home = place, folder / "share"
    return run


def test_the_wheel_holds_the_app_the_demo_checkpoints_and_the_licences_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    tracked = listed.stdout.splitlines()
    moved = ("app.py", "pages/", "models/demo", ".streamlit/")
    expected = {name for name in tracked if name.startswith("afl_core/")}
    expected |= {f"afl_core/workbench/{name}" for name in tracked if name.startswith(moved)}
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == expected
    assert {name.partition(".dist-info/licenses/")[2] for name in names} - {""} == {
        "LICENSE",
        "afl_core/data/demo/icbm_2009a.LICENSE",
    }


def cubes(folder):
    """A reference of one cube, and a prediction of which half is right."""
    cube = np.zeros((12, 12, 12), dtype=np.uint8)
    cube[2:6, 2:6, 2:6] = 1
    for name, shift in (("reference", 0), ("prediction", 2)):
        (folder / name).mkdir()
        nib.save(nib.Nifti1Image(np.roll(cube, shift, axis=0), np.eye(4)), folder / name / "case_1.nii.gz")


def test_the_core_evaluates_masks_without_any_extra(core, tmp_path):
    cubes(tmp_path)
    out = tmp_path / "results"
    pair = ("--references", tmp_path / "reference", "--source", f"A={tmp_path / 'prediction'}", "--out", out)
    ran = core("evaluate", *pair, "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["sources"][0]["mean_dsc"] == 0.5  # half of the cube is shared
    for command in ("breakdown", "report"):
        ran = core(command, out, "--out", tmp_path / command)
        assert ran.returncode == 0, ran.stderr
    assert core("xray", "--references", tmp_path / "reference").returncode == 0
    assert core("doctor").returncode == 0
    (named,) = [line for line in core("nnunet").stdout.splitlines() if line.startswith("export nnUNet_extTrainer=")]
    assert list(Path(shlex.split(named)[1].partition("=")[2]).glob("*.py"))


@pytest.mark.skipif("AFL_REAL_DATA" not in os.environ, reason="AFL_REAL_DATA names no folder of real cases")
def test_the_core_measures_real_masks_as_the_whole_installation_does(core, tmp_path):
    """Every twelfth of PI-CAI's public masks, the AI delineation against the expert's."""
    masks = Path(os.environ["AFL_REAL_DATA"]) / "picai_masks" / "csPCa_lesion_delineations"
    for name, folder in (("expert", masks / "human_expert" / "resampled"), ("AI", masks / "AI" / "Bosma22a")):
        (tmp_path / name).mkdir()
        for path in sorted(folder.glob("*.nii.gz"))[::12]:
            shutil.copy(path, tmp_path / name)
    ran = core(
        "evaluate",
        "--references",
        tmp_path / "expert",
        "--source",
        f"AI={tmp_path / 'AI'}",
        "--out",
        tmp_path / "o",
        "-q",
    )
    assert ran.returncode == 0, ran.stderr
    measured = pd.read_parquet(tmp_path / "o" / "cases.parquet").set_index("case_id")
    here = evaluate({"AI": tmp_path / "AI"}, tmp_path / "here", references=tmp_path / "expert").cases.set_index(
        "case_id"
    )
    assert len(measured) == 15
    for metric in ("dsc", "hd95_mm", "nsd", "nsd_area", "lesion_f1"):
        assert measured[metric].to_dict() == pytest.approx(here[metric].to_dict(), nan_ok=True)


def test_the_core_unpacks_the_demo_and_breaks_its_results_down(core):
    assert core("demo").returncode == 0
    ran = core("breakdown", core.home / "afl-workbench" / "data" / "results" / "demo", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)


def test_nothing_is_written_beside_the_code(core, tmp_path):
    """So that uninstalling leaves nothing but the user's own folder."""
    cubes(tmp_path)
    pair = ("--references", tmp_path / "reference", "--source", f"A={tmp_path / 'prediction'}")
    assert core("evaluate", *pair, "--out", tmp_path / "out").returncode == 0
    left = {path.suffix for path in core.place.rglob("*") if path.is_file()}
    assert not left & {".nbi", ".nbc"}
    assert list(core.home.rglob("*.nbi"))


@pytest.mark.parametrize(
    ("command", "extra", "module"),
    [
        (("app",), "app", "streamlit"),
        (("figure", "results", "--out", "figure.png"), "app", "pyvista"),
        (("train",), "train", "torch"),
        (("study",), "train", "torch"),
        (("predict", "--model", "MODEL", "--data", "DATA", "--out", "masks"), "train", "torch"),
        (("demo", "--rebuild"), "train", "torch"),
        (("data", "check", "DATA", "--cluster", "local:2"), "cluster", "distributed"),
    ],
)
def test_a_missing_extra_is_one_sentence(core, command, extra, module):
    ran = core(*command)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.endswith(f"needs {module}, which is not installed. Give: pip install 'afl-workbench[{extra}]'.")
