"""A small evaluated cohort, and the app pointed at it."""

import shutil
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
from afl_core.evaluation.manifest import MANIFEST
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


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cohort_folder` and `results` give, made once for all tests that change a copy of it."""
    rng, made = np.random.default_rng(1), tmp_path_factory.mktemp("made")
    root = made / "cohort"
    for case_id, mask in CASES.items():
        for sequence in ("flair", "t1"):
            image = rng.normal(100, 10, SHAPE) + 80 * mask
            image[:2], image[-2:], image[:, :2], image[:, -2:] = 0, 0, 0, 0
            save_volume(root / "images" / f"{case_id}_{sequence}.nii.gz", image.astype(np.float32), AFFINE)
        save_volume(root / "references" / f"{case_id}.nii.gz", mask, AFFINE)
    for source, masks in PREDICTIONS.items():
        for case_id, mask in masks.items():
            save_volume(made / source / f"{case_id}.nii.gz", mask, AFFINE)
    cohort = load_cohort(root)
    sources = parse_sources([f"{name}={made / name}" for name in PREDICTIONS])
    results = Results(made / "results" / "small")
    results.describe(data=root, kind=cohort.layout.name, sources=sources, skipped={})
    evaluate_into(results, [case for case in cohort.cases if case.case_id != "lost"], sources)
    return made


@pytest.fixture(scope="session")
def copy_made() -> Callable[..., None]:
    """`copy_made(made, to, *names)` copies folders that were made once, so that a test may change them.

    Manifests of results, which say where data and predictions lie, name the copies.
    """

    def copy(made: Path, to: Path, *names: str) -> None:
        for name in names:
            shutil.copytree(made / name, to / name, dirs_exist_ok=True)
        for manifest in to.glob(f"results/*/{MANIFEST}"):
            manifest.write_text(manifest.read_text().replace(str(made.resolve()), str(to.resolve())))

    return copy


@pytest.fixture
def cohort_folder(_made: Path, copy_made: Callable[..., None], tmp_path: Path) -> Path:
    """Four cases in the plain layout, two sequences each; predicted masks lie beside it. The test may change them."""
    copy_made(_made, tmp_path, "cohort", *PREDICTIONS)
    return tmp_path / "cohort"


@pytest.fixture
def results(_made: Path, copy_made: Callable[..., None], tmp_path: Path, cohort_folder: Path) -> Results:
    """Results of both sources on every case but `lost`; the test may change them."""
    copy_made(_made, tmp_path, "results")
    return Results(tmp_path / "results" / "small")


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
