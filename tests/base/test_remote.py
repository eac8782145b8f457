"""A data set at an address or in an archive: the same cases and rows as from a folder, and one sentence where not."""

import json
import os
import shutil
import socket
import stat
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest
from made_addresses import KINDS, at, in_memory, packed, served, tar_of, zip_of

from afl_core.base import extras, paths, remote, remote_files
from afl_core.base.storage import hash_files
from afl_core.data.check.check import check_cohort
from afl_core.data.layouts import load_case, load_cohort
from afl_core.data.splits import save_splits
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.manifest import load_manifest, whole_cohort
from afl_core.evaluation.pipeline import evaluate_cases
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import parse_sources

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REMOTE", tmp_path / "fetched")
    yield
    while remote._held:
        os.close(remote._held.popitem()[1])
    remote_files.close_archive()
    fsspec.filesystem("memory").store.clear()


def fetched() -> list[str]:
    """The names of the files that are here."""
    return sorted(path.name for path in paths.REMOTE.rglob("*.nii.gz") if remote.is_here(path))


def rows(cohort, masks, out):
    """The rows of all cases, as the table has them, but for the time that they took."""
    results = evaluate_cases(cohort.cases, parse_sources([f"M={masks}"]), out)
    return [{k: v for k, v in row.items() if k != "seconds"} for result in results for row in result.rows]


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_has_the_rows_of_its_folder(kind, cohort, masks, tmp_path):
    local = rows(load_cohort(cohort), masks, tmp_path / "local")
    with at(kind, cohort) as address:
        there = load_cohort(Path(address))
        assert fetched() == []  # names and sizes are enough to know the cases
        assert [case.case_id for case in there.cases] == [case.case_id for case in load_cohort(cohort).cases]
        assert rows(there, masks, tmp_path / "there") == local
        assert len(fetched()) == 2 * len(local) == 8  # of each case the reference, and an image for its grid
        assert remote.address(there.root) == address
        image = load_case(there.cases[0]).images["flair"]
    assert (image.array == load_case(load_cohort(cohort).cases[0]).images["flair"].array).all()


