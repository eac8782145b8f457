"""docs/map.md names files, functions and catalogues that exist, each function in a file of the same line."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAP = ROOT / "docs" / "map.md"
PLACEHOLDERS = {"afl_core/a/b.py", "tests/a/"}


def entries():
    """Every table row and list item, with the line of the page on which it begins."""
    text = re.sub(r"\n {3}", " ", MAP.read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if "`" in line]


def spans(line):
    return [span for span in re.findall(r"`([^`]+)`", line) if span not in PLACEHOLDERS]


def is_path(span):
    return "/" in span or span.endswith((".py", ".js"))


def names_in(path):
    """What a script or module defines at its top: functions, classes and constants."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".js", ".ts"):
        kinds = "function|async function|class|const|type"
        return set(re.findall(rf"^(?:export )?(?:default )?(?:{kinds}) (\w+)", text, flags=re.MULTILINE))
    names = set()
    if path.suffix != ".py":
        return names
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return names


@pytest.mark.parametrize("line", entries())
def test_what_a_line_names_exists(line):
    paths = [span for span in spans(line) if is_path(span)]
    gone = [path for path in paths if not (ROOT / path).exists()]
    assert not gone, f"docs/map.md names what is no longer there: {gone}. Name the file or folder it moved to"
    defined = set().union(*(names_in(ROOT / path) for path in paths if (ROOT / path).is_file()))
    names = {span.removesuffix("()") for span in spans(line) if not is_path(span)}
    lost = sorted(names - defined)
    assert not lost, f"docs/map.md says that {lost} stand in one of {paths}, and they do not. Name the file they are in"


def test_map_has_the_likeliest_changes_and_five_roads():
    text = MAP.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) >= 30
    assert len(re.findall(r"^### ", text, flags=re.MULTILINE)) == 5


@pytest.mark.parametrize("page", ["map.md", "glossary.md"])
def test_readme_links_the_page(page):
    assert f"(docs/{page})" in (ROOT / "README.md").read_text(encoding="utf-8")
