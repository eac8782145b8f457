"""Rows that are appended as parts: read as one table, whatever the batches were, and never half of it."""

import itertools
import json
import os
import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afl_core.base.storage import write_table
from afl_core.errors import DataError
from afl_core.evaluation import parts
from afl_core.evaluation.manifest import MANIFEST, load_manifest
from afl_core.evaluation.manifest_sections import SettingsSection
from afl_core.evaluation.parts import PARTS, load_parts
from afl_core.evaluation.pipeline import CaseResult
from afl_core.evaluation.results import Results
from afl_core.evaluation.tables import CASES, LESIONS, RARE

REGIONS = ("whole", "tc")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Parts from the first row on, and merged soon; nothing here asks what a disk holds after a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr(parts, "PLAIN_BYTES", 0)
    monkeypatch.setattr(parts, "LOOSE", 3)


def measured(case_id, sources=("A", "B"), *, regions=("whole",), dsc=0.5, lesions=2):
    rows, found = [], []
    for source in sources:
        for region in regions:
            of = {"case_id": case_id, "group": "", "source": source, "region": region}
            rows.append({**of, "dsc": dsc, "empty": "" if dsc else "both", "note": "", "key": f"{case_id}{dsc}"})
            of.pop("group")
            found += [{**of, "lesion_id": k, "predicted_components": [k] * (k - 1)} for k in range(1, lesions + 1)]
    return CaseResult(case_id, tuple(rows), tuple(found), problems={})


def described(folder):
    results = Results(folder)
    section = SettingsSection(region="whole", more_regions=REGIONS[1:])
    results._write_manifest(load_manifest(folder).model_copy(update={"settings": section}))
    return results


def content(results):
    """What is read, as text; the manifest without its time, its form and the counts that readers make.

    Columns that take much memory are read of parts where they are named.
    """
    record = results.manifest().record()
    said = {key: value for key, value in record.items() if key not in ("updated", "format", "empty_masks")}
    cases, lesions = (of.drop(columns=list(RARE), errors="ignore") for of in (results.cases(), results.lesions()))
    named = [results.cases(["key"]), results.lesions(["predicted_components"])]
    tables = (cases, lesions, *(table.sort_index(axis="columns") for table in named))
    return [table.to_json(orient="records") for table in tables], json.dumps(said, sort_keys=True)


STEPS = st.lists(
    st.one_of(
        st.builds(
            measured,
            st.sampled_from("abc"),
            st.sampled_from([("A",), ("B",), ("A", "B")]),
            regions=st.sampled_from([("whole",), ("tc",), REGIONS]),
            dsc=st.sampled_from([0.0, 0.25, 0.5]),
            lesions=st.integers(0, 2),
        ),
        st.builds(
            lambda case, source: CaseResult(case, problems={source: "it went wrong"}),
            st.sampled_from("abc"),
            st.sampled_from(["A", "B", ""]),
        ),
        st.builds(
            lambda case, source: CaseResult(case, problems={}, region_problems={"tc": {source: "not here"}}),
            st.sampled_from("abc"),
            st.sampled_from(["A", "B"]),
        ),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS, plain=st.integers(0, 4))
def test_what_is_read_does_not_depend_on_parts(tmp_path_factory, steps, plain):
    """The same steps, stored one after the other in plain files, in parts, and in parts upon plain files."""
    folder = tmp_path_factory.mktemp("steps")
    by_plain, mixed, by_parts = (described(folder / name) for name in ("plain", "mixed", "parts"))
    for place, step in enumerate(steps):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(parts, "PLAIN_BYTES", 2**30)
            by_plain.add([step])
            if place < plain:
                mixed.add([step])
        if place >= plain:
            mixed.add([step])
        by_parts.add([step])
    assert content(by_parts) == content(by_plain)
    assert content(mixed) == content(by_plain)
    assert (by_parts.folder / PARTS).is_file()
    assert not (by_plain.folder / PARTS).exists()


def test_any_batches_give_the_rows_of_one(tmp_path):
    done = [measured(f"case_{k:02d}", regions=REGIONS, dsc=k / 20, lesions=k % 3) for k in range(20)]
    one = described(tmp_path / "one")
    one.add(done)
    for seed in range(3):
        rng, left = random.Random(seed), list(done)
        rng.shuffle(left)
        results = described(tmp_path / str(seed))
        while left:
            n = rng.randint(1, 4)
            results.add(left[:n])
            left = left[n:]
        assert content(results) == content(one)


def test_a_batch_is_written_once_and_reads_nothing(tmp_path, monkeypatch):
    """What was stored before is neither read nor written again, however much it is."""
    results = described(tmp_path)
    results.add([measured("a")])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}

    def fail(*_, **__):
        raise AssertionError("rows were read")

    monkeypatch.setattr(parts, "read_rows", fail)
    monkeypatch.setattr("afl_core.evaluation.tables.read_rows", fail)
    monkeypatch.setattr(pd, "read_parquet", fail)
    results.add([measured("b")])
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list((tmp_path / "cases" / "source=A").iterdir())) == 2


def test_few_rows_are_plain_files_that_people_read_and_many_are_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PLAIN_BYTES", 1)
    results = described(tmp_path)
    results.add([measured("a")])
    assert (tmp_path / CASES).is_file()
    assert load_manifest(tmp_path).format == 1
    results.add([measured("b")])
    assert pd.read_parquet(tmp_path / CASES)["case_id"].unique().tolist() == ["a"]
    assert load_manifest(tmp_path).format == 2  # a reader that knows no parts refuses the folder
    assert results.cases()["case_id"].tolist() == ["a", "a", "b", "b"]
    assert results.cases().columns.tolist()[:4] == pd.read_parquet(tmp_path / CASES).columns.tolist()[:4]


