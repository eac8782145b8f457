"""Two time points side by side: one crosshair, plane and zoom in a group, and two without one."""

from pathlib import Path

import pytest
from playwright.sync_api import expect
from viewer_page import Page

from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS

APP = Path(__file__).parent / "side_app.py"


@pytest.fixture
def open_pair(empty_page, serve):
    def opened(query: str = "") -> Page:
        empty_page.set_viewport_size({"width": 1400, "height": 900})
        page = Page(empty_page, serve(APP)).open(query)
        page.page.locator(".afl-viewer[data-ready=true]").nth(1).wait_for()
        return page

    return opened


def facts(page: Page, name: str) -> list[str]:
    page.settle()
    return page.page.locator(".afl-viewer").evaluate_all(f"all => all.map(one => one.dataset.{name})")


def voxels(page: Page) -> list[str]:
    page.settle()
    return page.page.locator(".readout span:nth-child(3)").all_inner_texts()


def test_one_crosshair_plane_and_zoom_move_both(open_pair):
    page = open_pair()
    assert page.panes == ["visit 1", "visit 2"]
    assert len(set(voxels(page))) == 1
    page.page.locator(".panes").nth(1).focus()
    page.page.keyboard.press("ArrowUp")  # in the second one, which has no toolbar
    start, end = (int(text) for text in facts(page, "slice"))
    assert start == end
    page.page.mouse.click(*page.at(0, 0.3, 0.4))
    page.leave()
    assert len(set(voxels(page))) == 1
    page.page.get_by_role("button", name="Coronal").first.click()
    assert facts(page, "axis") == ["coronal", "coronal"]
    page.page.get_by_role("button", name="Three").first.click()
    assert [pane.split(" · ")[-1] for pane in page.panes] == ["visit 1"] * 3 + ["visit 2"] * 3
    page.page.get_by_role("button", name="Axial").first.click()
    before = page.pixels(1)
    page.page.locator(".panes").first.focus()
    page.page.keyboard.press("+")
    assert (page.pixels(1) != before).any()


def test_each_has_its_own_image_and_masks_and_one_has_the_toolbar(open_pair):
    page = open_pair()
    assert (page.pixels(0) != page.pixels(1)).mean() > 0.05
    for pane in (0, 1):
        assert page.where(pane, SOURCE_COLOURS[0]).any()
    assert page.where(0, REFERENCE_COLOUR).sum() > 50
    bars = page.page.locator(".toolbar")
    assert (bars.nth(0).is_visible(), bars.nth(1).is_visible()) == (True, False)
    expect(page.page.get_by_role("button", name="Errors").first).to_be_hidden()
    page.page.locator(".panes").first.focus()
    page.page.keyboard.press("e")  # there is one thing to see: the outlines
    assert page.panes == ["visit 1", "visit 2"]
    assert "mode" not in page.page.evaluate("location.search")


def test_a_lesion_of_the_one_leaves_the_other_well(open_pair):
    page = open_pair()
    page.page.locator(".panes").nth(1).focus()
    page.page.keyboard.press("n")
    page.page.keyboard.press("n")
    assert len(set(voxels(page))) == 1
    assert facts(page, "ready") == ["true", "true"]


def test_without_a_group_each_has_its_own(open_pair):
    page = open_pair("apart=1")
    before = facts(page, "slice")
    page.page.locator(".panes").nth(1).focus()
    page.page.keyboard.press("ArrowUp")
    first, second = facts(page, "slice")
    assert (first, int(second)) == (before[0], int(before[1]) + 1)
    bars = page.page.locator(".toolbar")
    assert (bars.nth(0).is_visible(), bars.nth(1).is_visible()) == (True, True)
