"""Several people on one server at once, on cases of BraTS size that nobody has opened before; see README.md."""

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import websockets
from playwright.sync_api import Page, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from viewer import GO_TO, QUIET, make_home, resident_mb, served, slices_of

ROUNDS = 3
LONGEST_S = 120
READY_S = 20  # a server imports what takes long once it has started

ALERTS = "[data-testid=stException], [data-testid=stAlertContentError]"


@dataclass
class Reader:
    """Somebody whose browser computes elsewhere: asks as a browser does, reads what comes, and draws nothing.

    Attributes:
        socket: The connection to the server.
        url: Its address.
        errors: What it said on the way.
    """

    socket: websockets.ClientConnection
    url: str
    errors: list[str] = field(default_factory=list)

    async def open(self, case_id: str) -> tuple[float, float]:
        """Seconds until the slices of a case are there, and until its page is whole."""
        ask, start, slices_s = BackMsg(), time.perf_counter(), None
        ask.rerun_script.query_string, ask.rerun_script.page_name = f"results=bench&case={case_id}", "compare"
        await self.socket.send(ask.SerializeToString())
        while True:
            message = ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(), LONGEST_S))
            kind = message.WhichOneof("type")
            if kind == "delta":
                element = message.delta.new_element
                if slices_s is None and is_viewer(element, case_id):
                    await asyncio.gather(*(asyncio.to_thread(self.fetch, part) for part in parts_of(element)))
                    slices_s = time.perf_counter() - start
                if element.HasField("exception") or (element.HasField("alert") and element.alert.format == 1):
                    self.errors.append(str(element)[:300])
            if kind == "script_finished" and slices_s is not None:
                return slices_s, time.perf_counter() - start

    def fetch(self, part: str) -> None:
        """Read the voxels of a digest, zipped as they come."""
        with urllib.request.urlopen(f"{self.url}/part/{part}", timeout=LONGEST_S) as answer:
            answer.read()


def is_viewer(element: Element, case_id: str) -> bool:
    """Whether this is the header of the slices of a case, which comes before that of its surfaces."""
    header = element.bidi_component.bytes
    return b'"parts":' in header and f'"case":"{case_id}"'.encode() in header


def parts_of(viewer: Element) -> list[str]:
    """Digests of the voxels of a case."""
    (parts,) = re.findall(rb'"parts":(\{[^}]*\})', viewer.bidi_component.bytes)
    return list(json.loads(parts).values())


async def measure_readers(url: str, pid: int, rounds: Sequence[Sequence[str]]) -> dict[str, float]:
    """All readers open the page at once, each on a case of its own, then all go on to another one, several times."""
    address = f"{url.replace('http', 'ws')}/_stcore/stream"
    readers = [Reader(await websockets.connect(address, origin=url, max_size=None), url) for _ in rounds[0]]

    async def open_all(cases: Sequence[str]) -> list[tuple[float, float]]:
        return await asyncio.gather(*(reader.open(case) for reader, case in zip(readers, cases, strict=True)))

    before, first = resident_mb(pid), await open_all(rounds[0])
    computed, further = processor_s(pid), [took for cases in rounds[1:] for took in await open_all(cases)]
    for reader in readers:
        await reader.socket.close()
    slices, whole = zip(*further, strict=True)
    return {
        **in_words("first slices", [slices_s for slices_s, _ in first]),
        **in_words("case to slices", slices),
        **in_words("case to the whole page", whole),
        "server, s of processor a case": (processor_s(pid) - computed) / len(slices),
        "errors": sum(len(reader.errors) for reader in readers),
        "server memory before (MB)": before,
        "server memory after (MB)": resident_mb(pid),
    }


def in_words(what: str, seconds: Sequence[float]) -> dict[str, float]:
    """The median and the largest of some seconds."""
    return {f"{what}, median (s)": statistics.median(seconds), f"{what}, last of all (s)": max(seconds)}


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


def measure_windows(pages: Sequence[Page], url: str, pid: int, rounds: Sequence[Sequence[str]]) -> dict[str, float]:
    """The same in browser windows, until the slices are drawn."""
    errors: list[str] = []
    for page in pages:
        page.on("pageerror", lambda error: errors.append(str(error)))
    before, start = resident_mb(pid), time.perf_counter()
    for page, case_id in zip(pages, rounds[0], strict=True):
        page.goto(f"{url}/?results=bench&case={case_id}", wait_until="commit")
    opened = wait_for_all(pages, rounds[0], start)
    further, computed = list[float](), processor_s(pid)
    for cases in rounds[1:]:
        start = time.perf_counter()
        for page, case_id in zip(pages, cases, strict=True):
            page.evaluate(GO_TO, case_id)
        further += wait_for_all(pages, cases, start)
    return {
        **in_words("first slices", opened),
        **in_words("case to slices", further),
        "server, s of processor a case": (processor_s(pid) - computed) / len(further),
        "errors": len(errors) + sum(page.locator(ALERTS).count() for page in pages),
        "server memory before (MB)": before,
        "server memory after (MB)": resident_mb(pid),
    }


def measure_in_chromium(url: str, pid: int, rounds: Sequence[Sequence[str]]) -> dict[str, float]:
    """`measure_windows` with a window for each user."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        size = {"width": 1400, "height": 1000}
        pages = [browser.new_context(viewport=size).new_page() for _ in rounds[0]]
        numbers = measure_windows(pages, url, pid, rounds)
        browser.close()
    return numbers


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a home, serve it, and print what so many users at once meet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10, metavar="N", help="how many there are (default 10)")
    parser.add_argument("--windows", action="store_true", help="each in a Chromium window, on this machine's cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args(arguments)
    cases = iter(range(options.users * (ROUNDS + 1)))
    rounds = [[f"case_{next(cases):02d}" for _ in range(options.users)] for _ in range(ROUNDS + 1)]
    with tempfile.TemporaryDirectory() as folder:
        make_home(Path(folder), options.users * (ROUNDS + 1))
        with served(Path(folder)) as (url, pid):
            time.sleep(READY_S)
            if options.windows:
                numbers = measure_in_chromium(url, pid, rounds)
            else:
                numbers = asyncio.run(measure_readers(url, pid, rounds))
    for name, value in numbers.items():
        print(f"{name:40} {value:10.2f}")
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
