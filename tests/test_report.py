"""The report: the numbers of the export, pictures or a sentence instead, nothing loaded, and names as mere text."""

import base64
import dataclasses
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from made_results import SOURCES, make_manifest, make_tables, write_results
from PIL import Image

from afl_core.analysis.breakdown.export import breakdown_json
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.published import DISCREPANCIES, PUBLISHED_LOSSES, PUBLISHED_NETWORKS
from afl_core.analysis.breakdown.ranking import bins_to_rank, rank_bin, ranking_sentence
from afl_core.analysis.breakdown.sentences import pair_sentence
from afl_core.base import numbers, paths
from afl_core.base.storage import json_text
from afl_core.data.covariates import Covariates
from afl_core.data.layouts import load_cohort
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.results import Results
from afl_core.report.build import Findings, build_report
from afl_core.report.cases import largest_changes

HOSTILE = "</script><img src=x onerror=alert(1)>"
VOID = {"meta", "img", "br", "line", "path"}


class Page(HTMLParser):
    """Elements, tables by name and JSON scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.words: list[str] = []
        self.rows: list[list[str]] | None = None
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag == "table":
            self.rows = self.tables.setdefault(dict(attrs).get("data-name") or f"table {len(self.tables)}", [])
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def embedded(self) -> dict:
        (text,) = [text for attrs, text in self.scripts if attrs.get("id") == "breakdown"]
        return json.loads(text)


def findings(options=None, *, folder=Path("/results/made"), cohort=None, sources=SOURCES, **changed):
    manifest = changed.pop("manifest", make_manifest(Path("/data/brats"), sources))
    tables = changed.pop("tables", None) or make_tables(sources=sources)
    options = options or Options()
    breakdown = choose_breakdown(tables, manifest, options)
    problem = "" if cohort else "There is no such folder."
    comparison = Comparison(Results(folder), manifest, *tables, cohort, cohort, problem)
    made = Findings(breakdown, options, comparison, "afl report made --out report.html")
    return dataclasses.replace(made, **changed)


@pytest.fixture(scope="module")
def with_pictures(tmp_path_factory):
    """A results folder with images and masks, its findings and its page."""
    folder = write_results(tmp_path_factory.mktemp("report") / "made", pictures=True)
    results = Results(folder)
    manifest = results.manifest()
    cohort = load_cohort(manifest.data.folder)
    tables = (results.cases(), results.lesions())
    found = findings(folder=folder, cohort=cohort, manifest=manifest, tables=tables)
    return found, Page(build_report(found))


def test_the_embedded_json_is_the_export(with_pictures):
    found, page = with_pictures
    document = breakdown_json(found.breakdown, found.options, found.comparison.manifest, results="made")
    assert page.embedded() == json.loads(json_text(document))


def test_nothing_is_loaded_from_anywhere(with_pictures):
    _, page = with_pictures
    links = [attrs[name] for _, attrs in page.elements for name in ("src", "href", "data", "action") if attrs.get(name)]
    assert links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
    names = {tag for tag, _ in page.elements}
    assert not names & {"link", "iframe", "object", "embed", "base", "form"}


def test_the_policy_allows_its_own_scripts_and_no_other(with_pictures):
    _, page = with_pictures
    (policy,) = [attrs["content"] for tag, attrs in page.elements if tag == "meta" and "http-equiv" in attrs]
    assert "default-src 'none'" in policy
    scripts = [text for attrs, text in page.scripts if attrs.get("type") != "application/json"]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]
    assert sum("plotly.js v" in text[:200] for text in scripts) == 1


def test_the_tables_show_the_numbers_of_the_records(with_pictures):
    found, page = with_pictures
    for axis in ("size", "roughness"):
        head, *rows = page.tables[f"pair {axis} FL A-FL"]
        records = found.breakdown.pair("FL", "A-FL")
        records = records[records["axis"].isin(["all", axis])].to_dict("records")
        assert len(rows) == len(records) >= 4
        for row, record in zip(rows, records, strict=True):
            cells = dict(zip(head, row, strict=True))
            assert cells["Bin"].split("\n")[0] == record["bin"]
            assert cells["n"] == str(record["n"])
            assert cells["A-FL"].split("\n")[0] == f"{record['mean']:.3f}"
            assert cells["Difference"].split("\n")[0] == numbers.number(record["mean_difference"], sign=True)
            if record["n"] >= 6:
                interval = numbers.interval(record["ci_low"], record["ci_high"], sign=True)
                assert cells["Difference"].split("\n")[1].startswith(interval)
                counts = [int(count) for count in cells["Higher / lower / equal"].split(" / ")]
                assert counts == [record["n_higher"], record["n_lower"], record["n_equal"]]
            else:
                assert cells["p"] == cells["p (Holm)"] == cells["Effect"] == "–"


def test_the_first_sources_mean_stands_in_its_column(with_pictures):
    found, page = with_pictures
    head, *rows = page.tables["pair size FL A-FL"]
    records = found.breakdown.records
    own = records[(records["source"] == "FL") & records["axis"].isin(["all", "size"])]
    assert [row[head.index("FL")].split("\n")[0] for row in rows] == [f"{mean:.3f}" for mean in own["mean"]]


def test_the_headline_has_the_numbers_of_each_metric(with_pictures):
    found, page = with_pictures
    head, *rows = page.tables["headline"]
    assert [row[0] for row in rows] == ["Dice ↑", "HD95 (mm) ↓"]
    everything = found.breakdown.pair("FL", "A-FL").iloc[0]
    dice = dict(zip(head, rows[0], strict=True))
    assert dice["A-FL minus FL"] == numbers.number(everything["mean_difference"], sign=True)
    assert dice["95 % interval"] == numbers.interval(everything["ci_low"], everything["ci_high"], sign=True)


def test_the_conclusion_and_the_fine_print_are_there(with_pictures):
    found, page = with_pictures
    said = pair_sentence(found.breakdown.pair("FL", "A-FL").iloc[0].to_dict(), found.units)
    for text in (
        said,
        "Research use only, not a medical device.",
        "Ours; the paper publishes none.",
        "tertiles of the reference set (23 values)",
        "FL: 1 with both masks empty",
        "f00d" * 16,
        "afl report made --out report.html",
        "Published by the paper (not ours)",
        "seed 20240712",
        *DISCREPANCIES,
    ):
        assert text in page.text, text


def test_the_papers_tables_are_complete_and_apart(with_pictures):
    _, page = with_pictures
    for k in (0, 1):
        _, *rows = page.tables[f"losses {k}"]
        shown = {row[0]: tuple(float(value) for value in row[1:]) for row in rows}
        assert shown == {loss: both[k] for loss, both in PUBLISHED_LOSSES.items()}
    networks = [rows for rows in page.tables.values() if rows[0][0] == "Network"]
    assert len(networks) == 4
    for k, (_, *rows) in enumerate(networks):
        shown = {row[0]: tuple(float(value) for value in row[1:]) for row in rows}
        assert shown == {network: four[k] for network, four in PUBLISHED_NETWORKS.items()}


def test_every_chart_is_embedded_once(with_pictures):
    _, page = with_pictures
    names = [attrs["data-chart"] for attrs, _ in page.scripts if "data-chart" in attrs]
    ids = [attrs["id"] for _, attrs in page.elements if attrs.get("id")]
    expected = {"means-size", "means-roughness", "slopes-size", "slopes-roughness", "grid-roughness", "trend"}
    expected |= {"sweep-size", "sweep-roughness", "cumulative", "recall"}
    assert {f"chart-{name}" for name in expected} == set(names)
    assert len(ids) == len(set(ids))
    assert set(names) <= set(ids)
    for attrs, text in page.scripts:
        if "data-chart" in attrs:
            assert not any(trace["type"].endswith("gl") for trace in json.loads(text)["data"])


def test_the_largest_gains_and_losses_are_pictures(with_pictures):
    found, page = with_pictures
    gains, losses = largest_changes(found)
    differences = (found.units.values["A-FL"] - found.units.values["FL"]).sort_values()
    assert [c.second - c.first for c in gains] == differences.iloc[::-1][:3].tolist()
    assert [c.second - c.first for c in losses] == differences.iloc[:3].tolist()
    images = [attrs for tag, attrs in page.elements if tag == "img"]
    assert [image["alt"] for image in images] == [f"Slice of {change.case_id}" for change in gains + losses]
    for image in images:
        Image.open(BytesIO(base64.b64decode(image["src"].partition(",")[2]))).verify()
    assert "flair" in page.text


def test_a_gain_of_a_metric_that_is_best_low_is_a_fall():
    gains, losses = largest_changes(findings(Options(metric="hd95_mm")))
    assert all(change.second < change.first for change in gains)
    assert all(change.second > change.first for change in losses)
    assert len(gains) == len(losses) == 3


def test_a_missing_data_set_mask_or_image_is_a_sentence(tmp_path):
    page = Page(build_report(findings()))
    assert page.text.count("No picture: the data set cannot be opened: There is no such folder") == 6
    folder = write_results(tmp_path / "made", pictures=True)
    manifest = Results(folder).manifest()
    found = findings(folder=folder, cohort=load_cohort(manifest.data.folder), manifest=manifest)
    first, second = largest_changes(found)[0][:2]
    (folder / "masks" / "A-FL" / f"{first.case_id}.nii.gz").unlink()
    broken = manifest.data.folder / "images" / f"{second.case_id}_flair.nii.gz"
    broken.write_bytes(b"nothing")
    page = Page(build_report(found))
    assert sum(tag == "img" for tag, _ in page.elements) == 5
    assert f"The stored mask of A-FL on {first.case_id} is gone" in page.text
    assert f"Shown without its image. {broken.name} cannot be read" in page.text


def test_lesions_are_pictured_at_their_centre(with_pictures):
    found, _ = with_pictures
    options = Options(level="lesion")
    opened = found.comparison
    breakdown = choose_breakdown((opened.rows, opened.lesions), opened.manifest, options)
    lesions = dataclasses.replace(found, options=options, breakdown=breakdown)
    page = Page(build_report(lesions))
    assert sum(tag == "img" for tag, _ in page.elements) == 6
    assert "slice 6 of 12" in page.text
    assert "lesion 1" in page.text


def test_names_are_text_wherever_they_stand():
    sources = {HOSTILE: 0.0, "A-FL": 0.05}
    tables = tuple(
        table.assign(case_id=HOSTILE + table["case_id"], group=HOSTILE) for table in make_tables(sources=sources)
    )
    manifest = make_manifest(Path(f"/data/{HOSTILE}"), sources)
    manifest = manifest.model_copy(update={"problems": {HOSTILE: {HOSTILE: HOSTILE}}})
    found = findings(
        folder=Path(f"/results/{HOSTILE}"), sources=sources, tables=tables, manifest=manifest, command=HOSTILE
    )
    text = build_report(found)
    page = Page(text)
    assert not [attrs for tag, attrs in page.elements if tag == "img"]
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert HOSTILE not in text
    assert html.escape(HOSTILE) in text
    assert list(page.embedded()["sources"]) == list(sources)
    assert len([1 for attrs, _ in page.scripts if attrs.get("type") != "application/json"]) == 2


def test_the_name_of_a_covariate_is_text_in_links_and_ids_too():
    name = '"><img src=x onerror=alert(1)>'
    column = {f"case_{k:02d}": ("N", "S")[k % 2] for k in range(24)}
    manifest = make_manifest(Path("/data/brats")).with_covariates(Covariates("t.csv", {name: column}))
    page = Page(build_report(findings(Options(by=("size", name)), manifest=manifest)))
    assert not [attrs for tag, attrs in page.elements if tag == "img"]
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert f"#by-{name}" in links
    assert links == [f"#{attrs['id']}" for tag, attrs in page.elements if tag == "section"]


def test_one_source_has_means_and_no_differences():
    page = Page(build_report(findings(Options(sources=("FL",), by=("roughness",)))))
    assert "FL's mean Dice, all cases:" in page.text
    assert [len(row) for row in page.tables["means roughness"]] == [3] * 6
    assert not any(name.startswith("pair") for name in page.tables)
    assert "p (Holm)" not in page.text


def test_many_sources_have_all_their_pairs():
    sources = {"FL": 0.0, "A-FL": 0.05, "Dice": 0.02}
    page = Page(build_report(findings(sources=sources)))
    assert {name for name in page.tables if name.startswith("pair size")} == {
        "pair size FL A-FL",
        "pair size FL Dice",
        "pair size A-FL Dice",
    }
    assert page.tables["means size"][0] == ["Bin", "n", *sources]
    assert "The first of 3 pairs. Dice, all cases: " in page.text
    assert "The difference is that of the first of 3 pairs of sources." in page.text


def test_three_sources_are_ranked_and_two_are_not(with_pictures):
    found = findings(sources={"FL": 0.0, "A-FL": 0.05, "Dice": -0.3})
    page = Page(build_report(found))
    bins = bins_to_rank(found.breakdown)
    assert all(ranking_sentence(rank_bin(found.breakdown, record)) in page.text for record in bins.values())
    _, *rows = page.tables["ranking"]
    assert [row[0] for row in rows] == rank_bin(found.breakdown, bins["All cases"]).table["source"].tolist()
    assert page.tables["rankings of metrics"][1][3] == "+1.00"
    assert "ranking" not in with_pictures[1].tables


def test_results_without_lesions_say_so():
    cases, lesions = make_tables()
    page = Page(build_report(findings(tables=(cases, lesions[:0]))))
    assert "Not shown. These results hold no lesion of a reference." in page.text


def test_the_demo_is_called_synthetic(monkeypatch, tmp_path):
    assert "Synthetic" not in Page(build_report(findings())).text
    monkeypatch.setattr(paths, "DEMO", Path("/data/brats"))
    assert "Synthetic demo cohort" in Page(build_report(findings())).text


def test_covariates_have_their_sections_and_are_marked_as_exploratory():
    cases = [f"case_{k:02d}" for k in range(24)]
    site = {case: (HOSTILE, "South")[k % 2] for k, case in enumerate(cases)}
    columns = {"site": site, "age": {case: 40.0 + k for k, case in enumerate(cases)}}
    manifest = make_manifest(Path("/data/brats")).with_covariates(Covariates("t.csv", columns))
    text = build_report(findings(Options(by=("size", "roughness", "site", "age")), manifest=manifest))
    page = Page(text)
    assert "By site (exploratory)" in page.text
    assert page.text.count("Exploratory: chosen after the data were seen.") == 2
    assert not [attrs for tag, attrs in page.elements if tag == "img"]
    assert HOSTILE not in text
    assert [row[0] for row in page.tables["pair site FL A-FL"]] == ["Bin", "all", HOSTILE, "South"]
    assert [row[0] for row in page.tables["gain model"]][1:3] == ["tumour volume", "roughness"]
    assert [row[0] for row in page.tables["covariates"]] == ["rank correlation of", "site South", "age"]
    assert "Age at 47.67 and 55.33, tertiles of the reference set (24 values), exploratory" in page.text
    assert [row[0] for row in page.tables["planning"]][-3:] == [
        f"Age (exploratory): {n}" for n in ("low", "medium", "high")
    ]
