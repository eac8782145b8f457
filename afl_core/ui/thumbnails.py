"""The route of the thumbnails, `/thumbnail/RESULTS/CASE?v=KEY`: the browser asks for those in sight and keeps them."""

import logging
import time
from functools import lru_cache
from pathlib import Path
from threading import Lock

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.results import Results
from afl_core.evaluation.store import result_folders
from afl_core.figures.kept_thumbnails import kept_thumbnail

CACHED = {"Cache-Control": "private, max-age=31536000, immutable"}
"""The address holds a key that changes with the files, so what it gave once stays right."""

THREADS = 2
FRESH_S = 60
"""Seconds for which the list of a data set's cases is kept, as the pages keep it."""

log = logging.getLogger("afl.server")
_lock = Lock()


def thumbnail_route() -> Route:
    """The route; reading and drawing happen in a few threads of its own, so that the pages go on."""
    limiter: list[CapacityLimiter] = []

    async def answer(request: Request) -> Response:
        if not limiter:  # it needs the event loop of the server
            limiter.append(CapacityLimiter(THREADS))
        name, case_id = request.path_params["results"], request.path_params["case"]
        region = request.query_params.get("region", "")
        picture = await to_thread.run_sync(_picture, name, case_id, region, limiter=limiter[0])
        if picture is None:
            return PlainTextResponse("There is no such thumbnail.", 404, {"Cache-Control": "no-store"})
        return Response(picture, headers=CACHED, media_type="image/png")

    return Route("/thumbnail/{results}/{case:path}", answer, methods=["GET"])


def _picture(name: str, case_id: str, region: str) -> bytes | None:
    """The thumbnail; None where there is no such case, or it cannot be drawn, which the page of the case explains."""
    try:
        folder = next(folder for folder in result_folders() if folder.name == name)
        with _lock:  # one thread opens it, the others wait and find it open
            opened = _opened(folder, region, Results(folder).stamp(), int(time.monotonic() / FRESH_S))
        return kept_thumbnail(opened, case_id)
    except (StopIteration, AflError, OSError) as error:
        log.info("No thumbnail: %s", error)
        return None


@lru_cache(maxsize=4)
def _opened(folder: Path, region: str, stamp: int, fresh: int) -> Comparison:
    return open_comparison(folder, region=region)
