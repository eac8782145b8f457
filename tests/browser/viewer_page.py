"""A page with the viewer in a real Chromium, and the questions that tests ask it."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from playwright.sync_api import expect


class Page:
    """A page with the viewer."""

    def __init__(self, page, base: str) -> None:
        self.page, self.base = page, base

    def open(self, query: str = "") -> "Page":
        self.page.goto(f"{self.base}/?{query}")
        self.ready()
        return self

    def ready(self, case: str | None = None) -> None:
        which = f"[data-case='{case}']" if case else ""
        self.page.wait_for_selector(f".afl-viewer[data-ready=true]{which}", timeout=60_000)

    @property
    def panes(self) -> list[str]:
        return self.page.locator(".picture canvas").evaluate_all("all => all.map(c => c.dataset.pane)")

    @property
    def slice(self) -> int:
        self.settle()
        return int(self.page.locator(".afl-viewer").get_attribute("data-slice"))

    @property
    def voxel(self) -> list[int]:
        """The read-out's voxel: the pointer's while it is over a pane, else the crosshair's."""
        return [int(i) for i in re.search(r"voxel (\d+), (\d+), (\d+)", self.readout).groups()]

    @property
    def letters(self) -> list[str]:
        """The first pane's letters: left, right, top, bottom."""
        self.settle()
        return self.page.locator(".pane:first-child .letter").all_inner_texts()

    @property
    def readout(self) -> str:
        self.settle()
        return self.page.locator(".afl-viewer .readout").inner_text()

    def settle(self) -> None:
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def pixels(self, pane: int) -> np.ndarray:
        """Device pixels of a pane, (height, width, 3)."""
        self.settle()
        script = """c => { const p = c.getContext('2d').getImageData(0, 0, c.width, c.height);
            let s = ''; for (let i = 0; i < p.data.length; i += 8192)
                s += String.fromCharCode(...p.data.subarray(i, i + 8192));
            return [c.width, c.height, btoa(s)]; }"""
        width, height, text = self.page.locator(".picture canvas").nth(pane).evaluate(script)
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3].astype(int)

    def where(self, pane: int, colour: str, *, tolerance: int = 12) -> np.ndarray:
        """Pixels of a pane in a colour."""
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        return np.abs(self.pixels(pane) - wanted).max(axis=2) <= tolerance

    def at(self, pane: int, x: float, y: float) -> tuple[float, float]:
        box = self.page.locator(".picture canvas").nth(pane).bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def hover(self, pane: int, x: float = 0.5, y: float = 0.5) -> None:
        self.page.mouse.move(*self.at(pane, x, y))

    @contextmanager
    def more(self) -> Iterator[None]:
        """With the menu of what is rarely changed open."""
        self.page.get_by_text("More", exact=True).click()
        yield
        self.page.keyboard.press("Escape")

    def leave(self) -> None:
        self.page.mouse.move(2, 2)

    def key(self, *keys: str) -> None:
        self.page.locator(".panes").focus()
        for key in keys:
            self.page.keyboard.press(key)

    def count(self, what: str) -> int:
        """A number below the viewer, which may be drawn after it."""
        line = self.page.get_by_text(re.compile(rf"{what} \d+"))
        expect(line).to_have_count(1)  # that of the run before may still stand beside it
        return int(re.search(rf"{what} (\d+)", line.inner_text()).group(1))

    def elsewhere(self) -> None:
        before = self.count("clicks")
        self.page.get_by_role("button", name="Elsewhere").click()
        self.page.get_by_text(f"clicks {before + 1}").wait_for()

    def tick(self, box: str) -> None:
        runs = self.count("runs")
        self.page.get_by_text(box, exact=True).click()
        self.page.get_by_text(f"runs {runs + 1}").wait_for()
        self.page.wait_for_timeout(200)  # the elements above the counter are drawn by then, the viewer told

    def choose(self, case: str) -> None:
        self.page.get_by_label("Case", exact=False).first.click()
        self.page.get_by_role("option", name=case, exact=True).click()
        self.ready(case)


def middle(mask: np.ndarray) -> np.ndarray:
    """Centre of the marked pixels as fractions (across, down)."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean() / mask.shape[1], rows.mean() / mask.shape[0]])
