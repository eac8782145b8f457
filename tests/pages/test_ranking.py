"""The tab Ranking of Breakdown: where it is, what it says first, and that its choices are in the address."""

import pandas as pd
import pytest
from made_results import write_results

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.ranking import bins_to_rank, metric_agreement, rank_bin, ranking_sentence
from afl_core.evaluation.results import Results


@pytest.fixture
def many(tmp_path) -> Results:
    return Results(write_results(tmp_path / "results" / "many", sources={"FL": 0.0, "A-FL": 0.05, "DiceCE": -0.3}))


def said(at) -> str:
    return "\n".join(str(element.value) for element in at.markdown).replace("\\", "")


def table_with(at, column) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if column in frame.value)


def expected(many, where, method):
    whole = choose_breakdown((many.cases(), many.lesions()), many.manifest(), Options())
    return rank_bin(whole, bins_to_rank(whole)[where], method)


def test_it_ranks_everything_by_the_mean_and_then_what_is_chosen(app, many):
    at = app("breakdown", view="Ranking")
    found = expected(many, "All cases", "mean")
    assert ranking_sentence(found) in said(at)
    shown = table_with(at, "Mean, then rank")
    assert shown["source"].tolist() == found.table["source"].tolist()
    assert shown["Rank, then mean"].tolist() == found.table["rank_rank"].tolist()
    at.selectbox(key="rank_by").set_value("test")
    at.selectbox(key="rank_in").set_value("Small tumours").run()
    assert not at.exception
    assert ranking_sentence(expected(many, "Small tumours", "test")) in said(at)


def test_a_link_opens_the_bin(app, many):
    at = app("breakdown", view="Ranking", rank_in="Cases without a tumour")
    assert ranking_sentence(expected(many, "Cases without a tumour", "mean")) in said(at)
    assert "too few for resamples or a test" in said(at)


def test_the_other_metrics_stand_behind_a_click(app, many):
    at = app("breakdown", view="Ranking")
    assert not any("tau" in frame.value for frame in at.dataframe)
    at.session_state["rank agreement"] = True
    at.run()
    assert not at.exception
    tables = (many.cases(), many.lesions())
    assert (
        table_with(at, "tau")["order"].tolist()
        == metric_agreement(tables, many.manifest(), Options())["order"].tolist()
    )


def test_two_sources_have_no_ranking(app, results):
    at = app("breakdown")
    assert "Ranking" not in [tab.label for tab in at.tabs]
