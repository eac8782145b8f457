"""Folders as nnU-Net leaves them: a model with folds, masks, probabilities and the pickle beside them."""

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (7, 9, 6)
AFFINE = np.array([[-1.0, 0, 0, 30], [0, -1.0, 0, 20], [0, 0, 3.0, -5], [0, 0, 0, 1]])  # stored as LPS
LABELS = {"background": 0, "edema": 1, "necrosis": 2, "enhancing": 3}
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
MODEL = "nnUNetTrainerFL__nnUNetPlans__3d_fullres"


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def probabilities(name: str, channels: int = 4) -> np.ndarray:
    """Softmax of noise, shape (channels, Z, Y, X), as nnU-Net has it in memory; another for each name."""
    noise = np.random.default_rng([*name.encode()]).normal(size=(channels, *SHAPE[::-1])).astype(np.float32)
    noise[0] += 1.0
    powers = np.exp(noise)
    return powers / powers.sum(axis=0)


def sigmoids(name: str) -> np.ndarray:
    """Probabilities of three regions, shape (3, Z, Y, X), each by itself."""
    return np.random.default_rng([*name.encode()]).random((3, *SHAPE[::-1]), dtype=np.float32)


def painted(regions: np.ndarray, order: Sequence[int] = (1, 2, 3)) -> np.ndarray:
    """Labels of regions above 0.5, written one after the other."""
    labels = np.zeros(regions.shape[1:], np.uint8)
    for channel, label in zip(regions, order, strict=True):
        labels[channel > 0.5] = label
    return labels


def save_labels(path: Path, labels: np.ndarray) -> Path:
    """Write labels of shape (Z, Y, X) as nnU-Net's reader does: transposed to (X, Y, Z)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0).astype(np.uint8), AFFINE), path)
    return path


def save_case(folder: Path, name: str, *, regions: bool = False) -> Path:
    """Mask, probabilities and a pickle that would create a file; the mask's path."""
    array = sigmoids(name) if regions else probabilities(name)
    path = save_labels(folder / f"{name}.nii.gz", painted(array) if regions else array.argmax(axis=0))
    np.savez_compressed(folder / f"{name}.npz", probabilities=array)
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(Trap(folder / "sprung")))
    return path


def save_declaration(folder: Path, labels: Mapping[str, object] = LABELS, *, reader: str = "SimpleITKIO") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    order = {"regions_class_order": [1, 2, 3]} if labels is REGIONS else {}
    said = {"channel_names": {"0": "T2"}, "labels": labels, "file_ending": ".nii.gz", **order}
    (folder / "dataset.json").write_text(json.dumps(said))
    (folder / "plans.json").write_text(json.dumps({"image_reader_writer": reader}))


def save_model(root: Path, folds: Mapping[object, Sequence[str]], *, name: str = MODEL, regions: bool = False) -> Path:
    """A model with the cases of its folds; `root` is the folder of its data set in nnUNet_results."""
    save_declaration(root / name, REGIONS if regions else LABELS)
    for fold, cases in folds.items():
        validation = root / name / f"fold_{fold}" / "validation"
        for case in cases:
            save_case(validation, case, regions=regions)
        (validation / "summary.json").write_text("{}")
    return root / name


def save_references(folder: Path, names: Sequence[str]) -> Path:
    """References by case: other noise than the predictions."""
    for name in names:
        save_labels(folder / f"{name}.nii.gz", probabilities(f"reference {name}").argmax(axis=0))
    return folder
