"""How fast the Compare page is in a real Chromium, on cases of BraTS size; README.md says what the lines mean."""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import nibabel as nib
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright

from afl_core.base.storage import GZIP
from afl_core.data.layouts import load_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources

ROOT = Path(__file__).parents[1]
SHAPE, AFFINE = (240, 240, 155), np.diag([1.0, 1.0, 1.0, 1.0])
CASES = 14  # more than any cache of the page holds
SWITCHES = 50
FRAMES = 60
QUIET = ["--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking", "--disable-component-update"]

# One event in every frame; the time from frame to frame is what the reader sees. `act` comes from ACTS.
FRAME_LOOP = """async ([count, act]) => {
    const shadows = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].map((h) => h.shadowRoot);
    const find = (selector) => shadows.map((s) => s.querySelector(selector)).find(Boolean);
    const step = eval(act)(find), frames = [];
    for (let i = 0; i < count; i++) {
        step(i);
        frames.push(await new Promise(requestAnimationFrame));
    }
    return frames.slice(1).map((at, i) => at - frames[i]);
}"""
# Another case as the browser's Back brings it: within the session, without loading the page again.
GO_TO = """id => { const url = new URL(location.href); url.searchParams.set('case', id); url.searchParams.delete('at');
    history.pushState({}, '', url); window.dispatchEvent(new PopStateEvent('popstate', { state: {} })); }"""
POINTER = """(element, kind, i) => {
    const box = element.getBoundingClientRect();
    const at = { clientX: box.x + box.width * (0.4 + 0.004 * (i % 50)), clientY: box.y + box.height / 2 };
    element.dispatchEvent(new PointerEvent(kind, { ...at, pointerId: 1, buttons: 1, bubbles: true }));
}"""
PRESS = """Element.prototype.setPointerCapture = () => {};"""  # it refuses a pointer that no hand moves
ACTS = {
    "scrub": """(find) => { const c = find(".picture canvas"); return (i) => c.dispatchEvent(
        new WheelEvent("wheel", { deltaY: i % 40 < 20 ? 120 : -120, bubbles: true, cancelable: true })); }""",
    "crosshair": f"""(find) => {{ {PRESS} const c = find(".picture canvas"), point = {POINTER};
        point(c, "pointerdown", 0); return (i) => point(c, "pointermove", i); }}""",
    "opacity": """(find) => { const o = find(".opacity"); return (i) => {
        o.value = 0.2 + 0.6 * (i % 2); o.dispatchEvent(new Event("input", { bubbles: true })); }; }""",
    "outline": """(find) => { const b = [find("[data-value=fill]"), find("[data-value=outline]")];
        return (i) => b[i % 2].click(); }""",
    "window": """(find) => { const p = find(".preset"); return (i) => {
        p.value = i % 2; p.dispatchEvent(new Event("change", { bubbles: true })); }; }""",
    "surfaces": f"""(find) => {{ {PRESS} const s = find(".stage"), point = {POINTER};
        point(s, "pointerdown", 0); return (i) => point(s, "pointermove", i); }}""",
}


def make_home(home: Path, count: int = CASES) -> None:
    """Cases, masks of two sources and their results, as the page expects them."""
    x, y, z = np.meshgrid(*[(np.arange(n, dtype=np.float32) / n - 0.5) * 2 for n in SHAPE], indexing="ij", sparse=True)
    head = (x / 0.68) ** 2 + (y / 0.82) ** 2 + (z / 0.78) ** 2 < 1
    image = np.where(head, 300 + np.random.default_rng(7).normal(0, 30, SHAPE) + 80 * y, 0).astype(np.float32)
    waves = 0.06 * np.sin(14 * x) * np.sin(12 * y) * np.sin(10 * z)
    balls = ((0.3, 0.1, 0.1, 0.3), (-0.3, -0.2, 0.1, 0.2), (0.0, 0.5, -0.2, 0.12))
    depth = np.minimum.reduce([np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) - r for a, b, c, r in balls]) + waves
    for k in range(count):
        moved = np.roll(depth, (k, -k, k % 5), axis=(0, 1, 2))
        masks = {"references": moved < 0, "FL": moved < -0.03, "A-FL": moved < 0.02}
        write(home / "data" / "bench" / "images" / f"case_{k:02d}_flair.nii.gz", image + 90 * (moved < 0))
        for name, mask in masks.items():
            folder = home / "data" / "bench" if name == "references" else home / "masks"
            write(folder / name / f"case_{k:02d}.nii.gz", mask)
    results = Results(home / "data" / "results" / "bench")
    cohort = load_cohort(home / "data" / "bench")
    sources = parse_sources([f"{name}={home / 'masks' / name}" for name in ("FL", "A-FL")])
    results.describe(data=home / "data" / "bench", kind=cohort.layout.name, sources=sources, skipped={})
    evaluate_into(results, list(cohort.cases), sources)


