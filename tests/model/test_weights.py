"""A torch file is bounded before it is unpacked, and damaged archives are one kind of error."""

import zipfile

import pytest
import torch

from afl_core.errors import CheckpointError
from afl_core.model.weights import check_finite, load_torch


def test_a_file_of_torch_is_read(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "a.pth")
    assert load_torch(tmp_path / "a.pth")["a"].tolist() == [0, 1, 2]


def test_a_deflated_file_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    torch.save({"a": torch.zeros(2**22)}, tmp_path / "a.pth")  # 16 MiB of zeros deflate to 16 KiB
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as stored,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in stored.infolist():
            bomb.writestr(entry.filename, stored.read(entry))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(ValueError, match=r"bytes that unpack to 16,7"):
        load_torch(tmp_path / "bomb.pth")


def test_a_damaged_archive_is_an_error_of_the_value(tmp_path):
    torch.save({"a": torch.zeros(99)}, tmp_path / "a.pth")
    data = bytearray((tmp_path / "a.pth").read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at : at + 4] = b"XXXX"  # the last entry of the directory
    (tmp_path / "a.pth").write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"."):
        load_torch(tmp_path / "a.pth")


def test_numbers_are_finite_and_counters_are_no_matter():
    check_finite({"a": torch.zeros(2), "n": torch.tensor(3)}, "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth holds weights that are NaN or infinite \(received: b\)"):
        check_finite({"a": torch.zeros(2), "b": torch.tensor([0, float("nan")])}, "a.pth")
