"""Readers who come and go for a while: sessions, every page, uploads, jobs that end or are stopped, reloads.

python benchmarks/soak.py [MINUTES] [--json FILE]

On loopback alone, in a real Chromium, against the app itself. It ends by itself, and with 1 where a page showed an
error, something was left behind, or the server's memory went on growing.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kills import write_cohort
from playwright.sync_api import Browser, Page, sync_playwright
from viewer import QUIET, resident_mb, served

from afl_core.data.layouts import load_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import parse_sources
from afl_core.model.checkpoints import save_checkpoint

PAGES = ("", "compare", "breakdown", "follow_up", "loss_xray", "training", "data")
GROWTH = 1.1, 60.0
"""The last third may hold so many times what the middle third held, and so many MB more."""

TROUBLE = ("Something went wrong", "Traceback", "Oh no", "Error running app")


def make_home(home: Path) -> None:
    """A cohort of which nothing is measured yet, with a checkpoint that is not trained and two sources of masks."""
    import torch  # noqa: PLC0415 - the processes below need their own

    from afl_core.model.checkpoints import Card  # noqa: PLC0415
    from afl_core.model.networks import build_model  # noqa: PLC0415

    write_cohort(home / "cohort")
    torch.manual_seed(0)
    card: dict[str, Any] = {key: {} for key in ("loss_settings", "training", "data", "scores", "versions")}
    card |= dict.fromkeys(("name", "label", "summary", "command", "limits"), "soak")
    card |= {"network": "demo_unet", "sequences": ("t1",), "spacing_mm": (2.0,) * 3, "patch_size": (32,) * 3}
    card |= {"decision_rule": "argmax", "loss": "focal", "weights_sha256": ""}
    save_checkpoint(home / "models" / "soak", build_model("demo_unet", in_channels=1), Card(**card))


def clear_results(home: Path) -> None:
    """Results folder of which nothing is measured."""
    folder = home / "data" / "results" / "soak"
    shutil.rmtree(folder, ignore_errors=True)
    texts = [f"A={home / 'cohort' / 'A'}", f"B={home / 'cohort' / 'B'}", f"net={home / 'models' / 'soak'}"]
    Results(folder).describe_cohort(load_cohort(home / "cohort" / "data"), parse_sources(texts))


def visit(page: Page, url: str, number: int, home: Path) -> None:
    """One reader's session."""
    for name in PAGES:
        page.goto(f"{url}/{name}?results=soak", timeout=120_000)
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=120_000)
    page.goto(f"{url}/?results=soak")
    run_every(page, stop=number % 3 == 2)
    page.reload()
    page.wait_for_timeout(500)
    if number % 2 == 0:
        upload(page, url, home, remove=number % 4 == 0)


def run_every(page: Page, *, stop: bool) -> None:
    """Measure every case, to the end or not."""
    page.get_by_role("button", name="Measure every case").click(timeout=60_000)
    button = page.get_by_role("button", name="Stop")
    button.wait_for(timeout=60_000)
    if stop:
        button.click()
    button.wait_for(state="detached", timeout=300_000)


def upload(page: Page, url: str, home: Path, *, remove: bool) -> None:
    """A case of the reader's own; removed, or left to the end of the session."""
    page.goto(f"{url}/compare?results=soak", timeout=120_000)
    page.get_by_text("A case of your own").click(timeout=60_000)
    folder = home / "cohort" / "data"
    names = (folder / "images" / "case_00_t1.nii.gz", folder / "references" / "case_00.nii.gz")
    given = [
        {"name": name, "mimeType": "", "buffer": path.read_bytes()}
        for name, path in zip(("a_t1.nii.gz", "a_seg.nii.gz"), names, strict=True)
    ]
    page.locator("input[type=file]").set_input_files(given, timeout=60_000)  # type: ignore[arg-type]
    page.get_by_role("button", name="Run net").click(timeout=60_000)
    page.get_by_role("button", name="Mask of net").wait_for(timeout=300_000)
    if remove:
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("button", name="Mask of net").wait_for(state="detached", timeout=60_000)


def session(browser: Browser, url: str, number: int, home: Path) -> list[str]:
    """What went wrong in one reader's session."""
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(f"page: {error.stack or error}"))
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None)
    try:
        visit(page, url, number, home)
        text = page.inner_text("body")
        wrong += [f"page says {word}" for word in TROUBLE if word in text]
    except Exception as error:  # noqa: BLE001 - whatever it is, the soak goes on and says so
        wrong.append(f"{page.url}: {type(error).__name__}: {str(error)[:300]}")
    context.close()
    return wrong


def soak(home: Path, minutes: float) -> dict[str, Any]:
    """Sessions until the time is over; memory after each, and everything that went wrong."""
    memory: list[float] = []
    wrong: list[str] = []
    temporary = Path(tempfile.gettempdir())
    with sync_playwright() as playwright, served(home) as (url, pid):
        path = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            clear_results(home)
            wrong += session(browser, url, len(memory), home)
            memory.append(resident_mb(pid))
            print(f"session {len(memory)}: server {memory[-1]:.0f} MB, {len(wrong)} errors {wrong[-1:]}", flush=True)
        browser.close()
        log = home / "data" / "logs" / "server.log"
        wrong += ["server.log has errors"] if log.is_file() and log.stat().st_size else []
    time.sleep(3)
    wrong += [f"left behind: {left.name}" for left in temporary.glob("afl-upload-*")]
    return {"sessions": len(memory), "memory_mb": memory, "errors": wrong, "grows": grows(memory)}


def grows(memory: list[float]) -> bool:
    """Whether the last third holds more than the middle one; nothing is said of fewer than six sessions."""
    third = len(memory) // 3
    if third < 2:
        return False
    middle, last = statistics.median(memory[third : 2 * third]), statistics.median(memory[-third:])
    return last > max(middle * GROWTH[0], middle + GROWTH[1])


def main(arguments: list[str] | None = None) -> int:
    """Run it; 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=30)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as temporary:
        os.environ["TMPDIR"] = tempfile.tempdir = temporary  # what is left behind is then the server's
        make_home(Path(folder))
        found = soak(Path(folder), asked.minutes)
    print(json.dumps({key: value for key, value in found.items() if key != "memory_mb"}, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    return int(bool(found["errors"]) or found["grows"])


if __name__ == "__main__":
    sys.exit(main())
