"""Every number in docs/study.md is in docs/study, and the sentences say what the tables do."""

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
import study_figure
import study_tables
from blocks import renewed

from afl_core.base.numbers import p_number
from afl_core.study.arms import ARMS, BY_CHANNEL, CONTRASTS, SEEDS_AT_OWN_RATE

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "study.md").read_text(encoding="utf-8")
SHORT = " ".join(TEXT.split("## In short", 1)[1].split("##", 1)[0].split())
RECORDS = pd.read_csv(DOCS / "study" / "comparisons.csv").set_index(
    ["rule", "rate", "level", "minus", "source", "axis", "bin"]
)
SHAPED = pd.read_csv(DOCS / "study" / "shapes_picai_comparisons.csv").set_index(RECORDS.index.names)
CASES = pd.read_csv(DOCS / "study" / "cases.csv")
RUNS = pd.read_csv(DOCS / "study" / "runs.csv")
MATCHED = pd.read_csv(DOCS / "study" / "matched.csv").set_index(["minus", "source", "rule"])
README = " ".join((DOCS.parent / "README.md").read_text(encoding="utf-8").split())
ALL, SMALL, LARGE, ROUGH = ("all", "all"), ("size", "small"), ("size", "large"), ("roughness", "rough")
SIZES = [ALL, SMALL, ("size", "medium"), LARGE]
ROUGHNESSES = [("roughness", "smooth"), ("roughness", "medium"), ROUGH]
EVERY_BIN = [*SIZES, *ROUGHNESSES]
DIFFERENCES = {
    "cases by size": (("argmax", "common", "case"), SIZES),
    "cases by roughness": (("argmax", "common", "case"), ROUGHNESSES),
    "lesions": (("argmax", "common", "lesion"), SIZES),
    "by the tumour channel": (("tumour_channel", "common", "case"), SIZES),
    "at own rates": (("argmax", "own", "case"), SIZES),
}


def block(name: str) -> list[list[str]]:
    """Cells of a block's table, the head first."""
    lines = TEXT.split(f"<!-- {name} -->", 1)[1].split("<!-- end -->", 1)[0].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells[0], *cells[2:]]


def test_the_tables_are_those_that_the_files_give():
    assert renewed(TEXT, study_tables.BLOCKS) == TEXT


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_are_those_of_the_study(name):
    (rule, rate, level), bins = DIFFERENCES[name]
    head, *body = block(name)
    pairs = CONTRASTS if rule == "argmax" else [pair for pair in CONTRASTS if set(pair) <= set(BY_CHANNEL)]
    assert [row[0] for row in body] == [f"{second} minus {first}" for first, second in pairs]
    for (first, second), (_, *cells, p) in zip(pairs, body, strict=True):
        own = [of if rate == "common" else own_rate(of) for of in (first, second)]
        for where, column, cell in zip(bins, head[1:], cells, strict=False):
            record = RECORDS.loc[(rule, rate, level, *own, *where)]
            assert column.endswith(f"n = {record['n']:.0f}")
            assert cell == "{:+.3f} ({:+.3f} to {:+.3f})".format(*record[["mean_difference", "ci_low", "ci_high"]])
        assert p == p_number(RECORDS.loc[(rule, rate, level, *own, *ALL), "p_holm"])


def own_rate(arm: str) -> str:
    chosen = json.loads((DOCS / "study" / "choices.json").read_text())["rates"]
    return arm if chosen[arm] == 1 else f"{arm} own rate"


@pytest.mark.parametrize(("name", "rate"), [("new runs", "common"), ("new runs at own rates", "own")])
def test_the_intervals_for_new_runs_are_those_of_the_study(name, rate):
    assert len(block(name)) == 1 + len(CONTRASTS)
    for title, *cells, share in block(name)[1:]:
        second, first = title.split(" minus ")
        for where, cell in zip(EVERY_BIN, cells, strict=True):
            assert cell == told(first, second, where, rate=rate)
        assert share == f"{100 * record(first, second, rate=rate)['runs_share']:.0f} %"


@pytest.mark.parametrize("rate", ["common", "own"])
def test_differences_are_those_of_all_runs_of_the_cases(rate):
    """Mean over the runs of a case, then over the scans of a patient, then over patients: a run left out would show."""
    argmax = CASES[CASES["rule"] == "argmax"]
    arms = argmax["source"].str.rsplit(" seed", n=1).str[0]
    of_case = argmax["dsc"].groupby([arms, argmax["case_id"]]).mean().unstack(0)
    of_patient = of_case.groupby(of_case.index.str.removesuffix("_visit2")).mean()
    assert len(of_patient) == 96
    for first, second in CONTRASTS:
        pair = [of if rate == "common" else own_rate(of) for of in (first, second)]
        expected = (of_patient[pair[1]] - of_patient[pair[0]]).mean()
        assert record(first, second, rate=rate)["mean_difference"] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(("name", "ending"), [("means", ""), ("means at own rates", " own rate")])
