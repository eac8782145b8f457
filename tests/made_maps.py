"""Maps of probabilities of balls by two sources, of which the second is shifted, measured on two sets of patients."""

from pathlib import Path

import nibabel as nib
import numpy as np

from afl_core.data.layouts import references_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources

PAIR = ("FL", "A-FL")
GRID = np.linalg.norm(np.indices((14, 14, 14)) - 6.5, axis=0)
"""Distance of each voxel from the centre."""

OTHER_GRID = np.linalg.norm(np.indices((14, 14, 14)) - np.reshape((6.4, 6.5, 6.7), (3, 1, 1, 1)), axis=0)
"""The same from another centre: no ball of validation cases is one of the test cases."""


def measure_maps(work: Path, results: Path, *, noise: float = 0, sources: tuple[str, str] = PAIR) -> None:
    """Write seven cases each of `test` and `validation` under `work`, and their results under `results`.

    With noise in the logits, of that standard deviation, no map is right in every voxel.
    """
    for part, seed, grid in (("test", 1, GRID), ("validation", 2, OTHER_GRID)):
        rng = np.random.default_rng(seed)
        for k in range(7):
            radius = rng.uniform(3, 5)
            away = grid - radius + noise * np.random.default_rng((seed, k)).normal(size=GRID.shape)
            for name, array in {
                "references": (radius > grid).astype(np.uint8),
                sources[0]: (1 / (1 + np.exp(away))).astype(np.float32),
                sources[1]: (1 / (1 + np.exp(away + 1))).astype(np.float32),
            }.items():
                path = work / part / name / f"{part}{k}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                nib.save(nib.Nifti1Image(array, np.eye(4)), path)
        cohort, folder = references_cohort(work / part / "references"), Results(results / part)
        parsed = parse_sources([f"{name}={work / part / name}" for name in sources])
        cases, decided = begin(folder, cohort, cohort.cases, parsed)
        evaluate_into(folder, cases, decided)