def test_an_old_folder_without_regions_is_appended_to(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PLAIN_BYTES", 2**30)
    results = described(tmp_path)
    results.add([measured("a"), measured("b")])
    for name in (CASES, LESIONS):
        write_table(tmp_path / name, pd.read_parquet(tmp_path / name).drop(columns="region"))
    monkeypatch.setattr(parts, "PLAIN_BYTES", 0)
    results.add([measured("b", ("A",), dsc=0.25, lesions=1)])
    assert results.cases().set_index(["case_id", "source"])["dsc"].to_dict() == {
        ("a", "A"): 0.5,
        ("a", "B"): 0.5,
        ("b", "A"): 0.25,
        ("b", "B"): 0.5,
    }
    assert set(results.cases()["region"]) == {"whole"}
    assert results.lesions().groupby(["case_id", "source"]).size().tolist() == [2, 2, 1, 2]


@pytest.mark.parametrize("failing", ["a part", PARTS, MANIFEST])
def test_a_write_that_fails_leaves_the_state_before_or_after(tmp_path, monkeypatch, failing):
    results = described(tmp_path)
    results.add([measured("a")])
    before, replace, written = content(results), Path.replace, []

    def fail(self, target):
        written.append(Path(target).name)
        of_part = failing == "a part" and len(written) == 3
        if of_part or Path(target).name == failing:
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        results.add([measured("b"), CaseResult("a", problems={"B": "it went wrong"})])
    monkeypatch.undo()
    assert (content(results) == before) is (failing != MANIFEST)
    assert set(results.lesions()["case_id"]) == set(results.cases()["case_id"])
    results.add([measured("b"), CaseResult("a", problems={"B": "it went wrong"})])
    assert [*zip(results.cases()["case_id"], results.cases()["source"], strict=True)] == [
        ("a", "A"),
        ("b", "A"),
        ("b", "B"),
    ]


def test_parts_are_merged_and_what_does_not_count_is_removed(tmp_path):
    results = described(tmp_path)
    results.add([measured("a")])
    left = tmp_path / "cases" / "source=A" / "0123.parquet"  # by a writer that was killed
    left.write_bytes((next(left.parent.glob("*.parquet"))).read_bytes())
    for case in "bcdefghij":
        results.add([measured(case), measured("a", ("B",), dsc=0.25)])
    assert len(load_parts(tmp_path)) <= 4
    assert {path.stem for path in left.parent.glob("*")} == set(load_parts(tmp_path))
    assert results.cases()["case_id"].tolist() == sorted([*"abcdefghij"] * 2)
    assert results.cases().query("case_id == 'a'")["dsc"].tolist() == [0.5, 0.25]
    assert len(results.lesions()) == 40


def test_a_full_part_is_never_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "FULL_BYTES", 1)
    results = described(tmp_path)
    for case in "abcdefgh":
        results.add([measured(case)])
    assert len(load_parts(tmp_path)) == 8


def test_a_reader_reads_again_where_parts_were_merged_meanwhile(tmp_path, monkeypatch):
    """The list of parts is read, then another process merges them, then the files are looked for."""
    from afl_core.evaluation import tables

    results = described(tmp_path)
    for case in "abc":
        results.add([measured(case)])
    old, load = load_parts(tmp_path), tables.load_parts
    results.add([measured("d")])
    assert not set(old) & set(load_parts(tmp_path))
    answers = [old]
    monkeypatch.setattr(tables, "load_parts", lambda folder: answers.pop() if answers else load(folder))
    assert results.cases()["case_id"].tolist() == [*"aabbccdd"]
    names = itertools.count()
    monkeypatch.setattr(tables, "load_parts", lambda folder: {str(next(names)): 0})
    with pytest.raises(DataError, match="changes faster than it can be read"):
        results.cases()


def test_a_source_that_is_renamed_or_gone_is_so_in_parts_too(tmp_path):
    results = described(tmp_path)
    results._write_manifest(load_manifest(tmp_path).model_copy(update={"sources": {}}))
    for case in "ab":
        results.add([measured(case, ("A", "B", "C"))])
    results.add([CaseResult("a", problems={"A": "it went wrong"})])
    from afl_core.evaluation.stored_rows import forget_rows, rename_rows

    rename_rows(tmp_path, "A", "Z")
    forget_rows(tmp_path, "B")
    assert [*zip(results.cases()["case_id"], results.cases()["source"], strict=True)] == [
        ("a", "C"),
        ("b", "C"),
        ("b", "Z"),
    ]
    assert set(results.lesions()["source"]) == {"C", "Z"}
    assert pd.read_parquet(next((tmp_path / "settled").glob("*")))["source"].tolist() == ["Z", "Z"]


@pytest.mark.parametrize("text", ["", "[]", '{"parts": {"../x": 1}}', '{"parts": {"ab": -1}}'])
def test_a_list_of_parts_that_is_damaged_is_one_sentence(tmp_path, text):
    results = described(tmp_path)
    results.add([measured("a")])
    (tmp_path / PARTS).write_text(text)
    with pytest.raises(DataError, match=r"parts\.json cannot be read"):
        results.cases()


@pytest.mark.parametrize("table", [CASES, LESIONS])
def test_a_damaged_part_is_named(tmp_path, table):
    results = described(tmp_path)
    results.add([measured("a")])
    path = next((tmp_path / Path(table).stem / "source=A").iterdir())
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=rf"{table} is damaged.*whole Parquet table"):
        results.cases() if table == CASES else results.lesions()