def write(path: Path, array: NDArray[np.generic]) -> None:
    """A gzipped file of 16-bit integers, as BraTS has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(isal_zlib.compress(nib.Nifti1Image(array.astype(np.int16), AFFINE).to_bytes(), wbits=GZIP))


@contextmanager
def served(home: Path) -> Iterator[tuple[str, int]]:
    """The app on a free port; its address and process number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true", "--server.fileWatcherType", "none"]
    command += ["--", "--no-token"]
    environment = {**os.environ, "AFL_HOME": str(home), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                    break
                except (URLError, OSError):
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


def resident_mb(pid: int) -> float:
    """Resident memory as Linux counts it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def slices_of(case_id: str) -> str:
    """What there is once the slices of a case are drawn."""
    return f".afl-viewer[data-ready=true][data-case='{case_id}']"


def switch(page: Page, case_id: str) -> tuple[float, float]:
    """Seconds from a change of the case to its slices and to its surfaces."""
    start = time.perf_counter()
    page.evaluate(GO_TO, case_id)
    page.wait_for_selector(slices_of(case_id), timeout=60_000)
    slices = time.perf_counter() - start
    page.wait_for_selector(f".afl-surfaces[data-ready=true][data-case='{case_id}']", timeout=60_000)
    return slices, time.perf_counter() - start


def measure(page: Page, url: str, pid: int) -> Iterator[tuple[str, float]]:
    """Every line of the table, as soon as it is known."""
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" and "Failed to load" not in m.text else 0)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda r: None if local(r.url) else problems.append(r.url))
    start = time.perf_counter()
    page.goto(f"{url}/?results=bench&case=case_00", timeout=120_000)
    page.wait_for_selector(".afl-viewer[data-ready=true]", timeout=120_000)
    yield "first slices, cold (s)", time.perf_counter() - start
    page.wait_for_selector(".afl-surfaces[data-ready=true]", timeout=120_000)
    times = [switch(page, f"case_{k:02d}") for k in range(1, 6)]
    yield "case to slices, warm (s)", statistics.median(slices for slices, _ in times)
    yield "case to surfaces, warm (s)", statistics.median(surfaces for _, surfaces in times)
    page.locator("[data-value=agreement]").click()  # a fourth pane
    page.locator(".panes").scroll_into_view_if_needed()
    for name, act in ACTS.items():
        if name == "surfaces":
            page.locator(".stage").scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        frame_ms = statistics.median(page.evaluate(FRAME_LOOP, [FRAMES, act]))
        yield (
            (f"{name}, median frame (ms)", frame_ms) if name != "surfaces" else ("surfaces (frames/s)", 1000 / frame_ms)
        )
    before = resident_mb(pid)
    for k in range(SWITCHES):
        switch(page, f"case_{(k + 6) % CASES:02d}")
    yield f"server memory over {SWITCHES} switches (MB)", resident_mb(pid) - before
    yield "console errors and requests elsewhere", len(problems)


def local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"data", "blob"} or parts.hostname in {"localhost", "127.0.0.1"}


def run(
    make: Callable[[Path], None],
    lines: Callable[[Page, str, int], Iterator[tuple[str, float]]],
    *,
    description: str | None,
    digits: int,
    arguments: list[str] | None,
) -> None:
    """Make a home, serve it, open a browser, and print and write what is measured there."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        make(Path(folder))
        path = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        found = {}
        with served(Path(folder)) as (url, pid):
            for name, value in lines(browser.new_page(viewport={"width": 1400, "height": 1000}), url, pid):
                print(f"{name:44} {value:10.{digits}f}", flush=True)
                found[name] = value
        browser.close()
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def main(arguments: list[str] | None = None) -> None:
    run(make_home, measure, description=__doc__, digits=2, arguments=arguments)


if __name__ == "__main__":
    main()
