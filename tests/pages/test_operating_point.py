"""The tab Operating point: counts at every threshold, and matched thresholds with results of other patients."""

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.layouts import references_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources

GRID = np.linalg.norm(np.indices((14, 14, 14)) - 6.5, axis=0)


def text(at) -> str:
    return "\n".join(str(element.value) for kind in (at.markdown, at.info) for element in kind).replace("\\", "")


@pytest.fixture
def parts(tmp_path):
    """Results of maps on test and on validation cases, of which the second source is shifted."""
    for part, seed in (("test", 1), ("validation", 2)):
        rng = np.random.default_rng(seed)
        for k in range(7):
            radius = rng.uniform(3, 5)
            for name, array in {
                "references": (radius > GRID).astype(np.uint8),
                "FL": (1 / (1 + np.exp(GRID - radius))).astype(np.float32),
                "A-FL": (1 / (1 + np.exp(GRID - radius + 1))).astype(np.float32),
            }.items():
                path = tmp_path / part / name / f"{part}{k}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                nib.save(nib.Nifti1Image(array, np.eye(4)), path)
        cohort, folder = references_cohort(tmp_path / part / "references"), Results(tmp_path / "results" / part)
        sources = parse_sources([f"{name}={tmp_path / part / name}" for name in ("FL", "A-FL")])
        cases, decided = begin(folder, cohort, cohort.cases, sources)
        evaluate_into(folder, cases, decided)


def test_thresholds_are_chosen_on_other_patients(app, parts):
    alone = app("breakdown", results="test", view="Operating point")
    assert not alone.exception
    assert "choose these results above" in text(alone)
    assert [box.options for box in alone.selectbox if box.label == "Validation results"] == [["none", "validation"]]
    matched = app("breakdown", results="test", view="Operating point", validation="validation")
    said = text(matched)
    assert "At thresholds chosen on 7 validation cases for the best mean Dice" in said
    assert "% remains." in said
