"""The thumbnails of a results folder and the route that serves them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.applications import Starlette

from afl_core.base import paths
from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import references_cohort
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources
from afl_core.figures.kept_thumbnails import FOLDER, kept_thumbnail, thumbnail_key
from afl_core.ui.thumbnails import thumbnail_route

AFFINE = np.eye(4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results of two cases; the reference of one is called as an address could not be."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    for case_id in ("a b#%", "b"):
        mask = np.zeros((20, 20, 12), bool)
        mask[5:12, 5:12, 3:8] = True
        save_volume(tmp_path / "references" / f"{case_id}.nii.gz", mask, AFFINE)
        save_volume(tmp_path / "FL" / f"{case_id}.nii.gz", np.roll(mask, 2, 0), AFFINE)
    cohort = references_cohort(tmp_path / "references")
    results = Results(tmp_path / "results" / "small")
    sources = parse_sources([f"FL={tmp_path / 'FL'}"])
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    return results.folder


def ask(path):
    """Status, headers and body of the answer to a request for a path that was decoded, as servers do."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"v=1", "root_path": ""}
    with ThreadPoolExecutor(1) as executor:  # a thread of its own: a browser's loop may run in this one
        executor.submit(lambda: asyncio.run(Starlette(routes=[thumbnail_route()])(scope, receive, send))).result()
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("case_id", ["a b#%", "b"])
def test_a_thumbnail_is_served_to_be_kept_by_this_browser_alone(folder, case_id):
    status, headers, body = ask(f"/thumbnail/small/{case_id}")
    assert status == 200
    assert body.startswith(b"\x89PNG")
    assert headers["content-type"] == "image/png"
    assert {"private", "immutable"} <= set(headers["cache-control"].split(", "))
    assert [path.read_bytes() for path in (folder / FOLDER / case_id).iterdir()] == [body]


@pytest.mark.parametrize(
    "path", ["small/nobody", "small/", "nowhere/b", "../b", "small/../manifest.json", "small//etc/passwd", "small/b\0"]
)
def test_what_is_no_case_of_results_is_not_found(folder, path):
    status, headers, body = ask(f"/thumbnail/{path}")
    assert (status, headers["cache-control"]) == (404, "no-store")
    assert body == b"There is no such thumbnail."
    assert not (folder / FOLDER).exists()


def test_it_is_made_once_and_anew_when_a_file_changes(folder):
    opened = open_comparison(folder)
    first = kept_thumbnail(opened, "b")
    (kept,) = (folder / FOLDER / "b").iterdir()
    kept.write_bytes(b"as it was kept")
    assert kept_thumbnail(opened, "b") == b"as it was kept"
    case = next(case for case in opened.cohort.cases if case.case_id == "b")
    key = thumbnail_key(opened, case)
    other = np.zeros((20, 20, 12), bool)
    other[2:18, 2:18, 2:11] = True
    save_volume(case.reference, other, AFFINE)
    assert thumbnail_key(opened, case) != key
    assert kept_thumbnail(opened, "b") not in (first, b"as it was kept")
    assert [path.stem for path in (folder / FOLDER / "b").iterdir()] == [thumbnail_key(opened, case)]


def test_a_mask_that_is_not_the_measured_one_is_left_out(folder):
    opened = open_comparison(folder)
    with_mask = kept_thumbnail(opened, "b")
    (folder / "masks" / "FL" / "b.nii.gz").write_bytes(b"broken")
    assert kept_thumbnail(opened, "b") != with_mask


def test_a_broken_reference_is_not_found(folder, tmp_path):
    (tmp_path / "references" / "b.nii.gz").write_bytes(b"broken")
    assert ask("/thumbnail/small/b")[0] == 404
    assert ask("/thumbnail/small/a b#%")[0] == 200
