"""Imports run one way down the layers, and pages that only read results never load torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"errors"},
    {"base"},
    {"interpolation", "volume"},
    {"regions"},
    {"surface_area"},
    {"shape"},
    {"data.formats", "loss", "metrics", "model"},
    {"data.demo"},
    {"data"},
    {"data.layouts"},
    {"data.check", "data.upload"},
    {"inference", "nnunet"},
    {"training"},
    {"evaluation"},
    {"analysis.statistics"},
    {"analysis.breakdown"},
    {"analysis.xray"},
    {"analysis"},
    {"api"},
    {"figures", "glossary"},
    {"elsewhere", "report", "study"},
    {"cli", "ui.shared"},
    {"ui.viewers"},
    {"ui.breakdown", "ui.compare", "ui.data", "ui.follow_up", "ui.help", "ui.loss_xray", "ui.overview", "ui.training"},
    {"ui", "__main__"},
)
"""Rooms of afl_core from the bottom up; a module imports from its own layer only within its own room."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def room(module):
    """The room of a module, or of a folder, of afl_core: the longest name in `LEVEL` that it begins with."""
    parts = module.split(".")
    return next((name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in LEVEL), None)


def imported(path: Path) -> set[str]:
    """Modules and folders of afl_core that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "afl_core":
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    inside = {name.removeprefix("afl_core.") for name in names if name.startswith("afl_core.")}
    return inside - {"__version__"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "afl_core").with_suffix("").parts).removesuffix(".__init__")


def modules():
    return sorted(
        path
        for path in (ROOT / "afl_core").rglob("*.py")
        if path.name != "__init__.py" or path.parent.name != "afl_core"
    )


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    own = room(name_of(path))
    upward = {name for name in imported(path) if room(name) != own and LEVEL[room(name)] >= LEVEL[own]}
    assert not upward, f"{own} imports {upward} from its own layer or above"


def test_every_module_has_a_room():
    rooms = {room(name_of(path)) for path in modules()}
    assert rooms == set(LEVEL)


def test_only_ui_and_pages_import_streamlit():
    users = {
        path.relative_to(ROOT).parts[:2]
        for path in [ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("afl_core/**/*.py")]
        if "import streamlit" in path.read_text(encoding="utf-8")
    }
    assert users == {("app.py",), ("afl_core", "ui")}


READERS = (
    "afl_core.cli.main",
    "afl_core.evaluation.job",
    "afl_core.ui.overview.panels",
    "afl_core.ui.compare.case_views",
    "afl_core.ui.data.choose",
    "afl_core.ui.training.heading",
    "afl_core.ui.training.runs",
    "afl_core.ui.loss_xray.gradient",
    "afl_core.ui.follow_up.panels",
)
"""What reads results, as a command, a job or a page does."""


def test_reading_results_loads_no_torch():
    """One process imports them all, one after the other, and names the first after which torch or MONAI is there."""
    code = (
        f"import importlib, sys\nfor name in {READERS}:\n    importlib.import_module(name)\n"
        "    if {'torch', 'monai'} & set(sys.modules): sys.exit(name)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_server_answers_before_it_imports_what_takes_long():
    """And what it then imports is all that the first page needs: `overview.py` finds its rooms there.

    What only other pages need comes after it.
    """
    code = (
        "import importlib, sys, afl_core.ui.server as server\n"
        "early = {'pandas', 'scipy', 'nibabel', 'pyarrow'} & set(sys.modules)\n"
        "if early: sys.exit(f'{early}')\n"
        "first = importlib.import_module(server.STARTUP).FIRST_PAGE\n"
        "for name in first: importlib.import_module(name)\n"
        "before = set(sys.modules)\n"
        "for line in open('pages/overview.py'):\n"
        "    if line.startswith('from afl_core'): exec(line)\n"
        "late = {name for name in set(sys.modules) - before if name.startswith('afl_core')}\n"
        "slow = {'scipy.stats', 'numba', 'pyvista'}\n"
        "if late or slow & set(sys.modules): sys.exit(f'{late}')\n"
        "for name in importlib.import_module(server.STARTUP).REST: importlib.import_module(name)\n"
        "if slow - set(sys.modules): sys.exit('the rest is not whole')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


def test_modules_stay_small():
    scripts = (ROOT / "afl_core").rglob("*.js")
    long = {
        path.name: n
        for path in [*modules(), *scripts]
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    pages = {path.name: n for path in ROOT.glob("pages/*.py") if (n := len(path.read_text().splitlines())) > 100}
    assert not long
    assert not pages
    assert len((ROOT / "app.py").read_text().splitlines()) <= 60
