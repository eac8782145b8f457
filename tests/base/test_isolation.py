"""An exception that nobody foresaw is one line for a person, and its traceback is in a log."""

import os
from pathlib import Path

import pytest

from afl_core.base.isolation import ERRORS, explained
from afl_core.errors import DataError


def test_our_own_errors_and_those_of_files_need_no_log(tmp_path):
    own = DataError("No mask", todo="Add it")
    assert explained(own, of="measuring", folder=tmp_path) is own
    full = explained(OSError(28, "No space left on device"), of="measuring", folder=tmp_path)
    assert "No space left on device" in str(full)
    assert "memory" in str(explained(MemoryError(), of="measuring a.nii.gz", folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_unforeseen_error_names_what_was_done_and_where_the_log_is(tmp_path):
    try:
        raise ValueError("first line\nsecond line")
    except ValueError as error:
        said = str(explained(error, of="measuring FL on case_1 (a.nii.gz)", folder=tmp_path / "results"))
    log = tmp_path / "results" / ERRORS
    assert "An unexpected error while measuring FL on case_1 (a.nii.gz) (received: ValueError: first line)" in said
    assert str(log) in said
    assert "\n" not in said
    assert "Traceback" in log.read_text()
    assert "second line" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_the_log_is_named_with_its_whole_path(tmp_path, monkeypatch):
    """A message is kept with the results, and read from another folder."""
    monkeypatch.chdir(tmp_path)
    said = str(explained(ValueError("x"), of="measuring", folder=Path("results")))
    assert f"the details are in {tmp_path / 'results' / ERRORS}." in said


def test_the_log_is_added_to(tmp_path):
    for k in range(3):
        explained(ValueError(f"number {k}"), of="measuring", folder=tmp_path)
    assert [f"number {k}" in (tmp_path / ERRORS).read_text() for k in range(3)] == [True] * 3


@pytest.mark.parametrize("obstacle", ["file", "pipe"])
def test_a_log_that_cannot_be_written_is_left_out(tmp_path, obstacle):
    folder = tmp_path / "results"
    if obstacle == "file":
        folder.write_text("no folder")
    else:
        folder.mkdir()
        os.mkfifo(folder / ERRORS)
    said = str(explained(ValueError("x"), of="measuring", folder=folder))
    assert "details" not in said
