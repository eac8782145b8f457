"""The real app on the real demo, in a real Chromium: the page as a reader meets it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from watched import AT_REST, still_box

from afl_core.base.paths import RESULTS
from afl_core.evaluation.results import Results

ROOT = Path(__file__).parents[2]
READY = ".afl-viewer[data-ready=true]"
SURFACES = ".afl-surfaces"
FOREST = ".stPlotlyChart .annotation-text"
PANES = ".afl-viewer canvas[data-pane]"


def pixels(element) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(int)


def open_case(page, serve, case_id: str) -> None:
    page.goto(f"{serve(ROOT / 'app.py')}/?case={case_id}")
    page.wait_for_selector(READY, timeout=60_000)
    page.wait_for_selector(f"{SURFACES}[data-ready=true]", timeout=60_000)


def worth_seeing() -> str:
    dsc = Results(RESULTS / "demo").cases().pivot(index="case_id", columns="source", values="dsc")
    return str(dsc.mean(axis=1).idxmax())


IMAGES = ".picture canvas, .afl-surfaces .scene, .afl-rail img"


def shown_share(page, selector: str) -> float:
    """Share of the window that elements cover without a scroll."""
    window = page.viewport_size
    covered = 0.0
    for box in (element.bounding_box() for element in page.locator(selector).all()):
        if box:
            wide = min(box["x"] + box["width"], window["width"]) - max(box["x"], 0)
            high = min(box["y"] + box["height"], window["height"]) - max(box["y"], 0)
            covered += max(wide, 0) * max(high, 0)
    return covered / (window["width"] * window["height"])


@pytest.fixture(scope="class")
def case_page(class_page, serve):
    """The page of one case, opened once in a small window."""
    class_page.set_viewport_size({"width": 1000, "height": 800})
    open_case(class_page, serve, worth_seeing())
    return class_page


class TestOneCase:
    """What the page of one case shows and does; each test leaves a window of 1400 x 1000."""

    @pytest.fixture
    def page(self, case_page):
        yield case_page
        case_page.set_viewport_size({"width": 1400, "height": 1000})

    def test_almost_half_of_a_small_window_is_images(self, page):
        assert shown_share(page, IMAGES) >= 0.45
        assert shown_share(page, ".afl-surfaces .scene") >= 0.2
        toolbar = page.locator(".afl-viewer .toolbar")
        expect(toolbar.get_by_label("Sequence", exact=True)).to_be_visible()
        page.set_viewport_size({"width": 1400, "height": 900})
        page.wait_for_timeout(1000)
        assert shown_share(page, IMAGES) >= 0.5

    def test_three_panes_scroll_together(self, page):
        panes = page.locator(PANES)
        assert [panes.nth(i).get_attribute("data-pane") for i in range(3)] == ["Reference", "FL", "A-FL"]
        before = [pixels(panes.nth(i)) for i in range(3)]
        assert all(len(np.unique(picture.reshape(-1, 3), axis=0)) > 50 for picture in before)
        first = int(page.locator(READY).get_attribute("data-slice"))
        panes.nth(1).click()
        before = [pixels(panes.nth(i)) for i in range(3)]
        page.mouse.wheel(0, 100)
        page.wait_for_function(f"document.querySelector('.afl-viewer')?.dataset.slice != '{first}'")
        page.wait_for_timeout(200)
        for i in range(3):
            assert np.abs(pixels(panes.nth(i)) - before[i]).max() > 20, f"pane {i} did not scroll"

    def test_another_sequence_keeps_slice_and_camera(self, page):
        page.locator(PANES).first.click()
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(300)
        there = page.locator(READY).get_attribute("data-slice")
        before = pixels(page.locator(PANES).first)
        stage = page.locator(f"{SURFACES} .stage")
        stage.scroll_into_view_if_needed()
        names = page.locator(".scene").evaluate_all("all => all.map(s => s.dataset.scene)")
        assert names == ["Reference", "FL", "A-FL"]
        for third in np.array_split(pixels(stage), 3, axis=1):
            assert len(np.unique(third.reshape(-1, 3), axis=0)) > 30
        page.locator(f"{SURFACES} [data-do=top]").click()
        page.wait_for_function("e => e.dataset.camera.startsWith('0.00 89.90')", arg=page.query_selector(SURFACES))
        page.get_by_label("Sequence", exact=True).select_option("t2")
        page.wait_for_function("location.search.includes('sequence=t2')")
        page.locator(".afl-viewer .readout", has_text="t2").wait_for(timeout=30_000)
        page.wait_for_selector(READY)
        assert page.locator(SURFACES).get_attribute("data-camera").startswith("0.00 89.90")
        assert np.abs(pixels(page.locator(PANES).first) - before).max() >= 20
        expect(page.locator(READY)).to_have_attribute("data-slice", there)

    def test_figure_is_made_by_one_click(self, page):
        page.wait_for_selector(AT_REST, timeout=60_000)  # a click on what is drawn anew is lost
        page.get_by_text("Figure: large, small, smooth and rough").click()
        page.wait_for_selector(AT_REST, timeout=60_000)
        page.get_by_text("PDF", exact=True).click()
        page.get_by_text("--out examples.pdf").wait_for(timeout=60_000)
        with page.expect_download(timeout=120_000) as download:
            page.get_by_role("button", name="Make and download the figure").click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
        assert download.value.suggested_filename == "examples.pdf"


class TestOverviewAndBack:
    """The overview, reached from the link of a case, and the ways from it to the cases."""

    @pytest.fixture
    def overview(self, class_page, serve):
        if class_page.url == "about:blank":
            class_page.goto(serve(ROOT / "app.py"))
        class_page.get_by_text("Synthetic cohort.").wait_for(timeout=60_000)
        class_page.locator(FOREST).first.wait_for(timeout=60_000)
        return class_page

    def test_a_link_opens_its_results_and_pages_keep_them(self, class_page, serve):
        page = class_page
        page.goto(f"{serve(ROOT / 'app.py')}/?results=demo&case={worth_seeing()}")
        page.wait_for_selector(READY, timeout=60_000)
        page.wait_for_function("location.search.includes('results=demo')")
        page.get_by_role("link", name="Overview").click()
        page.locator(FOREST).first.wait_for(timeout=30_000)
        page.get_by_role("link", name="Compare").click()
        page.wait_for_selector(READY, timeout=60_000)
        page.get_by_role("link", name="Overview").click()

    def test_a_picture_leads_to_its_case_and_back(self, overview):
        page = overview
        pictures = page.locator("img[src*='thumbnail/demo/']")
        images = "[...document.querySelectorAll(\"img[src*='thumbnail/demo/']\")]"
        page.wait_for_function(f"{images}.filter(i => i.naturalWidth > 50).length == 6", timeout=60_000)
        case_id = pictures.last.get_attribute("alt")
        page.get_by_role("link", name=case_id).click()
        page.wait_for_selector(READY, timeout=60_000)
        assert f"case={case_id}" in page.url
        page.go_back()
        page.locator(FOREST).first.wait_for(timeout=60_000)

    def test_a_click_on_a_headline_number_sorts_the_cases_behind_it(self, overview):
        page = overview
        table = page.locator(".stDataFrame").first
        table.wait_for(timeout=60_000)
        box = still_box(page, table)
        # The median of A-FL: the order by a difference is the usual one, which the address leaves out.
        page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + 36 * 1.5)
        page.wait_for_function("location.pathname == '/compare'", timeout=20_000)
        page.wait_for_function("location.search.includes('sort=A-FL')", timeout=20_000)
        expect(page.get_by_text("Dice, A-FL, worst first")).to_be_visible()


def test_the_rail_marks_the_case_of_the_link_of_a_click_and_of_back(page, serve):
    marked = page.locator(".afl-rail [aria-current=true]")
    open_case(page, serve, "Brats18_SYN_test_003")
    expect(marked).to_have_attribute("data-case", "Brats18_SYN_test_003")
    rows = page.locator(".afl-rail .rows button")
    rows.first.scroll_into_view_if_needed()
    first = rows.first.get_attribute("data-case")
    page.wait_for_function("e => e.complete && e.naturalWidth === 96", arg=rows.first.locator("img").element_handle())
    rows.first.click()
    page.get_by_role("heading", name=first).wait_for()
    assert f"case={first}" in page.url
    expect(marked).to_have_attribute("data-case", first)
    page.keyboard.press("j")
    second = rows.nth(1).get_attribute("data-case")
    page.get_by_role("heading", name=second).wait_for()
    page.get_by_role("button", name="Fold the cases away").click()
    page.get_by_role("button", name="Show the cases").wait_for()
    page.wait_for_function("location.search.includes('rail=off')")
    page.go_back()
    page.wait_for_function("!location.search.includes('rail=off')")
    page.get_by_role("button", name="Fold the cases away").wait_for()
    page.go_back()
    page.get_by_role("heading", name=first).wait_for()


def test_a_link_of_compare_shows_a_colleague_the_same(browser, page, serve, give_pass):
    """Case, sequence, mode, plane, crosshair, zoom, camera, search, order and folded rail, in a profile that is new."""

    def state(of) -> list[object]:
        viewer = of.locator(READY)
        return [
            of.locator("h2").first.inner_text(),
            *(viewer.get_attribute(f"data-{name}") for name in ("case", "axis", "slice")),
            [knob.inner_text() for knob in viewer.locator("[aria-pressed=true]").all()],
            of.get_by_label("Sequence", exact=True).input_value(),
            of.locator(".afl-viewer .readout").inner_text(),
            of.locator(SURFACES).get_attribute("data-camera"),
            of.locator(".afl-rail").get_attribute("data-folded"),
            of.get_by_label("Find a case").input_value(),
        ]

    page.goto(f"{serve(ROOT / 'app.py')}/compare?sort=Largest+first&find=00")
    page.wait_for_selector(READY, timeout=60_000)
    first = page.locator(READY).get_attribute("data-case")
    page.get_by_role("button", name="Case ›").click()
    page.locator(f"{READY}:not([data-case='{first}'])").wait_for()
    page.get_by_label("Sequence", exact=True).select_option("t2")
    page.locator(".afl-viewer .readout", has_text="t2").wait_for(timeout=30_000)
    page.get_by_role("button", name="Fold the cases away").click()
    page.get_by_role("button", name="Show the cases").wait_for()
    page.locator(".panes").focus()
    for key in ("z", "2", "ArrowUp", "ArrowUp", "e"):
        page.keyboard.press(key)
    page.locator(f"{SURFACES}[data-ready=true]").wait_for(timeout=60_000)
    page.locator(f"{SURFACES} [data-do=left]").click()
    for part in ("at=coronal", "zoom=1.00_", "mode=errors", "camera=-90.00_0.00", "sequence=t2"):
        page.wait_for_function(f"location.search.includes('{part}')")
    page.mouse.move(2, 2)
    context = browser.new_context(viewport=page.viewport_size)
    other = context.new_page()
    give_pass(other, page.url)
    other.goto(page.url)
    other.locator(".afl-viewer .readout", has_text="t2").wait_for(timeout=60_000)
    other.locator(f"{READY}[data-axis=coronal]").wait_for()
    other.locator(f"{SURFACES}[data-ready=true]").wait_for(timeout=60_000)
    assert state(other) == state(page)
    context.close()


def test_a_page_opened_first_on_a_fresh_server_is_there(browser, demo, serve, give_pass):
    """Streamlit runs that page before app.py has ever run; without a way back it showed a traceback."""
    page = browser.new_page()
    url = serve(ROOT / "app.py", AFL_TEST="a server of its own")
    give_pass(page, url)
    case = worth_seeing()
    page.goto(f"{url}/compare?case={case}")
    page.wait_for_selector(READY, timeout=60_000)
    expect(page.get_by_role("heading", name=case)).to_be_visible()
    assert page.evaluate("location.pathname") == "/compare"
    page.close()


def test_a_first_start_shows_the_demo_and_evaluates_and_draws_nothing(browser, serve, give_pass, tmp_path_factory):
    home = tmp_path_factory.mktemp("first")
    page = browser.new_page()
    url = serve(ROOT / "app.py", AFL_HOME=str(home))
    give_pass(page, url)
    page.goto(url)
    expect(page.get_by_text("Synthetic cohort. Dice, all cases:")).to_be_visible()
    picture = page.locator("img[src*='thumbnail/demo/']").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function("e => e.complete && e.naturalWidth === 96", arg=picture.element_handle())
    images = list((home / "data" / "demo").rglob("*_flair.nii.gz"))
    assert len(images) == 145
    assert not any(image.stat().st_size for image in images)
    page.close()


def test_a_long_name_in_the_gallery_is_cut_at_its_start(page, serve):
    """Its end tells it apart; without a cut, and in the link, it is as it is."""
    page.goto(f"{serve(ROOT / 'app.py')}/?results=demo")
    names = page.locator(".st-key-gallery [data-testid=stPageLink] p")
    expect(names).to_have_count(6, timeout=60_000)
    long = names.filter(has_text="_visit2").first
    expect(long).to_be_visible()
    places = long.evaluate(
        """e => { const range = document.createRange(), text = e.firstChild, box = e.getBoundingClientRect();
        return [0, text.length - 1].map(k => { range.setStart(text, k); range.setEnd(text, k + 1);
            const at = range.getBoundingClientRect();
            return at.left >= box.left - 1 && at.right <= box.right + 1; }); }"""
    )
    assert places == [False, True]
