"""Draw six cases of a ball (label 1) with a core (label 2) in two sequences: `python make_data.py FOLDER`."""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE, AFFINE = (17, 18, 16), np.array([[-1.5, 0, 0, 20], [0, -1.5, 0, 25], [0, 0, 2, -10], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, AFFINE), path)


def main(root: Path) -> None:
    rng = np.random.default_rng(7)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij")).astype(float)
    for k in range(6):
        centre, radius = np.array([8, 9, 8]) + rng.integers(-1, 2, 3), 4.2 + 0.6 * (k % 3)
        apart = (grid - centre[:, None, None, None]) * np.array([1.5, 1.5, 2.0])[:, None, None, None]
        distance = np.sqrt((apart**2).sum(axis=0)) / 1.5
        labels = (distance < radius).astype(np.uint8) + (distance < radius * 0.6)
        for name, gain in (("t1", 60), ("t2", -40)):
            image = 200 + gain * (labels > 0) + gain * 1.2 * (labels > 1) + rng.normal(0, 12, SHAPE)
            save(root / "images" / f"ball_{k}_{name}.nii.gz", image.astype(np.int16))
        save(root / "references" / f"ball_{k}.nii.gz", labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
