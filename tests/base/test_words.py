"""Numbers in sentences, and that every text takes them from one place."""

import ast
import re
from pathlib import Path

import pytest

from afl_core.base.words import number_in_parts, number_of

ROOT = Path(__file__).parents[2]

NOUNS = (
    "case|patient|file|image|mask|source|row|run|lesion|voxel|test|tumour|label|step|epoch|prediction|reference|study"
    "|studie|folder|group|channel|value|day|link|problem|seed|pair|map|region|lesion|component|sequence|split"
)
COUNTED = re.compile(rf"^ (?:(?!(?:a|of|or|to|in|with|without) )[a-z0-9-]+ ){{0,2}}(?:{NOUNS})s?\b")
"""What follows a number in a sentence: a noun, with up to two words before it."""

TOLD = re.compile(r"number_of\(|counted\(|^[A-Z_]+$")
"""How a number may stand before its noun: made by `number_of` or what calls it, or a constant above 1."""


def texts(path: Path):
    """Every value of an f-string that text follows, with that text and the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            for value, after in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant):
                    yield node.lineno, ast.unparse(value.value), str(after.value)


def is_count(expression: str) -> bool:
    """Whether an expression is a number of things: a length, a sum, or a name that counts."""
    return bool(re.search(r"\blen\(|\bsum\(|^n(_\w+)?$|\bint\(|count|\btotal\b|many|\.n$", expression))


@pytest.mark.parametrize("n", [0, 2, 21])
def test_all_but_one_are_many(n):
    assert number_of(n, "case") == f"{n} cases"
    assert number_of(n, "study has", "studies have") == f"{n} studies have"


def test_one_is_one():
    assert number_of(1, "case") == "1 case"
    assert number_of(1, "study has", "studies have") == "1 study has"


def test_parts_are_counted_together():
    assert number_in_parts({"test": 1}, "case") == "1 case (1 test)"
    assert number_in_parts({}, "case") == "0 cases ()"


def test_a_count_in_a_text_is_worded_in_one_place():
    found = [
        f"{name}:{line}: {{{value}}}{after[:30]}"
        for path in sorted([*(ROOT / "afl_core").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"])
        for name in [str(path.relative_to(ROOT))]
        for line, value, after in texts(path)
        if COUNTED.match(after) and not TOLD.search(value) and is_count(value)
    ]
    assert not found, "\n".join(found)


def test_no_text_makes_a_plural_of_its_own():
    own = re.compile(r"'s'\[|\"s\"\[|else 's'|else \"s\"|'s' if|\"s\" if")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "afl_core").rglob("*.py"))
        if path.name != "words.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if own.search(line)
    ]
    assert not found, "\n".join(found)
