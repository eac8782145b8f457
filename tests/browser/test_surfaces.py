"""The surface viewer in a real Chromium with software WebGL: one camera, colours, and its talk with the slices."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from viewer_app import phantom
from viewer_page import Page
from watched import nothing_wrong

APP = Path(__file__).parent / "viewer_app.py"
READY = ".afl-surfaces[data-ready=true]"


class Scenes(Page):
    """A page with slices and surfaces."""

    def ready(self, case: str | None = None) -> None:
        super().ready(case)
        self.page.wait_for_selector(f"{READY}[data-case='{case}']" if case else READY, timeout=60_000)
        self.settle()

    @property
    def camera(self) -> str:
        self.settle()
        return self.page.locator(READY).get_attribute("data-camera")

    def scene(self, index: int) -> np.ndarray:
        """Pixels of a scene below its title."""
        self.page.wait_for_selector(f"{READY}[data-sharp=true]")
        self.settle()
        picture = self.page.locator(".scene").nth(index).screenshot()
        return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)[30:]

    def drag(self, index: int, dx: float, dy: float) -> None:
        box = self.page.locator(".scene").nth(index).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx, y + dy, steps=4)
        self.page.mouse.up()
        self.page.mouse.move(2, 2)


@pytest.fixture
def scenes(empty_page, serve) -> Scenes:
    empty_page.set_viewport_size({"width": 1000, "height": 1300})
    return Scenes(empty_page, serve(APP))


@pytest.fixture
def scripted(browser, serve) -> Iterator[Callable[[str], Scenes]]:
    """`scripted(script)` is a page of its own, in which a script runs before those of the page."""
    context = browser.new_context(viewport={"width": 1000, "height": 1300})
    page = context.new_page()

    def start(script: str) -> Scenes:
        page.add_init_script(script)
        return Scenes(page, serve(APP))

    with nothing_wrong(page):
        yield start
        context.close()


def differ(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the pixels that differ visibly."""
    return float((np.abs(one - other).max(axis=2) > 20).mean())


def test_rotate_one_and_all_rotate(scenes: Scenes):
    scenes.open("surfaces&case=twins")
    assert scenes.page.locator(".scene").evaluate_all("all => all.map(s => s.dataset.scene)") == [
        "Reference",
        "FL",
        "A-FL",
    ]
    before = [scenes.scene(i) for i in range(3)]
    assert differ(before[1], before[2]) < 0.002  # two equal masks, one camera
    scenes.drag(1, 120, 40)
    after = [scenes.scene(i) for i in range(3)]
    for i in range(3):
        assert differ(after[i], before[i]) > 0.02, f"scene {i} did not turn"
    assert differ(after[1], after[2]) < 0.002


def test_camera_survives_reruns_other_cases_and_leaving(scenes: Scenes):
    scenes.open("surfaces")
    scenes.drag(0, -70, 30)
    camera, picture = scenes.camera, scenes.scene(1)
    scenes.elsewhere()
    assert scenes.camera == camera
    assert differ(scenes.scene(1), picture) < 0.002
    scenes.tick("Hide")
    scenes.tick("Hide")
    scenes.ready()
    assert scenes.camera == camera
    assert differ(scenes.scene(1), picture) < 0.002
    scenes.choose("other")
    assert scenes.camera == camera


def test_colour_tells_outside_from_inside(scenes: Scenes):
    scenes.open("surfaces&case=sized")
    scenes.page.locator("[data-do=outline]").click()
    reference, grown, shrunk = (scenes.scene(i) for i in range(3))
    assert ((reference[..., 1] > 80) & (reference[..., 0] < 60)).sum() > 500
    for picture, warm in ((grown, 1), (shrunk, 0)):
        coloured = picture[(np.ptp(picture, axis=2) > 25) & (picture.max(axis=2) > 60)]
        assert len(coloured) > 500
        assert (coloured[:, 0] > coloured[:, 2]).mean() == pytest.approx(warm, abs=0.1)
    bar = scenes.page.locator(".bar").inner_text()
    assert "inside the reference" in bar
    assert "mm outside" in bar


def test_click_on_a_surface_moves_the_slices_there(scenes: Scenes):
    scenes.open("surfaces")
    middle = scenes.page.locator(".scene").nth(0)
    picture = scenes.scene(0)
    rows, columns = np.nonzero((picture[..., 1] > 90) & (picture[..., 0] < 60))
    row, column = int(np.median(rows)), int(np.median(columns[np.abs(rows - np.median(rows)) < 3]))
    box = middle.bounding_box()
    scenes.page.mouse.click(box["x"] + column, box["y"] + 30 + row)
    scenes.leave()
    voxel = np.array(scenes.voxel)
    truth = phantom().reference.array
    window = truth[tuple(slice(max(i - 2, 0), i + 3) for i in voxel)]
    assert window.any()
    assert not window.all()  # on the surface, not in the middle


