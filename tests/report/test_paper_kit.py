"""The paper kit: its numbers are those of breakdown.json, its text says what the results record, names are harmless."""

import csv
import json
import math
import re
from dataclasses import replace

import pytest

import afl_core
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.base.numbers import interval, number, p_number
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.report.findings import Findings
from afl_core.report.paper_kit import FORMATS, paper_kit, zipped
from afl_core.report.paper_references import REFERENCES
from tests.made_results import make_manifest, make_tables, write_results
from tests.test_imports import ROOT

HOSTILE = {"A-FL_2 & co": 0.0, "50 % $x$ {y} ~^\\input{z}|#": 0.05}


def kit(tmp_path, *, sources=None, formats=tuple(FORMATS), **options):
    opened = open_comparison(write_results(tmp_path / "small"))
    if sources:
        rows, lesions = make_tables(sources=sources)
        manifest = make_manifest(tmp_path, sources)
        opened = replace(opened, rows=rows, given_lesions=lesions, manifest=manifest)
    chosen = Options(**options)
    breakdown = choose_breakdown((opened.rows, opened.lesions), opened.manifest, chosen)
    made = paper_kit(Findings(breakdown, chosen, opened, "afl export"), formats)
    return {name: content.decode("utf-8-sig") for name, content in made.items()}


def latex_rows(text):
    """Cells of the rows between the rules; a first cell that is left empty repeats the one before it."""
    body = text.split("\\midrule")[-1].split("\\bottomrule")[0].replace("\\addlinespace\n", "")
    rows, first = [], ""
    for line in body.strip().split("\\\\\n"):
        cells = [
            cell.strip()
            .removesuffix("\\\\")
            .replace("$-$", "-")
            .replace("\\textless{}", "<")
            .replace("--", "–")
            .strip()
            for cell in re.split(r"(?<!\\)&", line)
        ]
        first = cells[0] = cells[0] or first
        rows.append(tuple(cells))
    return rows


def markdown_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    return [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines]


def csv_rows(text):
    return [tuple(row) for row in csv.reader(text.splitlines())][1:]


def printed(record, digits):
    """The last cells of a row of differences, from the record of breakdown.json."""
    value = {key: math.nan if record[key] is None else record[key] for key in record}
    return (
        number(value["mean_difference"], digits, sign=True),
        interval(value["ci_low"], value["ci_high"], digits, sign=True),
        p_number(value["p_holm"]),
        number(value["effect"], 2, sign=True),
    )


@pytest.mark.parametrize("options", [{}, {"level": "lesion"}, {"metric": "hd95_mm"}], ids=str)
def test_the_numbers_parse_back_equal_to_the_json(tmp_path, options):
    files = kit(tmp_path, **options)
    document = json.loads(files["breakdown.json"])
    records, digits = document["records"], document["metric"]["digits"]
    expected = [printed(record, digits) for record in records if record["minus"]]
    means = [
        (
            number(r["mean"], digits),
            interval(*(math.nan if r[k] is None else r[k] for k in ("mean_low", "mean_high")), digits),
        )
        for r in records
    ]
    for rows in (latex_rows, markdown_rows, csv_rows):
        kind = {latex_rows: ".tex", markdown_rows: ".md", csv_rows: "_printed.csv"}[rows]
        assert [row[-4:] for row in rows(files[f"table_differences{kind}"])] == expected
        found = [row[-2:] for row in rows(files[f"table_bins{kind}"])]
        assert len(found) == len(records), "two sources: a record each"
        assert found == means
    counts = [str(record["n"]) for record in records if record["minus"]]
    assert [row[3] for row in latex_rows(files["table_differences.tex"])] == counts


@pytest.mark.parametrize("level", ["case", "lesion"])
def test_the_csv_beside_a_table_holds_every_digit_of_the_json(tmp_path, level):
    files = kit(tmp_path, level=level)
    records = json.loads(files["breakdown.json"])["records"]
    for name, of in (("table_differences", [r for r in records if r["minus"]]), ("table_bins", records)):
        rows = list(csv.DictReader(files[f"{name}.csv"].splitlines()))
        assert len(rows) == len(of) > 5
        for row, record in zip(rows, of, strict=True):
            texts = ("axis", "bin", "source", "minus", "p_method")
            got = {key: value if key in texts else float(value) if value else None for key, value in row.items()}
            assert got == {key: record[key] for key in row}


def test_the_table_of_sources_has_the_headline_metrics_and_agrees_with_the_breakdown(tmp_path):
    files = kit(tmp_path)
    rows = list(csv.DictReader(files["table_sources.csv"].splitlines()))
    assert [(row["metric"], row["source"]) for row in rows] == [
        ("dsc", "FL"), ("dsc", "A-FL"), ("hd95_mm", "FL"), ("hd95_mm", "A-FL")
    ]  # fmt: skip
    records = json.loads(files["breakdown.json"])["records"]
    assert [float(row["mean"]) for row in rows[:2]] == [r["mean"] for r in records if r["axis"] == "all"]
    hd95 = json.loads(kit(tmp_path / "hd95", metric="hd95_mm")["breakdown.json"])["records"]
    for row, record in zip(rows[2:], hd95, strict=False):
        assert [float(row[key]) for key in ("n", "mean", "mean_low", "mean_high")] == [
            record[key] for key in ("n", "mean", "mean_low", "mean_high")
        ]
    first = latex_rows(files["table_sources.tex"])[0]
    assert first[:3] == ("Dice (higher is better)", "FL", "24")
    assert first[3] == number(float(rows[0]["mean"]))


