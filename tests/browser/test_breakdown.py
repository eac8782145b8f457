"""The Breakdown page on the real demo, in a real Chromium: metric, edge, dot, case, download."""

import json
import re
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from dots import DOTS, click_dot
from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from watched import AT_REST

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.sentences import pair_sentence
from afl_core.base.paths import RESULTS
from afl_core.evaluation.results import Results

ROOT = Path(__file__).parents[2]
READY = ".afl-viewer[data-ready=true]"


CUT = """[...document.querySelectorAll(".stSelectbox input, .stSelectbox [role=combobox], .stNumberInput label p")]
  .filter(one => one.scrollWidth > one.clientWidth || one.matches("p") && one.clientHeight > 30)
  .map(one => one.value || one.innerText)"""
"""Choices whose text has no room, and labels of two lines."""


def demo_breakdown(**options):
    results = Results(RESULTS / "demo")
    return choose_breakdown((results.cases(), results.lesions()), results.manifest(), Options(**options))


def sentence(breakdown, at: int) -> str:
    record = breakdown.pair("FL", "A-FL").iloc[at].to_dict()
    return pair_sentence(record, breakdown.units)


def open_breakdown(page, serve, address: str = "") -> None:
    page.goto(f"{serve(ROOT / 'app.py')}/breakdown?results=demo{address}")
    page.get_by_text("Paired statistics", exact=True).wait_for(timeout=60_000)
    page.wait_for_selector(DOTS, state="attached")


@pytest.fixture(scope="class")
def small_page(class_page, serve):
    """The page as it opens in a small window."""
    class_page.set_viewport_size({"width": 800, "height": 1000})
    open_breakdown(class_page, serve)
    return class_page


@pytest.fixture(scope="class")
def dark_export(class_page, serve):
    """The downloads, on a dark page."""
    class_page.emulate_media(color_scheme="dark")
    open_breakdown(class_page, serve, "&view=Export")
    yield class_page
    class_page.emulate_media(color_scheme=None)


class TestSmallPage:
    @pytest.fixture
    def page(self, small_page):
        return small_page

    def test_choices_and_charts_have_room_in_a_small_window(self, page):
        for width in (700, 800, 1000):
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_timeout(1000)
            for choice in page.locator(".stSelectbox").all():
                assert choice.bounding_box()["width"] > 110
            for chart in page.locator(".stPlotlyChart").all()[:3]:
                assert chart.bounding_box()["width"] > 400
            assert page.evaluate(CUT) == []

    def test_another_metric_and_another_edge_change_every_sentence(self, page):
        page.set_viewport_size({"width": 1400, "height": 1000})
        page.get_by_text(sentence(demo_breakdown(), 1)).first.wait_for()
        page.get_by_role("combobox", name="Metric").click()
        page.get_by_role("option", name=re.compile("HD95")).click()
        page.get_by_text(sentence(demo_breakdown(metric="hd95_mm"), 1)).first.wait_for(timeout=20_000)
        page.get_by_role("spinbutton", name="Small up to (ml)").fill("5")
        page.keyboard.press("Enter")
        high = demo_breakdown().binnings[0].edges[1]
        moved = demo_breakdown(metric="hd95_mm", edges={"size": (5.0, high)})
        page.get_by_text(sentence(moved, 1)).first.wait_for(timeout=20_000)
        page.wait_for_function("location.search.includes('size_low=5') && location.search.includes('HD95')")
        page.reload()
        page.get_by_text(sentence(moved, 1)).first.wait_for(timeout=60_000)


@pytest.mark.parametrize("level", ["Cases", "Lesions"])
def test_a_click_on_a_dot_lands_on_its_case_and_lesion(page, serve, level):
    open_breakdown(page, serve, f"&level={level}&size_low=3&view=Pairs")
    page.wait_for_selector(AT_REST, timeout=60_000)
    left = page.evaluate("location.search")
    click_dot(page, 3, chart=1)
    page.wait_for_selector(READY, timeout=60_000)
    address = page.evaluate("location.search")
    expect(page.get_by_role("heading", name=re.search(r"case=(\w+)", address)[1])).to_be_visible()
    assert ("lesion=" in address) == (level == "Lesions")
    if level == "Lesions":
        table = page.locator(".stDataFrame", has=page.locator("[role=row][aria-selected=true]")).first
        table.wait_for(state="attached", timeout=20_000)
        table.scroll_into_view_if_needed()
        ticked = table.locator("[role=row][aria-selected=true]").first
        ticked.wait_for(state="attached", timeout=20_000)
        assert re.search(r"lesion=(\d+)", address)[1] == ticked.locator("[role=gridcell]").first.inner_text()
    page.go_back()  # once, and the page is as it was left
    page.wait_for_function(f"location.pathname + location.search == {json.dumps('/breakdown' + left)}", timeout=90_000)
    page.get_by_text(re.compile("[Ss]mall (tumours|lesions)")).first.wait_for(timeout=30_000)
    assert float(page.get_by_role("spinbutton", name="Small up to (ml)").input_value()) == 3


