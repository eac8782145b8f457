"""What is exported is what was computed: the same numbers in JSON, CSV and table, and nothing that is not JSON."""

import csv
import json
import math
from io import StringIO
from pathlib import Path

import pytest
from made_results import make_manifest, make_tables

from afl_core.analysis.breakdown.export import breakdown_json, export_files, records_csv, units_csv
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.records import COLUMNS
from afl_core.analysis.breakdown.sentences import pair_sentence
from afl_core.analysis.statistics.bootstrap import RESAMPLES, SEED
from afl_core.base.storage import json_text

OPTIONS = Options()
MANIFEST = make_manifest(Path("/home/someone/brats"))


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def chosen(options=OPTIONS, *, manifest=MANIFEST, tables=None):
    return choose_breakdown(tables or make_tables(), manifest, options)


def document(options=OPTIONS, **given):
    text = json_text(breakdown_json(chosen(options, **given), options, given.get("manifest", MANIFEST), results="made"))
    return json.loads(text, parse_constant=refuse)


def same(exported, computed):
    if isinstance(computed, str):
        return exported == computed
    return exported is None if not math.isfinite(computed) else exported == computed


def test_the_records_are_those_of_the_breakdown():
    found = chosen()
    records = document()["records"]
    assert len(records) == len(found.records) > 10
    for exported, computed in zip(records, found.records.to_dict("records"), strict=True):
        assert list(exported) == list(COLUMNS)
        assert all(same(exported[name], computed[name]) for name in COLUMNS), exported
    assert any(record["high"] is None and record["low"] for record in records)  # the last bin has no upper edge
    assert all(isinstance(record["n"], int) for record in records)
    assert {type(record["n_higher"]) for record in records} == {int, type(None)}


def test_csv_and_json_hold_the_same_numbers():
    rows = list(csv.DictReader(StringIO(records_csv(chosen()))))
    records = document()["records"]
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        for name, value in record.items():
            shown = row[name] if isinstance(value, str) else (float(row[name]) if row[name] else None)
            assert shown == value, name


def test_a_sentence_a_pair_and_bin():
    found, sentences = chosen(), document()["sentences"]
    pairs = found.records[found.records["minus"] != ""].to_dict("records")
    assert [s["text"] for s in sentences] == [pair_sentence(r, found.units) for r in pairs]
    assert {(s["axis"], s["bin"]) for s in sentences} >= {("all", "all"), ("size", "small"), ("roughness", "rough")}


def test_what_a_reader_needs_to_make_it_again():
    said = document(Options(edges={"size": (2.0, 9.0)}))
    size, roughness = said["bins"]
    assert (size["low"], size["high"], size["how"], size["unit"]) == (2.0, 9.0, "own edges", "ml")
    assert roughness["how"] == "tertiles of the reference set (22 values)"
    assert roughness["names"] == ["smooth", "medium", "rough", "no roughness"]
    assert said["options"]["edges"] == {"size": [2.0, 9.0]}
    assert said["options"]["sources"] == ["FL", "A-FL"]
    assert (said["seed"], said["resamples"], said["published"], said["results"]) == (SEED, RESAMPLES, False, "made")
    assert said["tests"] == sum(record["p"] is not None for record in said["records"])
    assert said["metric"]["empty_rule"].startswith("both masks empty: 1")
    assert said["empty_masks"] == {"FL": {"both": 1}, "A-FL": {"both": 1}}
    assert said["sources"]["FL"] == {"kind": "checkpoint", "fingerprint": "f00d" * 16, "summary": "Net"}
    assert said["sources"]["A-FL"] == {"kind": "masks", "summary": "24 masks from a folder"}
    assert said["versions"]["evaluation"]["python"] == "3.11"
    assert "scipy" in said["versions"]["breakdown"]


def test_no_folder_of_this_machine_is_told():
    assert "/home/someone" not in json.dumps(document())


def test_what_was_left_out_is_counted():
    cases, lesions = make_tables()
    gone = cases[(cases["source"] != "FL") | (cases["case_id"] != "case_03")]
    said = document(tables=(gone, lesions))
    assert said["left_out"] == {"no result of FL": 1}
    assert said["reference_units"] == 24
    assert said["records"][0]["n"] == 23


def test_units_have_their_bins_and_a_column_a_source():
    found = chosen()
    rows = list(csv.DictReader(StringIO(units_csv(found))))
    assert len(rows) == 24
    assert list(rows[0])[-2:] == ["dsc FL", "dsc A-FL"]
    low, high = found.binnings[0].edges
    for row, values in zip(rows, found.units.values.to_dict("records"), strict=True):
        assert (float(row["dsc FL"]), float(row["dsc A-FL"])) == (values["FL"], values["A-FL"])
        size = float(row["size"])
        names = ["no tumour", "small", "medium", "large"]
        assert row["size_bin"] == names[0 if size == 0 else 1 + (size > low) + (size > high)]
    assert (rows[0]["roughness"], rows[0]["roughness_bin"]) == ("", "no roughness")


def test_seeds_are_named_and_their_values_follow_their_mean():
    sources = {"FL": 0.0, "A-FL seed1": 0.1, "A-FL seed2": 0.2}
    manifest, tables = make_manifest(Path("/data"), sources), make_tables(sources=sources)
    said = document(manifest=manifest, tables=tables)
    assert said["sources"]["A-FL"]["kind"] == "mean over seeds"
    assert list(said["sources"]["A-FL"]["seeds"]) == ["A-FL seed1", "A-FL seed2"]
    rows = list(csv.DictReader(StringIO(units_csv(chosen(manifest=manifest, tables=tables)))))
    for row in rows:
        members = float(row["dsc A-FL seed1"]), float(row["dsc A-FL seed2"])
        assert float(row["dsc A-FL"]) == pytest.approx(sum(members) / 2)
    alone = document(Options(pool_seeds=False), manifest=manifest, tables=tables)
    assert list(alone["sources"]) == ["FL", "A-FL seed1", "A-FL seed2"]


def test_lesions_have_rows_of_their_own():
    rows = list(csv.DictReader(StringIO(units_csv(chosen(Options(level="lesion"))))))
    assert len(rows) == 46
    assert [row["lesion_id"] for row in rows[:2]] == ["1", "2"]


def test_names_that_csv_must_quote_survive():
    sources = {'F"L, old': 0.0, "A-FL\nnew": 0.1}
    found = chosen(manifest=make_manifest(Path("/d"), sources), tables=make_tables(sources=sources))
    rows = list(csv.DictReader(StringIO(records_csv(found))))
    assert {row["source"] for row in rows} == set(sources)


def test_the_same_rows_give_the_same_bytes():
    options = Options()
    first, second = (export_files(chosen(), options, MANIFEST, results="made") for _ in range(2))
    assert first == second
    assert list(first) == ["breakdown.json", "breakdown.csv", "units.csv"]
