"""Several people on one server at once, each in a window of their own, on cases of BraTS size; see README.md."""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from viewer import CASES, GO_TO, QUIET, make_home, resident_mb, served, slices_of

ROUNDS = 5
LONGEST_S = 120


def wait_for_all(pages: Sequence[Page], cases: Sequence[str], start: float) -> list[float]:
    """Seconds from the start until the slices of each page's case are drawn.

    Raises:
        TimeoutError: If one takes longer than `LONGEST_S`.
    """
    took: dict[int, float] = {}
    while len(took) < len(pages):
        for k, (page, case_id) in enumerate(zip(pages, cases, strict=True)):
            if k not in took and page.locator(slices_of(case_id)).count():
                took[k] = time.perf_counter() - start
        if time.perf_counter() - start > LONGEST_S:
            raise TimeoutError(f"{len(pages) - len(took)} of {len(pages)} users wait for their case")
        pages[0].wait_for_timeout(20)
    return list(took.values())


def processor_s(pid: int) -> float:
    """Seconds that the server has computed so far, its ended helpers included, as Linux counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def measure(pages: Sequence[Page], url: str, pid: int) -> dict[str, float]:
    """Every user opens the page at once, then all go on to another case at once, several times."""
    errors: list[str] = []
    for page in pages:
        page.on("pageerror", lambda error: errors.append(str(error)))
    cases = [f"case_{k % CASES:02d}" for k in range(len(pages))]
    before, start = resident_mb(pid), time.perf_counter()
    for page, case_id in zip(pages, cases, strict=True):
        page.goto(f"{url}/?results=bench&case={case_id}", wait_until="commit")
    opened = wait_for_all(pages, cases, start)
    further, computed = [], processor_s(pid)
    for step in range(1, ROUNDS + 1):
        cases = [f"case_{(k + step) % CASES:02d}" for k in range(len(pages))]
        start = time.perf_counter()
        for page, case_id in zip(pages, cases, strict=True):
            page.evaluate(GO_TO, case_id)
        further += wait_for_all(pages, cases, start)
    alerts = "[data-testid=stException], [data-testid=stAlertContentError]"
    messages = sum(page.locator(alerts).count() for page in pages)
    return {
        "first slices, median (s)": statistics.median(opened),
        "first slices, last of all (s)": max(opened),
        "case to slices, median (s)": statistics.median(further),
        "case to slices, last of all (s)": max(further),
        "server, s of processor a case": (processor_s(pid) - computed) / len(further),
        "errors": len(errors) + messages,
        "server memory before (MB)": before,
        "server memory after (MB)": resident_mb(pid),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a home, serve it, and print what so many users at once meet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10, metavar="N", help="windows that are open at once (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        make_home(Path(folder))
        path = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        with served(Path(folder)) as (url, pid):
            size = {"width": 1400, "height": 1000}
            pages = [browser.new_context(viewport=size).new_page() for _ in range(options.users)]
            numbers = measure(pages, url, pid)
        browser.close()
    for name, value in numbers.items():
        print(f"{name:36} {value:10.2f}")
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
