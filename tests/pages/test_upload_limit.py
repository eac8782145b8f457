"""What waits in the server's memory is bounded: files, bytes of a session, bytes of all."""

from contextlib import suppress

import pytest

from afl_core.ui import guard
from afl_core.ui.guard import UPLOADS, UploadLimit


def put(limit, session, length, method="PUT"):
    """Status of an answer."""
    said = []
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": method, "path": f"{UPLOADS}{session}/file", "headers": headers}

    async def send(message):
        said.append(message.get("status"))

    with suppress(StopIteration):
        limit(scope, None, send).send(None)  # nothing in it waits
    return said[0]


@pytest.fixture
def held(monkeypatch):
    """Session and size of the files that wait; those that are let through are added."""
    files = []
    monkeypatch.setattr(guard, "_held", lambda: files)
    return files


@pytest.fixture
def limit(held):
    async def store(scope, _, send):
        held.append((scope["path"].split("/")[-2], int(scope["headers"][0][1])))
        await send({"type": "http.response.start", "status": 204, "headers": []})

    return UploadLimit(store, (3, 100, 250))


def test_a_session_has_so_many_files_and_bytes(limit):
    assert [put(limit, "a", 10) for _ in range(4)] == [204, 204, 204, 413]
    assert [put(limit, "b", 60), put(limit, "b", 41), put(limit, "b", 40)] == [204, 413, 204]


def test_the_server_has_so_many_bytes(limit, held):
    assert [put(limit, session, 100) for session in "abc"] == [204, 204, 413]
    held.clear()
    assert put(limit, "c", 100) == 204


def test_files_on_their_way_count_and_those_that_failed_do_not(limit, held):
    limit.coming = [("a", 60)]
    assert put(limit, "a", 50) == 413
    limit.coming.clear()

    async def fail(*_):
        raise OSError("cut off")

    limit.app = fail
    with pytest.raises(OSError, match="cut off"):
        put(limit, "a", 50)
    assert limit.coming == []


@pytest.mark.parametrize("length", [None, "-1", "x", "9" * 20])
def test_a_file_says_how_long_it_is(limit, length):
    assert put(limit, "a", length) == 411
