"""Files are written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from afl_core.storage import hash_files, write_atomically


def test_a_file_is_written_with_its_parents_and_readable_by_all(tmp_path):
    path = tmp_path / "new" / "folders" / "file.json"
    write_atomically(path, b"one")
    assert path.read_bytes() == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file.json"]  # noqa: PTH208


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("fsync") or fsync(handle))
    monkeypatch.setattr(Path, "replace", lambda self, target: done.append("replace") or replace(self, target))
    write_atomically(tmp_path / "file", b"data")
    assert done == ["fsync", "replace"]


def test_a_hash_depends_on_contents_and_order_not_on_names(tmp_path):
    for name, data in {"ab": b"ab", "c": b"c", "a": b"a", "bc": b"bc", "copy": b"ab"}.items():
        (tmp_path / name).write_bytes(data)

    def digest(*names):
        return hash_files([tmp_path / name for name in names])

    assert digest("ab", "c") == digest("copy", "c")
    assert len({digest("ab", "c"), digest("c", "ab"), digest("a", "bc"), digest("ab"), digest()}) == 5


def test_the_hash_of_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        hash_files([tmp_path / "none"])
