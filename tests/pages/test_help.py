"""The Help page: every metric, every word, and the keys that the viewers themselves name."""

from afl_core.glossary import SECTIONS
from afl_core.metrics import METRICS


def words(at) -> str:
    return "\n".join(str(m.value) for m in at.markdown).replace("\\", "")


def test_every_metric_and_every_word_is_explained_without_results(app):
    at = app("help")
    shown = "\n".join(table.value.to_string() for table in at.table).replace("\\", "")
    assert all(metric.label in shown for metric in METRICS.values())
    assert "next, previous lesion" in shown
    for title, terms in SECTIONS.items():
        if title != "Metrics":
            assert all(f"**{term}**: {text}" in words(at) for term, text in terms.items()), title


def test_a_word_is_found_and_a_word_that_is_not_there_is_said(app):
    at = app("help")
    at.text_input(key="word").set_value("SPHERICITY").run()
    assert [expander.label for expander in at.expander] == ["Size and shape"]
    assert "**Voxel**" not in words(at)
    at.text_input(key="word").set_value("<b>x").run()
    assert [info.value.replace("\\", "") for info in at.info] == ["No word of the pages has “<b>x” in it."]