def test_each_file_is_fetched_once_whoever_asks(cohort, monkeypatch):
    case = load_cohort(Path(in_memory(cohort))).cases[0]
    copied = list[str]()
    copy = remote_files.copy_file

    def slowly(url, state, out):
        copied.append(url)
        time.sleep(0.2)
        copy(url, state, out)

    monkeypatch.setattr(remote, "copy_file", slowly)
    threads = [threading.Thread(target=remote.bring, args=(case.reference,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(copied) == 1
    assert (
        case.reference.read_bytes()
        == (cohort / case.reference.relative_to(paths.REMOTE / "memory/cohort")).read_bytes()
    )


def test_the_oldest_files_make_room_and_those_in_use_stay(cohort, monkeypatch):
    monkeypatch.setattr(remote, "HELD", 1)
    first, second, third, _ = load_cohort(Path(in_memory(cohort))).cases
    sizes = [case.reference.stat().st_size for case in (first, second, third)]
    monkeypatch.setenv("AFL_CACHE_GB", str((sum(sizes) - 1) / 1e9))
    for case in (first, second):
        remote.bring(case.reference)
        os.utime(case.reference, (time.time() - 50 + len(fetched()), case.reference.stat().st_mtime))
    remote.bring(third.reference)
    assert fetched() == sorted([second.reference.name, third.reference.name])
    assert first.reference.stat().st_size == sizes[0]  # its stand-in tells its size
    assert stat.S_IMODE(first.reference.stat().st_mode) == 0  # and nobody reads it as the file
    assert load_case(first, sequences=()).reference is not None  # it is fetched again
    monkeypatch.setattr(remote, "HELD", 16)
    for case in (second, third):  # more than there is room for, all in use
        remote.bring(case.reference)
    assert set(fetched()) >= {second.reference.name, third.reference.name}
    monkeypatch.setenv("AFL_CACHE_GB", "1e-9")
    images = first.sequences
    with pytest.raises(DataError, match=r"larger than the room for fetched files .* Set AFL_CACHE_GB to"):
        remote.bring(images["flair"])


def test_a_file_that_changed_is_one_cases_problem(cohort, masks, tmp_path):
    there = load_cohort(Path(in_memory(cohort)))
    changed = there.cases[1].reference
    fsspec.filesystem("memory").pipe_file(f"/{changed.relative_to(paths.REMOTE / 'memory')}", b"other")
    results = list(evaluate_cases(there.cases, parse_sources([f"M={masks}"]), tmp_path / "out"))
    assert [len(result.rows) for result in results] == [1, 0, 1, 1]
    assert "A file changed since its data set was listed (received: memory://cohort/" in results[1].problems[""]
    in_memory(cohort)
    assert load_case(load_cohort(Path("memory://cohort")).cases[1]).reference is not None  # listed anew at once


@pytest.mark.parametrize("address", ["memory://cohort", "http://127.0.0.1/cohort"])
def test_no_file_system_answers_from_a_list_of_its_own(address):
    """S3's would say of a file that changed since what it said when the files were listed."""
    assert not remote_files._system(address)[0].dircache.use_listings_cache


def test_what_is_listed_is_believed_for_a_while(cohort, monkeypatch):
    address = Path(in_memory(cohort))
    assert len(load_cohort(address).cases) == 4
    memory = fsspec.filesystem("memory")
    memory.rm("/cohort/HGG/Case_A", recursive=True)
    assert len(load_cohort(address).cases) == 4
    monkeypatch.setattr(remote, "LISTED_SECONDS", 0)
    assert [case.case_id for case in load_cohort(address).cases] == ["Case_B", "Case_C", "Case_D"]
    shutil.rmtree(paths.REMOTE)  # it may be deleted at any time
    assert len(load_cohort(address).cases) == 3


def test_the_manifest_holds_the_address_and_opens_it_again(cohort, masks, tmp_path):
    with at("http", cohort) as address:
        there = load_cohort(Path(address))
        results = Results(tmp_path / "results")
        results.describe_cohort(there, parse_sources([f"M={masks}"]))
        stored = json.loads((results.folder / "manifest.json").read_text())
        assert stored["data"]["path"] == address
        manifest = load_manifest(results.folder)
        assert manifest.data.folder == there.root.resolve()
        assert whole_cohort(manifest).cases == there.cases
    (there.root / ".listed").unlink()
    with pytest.raises(DataError, match=r"http://127.0.0.1:\d+/cohort cannot be reached .* Check the address"):
        whole_cohort(manifest)
    shutil.rmtree(paths.REMOTE)  # as for results from elsewhere: no server is asked that nobody here named
    with pytest.raises(DataError, match=r"was not opened on this machine .*Open it first: afl data check"):
        whole_cohort(manifest)


@pytest.mark.parametrize(
    "given",
    [
        "https://me:secret@example.org/data",
        "https://example.org/data?token=secret",
        "s3://key:secret@bucket/data",
        "https://example.org/data#secret",
        "https://example.org/da?X=1/secret@x",
    ],
)
def test_no_password_goes_any_further(given, tmp_path):
    with pytest.raises(UsageError, match="An address must hold no user, password or token") as refused:
        load_cohort(Path(given))
    assert "secret" not in str(refused.value)
    (tmp_path / "manifest.json").write_text(json.dumps({"data": {"path": given, "kind": "any", "skipped": {}}}))
    with pytest.raises(DataError, match="must hold no user"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "ftp://example.org/x",
            "Addresses of this kind are not read .*ftp.* Known are s3://, gs://, https://, http://",
        ),
        ("memory://nowhere", "There is no such folder, file or bucket|No files are listed"),
        ("memory://a/../b", "This is no address of a folder or archive"),
    ],
)
def test_an_address_that_is_none(given, said):
    with pytest.raises((DataError, UsageError), match=said):
        load_cohort(Path(given))


def test_a_server_that_is_not_there_lists_nothing_or_refuses(tmp_path, monkeypatch):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/data"
        with pytest.raises(DataError, match=f"{address} cannot be reached"):
            load_cohort(Path(address))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "index.html").write_text("<p>Welcome")
    with served(tmp_path) as host:
        with pytest.raises(
            DataError, match=r"No files are listed at this address .* A web server must list its folders"
        ):
            load_cohort(Path(f"{host}/data"))
        with pytest.raises(DataError, match=r"There is no such folder, file or bucket .* Check the address"):
            load_cohort(Path(f"{host}/elsewhere"))
    refused = remote_files._explained("s3://b/x", PermissionError("Access Denied"))
    assert str(refused).startswith("Access to s3://b/x was refused")
    no_bucket = remote_files._explained("s3://b/x", RuntimeError("An error occurred (NoSuchBucket) when calling ..."))
    assert str(no_bucket).startswith("There is no such folder, file or bucket (received: s3://b/x)")
    secret = remote_files._explained("s3://b/x", RuntimeError("GET https://b/x?X-Amz-Signature=secret failed"))
    assert "secret" not in str(secret)


