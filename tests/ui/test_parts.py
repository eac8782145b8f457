"""What the slice viewer is given: intensities as bytes, windows, and the route of the volumes."""

import asyncio
import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.applications import Starlette

from afl_core.ui.viewers import part_route
from afl_core.ui.viewers.component import zipped
from afl_core.ui.viewers.levels import levelled
from afl_core.ui.viewers.payload import ViewerCase, viewer_payload
from afl_core.volume import Volume


def ask(digest):
    """Status, headers and body of the answer to a request."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": f"/part/{digest}", "headers": [], "query_string": b""}
    app = Starlette(routes=[part_route.part_route()])
    with ThreadPoolExecutor(1) as executor:  # a thread of its own: a browser's loop may run in this one
        executor.submit(lambda: asyncio.run(app({**scope, "root_path": ""}, receive, send))).result()
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def test_a_part_is_served_as_a_gzip_that_this_browser_alone_keeps():
    voxels = bytes(range(256)) * 10
    part_route.offer({"abc": zipped(voxels)})
    status, headers, body = ask("abc")
    assert status == 200
    assert headers["content-encoding"] == "gzip"
    assert headers["cache-control"].startswith("private")
    assert gzip.decompress(body) == voxels


@pytest.mark.parametrize("digest", ["none", "..%2f..%2fetc", "0" * 5000])
def test_what_was_not_offered_is_not_there_and_not_kept(digest):
    status, headers, _ = ask(digest)
    assert (status, headers["cache-control"]) == (404, "no-store")


def test_the_parts_that_were_offered_longest_ago_make_room(monkeypatch):
    monkeypatch.setattr(part_route, "MOST_BYTES", 25)
    monkeypatch.setattr(part_route, "LEAST_PARTS", 1)
    part_route._offered.clear()
    for digest in "abab":  # b last
        part_route.offer({digest: bytes(10)})
    part_route.offer({"c": bytes(10)})
    assert [ask(digest)[0] for digest in "abc"] == [404, 200, 200]
    part_route.offer({"d": bytes(100)})  # more than all may have: alone, but there
    assert [ask(digest)[0] for digest in "abcd"] == [404, 404, 404, 200]


@pytest.mark.parametrize("seed", range(20))
def test_bytes_are_those_of_a_linear_interpolation_between_the_knots(seed):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-3, 38)
    values = (rng.normal(size=(6, 7, 5)) * scale).astype(np.float32)
    low, high = map(float, sorted(rng.choice(values.ravel(), 2, replace=False)))
    image, knots = levelled(values, low, high)
    byte, intensity = zip(*knots, strict=True)
    np.testing.assert_array_equal(image, np.rint(np.interp(values, intensity, byte)))


def test_a_window_is_read_from_a_sample_of_a_large_image():
    values = np.random.default_rng(1).gamma(2, 100, (160, 160, 60)).astype(np.float32)  # 1.5 million voxels
    header = viewer_payload(ViewerCase(Volume(values, np.eye(4)), None)).header
    low, high = json.loads(header)["window"]
    assert [np.mean(values < end) for end in (low, high)] == pytest.approx([0.005, 0.995], abs=0.001)
