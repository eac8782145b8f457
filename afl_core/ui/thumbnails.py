"""The route of the thumbnails, `/thumbnail/RESULTS/CASE?v=KEY`: the browser asks for those in sight and keeps them."""

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

CACHED = {"Cache-Control": "private, max-age=31536000, immutable"}
"""The address holds a key that changes with the files, so what it gave once stays right."""

THREADS = 2


def thumbnail_route() -> Route:
    """The route; reading and drawing happen in a few threads of its own, so that the pages go on."""
    limiter: list[CapacityLimiter] = []

    async def answer(request: Request) -> Response:
        from afl_core.ui.thumbnail_picture import picture  # noqa: PLC0415 - a server answers before it is imported

        if not limiter:  # it needs the event loop of the server
            limiter.append(CapacityLimiter(THREADS))
        name, case_id = request.path_params["results"], request.path_params["case"]
        region = request.query_params.get("region", "")
        png = await to_thread.run_sync(picture, name, case_id, region, limiter=limiter[0])
        if png is None:
            return PlainTextResponse("There is no such thumbnail.", 404, {"Cache-Control": "no-store"})
        return Response(png, headers=CACHED, media_type="image/png")

    return Route("/thumbnail/{results}/{case:path}", answer, methods=["GET"])