def test_many_dots_are_drawn_under_the_policy_of_the_page(page, serve):
    """Of eleven sources, in lesions: Plotly's WebGL would draw none of them there."""
    address = "/breakdown?results=demo-study&view=Lesions&lesions_view=Lesion recall"
    page.goto(f"{serve(ROOT / 'app.py')}{address}")
    page.get_by_text("2,000 of 2,211 dots drawn").wait_for(state="attached", timeout=60_000)
    assert page.locator(DOTS).count() > 2000
    assert page.get_by_text("WebGL").count() == 0


def test_a_click_in_explore_opens_a_case_and_back_brings_the_choice(page, serve):
    open_breakdown(page, serve, "&view=Explore&explore_right=Roughness&explore_top=Dice, FL")
    left = page.evaluate("location.search")
    click_dot(page, 3, chart=3)
    page.wait_for_selector(READY, timeout=60_000)
    address = page.evaluate("location.search")
    expect(page.get_by_role("heading", name=re.search(r"case=(\w+)", address)[1])).to_be_visible()
    page.go_back()
    page.wait_for_function("location.search.includes('explore_right=Roughness')", timeout=30_000)
    assert page.evaluate("decodeURIComponent(location.search).replaceAll('+', ' ')") == unquote_plus(left)
    page.get_by_text("Rank correlation of roughness with Dice, FL: ").wait_for(timeout=30_000)


def test_back_from_a_link_of_an_earlier_version_breaks_nothing(page, serve):
    """Its address is rewritten when it is opened, so the first way back leads to the link itself."""
    page.goto(f"{serve(ROOT / 'app.py')}/?results=demo")
    page.wait_for_selector(AT_REST)
    page.goto(f"{serve(ROOT / 'app.py')}/breakdown?results=demo&view=Explore")
    page.get_by_text("Rank correlation of").first.wait_for(timeout=60_000)
    page.wait_for_function("location.search.includes('cases_view=Explore')")
    page.wait_for_selector(AT_REST)
    page.go_back()
    page.wait_for_function("!location.search.includes('cases_view')")
    page.get_by_text("Against size", exact=True).wait_for(timeout=60_000)
    page.wait_for_selector(AT_REST)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
    page.go_back()
    page.wait_for_function("location.pathname === '/'")


def test_a_choice_in_a_view_runs_the_views_alone(page, serve):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))  # noqa: PLW0108 - Playwright marks its handlers
    page.goto(f"{serve(ROOT / 'app.py')}/breakdown?results=demo&view=Cases")
    chosen = page.get_by_test_id("stButtonGroup").get_by_text("Distribution", exact=True)
    chosen.wait_for()
    page.wait_for_timeout(1000)
    sent.clear()
    chosen.click()
    page.get_by_text("that score up to a value").wait_for()
    asked = [message for frame in sent if (message := BackMsg.FromString(frame)).HasField("rerun_script")]
    assert [bool(message.rerun_script.fragment_id) for message in asked] == [True]


class TestDarkExport:
    @pytest.fixture
    def page(self, dark_export):
        return dark_export

    def test_the_downloads_hold_the_numbers_of_the_page(self, page):
        with page.expect_download() as download:
            page.get_by_role("button", name="breakdown.json").click()
        document = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
        breakdown = demo_breakdown()
        assert [r["mean"] for r in document["records"]] == breakdown.records["mean"].tolist()
        body = page.locator("body").inner_text()
        assert all(said["text"] in body for said in document["sentences"])

    def test_figures_for_papers_are_a_click_away_and_white_on_a_dark_page(self, page):
        with page.expect_download() as download:
            page.get_by_role("button", name="Save figure as SVG").click()
        assert re.fullmatch(r"demo_dsc_by_size_and_smoothness_double\.svg", download.value.suggested_filename)
        drawn = Path(download.value.path()).read_text(encoding="utf-8")
        assert 'width="481.889764pt"' in drawn  # 170 mm
        assert "fill: #ffffff" in drawn
        page.get_by_role("button", name="Other formats").click()
        page.get_by_text("One column, 85 mm").click()
        page.wait_for_timeout(2500)  # the page is drawn anew
        with page.expect_download() as download:
            page.get_by_role("button", name="PDF", exact=True).click()
        assert download.value.suggested_filename.endswith("_single.pdf")
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
        page.keyboard.press("Escape")
        camera = page.get_by_role("radio", name="SVG")
        camera.scroll_into_view_if_needed()
        camera.click()
        page.get_by_text("Draw the charts on white").click()
        chart = page.locator(".stPlotlyChart").nth(1)
        page.wait_for_function(
            "getComputedStyle(document.querySelector('.stPlotlyChart .main-svg')).backgroundColor"
            " == 'rgb(255, 255, 255)'"
        )
        chart.hover()
        with page.expect_download() as download:
            chart.locator("[data-title*='ownload']").first.click()
        assert download.value.suggested_filename.endswith(".svg")
        saved = Path(download.value.path()).read_text(encoding="utf-8")
        assert "small" in saved
        assert "fill: rgb(42, 63, 95)" in saved  # plotly_white's dark letters
