"""A tiny cohort whose every number can be computed by hand, masks for it, and untrained checkpoints."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job, whose children would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["COLUMNS"] = "160"  # of the terminal, wherever the tests run
os.environ.setdefault("OMP_NUM_THREADS", "1")  # there is a process a core: threads would wait for one another, spinning
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process compiles every file of the project anew
sys.dont_write_bytecode = False
os.fsync = lambda handle: None  # what tests write need not outlive a power cut: each wait for the disk is milliseconds

SPACING_MM = 2.0
SEQUENCES = ("flair", "t1", "t1ce", "t2")
SPLITS = {"train": ["Case_A", "Case_B"], "validation": ["Case_C"], "test": ["Case_D"]}

Corners = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

LONGEST = (
    *("browser/test_app", "cli/test_main", "browser/test_viewer", "browser/test_training", "test_benchmarks"),
    *("browser/test_breakdown", "browser/test_loss_xray", "browser/test_accessible", "browser/test_report"),
    *("evaluation/test_probabilities", "training/test_launcher", "test_study", "evaluation/test_from_runs"),
    *("training/test_killed", "pages/test_upload", "browser/test_long_tasks", "browser/test_links"),
    *("cli/test_cluster", "model/test_resnet_unet", "test_wheel", "pages/test_breakdown", "browser/test_surfaces"),
)
"""Files that begin first: one that began last would keep a core waiting. Only the first of those that begin together
needs the demo, which others would wait for."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end, so it is never searched for garbage."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.enable()
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, each in its own order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    names = {item: item.nodeid.split("::")[0].removeprefix("tests/").removesuffix(".py") for item in items}
    items.sort(key=lambda item: ranks.get(names[item], len(LONGEST)))


@dataclass(frozen=True)
class Tiny:
    """One case: grid, storage order, and the boxes of reference and prediction, all in RAS+ voxels of 2 mm.

    Case_A: the prediction is the reference shifted by 2 of 8 voxels: DSC 2 * 384 / 1024 = 0.75.
    Case_B: 216 voxels found exactly, 64 missed, 27 false: DSC 432 / (280 + 243); stored in LPS order.
    Case_C: found exactly.
    Case_D: nothing is predicted; stored in an order that permutes the axes.
    """

    shape: tuple[int, int, int]
    axes: str
    reference: tuple[Corners, ...]
    prediction: tuple[Corners, ...]


def cube(*, start: int, stop: int) -> Corners:
    return (start, stop), (start, stop), (start, stop)


TINY = {
    "Case_A": Tiny((32, 36, 34), "RAS", (cube(start=8, stop=16),), (((10, 18), (8, 16), (8, 16)),)),
    "Case_B": Tiny(
        (36, 33, 35),
        "LPS",
        (cube(start=4, stop=10), cube(start=20, stop=24)),
        (cube(start=4, stop=10), cube(start=28, stop=31)),
    ),
    "Case_C": Tiny((32, 32, 32), "RAS", (cube(start=10, stop=15),), (cube(start=10, stop=15),)),
    "Case_D": Tiny((33, 32, 40), "ASL", (((9, 17), (10, 20), (12, 26)),), ()),
}


def boxes(shape: Sequence[int], corners: Sequence[Corners]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=np.bool_)
    for box in corners:
        mask[tuple(slice(*ends) for ends in box)] = True
    return mask


def save_nifti(path: Path, array: NDArray[Any], *, axes: str = "RAS", spacing_mm: float = SPACING_MM) -> Path:
    """Write an array given in RAS+ order as it would be stored in another order, at the same place in space."""
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = (-30, -40, 12)
    image = nib.Nifti1Image(array, affine)
    orientation = nib.orientations
    turn = orientation.ornt_transform(orientation.io_orientation(affine), orientation.axcodes2ornt(axes))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image.as_reoriented(turn), path)
    return path