def test_chosen_lesion_comes_to_the_middle_of_every_scene(scenes: Scenes):
    scenes.open("surfaces")
    before, camera = scenes.scene(0), scenes.camera
    scenes.page.get_by_role("button", name="Next lesion").click()
    assert scenes.camera != camera  # nearer
    mark, frame = (scenes.page.locator(what).first.bounding_box() for what in (".mark", ".scene"))
    assert mark["x"] + mark["width"] / 2 == pytest.approx(frame["x"] + frame["width"] / 2, abs=2)
    assert mark["y"] + mark["height"] / 2 == pytest.approx(frame["y"] + frame["height"] / 2, abs=2)
    assert differ(scenes.scene(0), before) > 0.02


def test_scrolling_the_slices_moves_the_mark_and_draws_no_surface_anew(scripted):
    scenes = scripted(
        "window.drawn = 0; const draw = WebGL2RenderingContext.prototype.drawElements;"
        "WebGL2RenderingContext.prototype.drawElements = function (...all) { window.drawn++; draw.apply(this, all); };"
    )
    scenes.open("surfaces")
    scenes.key("ArrowUp")
    scenes.settle()
    drawn, mark = scenes.page.evaluate("window.drawn"), scenes.page.locator(".mark").first.bounding_box()
    assert drawn > 0
    expect(scenes.page.locator(READY)).to_have_attribute("data-sharp", "true")
    scenes.key("ArrowUp", "ArrowUp")
    scenes.settle()
    assert scenes.page.evaluate("window.drawn") == drawn
    assert (
        scenes.page.locator(".mark").first.bounding_box()["y"] < mark["y"]
    )  # upwards in the patient and on the screen
    scenes.drag(0, 40, 0)
    assert scenes.page.evaluate("window.drawn") > drawn


def test_views_and_letters_follow_the_patient(scenes: Scenes):
    scenes.open("surfaces")
    scenes.page.get_by_role("button", name="Front").click()

    def place(letter: str) -> tuple[float, float]:
        box = scenes.page.locator(".scene").first.locator(".letter", has_text=letter).bounding_box()
        return box["x"], box["y"]

    assert place("R")[0] < place("L")[0]
    assert place("S")[1] < place("I")[1]
    scenes.page.get_by_role("button", name="Top").click()
    assert place("A")[1] > place("P")[1]  # seen from above, the patient faces the reader
    scenes.page.locator(".stage").focus()
    turned = scenes.camera
    scenes.page.keyboard.press("ArrowLeft")
    assert scenes.camera != turned
    scenes.page.keyboard.press("?")
    expect(scenes.page.get_by_text("turn all surfaces")).to_be_visible()


def test_without_webgl_there_is_a_still_picture(scripted):
    scenes = scripted(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind === 'webgl2' ? null : get.call(this, kind, ...rest); };"
    )
    scenes.page.goto(f"{scenes.base}/?surfaces")
    scenes.page.get_by_text("no WebGL").wait_for(timeout=60_000)
    image = scenes.page.locator("[data-testid=stImage] img")
    assert image.evaluate("i => i.decode().then(() => i.naturalWidth)") > 800
    expect(scenes.page.locator(".afl-surfaces")).to_be_hidden()


def test_surfaces_come_back_when_the_browser_lost_its_graphics(scenes: Scenes):
    scenes.open("surfaces&case=twins")
    before = scenes.scene(1)
    scenes.page.locator(".afl-surfaces canvas").evaluate(
        "c => { window.lost = c.getContext('webgl2').getExtension('WEBGL_lose_context'); lost.loseContext(); }"
    )
    scenes.page.wait_for_timeout(200)
    scenes.drag(1, 60, 0)  # nothing is drawn meanwhile, and nothing goes wrong
    scenes.page.get_by_role("button", name="Reset").click()
    scenes.page.evaluate("lost.restoreContext()")
    scenes.page.wait_for_timeout(200)
    assert differ(before, scenes.scene(1)) < 0.001


def test_surfaces_wait_for_graphics_that_are_lost_from_the_start(scripted):
    scenes = scripted(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " const context = get.call(this, kind, ...rest);"
        " if (kind === 'webgl2' && !window.lost) {"
        "  window.lost = context.getExtension('WEBGL_lose_context'); lost.loseContext(); }"
        " return context; };"
    )
    scenes.page.goto(f"{scenes.base}/?surfaces&case=twins")
    scenes.page.wait_for_selector(".afl-surfaces .scene", timeout=60_000)
    scenes.page.evaluate("lost.restoreContext()")
    scenes.ready("twins")
    assert scenes.scene(1).max() > 100
