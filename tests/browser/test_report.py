"""The report in a real Chromium, opened from disk without a network: what is shown is what was exported."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from made_results import make_manifest, make_tables, write_results
from playwright.sync_api import expect

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.results import Results
from afl_core.report.build import Findings, build_report

HOSTILE = "</script><img src=x onerror=alert(1)>"
DRAWN = "() => document.body.dataset.drawn"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = write_results(tmp_path_factory.mktemp("report") / "made", pictures=True)
    return write(folder, folder.parent / "report.html", command="afl report made")


def write(folder: Path, path: Path, *, command: str) -> Path:
    comparison, options = open_comparison(folder), Options()
    breakdown = choose_breakdown((comparison.rows, comparison.lesions), comparison.manifest, options)
    found = Findings(breakdown, options, comparison, command)
    path.write_text(build_report(found), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def open_page(browser):
    """Open a file with the network cut; `said` collects console messages, errors and requests that are not the file."""
    contexts = []

    def go(path: Path, **options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: (page.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or page.said.append(asked.url))
        page.goto(path.as_uri())
        page.wait_for_function(DRAWN)
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def opened(written, open_page):
    """The report as it opens, for tests that change nothing of it."""
    return open_page(written)


def embedded(page) -> dict:
    return json.loads(page.locator("#breakdown").text_content())


def brightness(element, colour: str) -> int:
    """Sum of red, green and blue."""
    text = element.evaluate(f"e => getComputedStyle(e).{colour}")
    return sum(int(part) for part in re.findall(r"\d+", text)[:3])


def test_it_opens_offline_without_a_word(opened):
    assert opened.said == []
    assert opened.title() == "A-FL against FL: Dice"


def test_the_numbers_shown_are_those_embedded(opened):
    records = embedded(opened)["records"]
    for axis in ("size", "roughness"):
        rows = opened.locator(f'table[data-name="pair {axis} FL A-FL"] tbody tr').all()
        wanted = [r for r in records if r["minus"] == "FL" and r["axis"] in ("all", axis)]
        assert len(rows) == len(wanted) >= 4
        for row, record in zip(rows, wanted, strict=True):
            cells = [cell.inner_text().split("\n") for cell in row.locator("td").all()]
            assert cells[0][0] == record["bin"]
            assert cells[1] == [str(record["n"])]
            assert float(cells[3][0]) == pytest.approx(record["mean"], abs=6e-4)
            assert float(cells[4][0]) == pytest.approx(record["mean_difference"], abs=6e-4)
            if record["p_holm"] is None:
                assert cells[6] == ["–"]
            elif record["p_holm"] >= 0.001:
                assert float(cells[6][0]) == pytest.approx(record["p_holm"], abs=6e-4)


def test_every_chart_is_drawn_where_it_belongs(opened):
    charts = opened.locator(".chart").all()
    assert len(charts) == int(opened.evaluate(DRAWN)) == 10
    for chart in charts:
        assert chart.locator(".main-svg").count() >= 1, chart.get_attribute("id")
        box = chart.bounding_box()
        assert box["width"] > 600
        assert box["height"] >= 320
    assert opened.locator("#chart-means-size .point").count() >= 2 * 24
    expect(opened.locator("section > .main-svg")).to_have_count(0)


def test_nothing_lies_over_anything_else(opened):
    """Charts, tables and pictures follow one another; a chart drawn into the wrong element would cover its text."""
    for width in (1000, 1400):
        opened.set_viewport_size({"width": width, "height": 900})
        opened.wait_for_timeout(1000)  # the charts follow the window
        boxes = [part.bounding_box() for part in opened.locator("h2, h3, .wide, .chart, .pictures, p, ul, dl").all()]
        boxes = [box for box in boxes if box and box["height"]]
        assert opened.evaluate("() => document.documentElement.scrollWidth") == width
        inner = opened.locator(".tables")
        expect(inner).to_have_count(1)
        outside = [box for box in boxes if box["y"] < inner.bounding_box()["y"]]
        for above, below in pairwise(outside):
            assert above["y"] + above["height"] <= below["y"] + 1, (above, below)


def test_pictures_are_shown(opened):
    images = opened.locator("figure img").all()
    assert len(images) == 6
    assert all(image.evaluate("image => image.complete && image.naturalWidth > 300") for image in images)


def test_text_and_charts_follow_the_colour_scheme_and_paper_is_white_open_and_narrow(written, open_page):
    page = open_page(written, color_scheme="dark")
    for scheme in ("dark", "light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(1500)
        ink, paper = (brightness(page.locator("body"), what) for what in ("color", "backgroundColor"))
        tick = brightness(page.locator("#chart-trend .xtick text").first, "fill")
        assert (paper > ink) == (paper > tick) == (scheme == "light")
        assert abs(paper - tick) > 300
    expect(page.locator("details:not([open])")).to_have_count(1)
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert brightness(page.locator("body"), "color") == 0
    assert max(svg.bounding_box()["width"] for svg in page.locator(".chart .main-svg").all()) <= 680
    expect(page.locator("details:not([open])")).to_have_count(0)
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert page.said == []


def test_a_hostile_name_runs_nothing(tmp_path, open_page):
    """Even one that no results folder may hold: a source's name is checked where it is read."""
    sources = {HOSTILE: 0.0, "A-FL": 0.05}
    manifest, tables = make_manifest(tmp_path / "data", sources), make_tables(sources=sources)
    comparison = Comparison(Results(tmp_path / "made"), manifest, *tables, None, None, "It is gone.")
    found = Findings(choose_breakdown(tables, manifest, Options()), Options(), comparison, HOSTILE)
    (tmp_path / "report.html").write_text(build_report(found), encoding="utf-8")
    page = open_page(tmp_path / "report.html")
    page.wait_for_timeout(300)
    assert page.said == []
    expect(page.locator("img")).to_have_count(0)
    assert HOSTILE in page.locator("h1").inner_text()
    assert list(embedded(page)["sources"]) == [HOSTILE, "A-FL"]
