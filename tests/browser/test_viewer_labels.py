"""The labels of several files in the slice viewer: their bytes, their colours and their words."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from viewer_app import case_named, phantom
from viewer_page import Page

from afl_core.analysis.label_maps import LabelMaps
from afl_core.errors import UsageError
from afl_core.figures.palette import LABEL_COLOURS, REFERENCE_COLOUR, SOURCE_COLOURS, WRONG_LABEL_COLOUR
from afl_core.ui.viewers.payload import ViewerCase, viewer_payload

APP = Path(__file__).parent / "viewer_app.py"
LABELS = "labelled"


def packed(case: ViewerCase) -> tuple[dict, np.ndarray]:
    payload = viewer_payload(case)
    header = json.loads(payload.header)
    codes = np.frombuffer(gzip.decompress(payload.parts["labels"]), np.uint8)
    return header["labels"], codes.reshape(header["shape"], order="F")


def test_one_byte_a_voxel_holds_the_masks_and_the_labels_of_every_file():
    case = case_named(LABELS, "T1")
    told, codes = packed(case)
    table = np.array(told["combinations"])
    assert told["columns"] == {"0": 1, "1": 2}  # A-FL is known by its mask alone
    assert table[0].tolist() == [0, 0, 0]
    bits, reference, source = (table[codes, column] for column in range(3))
    np.testing.assert_array_equal(reference, case.labels.reference)
    np.testing.assert_array_equal(source, case.labels.predictions["FL"])
    for bit, mask in enumerate([case.reference, *case.predictions.values()]):
        np.testing.assert_array_equal(bits >> bit & 1, mask.array)


def test_a_case_without_labels_sends_none():
    payload = viewer_payload(phantom())
    assert "labels" not in payload.parts
    assert json.loads(payload.header)["labels"] is None


def test_more_combinations_than_a_byte_numbers_are_refused():
    case = phantom()
    many = np.arange(case.image.array.size, dtype=np.int64).reshape(case.image.array.shape)
    labels = LabelMaps(tuple(map(str, range(255))), (many % 256).astype(np.uint8), {}, {})
    with pytest.raises(UsageError, match="too many to be shown in colours"):
        viewer_payload(replace(case, labels=labels))


@pytest.fixture
def viewer(empty_page, serve) -> Page:
    empty_page.set_viewport_size({"width": 1400, "height": 900})
    return Page(empty_page, serve(APP)).open(f"case={LABELS}")


def test_labels_have_their_colours_and_a_legend_and_stand_in_the_address(viewer: Page):
    viewer.page.get_by_role("button", name="Labels").click()
    viewer.key("x", "g")
    z = viewer.slice  # the middle of the largest lesion: the reference is core there, FL edema
    labels = case_named(LABELS, "T1").labels
    assert (set(np.unique(labels.reference[..., z])), set(np.unique(labels.predictions["FL"][..., z]))) == (
        {0, 2},
        {0, 1},
    )
    edema, core = LABEL_COLOURS[:2]
    assert viewer.where(0, core).sum() > 50
    assert viewer.where(1, edema).sum() > 50
    assert not viewer.where(0, edema).any()
    assert not viewer.where(1, core).any()
    assert not viewer.where(0, REFERENCE_COLOUR).any()
    assert viewer.where(2, SOURCE_COLOURS[1]).sum() > 50  # no labels: its mask, in its colour
    viewer.settle()
    assert viewer.page.locator(".pane header b").all_inner_texts()[2] == "A-FL · its region alone"
    expect(viewer.page.locator(".legend span")).to_have_text(["edema", "core"])
    assert "FL: core taken for edema" in viewer.readout
    viewer.page.wait_for_function("location.search.includes('mode=labels')")
    viewer.page.reload()
    viewer.ready()
    expect(viewer.page.get_by_role("button", name="Labels")).to_have_attribute("aria-pressed", "true")
    viewer.key("x", "g", "b")
    assert viewer.where(0, REFERENCE_COLOUR).sum() > 50


def test_errors_show_where_the_label_alone_is_wrong(viewer: Page):
    viewer.key("e", "x")
    viewer.settle()
    legend = viewer.page.locator(".legend span").all_inner_texts()
    assert legend == ["right (TP)", "too much (FP)", "missed (FN)", "wrong label"]
    assert viewer.where(1, WRONG_LABEL_COLOUR, tolerance=30).sum() > 20
    assert not viewer.where(2, WRONG_LABEL_COLOUR, tolerance=30).any()
    viewer.key(*["ArrowUp"] * 2)  # above the border of both, the labels agree
    assert not viewer.where(1, WRONG_LABEL_COLOUR, tolerance=30).any()
    assert "FL: core, right" in viewer.readout
    viewer.key("e", "x")


def test_the_picture_has_the_legend_of_the_labels(viewer: Page):
    viewer.key("b")
    with viewer.page.expect_download() as download, viewer.more():
        viewer.page.get_by_role("button", name="Picture").click()
    with Image.open(download.value.path()) as file:
        picture = np.asarray(file.convert("RGB")).astype(int)
    source = [int(SOURCE_COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)]
    titles = picture[16:60]
    assert not (np.abs(titles - source).max(axis=2) <= 8).any()  # a colour is a label here, no source
    below = picture[round(2 * viewer.page.locator(".panes").bounding_box()["height"]) :]
    for colour in LABEL_COLOURS[:2]:
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(below - wanted).max(axis=2) <= 12).sum() > 20
    viewer.key("b")


def test_a_case_without_labels_has_no_such_switch(viewer: Page):
    viewer.open("case=small&mode=labels")
    expect(viewer.page.get_by_role("button", name="Labels")).to_be_hidden()
    expect(viewer.page.get_by_role("button", name="Masks")).to_have_attribute("aria-pressed", "true")
    assert viewer.where(0, REFERENCE_COLOUR).sum() > 50
