"""Files are written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from afl_core.base.storage import hash_files, read_bounded, read_json, read_toml, write_atomically
from afl_core.errors import DataError


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_a_file_is_written_with_its_parents_and_may_be_read_as_the_umask_says(tmp_path, umask):
    path = tmp_path / "new" / "folders" / "file.json"
    write_atomically(path, b"one")
    assert path.read_bytes() == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    umask(0o077)
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value"),
        (b'{"a": ', "Expecting value"),
        (b"[" * 100_000, "too many levels"),
        (b"[" * 65 + b"]" * 65, "too many levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "too many levels"),
        (b"9" * 5000, "integer string conversion"),
        (b'["\\ud800"]', "not UTF-8"),
        (b'{"\\uDC00": 1}', "not UTF-8"),
        (b'"\xff"', "not UTF-8"),
        ('"é"'.encode("utf-16"), "not UTF-8"),
        (b'{"train": [], "test": [], "train": [1]}', "train stands twice"),
        (b"1" * 51, "over 50 bytes"),
    ],
)
def test_what_is_no_json_is_one_message_with_the_name_of_the_file(tmp_path, content, said):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"some\.json cannot be read") as caught:
        read_json(path, largest=50 if said.startswith("over") else 2**20, todo="Delete it")
    assert said in str(caught.value)
    assert "Delete it" in str(caught.value)


def test_json_is_read_to_its_bounds(tmp_path):
    path = tmp_path / "some.json"
    path.write_bytes(b"\xef\xbb\xbf" + b"[" * 64 + b"]" * 64)
    assert str(read_json(path, largest=131)) == "[" * 64 + "]" * 64
    path.write_bytes(b'{"a": ["\\ud83d\\ude00", 1.5, null]}')
    assert read_json(path) == {"a": ["😀", 1.5, None]}


@pytest.mark.parametrize("content", [b"a = ", b"a = " + b"[" * 50_000, b"\xff", b"a = " + b"9" * 5000])
def test_what_is_no_toml_is_one_message(tmp_path, content):
    (tmp_path / "some.toml").write_bytes(content)
    with pytest.raises(DataError, match=r"some\.toml cannot be read"):
        read_toml(tmp_path / "some.toml")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "missing"])
def test_a_file_that_is_no_file_is_never_waited_for(tmp_path, kind):
    path = Path("/dev/zero") if kind == "device" else tmp_path / "status.json"
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "folder":
        path.mkdir()
    with pytest.raises(OSError, match="no regular file" if kind != "missing" else "No such file"):
        read_bounded(path, 10)
    with pytest.raises(DataError, match="cannot be read"):
        read_json(path)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_has_no_hash(tmp_path, kind):
    path = tmp_path / "a"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no regular file"):
        hash_files([path])
