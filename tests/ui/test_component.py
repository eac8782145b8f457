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
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
FUNCTION = re.compile(
    r"^(?:export )?(?:default )?(?:async )?function ?(?P<named>\w*)\((?P<a>.*)\) \{$"
    r"|^(?:export )?const (?P<arrow>\w+) = (?:async )?\((?P<b>.*?)\) =>"
    r"|^  (?:async |get )?(?P<method>\w+)\((?P<c>[^;]*)\) \{$"
)
TYPE = re.compile(r'import\("\./([\w.]+)"\)\.(\w+)')


def functions(path):
    """Name, parameters and JSDoc block ("" where there is none) of each function and method that a module declares."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        match = FUNCTION.match(line)
        if match and (match["method"] or "") not in {"if", "for", "while", "switch", "catch"}:
            doc = ""
            if number and lines[number - 1].endswith("*/"):
                start = next(n for n in range(number - 1, -1, -1) if "/**" in lines[n])
                doc = "\n".join(lines[start:number])
            given = match["a"] or match["b"] or match["c"] or ""
            yield match["named"] or match["arrow"] or match["method"] or "default", split_parameters(given), doc


def split_parameters(text):
    """Parameters without their defaults; "" for one that is taken apart."""
    depth, parts = 0, [""]
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    names = [part.strip().removeprefix("...").split(" =")[0] for part in parts if part.strip()]
    return ["" if name.startswith(("{", "[")) else name for name in names]


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
    code = re.sub(r"//.*|`[^`]*`|\"[^\"]*\"", "", COMMENT.sub("", text))
    others = {name: other.name for other in MODULES if other != module for name in TOP.findall(other.read_text())}
    called = set(re.findall(r"(?<![.\w])(\w+)\(|\b([A-Z_]{3,})\b", code))
    called = {name for pair in called for name in pair}
    local = set(TOP.findall(text)) | set(re.findall(r"(?:const|let) (?:\[|\{ ?)?(\w+)", code))
    methods = set(re.findall(r"^  (?:async |get )?(\w+)\(", code, re.MULTILINE))
    assert not {name: others[name] for name in called & set(others) - imported - local - methods}


@pytest.mark.parametrize("entry", ["viewer.js", "surfaces.js", "rail.js"])
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
    scripts = linked("viewer.js") + linked("surfaces.js") + linked("rail.js")
    assert all(TOP.findall(path.read_text())[0] in scripts for path in MODULES)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_every_function_says_what_it_does_and_what_it_takes(module):
    found = list(functions(module))
    declared = re.findall(r"^(?:export )?(?:default )?(?:async )?function\b", module.read_text(), re.MULTILINE)
    assert len(found) >= len(declared)
    for name, parameters, doc in found:
        lines = [line.strip(" /*") for line in doc.splitlines()]
        sentence = next((line for line in lines if line), "")
        assert re.match(r"[A-Z]|@returns \{.+\} [A-Z]", sentence), f"{name} does not say what it does"
        if signature := re.search(r"@type \{\((.*?)\) => ", doc):
            typed = [part.split(":")[0] for part in split_parameters(signature[1])]
            assert typed == [parameter or typed[n] for n, parameter in enumerate(parameters)], name
            continue
        described = re.findall(r"@param \{.+?\} \[?(\w+)", doc)
        assert len(described) == len(parameters), f"{name} takes {parameters} and describes {described}"
        assert all(a in ("", b) for a, b in zip(parameters, described, strict=True)), name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_types_that_a_module_names_are_declared(module):
    declared = {"types": re.findall(r"^export type (\w+)", (STATIC / "types.d.ts").read_text(), re.MULTILINE)}
    declared |= {other.name: EXPORTED.findall(other.read_text()) for other in MODULES}
    unknown = [(file, name) for file, name in TYPE.findall(module.read_text()) if name not in declared[file]]
    assert not unknown
