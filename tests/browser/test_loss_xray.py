"""The Loss X-ray page on the real demo, in a real Chromium: a slider, the map, a dot, and the way to Training."""

import json
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from dots import click_dot
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
READY = ".afl-viewer[data-ready=true]"


@pytest.fixture(scope="class")
def opened(class_page, serve):
    class_page.goto(f"{serve(ROOT / 'app.py')}/loss_xray?results=demo")
    return class_page


def predicting(server: int) -> list[str]:
    """Processes of a server that run a checkpoint."""
    children = Path(f"/proc/{server}/task").glob("*/children")
    pids = [pid for path in children for pid in path.read_text().split()]
    return [pid for pid in pids if b"evaluation.probabilities" in Path(f"/proc/{pid}/cmdline").read_bytes()]


class TestLossXray:
    """The page is opened once; a test that left it comes back by its link."""

    @pytest.fixture
    def page(self, opened):
        if "/loss_xray" not in opened.url:
            opened.get_by_role("link", name="Loss X-ray").first.click()
        opened.get_by_text("All quantities", exact=True).wait_for(timeout=120_000)
        return opened

    def test_a_checkpoint_outlives_a_reload_and_stop_ends_it(self, page, servers):
        option = page.get_by_role("option", name=re.compile("checkpoint")).first
        for _ in range(10):  # a run of the page that is not over yet closes the menu
            page.get_by_role("combobox", name="Probabilities of").click()
            with suppress(PlaywrightError):
                option.click(timeout=1500)
                break
        (server,) = (process.pid for process, url in servers.values() if page.url.startswith(url))
        page.get_by_text(re.compile("Running .* usually a quarter of a minute")).wait_for(timeout=60_000)
        assert len(predicting(server)) == 1
        page.reload()
        page.get_by_text(re.compile("Running .* usually a quarter of a minute")).wait_for(timeout=60_000)
        assert len(predicting(server)) == 1  # not a second one
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Stop").wait_for(state="detached", timeout=60_000)
        expect(page.get_by_role("combobox", name="Probabilities of")).to_have_value("model: 0.95 sure")
        assert predicting(server) == []

    def test_a_slider_the_map_and_the_way_to_training(self, page):
        page.get_by_text(re.compile("yours: Small tumours get more focus")).wait_for()
        offset = page.get_by_role("slider", name="Offset of gamma")
        offset.focus()
        page.keyboard.press("Home")
        page.get_by_text(re.compile("yours: Small and large tumours get the same focus: median gamma 0")).wait_for()
        page.get_by_text("Show it as a map in the slices").click()
        page.wait_for_selector(READY, timeout=60_000)
        assert page.get_by_text("A-FL released", exact=True).count() > 0
        page.get_by_role("button", name="Train with this setting").click()
        page.wait_for_url(re.compile("/training"), timeout=60_000)
        address = parse_qs(urlsplit(page.url).query)
        assert address["loss"] == ["adaptive_focal"]
        assert json.loads(address["loss_settings"][0])["gamma_offset"] == 0

    def test_a_dot_opens_its_case(self, page):
        click_dot(page, 2)
        address = parse_qs(urlsplit(page.url).query)
        page.get_by_role("heading", name=address["case"][0]).wait_for(timeout=60_000)
        page.wait_for_selector(READY, timeout=60_000)
