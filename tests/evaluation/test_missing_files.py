"""A file that is gone from a results folder is named by everything that opens the folder; one never evaluated opens."""

import os

import pytest
from made_results import make_manifest, write_results

from afl_core.errors import DataError
from afl_core.evaluation import parts
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.manifest import MANIFEST, WITH_PARTS, load_manifest
from afl_core.evaluation.missing_files import check_files
from afl_core.evaluation.parts import PARTS
from afl_core.evaluation.pipeline import CaseResult
from afl_core.evaluation.results import Results

TODO = r"Copy it into the folder again\. Without a copy, delete the folder and measure again \(afl evaluate\)"


@pytest.mark.parametrize("gone", [("cases.parquet",), ("lesions.parquet",), ("cases.parquet", "lesions.parquet")])
def test_a_table_that_is_gone_is_named(tmp_path, gone):
    folder = write_results(tmp_path / "out")
    assert open_comparison(folder).sources == ("FL", "A-FL")
    for name in gone:
        (folder / name).unlink()
    with pytest.raises(DataError, match=rf"^{gone[0]} is missing in the results folder out .*{TODO}"):
        open_comparison(folder)


def test_a_folder_that_was_never_evaluated_opens(tmp_path):
    (tmp_path / "out").mkdir()
    manifest = make_manifest(tmp_path).model_copy(update={"empty_masks": {}})
    (tmp_path / "out" / MANIFEST).write_text(manifest.model_dump_json())
    assert open_comparison(tmp_path / "out").rows.empty


def test_plain_tables_that_were_made_of_parts_open(tmp_path):
    """As the results of the study are shipped: their manifest still has the form of parts."""
    folder = write_results(tmp_path / "out")
    manifest = load_manifest(folder).model_copy(update={"format": WITH_PARTS})
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    assert len(open_comparison(folder).rows)


@pytest.fixture
def in_parts(tmp_path, monkeypatch):
    """Two parts of two sources each."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr(parts, "PLAIN_BYTES", 0)
    results = Results(tmp_path / "out")
    for case_id in ("a", "b"):
        of = [{"case_id": case_id, "source": source, "region": "whole"} for source in ("A", "B")]
        rows = tuple({**row, "group": "", "empty": "", "note": "", "key": "k", "dsc": 0.5} for row in of)
        results.add([CaseResult(case_id, rows, tuple({**row, "lesion_id": 1} for row in of), problems={})])
    return results


@pytest.mark.parametrize("where", ["cases/source=A", "lesions/source=B"])
def test_a_part_that_is_gone_is_named_with_its_place(in_parts, where):
    folder = in_parts.folder
    check_files(folder, load_manifest(folder))
    file = sorted((folder / where).iterdir())[0]
    file.unlink()
    said = rf"{file.name}, which parts\.json names, is missing or cut .*there is none in .*{where}.*{TODO}"
    with pytest.raises(DataError, match=said):
        check_files(folder, load_manifest(folder))


def test_the_list_of_parts_that_is_gone_is_named(in_parts):
    (in_parts.folder / PARTS).unlink()
    with pytest.raises(DataError, match=r"^parts\.json is missing in the results folder out"):
        check_files(in_parts.folder, load_manifest(in_parts.folder))


def test_a_source_that_was_removed_or_renamed_leaves_no_part_short(in_parts):
    manifest = make_manifest(in_parts.folder).model_copy(update={"empty_masks": {}, "problems": {}})
    section = manifest.sources["A-FL"]
    in_parts._write_manifest(manifest, sources={"A": section, "B": section})
    in_parts.rename_source("A", "AA")
    check_files(in_parts.folder, in_parts.manifest())
    in_parts.keep_sources(["B"])
    check_files(in_parts.folder, in_parts.manifest())
    in_parts.keep_sources([])
    check_files(in_parts.folder, in_parts.manifest())