def test_means_are_those_of_the_cases(name, ending):
    argmax = CASES[CASES["rule"] == "argmax"]
    for arm, count, dice, _, _, score in block(name)[1:]:
        runs = argmax[argmax["source"].str.fullmatch(re.escape(arm + ending) + r" seed\d")].groupby("source")
        dsc, soft = runs["dsc"].mean(), runs["released_dsc"].mean()
        assert len(dsc) == int(count) == (min(SEEDS_AT_OWN_RATE, ARMS[arm].seeds) if ending else ARMS[arm].seeds)
        assert set(runs.size()) == {116}
        assert dice == f"{dsc.mean():.3f} ({dsc.min():.3f}-{dsc.max():.3f})"
        assert score == f"{soft.mean():.3f} ({soft.min():.3f}-{soft.max():.3f})"
    arms = {row[0] for row in block(name)[1:]}
    assert arms == (set(ARMS) if not ending else {arm for arm in ARMS if own_rate(arm) != arm})


def test_what_was_chosen_beforehand_is_what_the_file_says():
    chosen = json.loads((DOCS / "study" / "choices.json").read_text())
    assert {chosen["candidates"][arm] for arm in ("A-FL size-first", "A-FL size-first case")} == {2}
    assert {arm for arm, rate in chosen["rates"].items() if rate == 1} == {"A-FL scale-free"}
    assert {arm for arm, rate in chosen["rates"].items() if rate == 0.3} == {"Blob", "DiceCE"}
    assert set(chosen["rates"].values()) == {0.3, 1.0, 3.0}
    assert set(chosen["rates"]) == set(chosen["candidates"]) == set(ARMS)
    for arm, numbers in (("A-FL size-first", "(1, 5, 35)"), ("A-FL size-first case", "(1, 5, 80)")):
        setting = ARMS[arm].candidates[2]
        volume = -setting["gamma_volume_scale"] * setting["gamma_scale"]
        assert numbers == f"({setting['gamma_offset']:g}, {setting['gamma_scale']:g}, {volume:g})"
        assert numbers in TEXT.split("**Chosen so**")[1]


def test_the_choices_are_the_highest_validation_dice_of_the_runs():
    chosen, first = json.loads((DOCS / "study" / "choices.json").read_text()), RUNS[RUNS["seed"] == 0]
    for arm, of_arm in first.groupby("arm"):
        common = of_arm[of_arm["rate"] == 1].set_index("candidate")["best_validation_dsc"]
        assert common.idxmax() == chosen["candidates"][arm]
        rates = of_arm[of_arm["candidate"] == chosen["candidates"][arm]].set_index("rate")["best_validation_dsc"]
        assert rates.idxmax() == chosen["rates"][arm]


def test_the_figure_is_drawn_from_the_cases():
    scores = study_figure.scores()
    for arm in ("A-FL released", "A-FL scale-free"):
        means = [mean(column, own_rate(arm)).mean() for column in ("dsc", "released_dsc")]
        assert scores.loc[arm].tolist() == pytest.approx(means)
    assert scores["dsc"].is_monotonic_decreasing
    assert (DOCS / "study" / study_figure.PICTURE).read_text() == study_figure.draw(scores)


def record(first, second, where=ALL, *, rate="common", rule="argmax", level="case"):
    of = (first, second) if rate == "common" else (own_rate(first), own_rate(second))
    return RECORDS.loc[(rule, rate, level, *of, *where)]


def shown(first, second, where=ALL, **which):
    """1 or -1 where the interval for new patients and new runs leaves 0 out, else 0."""
    of = record(first, second, where, **which)
    assert not math.isnan(of["runs_low"])
    return int(of["runs_low"] > 0) - int(of["runs_high"] < 0)


def told(first, second, where=ALL, **which):
    """A difference with its interval for new patients and new runs, as it stands in a sentence."""
    of = record(first, second, where, **which)[["mean_difference", "runs_low", "runs_high"]]
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*of)


FOCAL = ("A-FL released", "A-FL gamma 0", "A-FL paper", "A-FL size-first", "A-FL size-first case")
REGION = ("Blob", "DiceFocal", "DiceCE")


def mean(column, source):
    cases = CASES[(CASES["rule"] == "argmax") & CASES["source"].str.fullmatch(re.escape(source) + r" seed\d")]
    return cases.groupby("source")[column].mean()


