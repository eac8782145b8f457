"""The results store: nothing is computed twice, nothing is half-written, no writer loses another's rows."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from afl_core.base import storage
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.errors import DataError
from afl_core.evaluation import rows
from afl_core.evaluation.manifest import Manifest, whole_cohort
from afl_core.evaluation.pipeline import CaseResult, mask_path
from afl_core.evaluation.results import CASES, LESIONS, MANIFEST, Results
from afl_core.evaluation.rows import SETTINGS, Settings
from afl_core.evaluation.run import evaluate_into, pending
from afl_core.evaluation.sources import MaskSource, parse_sources
from afl_core.evaluation.stored_masks import is_measured_mask

ROOT = Path(__file__).parents[2]
WRITER = """
import sys, itertools
from pathlib import Path
from afl_core.evaluation.pipeline import CaseResult
from afl_core.evaluation.results import Results
name, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for i in range(count):
    row = {"case_id": f"{name}{i:04d}", "source": "A", "empty": "", "dsc": i / 7, "key": f"{name}{i}"}
    lesions = tuple({"case_id": row["case_id"], "source": "A", "lesion_id": k, "dsc": 0.5} for k in (1, 2, 3))
    Results(folder).add([CaseResult(row["case_id"], (row,), lesions)])
    if i == 0:
        print("began", flush=True)
