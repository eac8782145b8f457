"""Every number in docs/study.md is in docs/study, and the sentences say what the tables do."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import study_figure
import study_tables
from blocks import renewed

from afl_core.base.numbers import p_number
from afl_core.study.arms import ARMS, CONTRASTS, SEEDS_AT_OWN_RATE

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "study.md").read_text(encoding="utf-8")
RECORDS = pd.read_csv(DOCS / "study" / "comparisons.csv").set_index(
    ["rule", "rate", "level", "minus", "source", "axis", "bin"]
)
CASES = pd.read_csv(DOCS / "study" / "cases.csv")
RUNS = pd.read_csv(DOCS / "study" / "runs.csv")
ALL, SMALL, ROUGH = ("all", "all"), ("size", "small"), ("roughness", "rough")
SIZES = [ALL, SMALL, ("size", "medium"), ("size", "large")]
DIFFERENCES = {
    "cases by size": (("argmax", "common", "case"), SIZES),
    "cases by roughness": (
        ("argmax", "common", "case"),
        [("roughness", bin_) for bin_ in ("smooth", "medium", "rough")],
    ),
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
    pairs = CONTRASTS if rule == "argmax" else [pair for pair in CONTRASTS if set(pair) <= set(study_tables.BY_CHANNEL)]
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


def test_the_intervals_for_new_runs_are_those_of_the_study():
    for name, *cells, share in block("new runs")[1:]:
        second, first = name.split(" minus ")
        for where, cell in zip((ALL, SMALL, ROUGH), cells, strict=True):
            record = RECORDS.loc[("argmax", "common", "case", first, second, *where)]
            assert cell == "{:+.3f} ({:+.3f} to {:+.3f})".format(*record[["mean_difference", "runs_low", "runs_high"]])
        assert share == f"{100 * RECORDS.loc[('argmax', 'common', 'case', first, second, *ALL), 'runs_share']:.0f} %"


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
    arm = CASES[(CASES["rule"] == "argmax") & CASES["source"].str.fullmatch(r"A-FL released seed\d")]
    assert scores.loc["A-FL released"].tolist() == pytest.approx(arm[["dsc", "released_dsc"]].mean().tolist())
    assert scores["dsc"].is_monotonic_decreasing
    assert (DOCS / "study" / study_figure.PICTURE).read_text() == study_figure.draw(scores)
