"""Results of more sources than Compare draws: the reader chooses which, and a link from another page names its pair."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from afl_core.data.layouts import load_cohort
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources

NAMES = ["FL", "A-FL", "Blob", "DiceCE", "IV-FL"]


@pytest.fixture
def five(results, cohort_folder):
    """Five sources: the further three are the masks of A-FL again."""
    folders = {name: cohort_folder.parent / (name if name == "FL" else "A-FL") for name in NAMES}
    sources = parse_sources([f"{name}={folder}" for name, folder in folders.items()])
    results.describe(data=cohort_folder, kind=load_cohort(cohort_folder).layout.name, sources=sources, skipped={})
    evaluate_into(results, load_cohort(cohort_folder).cases, sources)
    return results


def cases_of(at):
    return next(frame.value for frame in at.dataframe if "case" in frame.value)


def test_the_first_three_sources_are_shown_until_others_are_chosen(app, five):
    at = app("compare", case="gained")
    assert list(at.multiselect(key="sources").value) == NAMES[:3]
    assert set(NAMES) & set(cases_of(at).columns) == set(NAMES[:3])
    at.multiselect(key="sources").set_value(["IV-FL", "FL"]).run()
    assert not at.exception
    table = cases_of(at)
    assert [column for column in table.columns if column in NAMES] == ["IV-FL", "FL"]
    row = table.set_index("case").loc["gained"]
    assert row["difference"] == pytest.approx(row["FL"] - row["IV-FL"])
    assert {Path(block.value).parts[-2] for block in at.code if "/masks/" in block.value} == {"IV-FL", "FL"}
    at.multiselect(key="sources").set_value([]).run()
    assert set(NAMES) & set(cases_of(at).columns) == set(NAMES[:3])


def test_a_link_names_the_sources_to_show(app, five):
    at = app("compare", case="gained", sources=["DiceCE", "A-FL"])
    assert [column for column in cases_of(at).columns if column in NAMES] == ["DiceCE", "A-FL"]


def test_the_gallery_leads_to_a_case_with_its_pair(app, five):
    at = app(baseline="DiceCE", compared="FL")
    links = [parse_qs(link.proto.query_string) for link in at.get("page_link")]
    assert any(link.get("sources") == ["DiceCE", "FL"] for link in links)


def test_no_choice_is_offered_where_all_stand_side_by_side(app, results):
    at = app("compare", case="gained", sources="A-FL")
    assert not [box for box in at.multiselect if box.key == "sources"]
    assert {"FL", "A-FL"} <= set(cases_of(at).columns)