def test_the_methods_say_what_the_results_record(tmp_path):
    files = kit(tmp_path)
    document, text = json.loads(files["breakdown.json"]), files["methods.md"]
    assert f"counts all {document['tests']} tests" in text
    assert f"({document['resamples']:,} resamples, seed {document['seed']})" in text
    assert "2 TP / (2 TP + FP + FN), over voxels [@taha2015metrics; @cardoso2022monai]." in text
    assert "Dice (both masks empty: 1; reference empty: 0; prediction empty: 0)" in text
    assert "FL failed on 1 case: none of its means has it." in text
    assert "afl-workbench 0.1.0, python 3.11;" in text, "what the masks were measured with"
    assert "\\cite{wilcoxon1945}" in files["methods.tex"]


def test_a_synthetic_cohort_is_called_so_in_every_table(tmp_path, monkeypatch):
    monkeypatch.setattr(Comparison, "is_demo", property(lambda _: True))
    files = kit(tmp_path)
    assert "The cohort is synthetic" in files["methods.md"]
    for name in ("sources", "bins", "differences"):
        for kind in ("tex", "md"):
            assert "Synthetic cohort" in files[f"table_{name}.{kind}"]


def test_the_bibliography_holds_what_is_cited_and_nothing_else(tmp_path):
    for options in ({}, {"sources": {"FL": 0.0}}, {"level": "lesion", "metric": "detected"}):
        files = kit(tmp_path / str(len(options)) / str(options.get("level")), **options)
        cited = {key for keys in re.findall(r"\\cite\{([^}]*)\}", files["methods.tex"]) for key in keys.split(",")}
        assert cited == set(re.findall(r"@([a-z]+\d*\w*)", files["methods.md"]))
        assert cited == set(re.findall(r"^@\w+\{(\w+),", files["references.bib"], re.MULTILINE))
        assert ("wilcoxon1945" in cited) == ("sources" not in options)
        assert files["references.bib"].count("{") == files["references.bib"].count("}")


def test_the_citation_of_the_workbench_and_the_paper_is_that_of_citation_cff():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    own, paper = text.split("references:")
    names = re.findall(r"family-names: (.+)\n +given-names: (.+)", paper)
    title, url = (re.search(rf"{name}: (.+)", paper)[1] for name in ("title", "url"))
    fields = REFERENCES["islam2024adaptive"][1]
    assert len(names) == 6
    assert fields["author"] == " and ".join(", ".join(name) for name in names)
    assert (fields["title"], fields["url"]) == (title, url)
    title, author, licence = (re.search(rf"{name}: (.+)", own)[1] for name in ("title", "- name", "license"))
    fields = REFERENCES["aflworkbench"][1]
    assert (fields["title"], fields["author"]) == (f"{{{title}}}", f"{{{author}}}")
    assert fields["note"] == f"Software, version {afl_core.__version__}, {licence}"


def test_hostile_names_stay_text(tmp_path):
    files = kit(tmp_path, sources=HOSTILE)
    tex, md = files["table_bins.tex"], files["table_bins.md"]
    assert "A-FL\\_2 \\& co" in tex
    assert (
        "50 \\% \\$x\\$ \\{y\\} \\textasciitilde{}\\textasciicircum{}\\textbackslash{}input\\{z\\}\\textbar{}\\#" in tex
    )
    assert {row[4] for row in markdown_rows(md)} == {
        "A-FL\\_2 & co",
        "50 % \\$x\\$ \\{y\\} \\~\\^\\\\input\\{z\\}\\|\\#",
    }
    assert {row[4] for row in csv_rows(files["table_bins_printed.csv"])} == set(HOSTILE)


def test_one_source_and_many(tmp_path):
    alone = kit(tmp_path / "one", sources={"FL": 0.0})
    assert "table_differences.tex" not in alone
    assert "table_differences" not in alone["main.tex"]
    assert "Wilcoxon" not in alone["methods.md"]
    many = kit(tmp_path / "many", sources={f"S{k}": k / 100 for k in range(5)})
    assert "\\begin{longtable}" in many["table_differences.tex"]
    pairs = [row[4] for row in latex_rows(many["table_differences.tex"])[:10]]
    assert len(set(pairs)) == 10, "every pair of five"
    assert pairs[0] == "S1 minus S0"


def test_only_the_formats_asked_for(tmp_path):
    always = {"references.bib", "breakdown.json", "table_sources.csv", "table_bins.csv", "table_differences.csv"}
    made = set(kit(tmp_path, formats=("markdown",)))
    assert made - always == {"methods.md", "table_sources.md", "table_bins.md", "table_differences.md"}


def test_the_same_files_give_the_same_zip():
    files = {"a.txt": b"a", "b.csv": b"b"}
    assert zipped(files) == zipped(dict(files))