def test_a_web_server_is_not_followed_elsewhere(tmp_path):
    (tmp_path / "data" / "my cases").mkdir(parents=True)
    (tmp_path / "data" / "my cases" / "a & b.txt").write_text("x")
    (tmp_path / "other.txt").write_text("x")
    with served(tmp_path) as host:
        assert list(remote_files.list_files(f"{host}/data")) == ["my cases/a & b.txt"]
        (tmp_path / "data" / "index.html").write_text(
            f'<a href="/other.txt">a</a> <a href="../other.txt">b</a> <a href="?C=N">c</a> <a href="{host}/o.txt">d</a>'
        )
        with pytest.raises(DataError, match=r"leads out of the data set|No files are listed"):
            remote_files.list_files(f"{host}/data")


def test_a_missing_module_names_the_extra(monkeypatch):
    monkeypatch.setattr(remote_files, "find_spec", lambda name: None if name == "s3fs" else True)
    with pytest.raises(
        UsageError, match=r"needs s3fs, which is not installed. Give: pip install 'afl-workbench\[remote\]'"
    ):
        load_cohort(Path("s3://bucket/data"))
    assert set(remote_files.PROTOCOLS.values()) == set(extras.EXTRAS["remote"])


@pytest.mark.parametrize("name", ["../out.nii.gz", "a/../../out.nii.gz", "/etc/out.nii.gz"])
def test_a_member_that_leads_out_of_an_archive(name, tmp_path):
    archive = zip_of(tmp_path / "bad.zip", **{name: b"x"})
    with pytest.raises(DataError, match=r"leads out of the data set|No cases were found"):
        load_cohort(archive)
    tar = tar_of(tmp_path / "bad.tar", tarfile.TarInfo(name))
    with pytest.raises(DataError):
        load_cohort(tar)
    assert not any(path.name == "out.nii.gz" for path in tmp_path.rglob("*") if paths.REMOTE not in path.parents)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("levels", ["MyData", "download/MyData"])
def test_an_archive_of_one_folder_is_opened_there_and_again_from_results(kind, levels, cohort, masks, tmp_path):
    shutil.copytree(cohort, tmp_path / "above" / levels)
    archive = packed(tmp_path / "above", kind)
    there = load_cohort(archive)
    assert there.root == remote.stand_in(archive) / levels
    assert rows(there, masks, tmp_path / "there") == rows(load_cohort(cohort), masks, tmp_path / "local")
    assert remote.address(there.root) == f"{archive}/{levels}"
    again = load_cohort(archive / levels)  # as manifests hold it, and as a person types it
    assert (again.root, again.cases) == (there.root, there.cases)


def test_a_case_in_the_one_folder_of_an_archive_is_no_data_set_of_its_own(cohort, tmp_path):
    names = [f"{end}.nii.gz" for end in ("flair", "t1", "t1ce", "t2", "seg")]
    image = next(cohort.rglob("*_seg.nii.gz")).read_bytes()
    case = "BraTS2021_00000"
    there = load_cohort(zip_of(tmp_path / "one.zip", **{f"{case}/{case}_{name}": image for name in names}))
    assert [found.case_id for found in there.cases] == [case]
    assert there.root.name == "one.zip"


def test_backslashes_in_a_zip_are_folders_and_lead_nowhere_else(cohort, tmp_path):
    files = {str(path.relative_to(cohort)): path for path in cohort.rglob("*") if path.is_file()}
    names = {name.replace("/", "\\"): path.read_bytes() for name, path in files.items()}
    there = load_cohort(zip_of(tmp_path / "windows.zip", **names, **{"empty\\": b""}))
    assert [case.case_id for case in there.cases] == [case.case_id for case in load_cohort(cohort).cases]
    for name in ("..\\out.nii.gz", "a\\..\\..\\out.nii.gz", "\\etc\\out.nii.gz"):
        with pytest.raises(DataError, match="leads out of the data set"):
            remote.as_folder(zip_of(tmp_path / f"bad{len(name)}.zip", **{name: b"x"}))


