"""The route of what viewers draw, `/part/DIGEST`: the browser unzips it beside its scripts, and keeps it.

Within the messages of a page volumes and meshes would hold up all that comes after them.
"""

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

HEADERS = {"Cache-Control": "private, max-age=86400, immutable", "Content-Encoding": "gzip"}
"""The address is the hash of what it gives. A browser keeps it for a day, in which a reader comes back to a case."""

MOST_BYTES, LEAST_PARTS = 2**26, 16
"""Size of the parts that are held at most, together, and how many are held whatever their size: those of two pages.
Each page offers its own anew whenever it runs."""

_offered = OrderedDict[str, bytes]()
_lock = Lock()


def offer(parts: Mapping[str, bytes]) -> None:
    """Hold gzips by their digests for browsers to fetch; those that were offered longest ago make room."""
    with _lock:
        for digest, part in parts.items():
            _offered[digest] = part
            _offered.move_to_end(digest)
        size = sum(map(len, _offered.values()))
        while size > MOST_BYTES and len(_offered) > LEAST_PARTS:
            size -= len(_offered.popitem(last=False)[1])


def part_route() -> Route:
    """The route."""

    async def answer(request: Request) -> Response:
        part = _offered.get(request.path_params["digest"])
        if part is None:
            return PlainTextResponse("There is no such part.", 404, {"Cache-Control": "no-store"})
        return Response(part, headers=HEADERS, media_type="application/octet-stream")

    return Route("/part/{digest}", answer, methods=["GET"])
