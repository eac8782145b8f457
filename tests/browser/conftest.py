"""A real Chromium and a real Streamlit server, for tests of what a reader sees."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import pytest
from watched import nothing_wrong

from afl_core.ui.guard import Guard

ROOT = Path(__file__).parents[2]
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
QUIET += ["--no-first-run", "--enable-unsafe-swiftshader"]
ONE_PROCESS = ["--renderer-process-limit=1", "--disable-site-isolation-trials"]
"""Every page is drawn by one process, which keeps Streamlit's scripts compiled: a visit costs half as much."""

collect_ignore = ["failing_app.py"]
"""An entry point, which takes the options of whoever imports it."""

START_S = 60
TOKEN = "the token of the tests"
"""Of every server here that asks for one; every page has its cookie, as after the first visit."""

Serve = Callable[..., str]
Servers = dict[object, tuple[subprocess.Popen[bytes], str]]


def give_up(reason: str) -> None:
    """Skip on a machine without a browser; fail where one is promised."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """One headless Chromium: the system's if there is one, else Playwright's own."""
    try:
        from playwright.sync_api import Error, expect, sync_playwright
    except ImportError:
        give_up("playwright is not installed")
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(path).exists():
            give_up("no Chromium: install one, or run `playwright install chromium`")
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=QUIET + ONE_PROCESS)
        except Error as error:
            give_up(f"Chromium does not start: {error}")
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers that run; all stop when the tests end."""
    running: Servers = {}
    yield running
    for process, _ in running.values():
        process.terminate()
    for process, _ in running.values():
        _wait_or_kill(process)


@pytest.fixture(scope="session")
def serve(servers) -> Serve:
    """Start `streamlit run SCRIPT` on a free local port; `serve(script, *options, **environment)` gives its address.

    The same call twice gives the same server.
    """

    def start(script: Path, *options: str, **environment: str) -> str:
        key = (script, options, tuple(sorted(environment.items())))
        if key not in servers:
            servers[key] = _start(script, options, environment)
        return servers[key][1]

    return start


@pytest.fixture
def stop_server(servers) -> Callable[[str], None]:
    """Stop the server of an address; the same call of `serve` then starts another."""

    def stop(address: str) -> None:
        (key,) = (key for key, (_, url) in servers.items() if url == address)
        process, _ = servers.pop(key)
        process.terminate()
        _wait_or_kill(process)

    return stop


@pytest.fixture(scope="session")
def window(browser) -> Iterator[object]:
    """One page for all tests of a process: a second one would compile Streamlit's scripts anew, which takes seconds."""
    context = browser.new_context()
    page = context.new_page()
    goto = page.goto

    def visit(url: str, **options: object) -> object:
        if url.startswith("http"):
            context.add_cookies([pass_mark(url)])
        return goto(url, **options)

    def wait(expression: str, *, arg: object = None, timeout: float = 30_000) -> None:
        """Playwright's own evaluates text in the page, which the pages' policy forbids."""
        deadline, pause_ms = time.monotonic() + timeout / 1000, 25
        while not page.evaluate(expression, arg):
            assert time.monotonic() < deadline, expression
            page.wait_for_timeout(pause_ms)
            pause_ms = min(2 * pause_ms, 400)  # what takes long is not made longer by the questions

    page.goto, page.wait_for_function = visit, wait
    yield page
    context.close()


@contextmanager
def emptied(window) -> Iterator[object]:
    """The page, which keeps nothing of the tests before it, on which nothing may go wrong."""
    window.set_viewport_size({"width": 1400, "height": 1000})
    with nothing_wrong(window):
        yield window
        if window.url.startswith("http"):
            window.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        window.goto("about:blank")
    window.context.clear_cookies()


@pytest.fixture
def empty_page(window) -> Iterator[object]:
    """A page that keeps nothing of the tests before it, on which nothing may go wrong."""
    with emptied(window) as page:
        yield page


@pytest.fixture(scope="class")
def class_page(window, demo) -> Iterator[object]:
    """The same where the demo is ready, for the tests of a class: each goes on where the one before it ended."""
    with emptied(window) as page:
        yield page


@pytest.fixture
def page(empty_page, demo) -> object:
    """The same where the demo is ready."""
    return empty_page


@pytest.fixture
def token() -> str:
    """What opens every server of the tests."""
    return TOKEN


@pytest.fixture
def give_pass() -> Callable[[object, str], None]:
    """`give_pass(page, url)`: the page has opened that server before."""
    return lambda page, url: page.context.add_cookies([pass_mark(url)])


def pass_mark(url: str) -> dict[str, str]:
    """The cookie that a server gives for the token."""
    parts = urlsplit(url)
    value = Guard(None, TOKEN).pass_mark
    return {"name": f"afl-workbench-{parts.port}", "value": value, "url": f"{parts.scheme}://{parts.netloc}"}


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _start(script: Path, options: tuple[str, ...], environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    command += ["--server.fileWatcherType", "none", *options]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "AFL_TOKEN": TOKEN, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:
                if answer.status == 200:
                    return process, url
        except (URLError, OSError):
            time.sleep(0.1)
    process.kill()
    process.wait()
    pytest.fail(f"streamlit run {script.name} did not answer within {START_S} s (exit status {process.returncode})")
