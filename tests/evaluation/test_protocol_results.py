"""Rows of a protocol that are kept: what holds is not measured again, what has changed is never shown."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from made_protocols import save_block

from afl_core import evaluate, open_results
from afl_core.data.layouts import DataOptions
from afl_core.evaluation.changes import rename_source
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.protocol_results import (
    every_protocol,
    measure_protocol,
    rows_by_protocol,
)
from afl_core.evaluation.protocol_rows import measured_protocols, protocol_file
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import parse_sources
from afl_core.metrics.protocols import PROTOCOLS

NAME = "brats2023_met"


@pytest.fixture
def work(tmp_path):
    """Two cases of a block of 216 voxels, found exactly and shifted by three, by each of two sources."""
    for case, first in (("a", 4), ("b", 7)):
        save_block(tmp_path / "references" / f"{case}.nii.gz", 4)
        for source in ("mine", "also"):
            save_block(tmp_path / source / f"{case}.nii.gz", first)
    return tmp_path


@pytest.fixture
def measured(work):
    """`measured(*sources)` measures both cases; the rows, and the cases that were read."""
    cohort = DataOptions(labels="brats2023").references(work / "references")

    def run(*names):
        sources, read = parse_sources([f"{name}={work / name}" for name in names]), []
        report = lambda done, total, case_id: read.append(case_id)  # noqa: E731
        found = measure_protocol(cohort.cases, sources, PROTOCOLS[NAME], folder=work / "out", report=report)
        return found, read

    return run


def test_what_holds_is_not_measured_again(measured, work):
    first, read = measured("mine")
    assert sorted(read) == ["a", "b"]
    assert first.table.loc[first.table["region"] == "et", "lesion_dsc"].tolist() == [1, 0.5]
    assert set(first.table["labels"]) == set(first.table["reference_labels"]) == {"3"}
    again, read = measured("mine")
    assert read == []
    pd.testing.assert_frame_equal(again.table, first.table)


def test_a_changed_file_is_measured_again_and_another_source_keeps_its_rows(measured, work):
    measured("mine")
    assert measured("also")[1] == ["a", "b"]
    save_block(work / "mine" / "b.nii.gz", 5)
    found, read = measured("mine", "also")
    assert read == ["b"]
    dices = found.table[found.table["region"] == "et"].set_index(["source", "case_id"])["dsc"].round(3).to_dict()
    assert dices == {("mine", "a"): 1, ("mine", "b"): 0.833, ("also", "a"): 1, ("also", "b"): 0.5}
    save_block(work / "references" / "a.nii.gz", 6)
    assert measured("mine", "also")[1] == ["a"]


def test_a_damaged_file_of_rows_is_made_again(measured, work):
    measured("mine")
    for text in (
        b"",
        b"not a table",
        b"source,case_id\nmine,a\n",
        protocol_file(work / "out", NAME).read_bytes()[:300],
    ):
        protocol_file(work / "out", NAME).write_bytes(text)
        found = measured("mine")[0]
        assert len(found.table) == 6
        assert str(protocol_file(work / "out", NAME)) in found.damaged
        assert not measured("mine")[0].damaged


LINES = {"cut": lambda lines: lines[:-1], "doubled": lambda lines: [*lines, lines[-1]]}


@pytest.mark.parametrize("change", LINES)
def test_a_pair_without_a_row_of_each_region_is_measured_again(measured, work, change):
    first, _ = measured("mine")
    path = protocol_file(work / "out", NAME)
    path.write_text("\n".join(LINES[change](path.read_text().splitlines())) + "\n")
    again, read = measured("mine")
    assert read == ["b"]
    assert "is damaged in 1 of 2 predictions" in again.damaged
    pd.testing.assert_frame_equal(again.table, first.table)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("lesion_dsc", value) for value in ("7.5", "-0.1", "inf", "")),
        *(("lesion_hd95_mm", value) for value in ("inf", "-1", "")),
        *(("tp", "-3"), ("hd95_mm", "-inf"), ("dsc", "1.01"), ("large_tp", "-1"), ("region", "zz")),
        *(("labels", "abc"), ("reference_labels", "-1"), ("read_as", "maps"), ("false_positives", "x")),
        *(("lesions", "2"), ("tp", "0.5"), ("tp", "1e30"), ("dsc", "abc")),
    ],
)
def test_values_that_cannot_be_are_measured_again_and_never_shown(measured, work, column, value):
    first, _ = measured("mine")
    path = protocol_file(work / "out", NAME)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(path, index=False)
    again, read = measured("mine")
    assert "a" in read
    assert str(path) in again.damaged
    pd.testing.assert_frame_equal(again.table, first.table)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_rows_as_they_are_measured_are_sound(work, name):
    """Among them cases with nothing in one file or both, whose values are not all defined."""
    for case, (reference, mine) in {"c": (0, 3), "d": (3, 0), "e": (0, 0)}.items():
        save_block(work / "references" / f"{case}.nii.gz", 4, label=reference)
        save_block(work / "mine" / f"{case}.nii.gz", 4, label=mine)
    label = min(3, max(PROTOCOLS[name].labels or (3,)))
    for path in (*(work / "references").iterdir(), *(work / "mine").iterdir()):
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.minimum(np.asarray(image.dataobj), label), np.eye(4)), path)
    cohort = DataOptions().references(work / "references")
    sources = parse_sources([f"mine={work / 'mine'}"])
    for expected in (5, 0):
        read = []
        found = measure_protocol(
            cohort.cases,
            sources,
            PROTOCOLS[name],
            folder=work / "out",
            report=lambda *done, read=read: read.append(done),
        )
        assert len(found.table) == 5 * len(PROTOCOLS[name].regions)
        assert (len(read), found.damaged) == (expected, "")


def test_what_cannot_be_measured_is_named_every_time(measured, work):
    save_block(work / "mine" / "b.nii.gz", 4, label=9)
    (work / "also" / "a.nii.gz").unlink()
    for _ in range(2):
        found, _ = measured("mine", "also")
        assert set(found.problems) == {"b mine", "a also"}
        assert set(zip(found.table["case_id"], found.table["source"], strict=True)) == {("a", "mine"), ("b", "also")}


def test_results_show_no_row_that_is_stale(work):
    sources = {"mine": work / "mine", "also": work / "also"}
    options = DataOptions(labels="brats2023")
    tables = evaluate(sources, work / "out", references=work / "references", options=options, protocol=NAME)
    assert list(tables.protocols) == [NAME]
    assert not tables.problems
    kept = rows_by_protocol(open_comparison(work / "out"), NAME)
    assert (len(kept.table), kept.lacking) == (12, 0)
    pd.testing.assert_frame_equal(tables.protocols[NAME], kept.table)
    save_block(work / "mine" / "b.nii.gz", 5)
    kept = rows_by_protocol(open_comparison(work / "out"), NAME)
    assert (len(kept.table), kept.lacking) == (9, 1)
    assert ("b", "mine") not in set(zip(kept.table["case_id"], kept.table["source"], strict=True))
    (work / "references").rename(work / "gone")
    assert measured_protocols(work / "out") == (NAME,)
    assert every_protocol(open_comparison(work / "out")) == []
    assert open_results(work / "out").protocols == {}


def test_a_renamed_source_keeps_its_rows(work):
    options = DataOptions(labels="brats2023")
    evaluate({"mine": work / "mine"}, work / "out", references=work / "references", options=options, protocol=NAME)
    rename_source(Results(work / "out"), "mine", "ours")
    kept = rows_by_protocol(open_comparison(work / "out"), NAME)
    assert (set(kept.table["source"]), len(kept.table), kept.lacking) == ({"ours"}, 6, 0)


def test_python_names_what_a_protocol_cannot_measure(work):
    save_block(work / "mine" / "b.nii.gz", 4, label=9)
    tables = evaluate({"mine": work / "mine"}, work / "out", references=work / "references", protocol=NAME)
    assert "9 where 1, 2, 3 are known" in tables.problems["b mine"]
    assert set(tables.protocols[NAME]["case_id"]) == {"a"}


def test_python_tells_doubts_and_what_is_left_out(work):
    """Label 3 alone in every file; and a folder of maps, which a protocol cannot measure."""
    for case in "ab":
        image = nib.load(work / "mine" / f"{case}.nii.gz")
        (work / "maps").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) / 4, np.eye(4)), work / "maps" / f"{case}.nii.gz")
    sources = {"mine": work / "mine", "maps": work / "maps"}
    tables = evaluate(sources, work / "out", references=work / "references", protocol="brats2025_ped")
    notes = " ".join(tables.notes)
    assert "Every file of mine holds the label 3 alone" in notes
    assert "holds the label 1 (ET) or 2 (NETC) or 4 (ED) of BraTS 2025 paediatric, only 3" in notes
    assert "By the protocol's rules without maps" in notes
