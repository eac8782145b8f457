"""The JavaScript of the viewers: modules that Python links into one script each."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from afl_core.ui.viewers.component import linked

STATIC = Path(__file__).parents[2] / "afl_core" / "ui" / "viewers" / "static"
MODULES = sorted(STATIC.glob("*.js"))
TOP = re.compile(r"^(?:export )?(?:default )?(?:async )?(?:const|let|class|function) (\w+)", re.MULTILINE)
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+\.js)";$', re.MULTILINE)

EXPORTED = re.compile(r"^export (?:const|function|async function|class) (\w+)", re.MULTILINE)


def names(text):
    return [name.strip() for name in text.split(",") if name.strip()]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_what_a_module_imports_is_exported_and_used(module):
    text = module.read_text(encoding="utf-8")
    rest = IMPORT.sub("", text)
    for imported, other in IMPORT.findall(text):
        exported = re.findall(
            r"^export (?:const|function|async function|class) (\w+)", (STATIC / other).read_text(), re.M
        )
        assert set(names(imported)) <= set(exported)
        assert all(re.search(rf"\b{name}\b", rest) for name in names(imported))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_what_a_module_takes_from_others_it_imports(module):
    """A name that only another module declares would be found in the linked script by accident."""
    text = module.read_text(encoding="utf-8")
    imported = {name for found, _ in IMPORT.findall(text) for name in names(found)}
    code = re.sub(r"//.*|`[^`]*`|\"[^\"]*\"|/\*\*.*?\*/", "", text)
    others = {name: other.name for other in MODULES if other != module for name in TOP.findall(other.read_text())}
    called = set(re.findall(r"(?<![.\w])(\w+)\(|\b([A-Z_]{3,})\b", code))
    called = {name for pair in called for name in pair}
    local = set(TOP.findall(text)) | set(re.findall(r"(?:const|let) (?:\[|\{ ?)?(\w+)", code))
    methods = set(re.findall(r"^  (?:async |get )?(\w+)\(", code, re.MULTILINE))
    assert not {name: others[name] for name in called & set(others) - imported - local - methods}


@pytest.mark.parametrize("entry", ["viewer.js", "surfaces.js"])
def test_the_linked_script_holds_every_module_once_and_no_name_twice(entry):
    script = linked(entry)
    assert not re.search(r"^(import|export (?!default))", script, re.MULTILINE)
    assert script.count("export default function") == 1
    top = TOP.findall(script)
    assert sorted(top) == sorted(set(top))
    if node := shutil.which("node"):
        assert (
            subprocess.run([node, "--input-type=module", "--check"], input=script, text=True, check=False).returncode
            == 0
        )


def test_no_module_is_left_over():
    scripts = linked("viewer.js") + linked("surfaces.js")
    assert all(TOP.findall(path.read_text())[0] in scripts for path in MODULES)
