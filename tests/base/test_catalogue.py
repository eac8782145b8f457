"""A name that a person typed is understood by key or label, in capitals or not, and else the nearest is named."""

from dataclasses import dataclass

import pytest

from afl_core.analysis.breakdown.measures import MEASURES
from afl_core.base.catalogue import find_key, nearest_key
from afl_core.data.labels import SCHEMES
from afl_core.data.layouts import LAYOUTS
from afl_core.errors import UsageError
from afl_core.metrics.matchers import MATCHERS, find_matcher


@dataclass(frozen=True)
class Entry:
    label: str


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("dsc", "dsc"),
        ("DSC", "dsc"),
        ("dice", "dsc"),
        ("Surface Dice", "nsd"),
        ("surface-dice", "nsd"),
        ("hd95", "hd95_mm"),
    ],
)
def test_a_metric_goes_by_key_or_label(typed, key):
    assert find_key(MEASURES["case"], typed, kind="metric") == key


def test_what_is_misspelt_gets_the_nearest_key_and_the_list():
    with pytest.raises(UsageError) as caught:
        find_key(MEASURES["case"], "dise", kind="metric")
    assert "Did you mean dsc? There are: dsc, iou, " in str(caught.value)


def test_a_label_that_two_have_tells_neither():
    twins = {"a": Entry("Same"), "b": Entry("Same")}
    with pytest.raises(UsageError, match="There are: a, b"):
        find_key(twins, "same", kind="twin")


def test_a_key_comes_before_a_label_of_another():
    assert find_key({"a": Entry("b"), "b": Entry("a")}, "B", kind="letter") == "b"


@pytest.mark.parametrize("catalogue", [LAYOUTS, MATCHERS, *MEASURES.values()])
def test_every_key_is_found_in_capitals(catalogue):
    assert [find_key(catalogue, key.upper(), kind="entry") for key in catalogue] == list(catalogue)


def test_a_matcher_and_a_region_in_other_letters():
    assert find_matcher("IoU").name == "iou"
    with pytest.raises(UsageError, match="Did you mean et"):
        SCHEMES["brats"].region("ett")


def test_nothing_is_near_to_nonsense():
    assert nearest_key(MEASURES["case"], "qqqqqq") == ""
