"""A split file is case ids by split, no case in two of them."""

from pathlib import Path

import pytest

from afl_core.data.splits import load_splits, save_splits
from afl_core.errors import DataError


def test_round_trip(tmp_path: Path) -> None:
    splits = {"train": ("Zoë 1", "b"), "test": ("c",), "validation": ()}
    save_splits(tmp_path / "splits.json", splits)
    assert load_splits(tmp_path / "splits.json") == splits
    assert [p.name for p in tmp_path.iterdir()] == ["splits.json"]


def test_a_case_in_two_splits_is_refused_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    with pytest.raises(DataError, match=r"uses a case twice \(received: b\)"):
        save_splits(path, {"train": ["a", "b"], "test": ["b"]})
    assert not path.exists()
    path.write_text('{"train": ["a", "a"]}')
    with pytest.raises(DataError, match=r"uses a case twice \(received: a\)"):
        load_splits(path)


@pytest.mark.parametrize("content", ["", "[]", '{"train": "a"}', '{"train": [1]}', "\xff"])
def test_what_is_no_split_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "splits.json").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"splits\.json"):
        load_splits(tmp_path / "splits.json")


def test_a_missing_split_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(received: there is no .*none\.json"):
        load_splits(tmp_path / "none.json")
