"""What a reload or a second tab must not lose, in a real Chromium: a measurement, and the results of each tab."""

import json
from pathlib import Path

import pytest
from made_results import write_results
from playwright.sync_api import Page, expect

from afl_core.base import processes
from afl_core.base.paths import DEMO
from afl_core.base.storage import write_atomically
from afl_core.evaluation.job import EVERY

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with two results of different sources."""
    folder = tmp_path_factory.mktemp("home")
    write_results(folder / "data" / "results" / "one", pictures=True)
    write_results(folder / "data" / "results" / "two", sources={"plain": 0.0, "new": 0.05})
    return folder


def write_status(folder: Path, *, state: str, done: int) -> None:
    status = {"state": state, "message": f"{done} of 4 cases", "done": done, "total": 4}
    write_atomically(folder / "status.json", json.dumps(status).encode())


def test_a_measurement_is_told_before_and_after_a_reload_until_it_ends(empty_page: Page, serve, home):
    page, folder = empty_page, home / "data" / "results" / "one" / "jobs" / EVERY
    folder.mkdir(parents=True)
    write_status(folder, state="running", done=1)
    with processes.hold(folder):
        page.goto(f"{serve(ROOT / 'app.py', AFL_HOME=str(home))}/?results=one")
        expect(page.get_by_text("1 of 4 cases")).to_be_visible(timeout=60_000)
        page.reload()
        expect(page.get_by_text("1 of 4 cases")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        write_status(folder, state="running", done=3)
        expect(page.get_by_text("3 of 4 cases")).to_be_visible(timeout=20_000)
        write_status(folder, state="finished", done=4)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=20_000)


def test_two_tabs_keep_their_own_results(empty_page: Page, serve, home):
    first, address = empty_page, serve(ROOT / "app.py", AFL_HOME=str(home))
    first.goto(f"{address}/breakdown?results=one&size_low=3")
    first.get_by_text("A-FL minus FL").first.wait_for(timeout=60_000)
    second = first.context.new_page()
    second.goto(f"{address}/?results=two")
    second.get_by_text("new minus plain").first.wait_for(timeout=60_000)
    second.get_by_role("link", name="Breakdown").click()
    second.get_by_text("Paired statistics").wait_for(timeout=60_000)
    first.reload()
    first.get_by_text("Paired statistics").wait_for(timeout=60_000)
    assert "results=one" in first.url
    assert "size_low=3" in first.url
    expect(first.get_by_text("A-FL minus FL").first).to_be_visible()
    assert "results=two" in second.url
    expect(second.get_by_text("new minus plain").first).to_be_visible()
    assert first.get_by_text("new minus plain").count() == second.get_by_text("A-FL minus FL").count() == 0
    second.close()


def test_a_check_that_is_reloaded_in_the_middle_comes_to_its_report(empty_page: Page, demo, serve, tmp_path_factory):
    page, fresh = empty_page, tmp_path_factory.mktemp("home")  # nothing of the data set was read before
    for k in range(2):  # the same files twice: enough to be seen at work
        for path in DEMO.glob("HGG/*/*.nii.gz"):
            name = f"{path.parent.name}_{k}"
            copy = fresh / "scans" / "HGG" / name / path.name.replace(path.parent.name, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(path)
    url = serve(ROOT / "app.py", AFL_HOME=str(fresh), AFL_RESULTS=str(fresh))
    page.goto(f"{url}/data?folder={fresh / 'scans'}")
    page.get_by_role("button", name="Read 290 references").click(timeout=60_000)
    expect(page.get_by_text("of 290: ", exact=False)).to_be_visible(timeout=60_000)
    page.reload()
    expect(page.get_by_text("of 290: ", exact=False)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Read: 290 cases", exact=False)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("heading", name="Findings")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("of 290: ", exact=False)).to_have_count(0)