"""


def result(case_id: str, source: str = "A", dsc: float = 0.5, lesions: int = 1) -> CaseResult:
    row = {"case_id": case_id, "source": source, "dsc": dsc, "empty": "", "key": f"{case_id}{source}{dsc}"}
    found = tuple({"case_id": case_id, "source": source, "lesion_id": k} for k in range(1, lesions + 1))
    return CaseResult(case_id, (row,), found)


def start_writer(name: str, folder: Path, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, name, str(folder), str(count)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert writer.stdout.readline() == "ready\n"
    return writer


def state(results: Results) -> dict[str, tuple[float, int]]:
    """Per row, the seconds it took and when its mask was written."""
    return {
        f"{row.case_id} {row.source}": (
            row.seconds,
            mask_path(results.folder, row.source, row.case_id).stat().st_mtime_ns,
        )
        for row in results.cases().itertuples()
    }


def changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    assert set(before) == set(after)
    return {key for key in before if before[key] != after[key]}


def test_a_folder_that_holds_nothing_yet_is_empty(tmp_path):
    results = Results(tmp_path / "none")
    assert results.cases().empty
    assert results.lesions().empty
    assert results.manifest() == Manifest()
    assert results.known_keys() == frozenset()


def test_nothing_is_computed_twice_and_one_changed_byte_recomputes_its_row_alone(cohort, masks, tmp_path):
    cases = load_cohort(cohort).cases
    sources = parse_sources([f"A={masks}", f"B={masks}"])
    results = Results(tmp_path / "results")
    said: list[CaseResult] = []
    evaluate_into(results, cases, sources, report=said.append)
    assert [r.unchanged for r in said] == [()] * 4
    first = state(results)
    assert pending(cases, sources, results) == []

    said.clear()
    evaluate_into(results, cases, sources, report=said.append)
    assert [r.unchanged for r in said] == [("A", "B")] * 4
    assert changed(first, state(results)) == set()

    other = masks.with_name("other")
    other.mkdir()
    for file in masks.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    touched = bytearray((other / "Case_C.nii.gz").read_bytes())
    touched[4] ^= 1  # the time stamp of the gzip header: the same voxels in other bytes
    (other / "Case_C.nii.gz").write_bytes(touched)
    moved = parse_sources([f"A={masks}", f"B={other}"])
    assert [case.case_id for case in pending(cases, moved, results)] == ["Case_C"]
    evaluate_into(results, cases, moved)
    second = state(results)
    assert changed(first, second) == {"Case_C B"}

    reference = next(case.reference for case in cases if case.case_id == "Case_A")
    touched = bytearray(reference.read_bytes())
    touched[4] ^= 1
    reference.write_bytes(touched)
    evaluate_into(results, cases, moved)
    assert changed(second, state(results)) == {"Case_A A", "Case_A B"}
    assert len(results.cases()) == 8
    assert len(results.lesions()) == 12


def test_another_checkpoint_of_the_same_name_recomputes_its_rows_alone(cohort, masks, tmp_path, make_checkpoint):
    cases = [case for case in load_cohort(cohort).cases if case.case_id in ("Case_A", "Case_C")]
    sources = parse_sources([f"net={make_checkpoint(tmp_path / 'net')}", f"A={masks}"])
    results = Results(tmp_path / "results")
    evaluate_into(results, cases, sources)
    first = state(results)
    evaluate_into(results, cases, sources)
    assert changed(first, state(results)) == set()
    make_checkpoint(tmp_path / "net", seed=1)
    evaluate_into(results, cases, sources)
    second = state(results)
    assert changed(first, second) == {"Case_A net", "Case_C net"}
    image = next(case for case in cases if case.case_id == "Case_C").sequences["flair"]
    touched = bytearray(image.read_bytes())
    touched[4] ^= 1
    image.write_bytes(touched)
    evaluate_into(results, cases, sources)
    assert changed(second, state(results)) == {"Case_C net"}
    image = next(case for case in cases if case.case_id == "Case_C").sequences["t2"]
    third = state(results)
    image.write_bytes(image.read_bytes() + b"\0")  # the network does not read this sequence
    evaluate_into(results, cases, sources)
    assert changed(third, state(results)) == set()


def test_a_new_meaning_of_the_rows_recomputes_all(cohort, masks, tmp_path, monkeypatch):
    cases, sources = load_cohort(cohort).cases, (MaskSource("A", masks),)
    results = Results(tmp_path / "results")
    evaluate_into(results, cases, sources)
    assert pending(cases, sources, results) == []
    monkeypatch.setattr(rows, "VERSION", rows.VERSION + 1)
    assert pending(cases, sources, results) == list(cases)


def test_a_deleted_mask_is_made_again(cohort, masks, tmp_path):
    cases, sources = load_cohort(cohort).cases, (MaskSource("A", masks),)
    results = Results(tmp_path / "results")
    evaluate_into(results, cases, sources)
    mask_path(results.folder, "A", "Case_B").unlink()
    assert [case.case_id for case in pending(cases, sources, results)] == ["Case_B"]
    evaluate_into(results, cases, sources)
    assert mask_path(results.folder, "A", "Case_B").is_file()


@pytest.mark.parametrize("damage", ["cut", "emptied", "of another source"])
def test_a_mask_that_is_not_the_measured_one_is_made_again(cohort, masks, tmp_path, damage):
    cases, sources = load_cohort(cohort).cases, (MaskSource("A", masks),)
    results = Results(tmp_path / "results")
    evaluate_into(results, cases, sources)
    path = mask_path(results.folder, "A", "Case_B")
    measured = path.read_bytes()
    other = mask_path(results.folder, "A", "Case_C").read_bytes()
    path.write_bytes({"cut": measured[:40], "emptied": b"", "of another source": other}[damage])
    assert [case.case_id for case in pending(cases, sources, results)] == ["Case_B"]
    evaluate_into(results, cases, sources)
    assert path.read_bytes() == measured


def test_rows_of_another_source_of_the_same_name_are_dropped(cohort, masks, tmp_path):
    """Also those of cases that are not evaluated now: a table never mixes two sources."""
    opened, results = load_cohort(cohort), Results(tmp_path / "results")
    sources = (MaskSource("A", masks), MaskSource("B", masks))
    results.describe_cohort(opened, sources)
    evaluate_into(results, opened.cases, sources)
    other = Path(shutil.copytree(masks, tmp_path / "other"))
    replaced = (MaskSource("A", other),)
    results.describe_cohort(opened, replaced)
    evaluate_into(results, opened.cases[:1], replaced)
    rows, lesions = results.cases(), results.lesions()
    assert rows.loc[rows["source"] == "A", "case_id"].tolist() == ["Case_A"]
    assert set(lesions.loc[lesions["source"] == "A", "case_id"]) == {"Case_A"}
    assert (rows["source"] == "B").sum() == 4


def test_a_checkpoint_that_was_moved_is_the_same_source(cohort, tmp_path, make_checkpoint):
    opened, results, seconds = load_cohort(cohort), Results(tmp_path / "results"), []
    for folder in ("here", "there"):
        (source,) = parse_sources([f"net={make_checkpoint(tmp_path / folder, name='net')}"])
        results.describe_cohort(opened, (source,))
        evaluate_into(results, opened.cases[:1], (source,))
        seconds += results.cases()["seconds"].tolist()
    assert len(seconds) == 2
    assert len(set(seconds)) == 1  # not computed again


def test_a_case_that_cannot_be_used_any_more_has_no_rows(tmp_path):
    results = Results(tmp_path)
    results.add([result("a"), result("a", "B"), result("b")])
    results.add([CaseResult("a", problems={"": "a has no reference segmentation"})])
    assert results.cases()["case_id"].tolist() == ["b"]
    assert results.lesions()["case_id"].tolist() == ["b"]


def test_new_rows_replace_those_of_the_same_case_and_source(tmp_path):
    results = Results(tmp_path)
    results.add([result("b", dsc=0.1, lesions=3), result("a"), result("b", "B")])
    results.add([result("b", dsc=0.9, lesions=1)])
    rows = results.cases()
    assert list(zip(rows["case_id"], rows["source"], rows["dsc"], strict=True)) == [
        ("a", "A", 0.5),
        ("b", "A", 0.9),
        ("b", "B", 0.5),
    ]
    lesions = results.lesions()
    assert list(zip(lesions["case_id"], lesions["source"], strict=True)) == [("a", "A"), ("b", "A"), ("b", "B")]


def test_problems_stay_until_the_case_succeeds(tmp_path):
    results = Results(tmp_path)
    results.add([CaseResult("a", problems={"A": "no mask", "B": "broken"})])
    results.add([result("a", "A")])
    assert results.manifest().problems == {"a": {"B": "broken"}}
    results.add([CaseResult("a", unchanged=("B",))])
    assert results.manifest().problems == {}


def test_a_kill_while_writing_leaves_whole_rows(tmp_path):
    """SIGKILL at a random moment, several times over; the next writer goes on where the last one ended."""
    rng = random.Random(7)
    before = 0
    for attempt in range(2):
        writer = start_writer(f"w{attempt}_", tmp_path, 100_000)
        writer.stdin.write("go\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "began\n"
        time.sleep(rng.uniform(0.05, 0.3))
        writer.kill()
        writer.communicate()
        results = Results(tmp_path)
        cases, lesions = results.cases(), results.lesions()
        assert len(cases) > before
        before = len(cases)
        assert not cases.isna().any(axis=None)
        assert not cases.duplicated(["case_id", "source"]).any()
        found = lesions["case_id"].value_counts()
        assert (found.reindex(cases["case_id"], fill_value=0) == 3).all()
        assert len(found) - len(cases) in range(attempt + 2)  # lesions are written first, so each kill may leave one
        assert isinstance(results.manifest(), Manifest)
    results.add([result("after")])
    assert len(results.cases()) == before + 1


@pytest.mark.parametrize("failing", [LESIONS, CASES, MANIFEST])
def test_a_write_that_fails_leaves_the_last_good_state(tmp_path, monkeypatch, failing):
    results = Results(tmp_path)
    results.add([result("a", lesions=2)])
    replace = Path.replace

    def fail(self, target):
        if Path(target).name == failing:
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        results.add([result("b")])
    monkeypatch.undo()
    assert "a" in results.cases()["case_id"].tolist()
    assert set(results.cases()["case_id"]) <= set(results.lesions()["case_id"])  # no case without its lesions
    assert results.lesions()["case_id"].tolist().count("a") == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(f".{failing}.")] == []
    results.add([result("b")])
    assert results.cases()["case_id"].tolist() == ["a", "b"]
    assert results.lesions()["case_id"].tolist() == ["a", "a", "b"]


def test_two_processes_writing_at_once_lose_no_row(tmp_path):
    writers = [start_writer(name, tmp_path, 15) for name in ("x", "y")]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    expected = sorted(f"{name}{i:04d}" for name in "xy" for i in range(15))
    assert Results(tmp_path).cases()["case_id"].tolist() == expected
    assert len(Results(tmp_path).lesions()) == 90


@pytest.mark.parametrize("name", [CASES, LESIONS, MANIFEST])
@pytest.mark.parametrize("damage", [b"", b"PAR1 not really PAR1", "half"])
def test_a_damaged_file_gives_one_message(tmp_path, name, damage):
    results = Results(tmp_path / "out")
    results.add([result("a")])
    path = results.folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == "half" else damage)
    read = {CASES: results.cases, LESIONS: results.lesions, MANIFEST: results.manifest}[name]
    with pytest.raises(DataError, match=rf"out/{name} is damaged.*Delete the folder") as caught:
        read()
    assert "\n" not in str(caught.value)
    assert name == MANIFEST or "received: it is no whole Parquet table)" in str(caught.value)


def test_a_table_of_something_else_is_damaged_too(tmp_path):
    import pandas as pd

    pd.DataFrame({"patient": [1]}).to_parquet(tmp_path / CASES)
    with pytest.raises(DataError, match=r"cases.parquet is damaged"):
        Results(tmp_path).known_keys()


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_mask_that_never_ends_is_not_the_one_that_was_measured(tmp_path, kind):
    path = mask_path(tmp_path, "A", "a")
    path.parent.mkdir(parents=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    assert not is_measured_mask(tmp_path, {"source": "A", "case_id": "a", "mask_sha256": "0" * 64})


@pytest.mark.parametrize("manifest", [[], {"data": "here"}, {"problems": []}])
def test_a_manifest_of_something_else_is_damaged_too(tmp_path, masks, manifest):
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    results = Results(tmp_path)
    with pytest.raises(DataError, match=r"manifest.json is damaged"):
        results.describe(data=tmp_path, kind="masks", sources=(MaskSource("A", masks),), skipped={})


def test_the_manifest_says_how_the_rows_were_made(tmp_path, cohort, masks, make_checkpoint):
    results = Results(tmp_path / "results")
    checkpoint = make_checkpoint(tmp_path / "net", scores={"secret": 1})
    sources = parse_sources([f"net={checkpoint}", f"A={masks}"])
    results.describe(data=cohort, kind="brats2018", sources=sources, skipped={"Case_X": "no t1"})
    manifest = results.manifest().record()
    assert manifest["format"] == 1
    assert manifest["data"] == {"path": str(cohort), "kind": "brats2018", "skipped": {"Case_X": "no t1"}}
    assert manifest["sources"]["A"] == {"kind": "masks", "path": str(masks), "files": 4}
    net = manifest["sources"]["net"]
    assert (net["kind"], net["card"]["network"], len(net["fingerprint"])) == ("checkpoint", "demo_unet", 64)
    assert "numpy" in manifest["versions"]
    assert "both masks empty" in manifest["metrics"]["dsc"]["empty_rule"]


def test_a_folder_given_from_where_one_stands_is_the_same_source_from_elsewhere(tmp_path, cohort, masks, monkeypatch):
    results = Results(tmp_path / "results")
    monkeypatch.chdir(masks.parent)
    results.describe(data=cohort, kind="brats2018", sources=parse_sources([f"A={masks.name}"]), skipped={})
    assert results.manifest().sources["A"].path == str(masks)


def test_another_data_set_in_the_same_folder_is_refused(tmp_path, cohort, masks):
    results = Results(tmp_path / "results")
    sources = (MaskSource("A", masks),)
    results.describe(data=cohort, kind="brats2018", sources=sources, skipped={})
    results.describe(data=cohort, kind="brats2018", sources=(MaskSource("B", masks),), skipped={})
    assert set(results.manifest().sources) == {"A", "B"}
    with pytest.raises(DataError, match=r"results belongs to another data set.*Give another --out"):
        results.describe(data=masks, kind="masks", sources=sources, skipped={})
    assert results.manifest().data.path == str(cohort)


def test_hash_of_files_tells_where_one_ends(tmp_path):
    """Kept beside the store that relies on it."""
    for name, data in {"ab": b"ab", "c": b"c", "a": b"a", "bc": b"bc"}.items():
        (tmp_path / name).write_bytes(data)
    first = storage.hash_files([tmp_path / "ab", tmp_path / "c"])
    assert first != storage.hash_files([tmp_path / "a", tmp_path / "bc"])


def test_a_folder_keeps_its_settings_and_refuses_others(tmp_path, cohort, masks):
    results = Results(tmp_path / "results")
    said = {"data": cohort, "kind": "brats2018", "sources": (MaskSource("A", masks),), "skipped": {}}
    assert results.settings() == SETTINGS
    results.describe(**said, settings=Settings(nsd_tolerance_mm=2.0, matcher="iou"))
    assert results.settings() == Settings(nsd_tolerance_mm=2.0, matcher="iou")
    with pytest.raises(DataError, match=r"measured with other settings.*Give another --out"):
        results.describe(**said)


def test_the_settings_of_the_folder_decide_the_rows(tmp_path, cohort, masks):
    cases, sources = load_cohort(cohort).cases, (MaskSource("A", masks),)
    nsd = []
    for tolerance in (0.0, 50.0):
        results = Results(tmp_path / f"{tolerance}")
        results.describe(
            data=cohort, kind="brats2018", sources=sources, skipped={}, settings=Settings(nsd_tolerance_mm=tolerance)
        )
        evaluate_into(results, cases, sources)
        assert pending(cases, sources, results) == []
        nsd.append(results.cases()["nsd"].mean())
    assert nsd[0] < nsd[1]


def test_patients_are_kept_and_a_later_declaration_regroups_the_rows(tmp_path):
    masks = tmp_path / "references"
    masks.mkdir()
    for case_id in ("sub-1_ses-1", "sub-1_ses-2"):
        tumour = np.eye(4, dtype=np.uint8)[..., None].repeat(4, axis=2)
        nib.save(nib.Nifti1Image(tumour, np.eye(4)), masks / f"{case_id}.nii.gz")
    sources = parse_sources([f"A={masks}"])
    results = Results(tmp_path / "out")
    cohort = references_cohort(masks)
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    assert results.cases()["patient"].tolist() == ["sub-1", "sub-1"]
    assert results.lesions()["patient"].tolist() == ["sub-1", "sub-1"]
    table = tmp_path / "table.csv"
    table.write_text("case_id,patient\nsub-1_ses-1,p\nsub-1_ses-2,q\n")
    before = results.cases()["key"].tolist()
    results.describe_cohort(references_cohort(masks, patients=table), sources)
    assert results.cases()["patient"].tolist() == ["p", "q"]
    assert results.cases()["key"].tolist() == before
    results.describe_cohort(cohort, sources)  # by their names: the declaration stays
    assert results.cases()["patient"].tolist() == ["p", "q"]
    table.unlink()  # it is in the manifest
    assert [case.patient for case in whole_cohort(results.manifest()).cases] == ["p", "q"]
    assert results.manifest().patients(["sub-1_ses-1"]).how == "by table.csv"
