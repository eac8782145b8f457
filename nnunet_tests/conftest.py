"""A tiny raw data set of nnU-Net, planned and preprocessed, in folders of its own. Needs nnU-Net: `make nnunet`."""

import json
import os

import nibabel as nib
import numpy as np
import pytest
from made_balls import CASES, RADII_MM, SHAPE, ZOOMS, command

from afl_core.nnunet.catalogue import FOLDER, VARIABLE


@pytest.fixture(scope="session", autouse=True)
def folders(tmp_path_factory):
    """The folders and variables of nnU-Net, with one data set of five cases."""
    root = tmp_path_factory.mktemp("nnunet")
    os.environ.update({f"nnUNet_{name}": str(root / name) for name in ("raw", "preprocessed", "results")})
    os.environ.update({VARIABLE: str(FOLDER), "nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "nnUNet_compile": "f"})
    raw = root / "raw" / "Dataset501_Balls"
    for name in ("imagesTr", "labelsTr"):
        (raw / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    axes = [(np.arange(n) - n / 2) * mm for n, mm in zip(SHAPE, ZOOMS, strict=True)]
    far = np.sqrt(sum((x / r) ** 2 for x, r in zip(np.meshgrid(*axes, indexing="ij"), RADII_MM, strict=True)))
    for case in CASES:
        label = (far < random.uniform(0.8, 1.0)).astype(np.uint8)
        image = label + random.normal(5, 0.3, SHAPE)
        affine = np.diag([*ZOOMS, 1])
        nib.save(nib.Nifti1Image(image.astype(np.float32), affine), raw / "imagesTr" / f"{case}_0000.nii.gz")
        nib.save(nib.Nifti1Image(label, affine), raw / "labelsTr" / f"{case}.nii.gz")
    described = {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": len(CASES),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(described))
    command("nnUNetv2_extract_fingerprint", "-d", "501", "-np", "1")
    command("nnUNetv2_plan_experiment", "-d", "501")
    command("nnUNetv2_preprocess", "-d", "501", "-c", "3d_fullres", "-np", "1")
    return root


@pytest.fixture
def plans(folders):
    """The plans, which a trainer changes, and the description of the data set."""
    folder = folders / "preprocessed" / "Dataset501_Balls"
    read = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("nnUNetPlans", "dataset")}
    return read["nnUNetPlans"] | {"continue_training": False}, read["dataset"]
