"""A blinded reading: its sides, its file, and that a closed one takes no choice."""

import json

import pytest

from afl_core.errors import DataError, UsageError
from afl_core.evaluation.reading import begin_reading, choose, close, load_reading

PAIR = ("FL", "A-FL")


@pytest.fixture
def begun(tmp_path):
    return begin_reading(tmp_path, "Ada", PAIR, "whole", with_reference=False)


def test_the_sides_are_drawn_for_every_case_and_stay(tmp_path, begun):
    cases = [f"c{k}" for k in range(400)]
    drawn = [begun.sides(case) for case in cases]
    assert {frozenset(sides) for sides in drawn} == {frozenset(PAIR)}
    assert 150 < sum(sides == PAIR for sides in drawn) < 250
    assert [load_reading(tmp_path, begun.name).sides(case) for case in cases] == drawn
    other = begin_reading(tmp_path, "Grace", PAIR, "whole", with_reference=False)
    assert [other.sides(case) for case in cases] != drawn, "each reader has sides of their own"


def test_a_reading_goes_on_where_it_stopped_and_a_later_choice_counts(tmp_path, begun):
    reading = choose(tmp_path, choose(tmp_path, choose(tmp_path, begun, "a", "A"), "b", "="), "a", "B")
    again = begin_reading(tmp_path, "  ada ", PAIR[::-1], "whole", with_reference=True)
    assert again == reading, "the same reader, sources and region"
    assert dict(again.choices) == {"a": "B", "b": "="}
    assert again.preferred("a") == again.sides("a")[1]
    assert again.preferred("b") == again.preferred("unread") == ""
    assert not again.with_reference


def test_a_closed_reading_takes_no_choice(tmp_path, begun):
    closed = close(tmp_path, choose(tmp_path, begun, "a", "A"))
    with pytest.raises(UsageError, match="closed"):
        choose(tmp_path, load_reading(tmp_path, closed.name), "b", "A")
    assert dict(load_reading(tmp_path, closed.name).choices) == {"a": "A"}


def test_what_is_refused(tmp_path, begun):
    for reader, pair in (("", PAIR), ("x" * 61, PAIR), ("Ada", ("FL", "FL"))):
        with pytest.raises(UsageError):
            begin_reading(tmp_path, reader, pair, "whole", with_reference=True)
    with pytest.raises(UsageError, match="no such choice"):
        choose(tmp_path, begun, "a", "C")
    for name in ("0000", "../readings/x", ""):
        with pytest.raises(DataError, match="no such reading"):
            load_reading(tmp_path, name)


@pytest.mark.parametrize("change", [{"choices": {"a": "C"}}, {"pair": ["FL", "B"]}, {"choices": 3}, {"more": 1}])
def test_a_damaged_file_is_told(tmp_path, begun, change):
    (path,) = (tmp_path / "readings").iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=r"readings/.* is damaged"):
        load_reading(tmp_path, begun.name)
