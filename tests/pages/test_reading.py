"""A blinded reading on Compare: what it asks, that nothing tells a source, and what it found."""

import pytest

from afl_core.evaluation.reading import begin_reading, choose, load_reading


@pytest.fixture
def begun(results):
    return begin_reading(results.folder, "Ada", ("FL", "A-FL"), "whole", with_reference=True)


def everything(at) -> str:
    """All that the page sends, as text, but the menu of results."""
    return "\n".join(str(element.proto) for element in at.main if "Results" not in str(element.proto))


def words(at) -> str:
    return "\n".join(str(of.value) for kind in (at.markdown, at.info, at.success, at.caption) for of in kind)


def test_it_asks_for_a_reader_before_it_begins(app, results):
    start = app("compare", reading="start")
    assert not start.exception
    assert "Nothing tells the sources" in words(start)
    next(button for button in start.button if button.label == "Begin, or go on").click().run()
    assert any("name of its reader" in of.value for of in start.error)


def test_nothing_tells_a_source_before_the_end(app, begun, results, monkeypatch):
    sent = []
    monkeypatch.setattr("afl_core.ui.compare.reading.viewer_payload", lambda case: sent.append(case) or _payload(case))
    at = app("compare", reading=begun.name)
    assert not at.exception
    assert "0 of 3 cases read" in words(at)
    told = [name for name in ("A-FL", '"FL"', "/FL/") if name in everything(at).replace("A-FL workbench", "")]
    assert not told, "a source by its name, as text or as a folder"
    assert "FL" not in words(at)
    assert tuple(sent[0].predictions) == ("A", "B")
    assert b"FL" not in _payload(sent[0]).header
    assert b'"name":"A","colour":"#C08800"}' in _payload(sent[0]).header, "no volume, by which a source could be known"
    assert not {"FL", "A-FL"} & set(at.query_params.values())
    first = sent[0].case_id
    next(button for button in at.button if button.label == "B is better").click().run()
    assert dict(load_reading(results.folder, begun.name).choices) == {first: "B"}
    assert "1 of 3 cases read" in words(at)
    next(button for button in at.button if button.label == "Back").click().run()
    assert f"now {first}" in words(at)
    next(button for button in at.button if button.label == "No preference").click().run()
    assert dict(load_reading(results.folder, begun.name).choices) == {first: "="}


def test_the_sources_are_shown_once_it_is_closed(app, begun, results):
    for case_id in ("gained", "missed", "healthy"):
        choose(results.folder, load_reading(results.folder, begun.name), case_id, "A")
    at = app("compare", reading=begun.name)
    assert "Every case is read" in words(at)
    next(button for button in at.button if button.label == "Close and show").click().run()
    assert not at.exception
    assert "was preferred in" in words(at)
    assert load_reading(results.folder, begun.name).closed
    assert not any(button.label == "A is better" for button in at.button)


def test_an_unknown_reading_is_told(app, results):
    at = app("compare", reading="0123")
    assert not at.exception
    assert any("no such reading" in of.value for of in at.error)


def _payload(case):
    from afl_core.ui.viewers.payload import viewer_payload

    return viewer_payload(case)