@pytest.mark.parametrize("other", ["a.txt", "b\\a.txt"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_in_an_archive_are_refused_unless_they_are_the_same(other, tmp_path):
    for content in (b"one", b"two"):
        with zipfile.ZipFile(tmp_path / f"{content.decode()}.zip", "w") as archive:
            archive.writestr(other.replace("\\", "/"), b"one")
            archive.writestr(other, content)
    assert [path.name for path in remote.as_folder(tmp_path / "one.zip").rglob("*.txt")] == ["a.txt"]
    with pytest.raises(DataError, match=r"two files of one name .*a.txt.*Pack it again"):
        remote.as_folder(tmp_path / "two.zip")
    with pytest.raises(DataError, match="two files of one name"):
        remote.as_folder(tar_of(tmp_path / "two.tar", tarfile.TarInfo("a.txt"), tarfile.TarInfo("./a.txt")))


def test_links_in_archives_are_refused(tmp_path):
    link = tarfile.TarInfo("images/a.nii.gz")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(DataError, match=r"The archive holds a link or a device .*images/a.nii.gz.* Pack the files"):
        load_cohort(tar_of(tmp_path / "links.tar", link))
    entry = zipfile.ZipInfo("images/a.nii.gz")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match="The archive holds a link or a device"):
        load_cohort(tmp_path / "links.zip")


def test_an_archive_that_declares_too_little_or_too_much(tmp_path, monkeypatch):
    huge = zip_of(tmp_path / "bomb.zip", **{"a.txt": b"\0" * 3_000_000})
    folder = remote.as_folder(huge)
    monkeypatch.setenv("AFL_CACHE_GB", "0.001")
    with pytest.raises(DataError, match="larger than the room"):
        remote.bring(folder / "a.txt")  # a thousandth of it is in the archive
    monkeypatch.delenv("AFL_CACHE_GB")
    stored = bytearray(huge.read_bytes())
    place = stored.rindex(b"PK\1\2") + 24  # its size in the directory
    stored[place : place + 4] = (100).to_bytes(4, "little")
    huge.write_bytes(stored)
    (folder / ".listed").unlink()
    with pytest.raises(DataError, match=r"The archive cannot be read|changed since"):
        remote.bring(remote.as_folder(huge) / "a.txt")
    huge.write_bytes(stored[:2000])
    (folder / ".listed").unlink(missing_ok=True)
    with pytest.raises(DataError, match="The archive cannot be read"):
        remote.as_folder(huge)


def test_an_archive_that_was_packed_anew_is_read_anew(cohort):
    archive = packed(cohort, "zip")
    reference = load_cohort(archive).cases[0].reference
    before = hash_files([reference])
    other = next(cohort.rglob("Case_C_seg.nii.gz"))
    shutil.copy(other, next(cohort.rglob(reference.name)))
    packed(cohort, "zip")
    os.utime(archive, (1, 1))
    (paths.REMOTE / "file" / str(archive)[1:] / ".listed").unlink()
    load_cohort(archive)
    assert before != hash_files([reference]) == hash_files([other])


def test_a_compressed_tar_is_not_read_from_afar(cohort):
    archive = packed(cohort, "tar.gz")
    with (
        served(archive.parent) as host,
        pytest.raises(DataError, match=r"Download it and give the file, or pack a .zip"),
    ):
        load_cohort(Path(f"{host}/{archive.name}"))
    archive = packed(cohort, "zip")
    with served(archive.parent) as host:
        assert len(load_cohort(Path(f"{host}/{archive.name}")).cases) == 4


def test_a_check_without_references_fetches_nothing(cohort, tmp_path):
    there = load_cohort(Path(in_memory(cohort)))
    report = check_cohort(there, index=tmp_path / "index", read=False)
    assert fetched() == []
    files = len(list(cohort.rglob("*.nii.gz")))
    assert f"{files} files not fetched, and so not checked" in [finding.what for finding in report.findings]
    full = check_cohort(there, index=tmp_path / "index")
    assert len(fetched()) == files
    assert [row.volume_ml for row in full.cases] == [
        row.volume_ml for row in check_cohort(load_cohort(cohort), index=tmp_path / "other").cases
    ]
    shutil.rmtree(paths.REMOTE)
    there = load_cohort(Path("memory://cohort"))
    assert check_cohort(there, index=tmp_path / "index", read=False).grids == full.grids  # it is known by its version
    assert fetched() == []


def test_nothing_is_written_to_an_address(cohort):
    root = load_cohort(Path(in_memory(cohort))).root
    with pytest.raises(
        DataError, match=r"Nothing is written to an address or an archive .*memory://cohort/splits.json"
    ):
        save_splits(root / "splits.json", {"test": ["Case_A"]})