def test_the_sentences_say_what_the_intervals_do():
    """A difference is claimed where the interval for new patients and new runs leaves 0 out, and only there."""
    assert shown("FL", "A-FL released") == shown("FL", "A-FL gamma 0") == 0
    assert shown("FL", "A-FL size-first") == shown("FL", "A-FL size-first", ROUGH) == 1
    assert shown("FL", "A-FL size-first", ROUGHNESSES[0]) == 1
    assert shown("FL", "A-FL size-first", SMALL) == 0
    for where in (SMALL, ROUGH):
        assert shown("FL", "A-FL released", where) == shown("FL", "A-FL paper", where) == 0
    for where in EVERY_BIN:
        assert all(shown("FL", arm, where, rate="own") == 0 for arm in FOCAL)
    for arm in REGION:
        assert shown("FL", arm) == shown("FL", arm, rate="own") == shown("FL", arm, SMALL, rate="own") == 1
        assert shown("FL", arm, ROUGH, rate="own") == 0
        found = MATCHED.loc["FL", arm, "false"]
        assert found["matched_low"] < 0 < found["matched_high"]
    assert shown("A-FL gamma 0", "A-FL released") == shown("A-FL gamma 0", "A-FL released", rate="own") == 0
    for arm in ("A-FL released", "A-FL gamma 0"):
        assert shown("FL", arm, rule="tumour_channel") == -1
    assert MATCHED.loc["FL", "IV-FL", "dice"]["matched_low"] > 0
    assert sorted(mean("dsc", "A-FL scale-free").round(3))[:2] == [0, 0]
    rates = json.loads((DOCS / "study" / "choices.json").read_text())["rates"]
    assert rates["FL"] == rates["A-FL size-first"] == 3


def test_the_numbers_of_the_sentences_are_those_of_the_tables():
    dice, score = ({arm: mean(key, own_rate(arm)).mean() for arm in ARMS} for key in ("dsc", "released_dsc"))
    near, few = [dice[arm] for arm in ("FL", *FOCAL)], ("A-FL released", "FL", "A-FL paper")
    gains = {rate: span_of([record("FL", arm, rate=rate) for arm in REGION]) for rate in ("common", "own")}
    both, first, channel = ("A-FL gamma 0", "A-FL released"), ("FL", "A-FL size-first"), {"rule": "tumour_channel"}
    for sentence in (
        f"A-FL as released minus FL: {told('FL', 'A-FL released')} of Dice",
        f"its control without gamma minus FL: {told('FL', 'A-FL gamma 0')}",
        f"A-FL size-first minus FL: {told(*first)}, so it is higher",
        f"FL then has a Dice of {dice['FL']:.3f} in place of {mean('dsc', 'FL').mean():.3f}, and A-FL size-first"
        f" minus FL is {told(*first, rate='own')}.",
        f"have {min(near):.3f} to {max(near):.3f};",
        f"in rough tumours, {told(*first, ROUGH)}, and in smooth ones, {told(*first, ROUGHNESSES[0])}; in small ones no"
        f" difference is shown, {told(*first, SMALL)}.",
        f"A-FL released minus its control: {told(*both)}, at own rates {told(*both, rate='own')}.",
        f"{told('FL', 'A-FL released', **channel)}; its control likewise: {told('FL', 'A-FL gamma 0', **channel)}.",
        f"by {gains['common']} at the common one and by {gains['own']} at their own; there also in small tumours, by"
        f" {span_of([record('FL', arm, SMALL, rate='own') for arm in REGION])},",
        f"such as DiceFocal minus FL {matched('DiceFocal', 'false')}.",
        f"A-FL size-first minus FL is {matched('A-FL size-first', 'dice')}.",
        f"the third came to {mean('dsc', 'A-FL scale-free').max():.3f}. IV-FL has a Dice of"
        f" {mean('dsc', 'IV-FL').mean():.3f}; at its threshold of the best Dice it is above FL at FL's,"
        f" {matched('IV-FL', 'dice')}.",
        f"A-FL size-first minus FL is {shaped('A-FL size-first')}, in small ones {shaped('A-FL size-first', SMALL)};"
        f" for A-FL released no difference is shown, {shaped('A-FL released')}.",
        f"have a Dice of {listed(dice, few)}; the score of the same runs is {listed(score, few)}.",
    ):
        assert sentence in SHORT
    low, high = (record(*first)[end] for end in ("runs_low", "runs_high"))
    below = -record("FL", "A-FL released", **channel)[["mean_difference", "runs_high", "runs_low"]]
    for sentence in (
        f"have a Dice of {min(near):.3f} to {max(near):.3f}, and no difference from FL is shown",
        f"size-first is {record(*first)['mean_difference']:.3f} ({low:.3f} to {high:.3f}) above FL",
        "{:.3f} ({:.3f} to {:.3f}) below".format(*below),
        f"DiceFocal, Blob and DiceCE are {gains['own']} above FL at their own rates",
        f"Where mean Dice is {dice['A-FL paper']:.3f} to {dice['FL']:.3f}, the paper's own score goes from"
        f" {score['A-FL released']:.3f} to {score['A-FL paper']:.3f}.",
    ):
        assert sentence in README


def shaped(arm, where=ALL):
    """The difference to FL on the shapes of PI-CAI, for new patients and new runs."""
    found = SHAPED.loc[("argmax", "common", "case", "FL", arm, *where)][["mean_difference", "runs_low", "runs_high"]]
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*found)


def listed(values, arms):
    one, two, three = (f"{values[arm]:.3f}" for arm in arms)
    return f"{one}, {two} and {three}"


def matched(arm, rule):
    found = MATCHED.loc["FL", arm, rule][["matched_difference", "matched_low", "matched_high"]]
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*found)


def span_of(records):
    found = [of["mean_difference"] for of in records]
    return f"{min(found):.3f} to {max(found):.3f}"
