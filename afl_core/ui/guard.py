"""Who may ask the server for anything: every route, files and websocket alike, is behind one gate.

The rules and what they do not protect from are in docs/security.md.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

HEALTH = "/_stcore/health"
"""Says that there is a server, nothing else; open, so that one can wait for it."""

UPLOADS = "/_stcore/upload_file/"
TOKEN = "token"

_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)

_LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A-FL workbench</title>
<body style="font: 1rem/1.5 sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1 style="font-size: 1.4rem">This workbench asks for its token</h1>
<p>Whoever started it sees a link that ends in <code>?token=...</code> in the terminal: open that link once in this
browser. To work without a token, start it with <code>--no-token</code>.</p>
<p>You came by a link on another site and have opened the workbench before? <a href="">Open it</a>.</p></body></html>"""


def _policy() -> str:
    """What a page may load: only from here. Streamlit's own page has scripts in it, which are named by their hash."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes().decode()
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in _INLINE.findall(page)]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'self'; script-src 'self' blob: {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
        "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": _policy(),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
"""Headers of every response."""


class Guard:
    """Lets through what comes from a page of this server, opened by somebody who has the token.

    Args:
        app: The application that is guarded.
        token: Token of this server; "" for none.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.token = app, token.encode()
        self.pass_mark = hmac.digest(self.token, b"cookie", "sha256").hex()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI interface."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._answer(HTTPConnection(scope))
        if answer is None:
            await self.app(scope, receive, send_guarded)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the server answers 403
        else:
            await answer(scope, receive, send_guarded)

    def _answer(self, connection: HTTPConnection) -> Response | None:
        """The response that stands in place of the application's; None lets the request through."""
        if not is_host_allowed(connection.headers.get("host")):
            return PlainTextResponse("This is not an address of the workbench (server.allowedHosts).", 403)
        if not _is_same_origin(connection.headers):
            return PlainTextResponse("Only pages of the workbench itself may ask for this.", 403)
        if not self.token or connection.scope["path"] == HEALTH or self._has_cookie(connection):
            return None
        is_get = connection.scope["type"] == "http" and connection.scope["method"] == "GET"
        if is_get and self._has_token(connection.query_params):
            return self._let_in(connection)
        return HTMLResponse(_LOCKED, 403, {"Cache-Control": "no-store"})

    def _has_cookie(self, connection: HTTPConnection) -> bool:
        given = connection.cookies.get(_cookie(connection), "")
        return hmac.compare_digest(given.encode(), self.pass_mark.encode())

    def _has_token(self, query: QueryParams) -> bool:
        return hmac.compare_digest(query.get(TOKEN, "").encode(), self.token)

    def _let_in(self, connection: HTTPConnection) -> Response:
        """The same address without the token, and a cookie in its place."""
        rest = urlencode([(key, value) for key, value in connection.query_params.multi_items() if key != TOKEN])
        path = "/" + connection.scope["path"].lstrip("/\\")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303, {"Cache-Control": "no-store"})
        secure = connection.url.scheme == "https"
        answer.set_cookie(_cookie(connection), self.pass_mark, httponly=True, samesite="strict", secure=secure)
        return answer


def _cookie(connection: HTTPConnection) -> str:
    """Name of the cookie; browsers send the cookies of a host to all its ports, so the port is in it."""
    return f"afl-workbench-{connection.url.port or 'main'}"


def _is_same_origin(headers: Headers) -> bool:
    """Whether the page that asks, if a browser names one, lies on the same host and port."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


class UploadLimit:
    """Refuses files that would be too much for the memory of the server.

    Args:
        app: The application that takes the files.
        most: Largest number of files, of bytes of a session and of bytes of the server.
    """

    def __init__(self, app: ASGIApp, most: tuple[int, int, int]) -> None:
        self.app, self.most = app, most
        self.coming: list[tuple[str, int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI interface."""
        if scope["type"] != "http" or scope["method"] != "PUT" or UPLOADS not in scope["path"]:
            await self.app(scope, receive, send)
            return
        session = scope["path"].split(UPLOADS, 1)[1].split("/")[0]
        length = Headers(scope=scope).get("content-length", "")
        if not length.isdecimal() or len(length) > 15:
            await PlainTextResponse("The length of the file is missing.", 411)(scope, receive, send)
            return
        coming = (session, int(length))
        if self._is_too_much(coming):
            await PlainTextResponse("These are too many files, or too large ones.", 413)(scope, receive, send)
            return
        self.coming.append(coming)
        try:
            await self.app(scope, receive, send)
        finally:
            self.coming.remove(coming)

    def _is_too_much(self, coming: tuple[str, int]) -> bool:
        everything = [*self.coming, coming, *_held()]
        of_session = [size for session, size in everything if session == coming[0]]
        files, session_bytes, server_bytes = self.most
        return (
            len(of_session) > files
            or sum(of_session) > session_bytes
            or sum(size for _, size in everything) > server_bytes
        )


def _held() -> Iterable[tuple[str, int]]:
    """Session and size of every file that waits in memory."""
    from streamlit.runtime import get_instance  # noqa: PLC0415 - there is none before the server has started
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager  # noqa: PLC0415

    manager = get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    for session, files in tuple(manager.file_storage.items()):
        for file in tuple(files.values()):
            yield session, len(file.data)
