"""A small evaluated cohort, and the app pointed at it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import load_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources

ROOT = Path(__file__).parents[2]
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
"""Every AppTest looks through all installed packages for components; the same every time, so once is enough."""

SHAPE = (24, 24, 20)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def box(low: int, high: int) -> np.ndarray:
    """A cube of tumour."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[low:high, low:high, 4:12] = True
    return mask


CASES = {"gained": box(6, 16), "lost": box(8, 12), "missed": box(4, 8), "healthy": np.zeros(SHAPE, dtype=bool)}
PREDICTIONS = {
    "FL": {"gained": box(8, 14), "lost": box(8, 12), "missed": np.zeros(SHAPE, bool), "healthy": np.zeros(SHAPE, bool)},
    "A-FL": {"gained": box(6, 16), "lost": box(9, 12), "missed": box(16, 20), "healthy": np.zeros(SHAPE, bool)},
}


@pytest.fixture
def cohort_folder(tmp_path: Path) -> Path:
    """Four cases in the plain layout, two sequences each."""
    rng = np.random.default_rng(1)
    root = tmp_path / "cohort"
    for case_id, mask in CASES.items():
        for sequence in ("flair", "t1"):
            image = rng.normal(100, 10, SHAPE) + 80 * mask
            image[:2], image[-2:], image[:, :2], image[:, -2:] = 0, 0, 0, 0
            save_volume(root / "images" / f"{case_id}_{sequence}.nii.gz", image.astype(np.float32), AFFINE)
        save_volume(root / "references" / f"{case_id}.nii.gz", mask, AFFINE)
    for source, masks in PREDICTIONS.items():
        for case_id, mask in masks.items():
            save_volume(tmp_path / source / f"{case_id}.nii.gz", mask, AFFINE)
    return root


@pytest.fixture
def results(tmp_path: Path, cohort_folder: Path) -> Results:
    """Results of both sources on every case but `lost`."""
    cohort = load_cohort(cohort_folder)
    sources = parse_sources([f"{name}={tmp_path / name}" for name in PREDICTIONS])
    results = Results(tmp_path / "results" / "small")
    results.describe(data=cohort_folder, kind=cohort.layout.name, sources=sources, skipped={})
    evaluate_into(results, [case for case in cohort.cases if case.case_id != "lost"], sources)
    return results


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """`app(page, **query)` runs a page with results under `tmp_path/results` and fails on an uncaught exception.

    The page is the first of its server: app.py, which it needs, has never run.
    """
    from afl_core.base import paths

    (tmp_path / "results").mkdir(exist_ok=True)
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")

    def run(page: str = "overview", **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for key, value in query.items():
            at.query_params[key] = value
        if page != "overview":
            at.switch_page(f"pages/{page}.py")
        at.run()
        assert not at.exception, at.exception
        return at

    yield run
    st.cache_data.clear()
    st.cache_resource.clear()
