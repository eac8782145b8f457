"""The server around the pages: who may look, what is cleaned up, and what becomes of an error that slips through."""

import logging
import os
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from logging.handlers import RotatingFileHandler
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from afl_core.base import paths
from afl_core.errors import UsageError
from afl_core.ui.guard import HEADERS, TOKEN, Guard, UploadLimit
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.upload_limits import MAX_FILES, MAX_SERVER_MIB, MAX_SUM_MIB
from afl_core.ui.thumbnails import thumbnail_route
from afl_core.ui.viewers.part_route import part_route

LOCAL = ("localhost", "127.0.0.1", "::1")
NO_TOKEN = "--no-token"
SHORTEST = 16
"""Smallest number of characters of a token that somebody chooses."""

STARTUP = "afl_core.ui.startup"
"""Module of what is done once the server answers: importing it takes a second, in which a browser loads its part."""

SWITCH_S = 0.0005
"""Seconds after which a thread of Python lets another one go on. An answer takes dozens of such turns: with the 0.005
of Python, slices that a browser asked for came a third later, as the page went on to compute the surfaces."""

SERVER_LOG = "server.log"
"""Name of the log of the server, in `paths.LOGS`."""

log = logging.getLogger("afl.server")


def server_options() -> dict[str, Any]:
    """The arguments of `st.App` besides the script: gate, limits, routes, clean-up, errors."""
    try:
        token = choose_token(sys.argv[1:], os.environ.get("AFL_TOKEN", ""), str(st.get_option("server.address")))
    except UsageError as error:
        sys.exit(f"Error: {error}")
    mib = 2**20

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        _log_to_file()
        sys.setswitchinterval(SWITCH_S)
        _beginning.start()
        link = _link(token, os.environ.get("AFL_PAGE", ""))
        sys.stdout.write(f"\n  The workbench is open at {link}\n\n")
        sys.stdout.flush()
        if os.environ.get("AFL_BROWSER"):  # `afl app` sets it
            threading.Thread(target=_open_browser, args=(link,), daemon=True).start()
        yield
        import_module(STARTUP).end()

    return {
        "middleware": [
            Middleware(Guard, token),
            Middleware(UploadLimit, (MAX_FILES, MAX_SUM_MIB * mib, MAX_SERVER_MIB * mib)),
        ],
        "lifespan": lifespan,
        "routes": [thumbnail_route(), part_route()],
        "on_script_error": _show_in_page,
        "exception_handlers": {Exception: _answer_error},
    }


_beginning = threading.Thread(target=lambda: import_module(STARTUP).begin(), daemon=True)


def wait_until_ready() -> None:
    """Wait for what a server does once it answers; a page without a server, as in a test, does not wait."""
    if _beginning.is_alive():
        _beginning.join()


def choose_token(arguments: list[str], given: str, address: str) -> str:
    """The token of this server; "" where none is asked for.

    Args:
        arguments: Arguments of the script.
        given: Value of AFL_TOKEN in the environment; "" draws a token.
        address: Address on which the server listens.

    Raises:
        UsageError: If there is another argument, the token is short, or none is to guard a server that others reach.

    >>> len(choose_token([], "", "localhost")) > 30, choose_token(["--no-token"], "", "localhost")
    (True, '')
    """
    if wrong := [text for text in arguments if text != NO_TOKEN]:
        raise UsageError("The workbench takes no such option", received=" ".join(wrong), todo=f"There is {NO_TOKEN}")
    if NO_TOKEN in arguments:
        if address not in LOCAL:
            todo = f"Leave out {NO_TOKEN}, or use --server.address localhost"
            raise UsageError("A server that other machines reach needs a token", received=address, todo=todo)
        return ""
    if given and len(given) < SHORTEST:
        raise UsageError("AFL_TOKEN is short", received=f"{len(given)} characters", todo=f"Take {SHORTEST} or more")
    return given or secrets.token_urlsafe(32)


def _link(token: str, page: str = "") -> str:
    """The address of a page, such as "data?folder=/scans", of this server."""
    host = st.get_option("server.allowedHosts")[0]
    more = f"{'&' if '?' in page else '?'}{TOKEN}={token}" if token else ""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    return f"{scheme}://{host}:{st.get_option('server.port')}{f'/{page}{more}' if page or more else ''}"


def _open_browser(link: str) -> None:
    """Open the link once the server answers, which it does a moment after it has started."""
    parts = urlsplit(link)
    for _ in range(600):
        with suppress(OSError), socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=1):
            webbrowser.open(link)
            return
        time.sleep(0.1)


def _log_to_file() -> None:
    """Tracebacks are for who looks after the server, not for who looks at a page."""
    try:
        paths.LOGS.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = RotatingFileHandler(paths.LOGS / SERVER_LOG, maxBytes=2**20, backupCount=3, encoding="utf-8")
    except OSError as error:
        log.warning("No log file: %s", error)
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)


def _show_in_page(error: Exception) -> bool:
    """One message in place of a traceback."""
    log.error("A page failed", exc_info=error)
    st.error(
        plain(
            f"Something went wrong that the workbench did not expect ({type(error).__name__}). The rest of it goes on; "
            f"reload this page. The details are in {paths.LOGS / SERVER_LOG}."
        )
    )
    return True


async def _answer_error(request: Request, error: Exception) -> Response:
    """The same message for a request that is not for a page."""
    log.error("An answer failed: %s", request.scope["path"], exc_info=error)
    return PlainTextResponse("Something went wrong; the details are in data/logs/server.log.", 500, dict(HEADERS))