def write_tiny_case(root: Path, case_id: str, tiny: Tiny, *, group: str = "HGG") -> Path:
    """Four images with a brain of noise, brighter inside the tumour, and a reference of the labels 1, 2 and 4."""
    rng = np.random.default_rng(sum(case_id.encode()))
    reference = boxes(tiny.shape, tiny.reference)
    brain = boxes(tiny.shape, [tuple((2, n - 2) for n in tiny.shape)])  # type: ignore[list-item]
    folder = root / group / case_id
    for contrast, sequence in enumerate(SEQUENCES, start=2):
        noise = rng.integers(100, 140, tiny.shape)
        image = np.where(brain, noise + 40 * contrast * reference, 0).astype(np.int16)
        save_nifti(folder / f"{case_id}_{sequence}.nii.gz", image, axes=tiny.axes)
    labels = np.where(reference, rng.choice([1, 2, 4], tiny.shape), 0).astype(np.uint8)
    save_nifti(folder / f"{case_id}_seg.nii.gz", labels, axes=tiny.axes)
    return folder


@pytest.fixture(scope="session")
def tiny_cases() -> dict[str, Tiny]:
    """What the files of `cohort` and `masks` hold."""
    return TINY


@pytest.fixture(scope="session")
def write_nifti() -> Callable[..., Path]:
    return save_nifti


@pytest.fixture(scope="session")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    for case_id, tiny in TINY.items():
        write_tiny_case(root / "cohort", case_id, tiny)
        save_nifti(root / "masks" / f"{case_id}.nii.gz", boxes(tiny.shape, tiny.prediction).astype(np.uint8))
    (root / "cohort" / "splits.json").write_text(json.dumps(SPLITS))
    return root


@pytest.fixture
def cohort(_written: Path, tmp_path: Path) -> Path:
    """A BraTS 2018-layout folder of four cases and a splits.json; the test may change it."""
    return Path(shutil.copytree(_written / "cohort", tmp_path / "cohort"))


@pytest.fixture
def masks(_written: Path, tmp_path: Path) -> Path:
    """A folder with one predicted mask a case, all stored in RAS order; the test may change it."""
    return Path(shutil.copytree(_written / "masks", tmp_path / "masks"))


@pytest.fixture(scope="session")
def make_card() -> Callable[..., Any]:
    """A card of an untrained `demo_unet`; `make_card(name="net", decision_rule="argmax", ...)`."""

    def make(**changed: object) -> Any:
        from afl_core.model.checkpoints import Card

        fields: dict[str, Any] = {
            "name": "net",
            "label": "FL",
            "summary": "Untrained",
            "network": "demo_unet",
            "sequences": ("flair", "t1ce"),
            "spacing_mm": (SPACING_MM,) * 3,
            "patch_size": (32, 32, 32),
            "decision_rule": "argmax",
            "loss": "focal",
            "loss_settings": {},
            "training": {},
            "data": {},
            "scores": {},
            "command": "",
            "versions": {},
            "weights_sha256": "",
            "limits": "None of this was trained.",
        }
        return Card(**(fields | changed))

    return make


@pytest.fixture(scope="session")
def make_checkpoint(make_card: Callable[..., Any]) -> Callable[..., Path]:
    """Write an untrained checkpoint; `make_checkpoint(folder, seed=1, decision_rule="argmax", ...)`."""

    def make(folder: Path, *, seed: int = 0, **changed: object) -> Path:
        import torch

        from afl_core.model.checkpoints import save_checkpoint
        from afl_core.model.networks import build_model

        card = make_card(**({"name": folder.name} | changed))
        torch.manual_seed(seed)
        save_checkpoint(folder, build_model(card.network, in_channels=len(card.sequences)), card)
        return folder

    return make


@pytest.fixture(scope="session")
def demo() -> None:
    """The shipped demo in the project's own data folder, made once as `make app` makes it; one process at a time."""
    with FileLock(Path(tempfile.gettempdir()) / "afl-demo-of-tests.lock"):
        subprocess.run([sys.executable, "-m", "afl_core", "demo"], check=True, timeout=280)
