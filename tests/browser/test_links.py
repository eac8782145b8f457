"""A link holds what a colleague needs to see the same: a page is changed, and another profile opens its link."""

import difflib
import time
from contextlib import suppress
from pathlib import Path

import pytest
from made_results import write_results
from playwright.sync_api import Error

APP = Path(__file__).parents[2] / "app.py"
THREE = {"FL": 0.0, "A-FL": 0.05, "other": 0.1}

SEEN = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    const inputs = [...main.querySelectorAll('input, textarea')].map(e => e.type === 'checkbox' ? e.checked : e.value);
    const pressed = [...main.querySelectorAll('[data-selected=true], [aria-selected=true], [aria-pressed=true]')];
    return [main.innerText, ...inputs, ...pressed.map(e => e.innerText)];
}"""
"""Words, entries and what is pressed."""
BUSY = "[data-stale=true], [data-testid=stSkeleton], [data-testid=stStatusWidget], [data-test-script-state=running]"


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory):
    """A workbench whose results are of three sources, with pictures."""
    home = tmp_path_factory.mktemp("home")
    write_results(home / "data" / "results" / "three", sources=THREE, pictures=True)
    return serve(APP, AFL_HOME=str(home))


@pytest.fixture(scope="module")
def profile(browser):
    """A page of another profile of the browser."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    yield context.new_page()
    context.close()


def settle(page):
    with suppress(Error):  # a server that is at work answers late, and one that is not may be done between two looks
        page.locator(BUSY).first.wait_for(state="attached", timeout=2000)
    page.wait_for_function(f"() => !document.querySelector('{BUSY}')", timeout=60_000)


def choose(label, number):
    """Choose an option by its place in the list."""

    def change(page):
        page.get_by_role("combobox", name=label).first.click()
        page.get_by_role("option").nth(number).click()

    return change


def fill(label, value):
    def change(page):
        page.get_by_label(label, exact=True).fill(value)
        page.keyboard.press("Enter")

    return change


def press(role, name):
    return lambda page: page.get_by_role(role, name=name, exact=True).first.click()


def toggle(label):
    return lambda page: page.get_by_text(label, exact=True).first.click()


CHANGES = {
    "": [choose("Baseline source", 2), choose("Compared with it", 1)],
    "breakdown": [
        choose("Metric", 1),
        choose("Smoothness by", 0),
        fill("Small up to (ml)", "1.5"),
        toggle("All pairs of sources"),
        press("tab", "Cases"),
        press("radio", "Distribution"),
    ],
    "loss_xray": [
        choose("What the loss sees", 2),
        choose("Tumour size", 1),
        choose("Case in detail, small to large", 3),
        press("radio", "Scale-free"),
    ],
    "data": [choose("Labels", 2), toggle("Trust the order of voxels")],
    "training": [choose("Network", 2), fill("Steps", "60"), fill("Seeds", "3, 5")],
}


@pytest.mark.parametrize("path", CHANGES)
def test_a_link_opens_the_same_page_in_another_profile(server, profile, empty_page, give_pass, path):
    page, other = empty_page, profile
    page.goto(f"{server}/{path}?results=three")
    page.get_by_role("heading", level=1).wait_for()
    settle(page)
    before = page.evaluate(SEEN)
    for change in CHANGES[path]:
        change(page)
        settle(page)
    after = page.evaluate(SEEN)
    assert after != before
    give_pass(other, page.url)
    other.goto(page.url)
    other.get_by_role("heading", level=1).wait_for()
    settle(other)
    deadline = time.monotonic() + 30
    while (seen := other.evaluate(SEEN)) != after and time.monotonic() < deadline:
        other.wait_for_timeout(200)
    assert list(difflib.unified_diff(seen[0].split("\n"), after[0].split("\n"), lineterm="", n=1)) == []
    assert seen[1:] == after[1:]
