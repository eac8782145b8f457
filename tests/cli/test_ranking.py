"""`afl ranking`: what it prints, its JSON, and one message for two sources."""

import json
from functools import partial

import pytest

from tests.made_results import write_results


@pytest.fixture
def ran(call):
    """`ran(*arguments)` gives exit status, standard output and standard error."""
    return partial(call, "ranking")


@pytest.fixture
def many(tmp_path):
    return write_results(tmp_path / "made", sources={"FL": 0.0, "A-FL": 0.05, "DiceCE": -0.3})


def test_it_prints_the_ranks_and_a_sentence_a_bin(ran, many):
    code, out, err = ran(many)
    assert code == 0, err
    words = " ".join(out.split())
    assert "ranks first by mean Dice, in" in words
    assert "Small tumours: " in words
    assert "Kendall's tau" in words


def test_json_has_the_numbers_of_every_bin(ran, many):
    code, out, err = ran(many, "--json", "--quiet", "--method", "rank", "--metric", "hd95_mm")
    assert code == 0, err
    document = json.loads(out, parse_constant=pytest.fail)
    assert (document["method"], document["metric"]) == ("rank", "hd95_mm")
    whole = document["bins"][0]
    assert (whole["axis"], whole["bin"]) == ("all", "all")
    assert {row["source"] for row in whole["sources"]} == {"FL", "A-FL", "DiceCE"}
    for shares in whole["rank_frequencies"].values():
        assert sum(shares.values()) == pytest.approx(1)
    assert whole["p_better"]["FL"]["FL"] is None
    assert 0 <= whole["p_better"]["FL"]["A-FL"] <= 1
    few = next(of for of in document["bins"] if of["bin"] == "no tumour")
    assert few["sources"][0]["low"] is None


def test_two_sources_are_refused_with_what_to_do(ran, many):
    code, _, err = ran(many, "--source", "FL", "--source", "A-FL")
    assert code == 2
    assert "A ranking takes 3 sources or more (received: 2 sources). afl breakdown compares two" in " ".join(
        err.split()
    )


def test_a_wrong_method_is_told_the_right_ones(ran, many):
    code, _, err = ran(many, "--method", "average")
    assert code == 2
    assert "mean, median, rank, test" in " ".join(err.split())
