"""The glossary explains the words of the pages once, and its page says the same as the package."""

import ast
import re
from pathlib import Path

import pytest
from made_units import make_units

from afl_core.analysis.breakdown.bins import AXES
from afl_core.analysis.breakdown.measures import MEASURES
from afl_core.analysis.breakdown.published import published_losses, published_networks
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.xray.focusing import SETTINGS
from afl_core.glossary import SECTIONS, TERMS, as_markdown
from afl_core.metrics import METRICS
from afl_core.ui.breakdown.controls import SMOOTHNESS as SMOOTHNESS_OF_BINS
from afl_core.ui.breakdown.export import published_columns
from afl_core.ui.breakdown.panels import statistic_columns, statistics_table
from afl_core.ui.follow_up.panels import column_help as follow_up_help
from afl_core.ui.loss_xray.design import ALPHAS, YOURS
from afl_core.ui.loss_xray.design import SMOOTHNESS as READINGS_OF_SMOOTHNESS
from afl_core.ui.loss_xray.gradient import lesion_help
from afl_core.ui.loss_xray.panels import summary_help
from afl_core.ui.loss_xray.why import READINGS
from afl_core.ui.overview.table import column_help

ROOT = Path(__file__).parents[1]


def test_page_says_what_the_package_says():
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert page == as_markdown(), "Write afl_core.glossary.as_markdown() to docs/glossary.md again"


def test_every_term_stands_once():
    terms = [term.lower() for section in SECTIONS.values() for term in section]
    assert sorted(set(terms)) == sorted(terms)
    assert len(terms) == len(TERMS)


@pytest.mark.parametrize("label", [metric.label for metric in METRICS.values()])
def test_every_metric_has_its_own_definition(label):
    metric = next(metric for metric in METRICS.values() if metric.label == label)
    assert TERMS[label].startswith(metric.definition)


@pytest.mark.parametrize(
    "label",
    [
        *(axis.label for axis in AXES.values()),
        *(label.partition(" (")[0] for label in SMOOTHNESS_OF_BINS.values()),
        *READINGS_OF_SMOOTHNESS.values(),
        *ALPHAS.values(),
        *(reading.name for reading in READINGS.values()),
    ],
)
def test_every_choice_of_smoothness_and_alpha_has_an_entry(label):
    assert label in TERMS


def test_every_lesion_measure_has_an_entry():
    missing = {measure.label for measure in MEASURES["lesion"].values()} - set(TERMS)
    assert not missing


@pytest.mark.parametrize("term", TERMS)
def test_explanation_is_whole_sentences_that_a_help_text_can_show(term):
    text = TERMS[term]
    assert text.endswith(".")
    assert len(text) < 420
    assert not set("*<>$`~#") & set(text), "A help text is Markdown, where this is a mark"


def test_page_has_one_line_a_term():
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \*\*(.+?)\*\*: ", page, flags=re.MULTILINE) == list(TERMS)


STATISTICS = ("by", "bin", "range", "pair", "n", "units", "difference", "interval", "p", "p (Holm)", "effect")
STATISTICS += ("higher", "lower", "equal", "new runs", "by runs")

WIDGETS = {
    *("selectbox", "multiselect", "segmented_control", "text_input", "number_input"),
    *("checkbox", "toggle", "slider", "select_slider"),
}

FOLLOW_UP_COLUMNS = {
    **{"Time point": "Time point", "Case": "Case", "By": "Source", "Volume (ml)": "Tumour volume"},
    **{"From baseline (%)": "Baseline", "From nadir (ml)": "Nadir", "Response by volume": "Response by volume"},
    **{"Reference": "Reference", "Patients": "n", "Bias (ml)": "Limits of agreement"},
}


@pytest.mark.parametrize(("name", "term"), FOLLOW_UP_COLUMNS.items())
def test_columns_of_the_follow_up_are_explained_by_their_terms(name, term):
    assert follow_up_help(name) == TERMS[term]


def widgets_of_terms():
    """Where a page has a widget whose label is a term: file, line, term and the source of its help."""
    by_name = {term.lower(): term for term in TERMS}
    for path in sorted((ROOT / "afl_core" / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WIDGETS):
                continue
            label = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if isinstance(label, str) and label.lower() in by_name:
                texts = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "help"]
                yield f"{path.relative_to(ROOT)}:{node.lineno}", by_name[label.lower()], "".join(texts)


@pytest.mark.parametrize(("place", "term", "help_text"), list(widgets_of_terms()))
def test_widget_that_is_called_by_a_term_has_its_help_from_the_glossary(place, term, help_text):
    assert f"TERMS['{term}']" in help_text or f"'{term}'" in help_text, f"{place}: help=TERMS[{term!r}] is missing"


def test_every_column_of_the_tables_has_its_help_from_the_glossary():
    helps = [statistic_columns(3)[name]["help"] for name in STATISTICS]
    helps += [
        column_help(name) for name in ("Metric", "Over", "Difference", "95 % interval", "FL mean", "my A-FL median")
    ]
    helps += [summary_help(name) for name in ("quantity", "min", "q1", "median", "q3", "p95", "max", "rho, size")]
    helps += [lesion_help(name) for name in ("lesion", "volume (ml)", *SETTINGS, YOURS)]
    assert all(any(text in shown for text in TERMS.values()) for shown in helps)


@pytest.mark.parametrize("table", [published_losses(), published_networks()])
def test_the_published_tables_have_help_from_the_glossary(table):
    columns = published_columns(table)
    assert list(columns) == list(table)
    assert all(column["help"] in TERMS.values() for column in columns.values())


def test_statistics_have_no_column_without_a_help():
    found = compute_breakdown(make_units(40, sources=["a", "b", "c"]), ())
    table = statistics_table(found.records[found.records["minus"] != ""], found.units, one_pair=False)
    assert set(table) | {"units", "new runs", "by runs"} == set(statistic_columns(3)) == set(STATISTICS)
