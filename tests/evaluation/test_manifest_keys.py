"""No code but `evaluation/manifest.py` looks into a manifest by the names of its JSON."""

import ast
from pathlib import Path

import pytest

from afl_core.evaluation import manifest

ROOT = Path(__file__).parents[2]
READERS = ("manifest", "load_manifest")
"""What gives a manifest: a variable or attribute of that name, or a call to it."""


def is_manifest(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether an expression is a manifest or a part of one that comes out of it."""
    if isinstance(node, ast.Name):
        return node.id in names or node.id in READERS
    if isinstance(node, ast.Attribute):
        return node.attr in READERS or is_manifest(node.value, names)
    if isinstance(node, ast.Call):
        return is_manifest(node.func, names)
    if isinstance(node, ast.Subscript):
        return is_manifest(node.value, names)
    return False


def asked(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """What is looked up in what: `of[key]`, `of.get(key)`, `key in of`."""
    if isinstance(node, ast.Subscript):
        return [(node.slice, node.value)]
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return [(node.left, node.comparators[0])]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        return [(node.args[0], node.func.value)] if node.func.attr in ("get", "pop", "setdefault") else []
    return []


def string_keys(code: str) -> list[int]:
    """Lines on which a manifest, or what was taken from one, is asked for a literal name."""
    tree = ast.parse(code)
    names: set[str] = set()
    for _ in range(3):  # a name of a name of a manifest
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and is_manifest(node.value, frozenset(names)):
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    held = frozenset(names)
    return [
        node.lineno
        for node in ast.walk(tree)
        for key, of in asked(node)
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and is_manifest(of, held)
    ]


@pytest.mark.parametrize(
    "code",
    [
        'manifest["data"]',
        'results.manifest().data.patients.get("declared")',
        'data = opened.manifest.data\npatients = data.patients\npatients["table"]',
        'load_manifest(folder).record()["sources"]',
        '"settings" in manifest.model_fields_set',
    ],
)
def test_a_string_key_is_seen(code):
    assert string_keys(code)


def test_what_is_no_key_of_the_file_is_left_alone():
    assert not string_keys('manifest.missing.get(source, ())\nmanifest.sources[name].card\ntable["data"]')


def test_no_string_key_into_a_manifest_outside_its_module():
    own = Path(manifest.__file__)
    found = {
        str(path.relative_to(ROOT)): lines
        for path in [*(ROOT / "afl_core").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
        if path != own and (lines := string_keys(path.read_text(encoding="utf-8")))
    }
    assert not found
