"""Renew the pictures of the pages in docs: `make pictures`, in light and dark, with the demo open.

Each picture is 1400 x 900 pixels, what a reader sees first. `python docs/pictures.py training help` renews these alone.
On the picture of Training FL and A-FL were trained for 50 steps, under build/pictures, where the runs are kept.
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent
PAGES = {
    "overview": "?results=demo",
    "compare": "compare?results=demo",
    "viewer": "compare?results=demo&case=Brats18_SYN_test_008",
    "breakdown": "breakdown?results=demo",
    "loss_xray": "loss_xray?results=demo",
    "training": "training",
    "data": "data?results=demo",
    "help": "help?results=demo",
    "labels": "compare?results=demo-regions&case=Brats18_SYN_test_008&mode=labels",
    "regions": "breakdown?results=demo-regions&every_region=true",
    "follow_up": "follow_up?results=demo-regions&patient=Brats18_SYN_test_011",
}
"""Name of a picture to the address that it shows."""

TRAIN = (
    "train",
    "--loss",
    "focal",
    "--loss",
    "adaptive_focal:released_code",
    "--set",
    "steps=50",
    "--set",
    "validate_every=10",
)
HOME = DOCS.parent / "build" / "pictures"
"""Where the pair of runs on the picture of Training lies, apart from the reader's own."""

CLICKS = {"viewer": "Agreement"}
"""Button that is clicked before the picture is taken."""

BUSY = "[data-testid=stSkeleton], [data-testid=stSpinner], [data-testid=stStatusWidget], [data-stale=true]"
BUSY += ", .afl[data-ready=false]"
START_S, SETTLE_MS, PATIENCE_MS = 60, 2000, 60_000
SAME, MOST = 24, 0.9999
"""Difference of a pixel, from 0 to 255, up to which it looks the same, and the share of the pixels that must."""

OFTEN = 24
"""Colours that a palette holds unchanged."""

SHORT_PATHS = """() => {
  for (const field of document.querySelectorAll("input"))
    for (const key of ["value", "placeholder"]) field[key] = field[key].replace(/^.*[/]data[/]demo$/, "data/demo");
}"""
"""Where the demo lies on this machine is of no interest to a reader."""


def main() -> None:
    """Take the pictures that the command line names, or every one, in both themes."""
    chosen = {name: query for name, query in PAGES.items() if name in sys.argv[1:] or not sys.argv[1:]}
    if others := {name: query for name, query in chosen.items() if name != "training"}:
        take(others, os.environ)
    if "training" in chosen:
        environment = trained()
        take({"training": "training?" + "&".join(f"run={run}" for run in finished())}, environment)


def trained() -> Mapping[str, str]:
    """The environment in which a finished pair of runs is there; they are trained where they are not."""
    environment = os.environ | {"AFL_HOME": str(HOME)}
    if not finished():
        shutil.rmtree(HOME / "models", ignore_errors=True)
        subprocess.run([sys.executable, "-m", "afl_core", *TRAIN], cwd=DOCS.parent, env=environment, check=True)
    return environment


def finished() -> list[str]:
    """Names of the runs of the pair, if both are finished."""
    runs = sorted(path.parent.parent.name for path in HOME.glob("models/runs/*/checkpoint/card.json"))
    return runs if len(runs) == 2 else []


def take(pages: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Take the picture of each page in both themes, with the workbench in this environment."""
    with served(environment) as address, sync_playwright() as playwright:
        path = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--enable-unsafe-swiftshader"])
        for theme, ending in (("light", ""), ("dark", "_dark")):
            context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme=theme, bypass_csp=True)
            page = context.new_page()
            for name, query in pages.items():
                page.goto(f"{address}/{query}")
                settle(page)
                if name in CLICKS:
                    page.get_by_role("button", name=CLICKS[name], exact=True).click()
                    settle(page)
                page.evaluate(SHORT_PATHS)
                target = DOCS / f"{name}{ending}.png"
                target.write_bytes(small(page.screenshot()))
                sys.stdout.write(f"{target.name}: {target.stat().st_size / 1000:.0f} kB\n")
            context.close()
        browser.close()


@contextmanager
def served(environment: Mapping[str, str]) -> Iterator[str]:
    """The workbench on a free port, in an environment; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--", "--no-token"]
    process = subprocess.Popen(command, cwd=DOCS.parent, env=environment, stdout=subprocess.DEVNULL)
    address, deadline = f"http://localhost:{port}", time.monotonic() + START_S
    try:
        while not answers(f"{address}/_stcore/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The workbench did not answer on {address} within {START_S} s.")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    """Whether a server answers there."""
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except (URLError, OSError):
        return False


def settle(page: Page) -> None:
    """Wait until nothing of the page is drawn any more."""
    page.wait_for_selector("h1", timeout=PATIENCE_MS)
    page.wait_for_timeout(SETTLE_MS)  # the viewers begin
    page.wait_for_function("busy => !document.querySelector(busy)", arg=BUSY, timeout=PATIENCE_MS)
    page.wait_for_timeout(SETTLE_MS)  # charts fade in


def small(png: bytes) -> bytes:
    """A PNG of the same look: with a palette of 256 colours where they suffice.

    The most frequent colours stay as they are, such as the page's own. In choosing the others a colour counts less than
    its pixels do: else the many greys of an image leave no room for the few pixels of an outline.
    """
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    colours, place, pixels = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    chosen = np.repeat(colours, np.ceil(pixels**0.35).astype(int), axis=0).astype(np.uint8)
    others = Image.fromarray(chosen[None]).quantize(256 - OFTEN, kmeans=1).getpalette() or []
    palette = np.vstack([colours[np.argsort(pixels)[-OFTEN:]], np.reshape(others, (-1, 3))])
    nearest = np.array([np.square(palette - colour).sum(axis=1).argmin() for colour in colours])
    reduced = nearest[place].reshape(picture.shape[:2])
    if (np.abs(palette[reduced] - picture).max(axis=2) <= SAME).mean() >= MOST:
        image = Image.fromarray(reduced.astype(np.uint8))
        image.putpalette(palette.flatten().tolist())
    else:
        image = Image.fromarray(picture.astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
