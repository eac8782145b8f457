"""What may not happen on a page, whatever a test does with it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

AT_REST = "[data-testid=stApp][data-test-script-state=notRunning]"
"""A page that is not being drawn anew: what is clicked while it is may be lost."""

MISSING = "Failed to load resource"
PROBE = re.compile(r"/(compare|breakdown|follow_up|loss_xray|training|data|help)/_stcore/(health|host-config)$").search
"""A page opened by its own address is asked for Streamlit's own files first below that address, then at the root."""


def still_box(page, element) -> dict[str, float]:
    """Where an element is on the screen, once the page is at rest and nothing moves it any more."""
    page.wait_for_selector(AT_REST, timeout=60_000)
    element.scroll_into_view_if_needed()
    before, box = None, element.bounding_box()
    while box != before or box is None:
        page.wait_for_timeout(400)
        before, box = box, element.bounding_box()
    return box


@contextmanager
def nothing_wrong(page) -> Iterator[None]:
    """Fails at the end after a console error, an uncaught exception, or a request that leaves this machine."""
    wrong: list[str] = []
    heard = {
        "console": lambda m: wrong.append(m.text) if m.type == "error" and MISSING not in m.text else None,
        "response": lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 and not PROBE(r.url) else None,
        "pageerror": lambda error: wrong.append(str(error)),
        "request": lambda r: wrong.append(r.url) if not stays_here(r.url) else None,
    }
    for event, hear in heard.items():
        page.on(event, hear)
    yield
    for event, hear in heard.items():
        page.remove_listener(event, hear)
    assert not wrong, wrong


def stays_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"data", "blob", "about"} or parts.hostname in {"localhost", "127.0.0.1"}
