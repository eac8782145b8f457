"""What others import and call keeps its name and its place, wherever the code behind it moves."""

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

FUNCTIONS = (
    "afl_core.cli.main.main",
    "afl_core.loss.build_loss",
    "afl_core.loss.factors",
    "afl_core.metrics.evaluate_masks",
    "afl_core.model.networks.build_model",
    "afl_core.shape.describe",
)
CATALOGUES = {
    "afl_core.loss.LOSSES": {"focal", "adaptive_focal", "dice_ce"},
    "afl_core.loss.PRESETS": {"released_code", "paper_equation"},
    "afl_core.metrics.MATCHERS": {"overlap", "iou", "brats2023_gli"},
    "afl_core.metrics.METRICS": {"dsc", "hd95_mm", "nsd", "lesion_f1"},
    "afl_core.model.networks.MODELS": {"demo_unet", "unet_resnet50"},
}


def public(name):
    """What stands under a dotted name; a move without its name fails here and says which."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_where_it_was(name):
    assert callable(public(name))


@pytest.mark.parametrize("name", CATALOGUES)
def test_catalogue_is_where_it_was_and_cannot_be_changed(name):
    catalogue = public(name)
    assert isinstance(catalogue, Mapping)
    assert CATALOGUES[name] <= set(catalogue)
    with pytest.raises(TypeError):
        catalogue["new"] = None


@pytest.mark.parametrize("package", ["afl_core.loss", "afl_core.metrics"])
def test_every_exported_name_exists(package):
    module = importlib.import_module(package)
    assert module.__all__
    for name in module.__all__:
        public(f"{package}.{name}")


def test_afl_script_is_the_command_line():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"afl": "afl_core.cli.main:main"}


def test_python_m_afl_core_is_the_same_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "afl_core", "--help"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0
    for command in ("evaluate", "breakdown", "report", "xray", "train", "predict", "data"):
        assert command in done.stdout


def test_names_do_together_what_the_documentation_says():
    mask = np.zeros((12, 12, 12), bool)
    mask[2:6, 2:6, 2:6] = True
    other = np.roll(mask, 2, axis=0)
    # Two cubes of 64 voxels that share 32: 2 x 32 / 128.
    measured = public("afl_core.metrics.evaluate_masks")(other, mask, spacing_mm=(1, 1, 1))
    assert measured.dsc == 0.5
    assert public("afl_core.shape.describe")(mask, spacing_mm=(1, 1, 1)).volume_ml == 0.064
