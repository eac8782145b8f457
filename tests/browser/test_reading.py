"""A blinded reading in the browser: its keys, also while the slices have the keyboard, and what the page gives away."""

import json
import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect
from watched import AT_REST

from afl_core.base import paths

ROOT = Path(__file__).parents[2]
READY = ".afl[data-ready=true]"


@pytest.fixture
def readings(demo):
    """The readings of the demo, which has none before and after."""
    folder = paths.RESULTS / "demo" / "readings"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_keys_choose_and_nothing_tells_a_source(page, serve, readings):
    page.goto(f"{serve(ROOT / 'app.py')}/compare?results=demo&reading=start")
    page.get_by_label("Reader", exact=True).fill("Ada")
    page.get_by_role("button", name="Begin, or go on").click()
    for number, key in enumerate("120"):
        page.get_by_text(f"{number} of 116 cases read").wait_for(timeout=60_000)
        page.wait_for_selector(READY, timeout=60_000)
        page.wait_for_selector(AT_REST, timeout=60_000)
        if number:
            page.locator(f"{READY} .panes").focus()
        page.keyboard.press(key)
    page.get_by_text("3 of 116 cases read").wait_for(timeout=60_000)
    expect(page.locator(f"{READY} .pane header b")).to_have_text(["Reference", "A", "B"])
    page.wait_for_selector(AT_REST, timeout=60_000)
    assert "A-FL" not in page.content().replace("A-FL workbench", "")
    assert "FL" not in page.url
    (path,) = readings.iterdir()
    assert list(json.loads(path.read_text())["choices"].values()) == ["A", "B", "="]
    page.wait_for_selector(AT_REST, timeout=60_000)
    page.get_by_role("button", name="Back").click()
    last = list(json.loads(path.read_text())["choices"])[-1]
    page.get_by_text(f"now {last}").wait_for(timeout=60_000)
    page.wait_for_selector(AT_REST, timeout=60_000)
    page.get_by_role("button", name="A is better").click()
    page.get_by_text("3 of 116 cases read, now").wait_for(timeout=60_000)
    deadline = time.monotonic() + 60
    while (choices := list(json.loads(path.read_text())["choices"].values())) != ["A", "B", "A"]:
        assert time.monotonic() < deadline, choices
        page.wait_for_timeout(200)
