"""A real training, started from the page in a real Chromium, that survives whatever happens to the page."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_runs import FOCAL, make_run
from playwright.sync_api import Error, Page, expect

from afl_core.data.splits import SPLITS_FILE, load_splits, save_splits
from afl_core.evaluation.results import Results
from afl_core.model.checkpoints import load_card
from afl_core.training.launcher import stop_run
from afl_core.training.run_records import RunStatus
from afl_core.training.runs import METRICS, RunFolder, list_runs

ROOT = Path(__file__).parents[2]
PATIENCE = 270_000
"""Milliseconds; a process that loads torch may have to share the machine."""

POINTS = "document.querySelector('.js-plotly-plot')?.data[0].x.length ?? 0"
"""Reports in the curve of the loss, as the browser draws it."""


@pytest.fixture
def home(tmp_path) -> Iterator[Path]:
    """A home without results, where runs that are still under way when the test ends are stopped."""
    (tmp_path / "home" / "data" / "results").mkdir(parents=True)
    yield tmp_path / "home"
    for run in list_runs(tmp_path / "home" / "models" / "runs"):
        if run.status().state in ("waiting", "running"):
            stop_run(run)


@pytest.fixture
def site(serve, home) -> Callable[..., str]:
    """`site()` is the address of the app in that home."""
    return lambda: serve(ROOT / "app.py", AFL_HOME=str(home), AFL_RESULTS=str(home / "data" / "results"))


def fill(page: Page, label: str, value: str) -> None:
    enabled = page.locator("input:enabled")  # what it replaces may still be there for a moment, disabled
    field = page.get_by_label(label, exact=True).and_(enabled)
    expect(field).to_have_count(1)
    field.fill(value)
    page.keyboard.press("Enter")


def wait_for_state(page: Page, state: str, home: Path) -> None:
    """Until the page calls a run so; if it never does, what page and run say instead."""
    badges = page.locator(".stMarkdownBadge")
    try:
        badges.get_by_text(state, exact=True).wait_for(timeout=PATIENCE)
    except Error:
        runs = [(run.status(), run.alive()) for run in list_runs(home / "models" / "runs")]
        pytest.fail(f"no {state!r}: the page shows {badges.all_inner_texts()}, the runs are {runs}")


def wait_for_more_than(page: Page, points: int) -> int:
    """Until the curve has more points than that; returns how many."""
    deadline = time.monotonic() + PATIENCE / 1000
    while (there := int(page.evaluate(POINTS))) <= points:  # a chart that is drawn anew has none for a moment
        assert time.monotonic() < deadline, f"{there} points"
        page.wait_for_timeout(200)
    return there


def proposals() -> list[Path]:
    """Processes that time a step."""
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"training.proposal" in path.read_bytes()]


@pytest.mark.timeout(600)  # five processes import torch, one after the other: three minutes where others work too
def test_a_timing_stops_and_a_run_started_from_the_page_moves_survives_a_reload_and_shows_in_compare(
    page, site, home, cohort
):
    page.goto(f"{site()}/training?loss=focal")
    page.get_by_role("combobox", name="Data set").click(timeout=PATIENCE)
    page.get_by_role("option", name="A folder on this machine").click()
    fill(page, "Folder", str(cohort))
    page.get_by_text("1 validation, 1 test)").wait_for(timeout=PATIENCE)
    fill(page, "Steps", "400")
    page.get_by_text("Advanced settings").click()
    fill(page, "Patch (voxels)", "16 16 16")
    check = page.get_by_role("button", name="Check and estimate the time")
    check.click()
    page.get_by_text("Checking the settings and timing two steps").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Stop").click()
    check.wait_for(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Start the run")).to_have_count(0)
    assert proposals() == []
    check.click()
    page.get_by_role("button", name="Start the run").click(timeout=PATIENCE)
    wait_for_state(page, "running", home)
    before = wait_for_more_than(page, wait_for_more_than(page, 0))
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.reload()
    assert wait_for_more_than(page, before - 1) >= before
    wait_for_state(page, "finished", home)
    run = RunFolder(home / "models" / "runs" / "demo-focal-seed0")
    assert [row["step"] for row in run.metrics()] == list(range(10, 401, 10))
    expect(page.get_by_text("The weights of that step are the checkpoint")).to_be_visible()
    page.wait_for_function(f"({POINTS}) == {len(run.metrics())}", timeout=PATIENCE)  # the chart is drawn anew
    fill(page, "Name as a checkpoint", "my_fl")
    page.get_by_role("button", name="Publish and open").click()
    page.wait_for_function(
        "location.pathname == '/compare' && location.search.includes('case=Case_D')", timeout=PATIENCE
    )
    (results,) = (home / "data" / "results").glob("my_fl*")
    while Results(results).cases().empty:  # measured without a further click
        page.wait_for_timeout(500)
    expect(page.get_by_text("predicting and measuring")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_text("No result yet")).to_have_count(0)
    assert load_card(home / "models" / "my_fl").weights_sha256 == load_card(run.path / "checkpoint").weights_sha256


@pytest.mark.timeout(600)
def test_a_run_outlives_the_server_and_the_next_one_takes_it_over(page, site, stop_server, home, cohort):
    config = FOCAL.model_copy(update={"steps": 1_000_000, "validate_every": 100_000})
    run = make_run(home / "models" / "runs", cohort, config, name="long")
    save_splits(run.path / SPLITS_FILE, load_splits(cohort / SPLITS_FILE))
    run.write_status(RunStatus("stopped", "Stopped"))
    page.goto(f"{site()}/training")
    page.get_by_role("button", name="Resume").click(timeout=PATIENCE)
    before = wait_for_more_than(page, 1)
    pid = run.status().pid
    page.goto("about:blank")
    stop_server(site())
    page.goto(f"{site()}/training")
    wait_for_state(page, "running", home)
    assert wait_for_more_than(page, before) > before
    assert run.status().pid == pid
    page.get_by_role("button", name="Stop").click()
    wait_for_state(page, "stopped", home)
    assert not run.alive()
    steps = [json.loads(line)["step"] for line in (run.path / METRICS).read_text().splitlines()]
    assert steps == list(range(10, 10 * len(steps) + 1, 10))
