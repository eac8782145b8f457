"""Every page for all readers: axe-core's rules in both themes, and no sideways scroll on a narrow screen."""

from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from afl_core.ui.viewers.component import page_of

ROOT = Path(__file__).parents[2]
PAGES = ("Overview", "Compare", "Breakdown", "Follow-up", "Loss X-ray", "Training", "Data", "Help")
BUSY = "[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true], .afl[data-ready=false]"
NARROW = ((800, 800), (700, 450))
"""A small screen, and one of 1400 x 900 at a zoom of 200 %."""


FITS = "document.querySelector('.stMain').scrollWidth <= document.querySelector('.stMain').clientWidth"


def wait_until_drawn(page) -> None:
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_function(f"!document.querySelector({BUSY!r})", timeout=60_000)
    page.wait_for_timeout(500)  # charts fade in
    assert page.locator(".afl[data-ready=error]").all_inner_texts() == []


def serious(page) -> list[str]:
    """What axe-core calls serious or critical, a line each; asked again where a page may have been drawn anew."""
    for _ in range(3):
        if not (found := _violations(page)):
            break
        wait_until_drawn(page)
    return found


def _violations(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{wrong['id']}: {node['html'][:200]}"
        for wrong in found
        if wrong["impact"] in {"serious", "critical"}
        for node in wrong["nodes"]
    ]


@pytest.mark.parametrize("name", ["viewer", "surfaces", "rail"])
def test_a_component_is_accessible_before_its_data_arrive(empty_page, name):
    empty_page.set_content(f"<html lang='en'><title>{name}</title><main><h1>{name}</h1>{page_of(name)}</main></html>")
    assert _violations(empty_page) == []


@pytest.fixture(scope="class")
def opened(class_page, serve):
    class_page.goto(serve(ROOT / "app.py"))
    wait_until_drawn(class_page)
    return class_page


class TestEveryPage:
    """The workbench is opened once; each page is reached by its link."""

    @pytest.fixture
    def page(self, opened):
        return opened

    @pytest.mark.parametrize("name", PAGES)
    def test_a_page_is_accessible_and_fits_a_narrow_screen(self, page, name):
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1400, "height": 1000})
        page.get_by_role("link", name=name, exact=True).first.click()
        title = "A-FL workbench" if name == "Overview" else name
        page.get_by_role("heading", name=title, level=1, exact=True).wait_for(timeout=60_000)
        wait_until_drawn(page)
        headings = page.locator("h1:visible, h2:visible, h3:visible, h4:visible").evaluate_all(
            "all => all.map(e => Number(e.tagName[1]))"
        )
        assert headings[0] == 1
        assert headings.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(headings)), headings
        assert serious(page) == []
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
        wait_until_drawn(page)
        assert serious(page) == []
        page.emulate_media(color_scheme=None)
        for width, height in NARROW:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(FITS, timeout=10_000)  # once what is drawn to measure has followed
