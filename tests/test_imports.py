"""Imports run one way down the layers, and pages that only read results never load torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"errors", "jit", "paths", "versions"},
    {"volume", "catalogue", "storage", "isolation", "processes"},
    {"regions"},
    {"surface_area"},
    {"shape"},
    {"data", "metrics", "loss", "model"},
    {"inference"},
    {"training"},
    {"evaluation"},
    {"demo", "analysis"},
    {"figures"},
    {"report", "study"},
    {"cli_options", "doctor", "terminal"},
    {"cli_analysis", "cli_data", "cli_training", "cli_xray"},
    {"ui", "cli"},
)
"""Modules of afl_core from the bottom up; a module imports from its own layer only within its own folder."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imported(path: Path) -> set[str]:
    """Modules of afl_core that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("afl_core."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "afl_core":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("afl_core.")}
    return found - {"__version__"}


def modules():
    return sorted(
        path
        for path in (ROOT / "afl_core").rglob("*.py")
        if path.name != "__init__.py" or path.parent.name != "afl_core"
    )


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    own = path.relative_to(ROOT / "afl_core").parts[0].removesuffix(".py")
    upward = {name for name in imported(path) if name != own and LEVEL[name] >= LEVEL[own]}
    assert not upward, f"{own} imports {upward} from its own layer or above"


def test_every_module_has_a_layer():
    names = {path.relative_to(ROOT / "afl_core").parts[0].removesuffix(".py") for path in modules()}
    assert names == set(LEVEL)


def test_only_ui_and_pages_import_streamlit():
    users = {
        path.relative_to(ROOT).parts[:2]
        for path in [ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("afl_core/**/*.py")]
        if "import streamlit" in path.read_text(encoding="utf-8")
    }
    assert users == {("app.py",), ("afl_core", "ui")}


@pytest.mark.parametrize(
    "module",
    [
        "afl_core.ui.overview.panels",
        "afl_core.ui.compare.case_views",
        "afl_core.ui.data.choose",
        "afl_core.ui.training.heading",
        "afl_core.ui.training.runs",
        "afl_core.ui.loss_xray.gradient",
        "afl_core.cli.main",
        "afl_core.evaluation.job",
    ],
)
def test_reading_results_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'monai', 'nilearn'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_modules_stay_small():
    long = {path.name: n for path in modules() if (n := len(path.read_text(encoding="utf-8").splitlines())) > 300}
    pages = {path.name: n for path in ROOT.glob("pages/*.py") if (n := len(path.read_text().splitlines())) > 100}
    assert not long
    assert not pages
    assert len((ROOT / "app.py").read_text().splitlines()) <= 60
