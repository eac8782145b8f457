"""Every number in the tables of docs/study.md is in docs/study, and the sentences say what the tables do."""

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
import study_figure

from afl_core.base.numbers import p_number
from afl_core.study.arms import ARMS

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "study.md").read_text(encoding="utf-8")
RECORDS = pd.read_csv(DOCS / "study" / "comparisons.csv").set_index(["rule", "level", "minus", "source", "axis", "bin"])
CASES = pd.read_csv(DOCS / "study" / "cases.csv")
BINS = [("all", "all"), ("size", "small"), ("size", "medium"), ("size", "large")]
BINS += [("roughness", "smooth"), ("roughness", "medium"), ("roughness", "rough")]
SECTIONS = {
    "Dice of cases, decided by argmax": ("argmax", "case"),
    "Dice of cases, decided by the tumour channel": ("tumour_channel", "case"),
    "Dice of lesions, decided by argmax": ("argmax", "lesion"),
}


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, its own heading included."""
    below = TEXT.split(heading, 1)[1]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table
    lines = [line.strip("|").split("|") for line in table[0].splitlines()]
    return [[cell.strip() for cell in line] for line in (lines[0], *lines[2:])]


@pytest.mark.parametrize("heading", SECTIONS)
def test_differences_are_those_of_the_study(heading):
    head, *body = rows(f"### {heading}")
    assert len(body) == 7
    for name, *cells, p in body:
        second, first = name.split(" minus ")
        for (axis, bin_), column, cell in zip(BINS, head[1:], cells, strict=False):
            record = RECORDS.loc[(*SECTIONS[heading], first, second, axis, bin_)]
            assert column.endswith(f"n = {record['n']:.0f}")
            numbers = record[["mean_difference", "ci_low", "ci_high"]]
            assert cell == "{:+.3f} ({:+.3f} to {:+.3f})".format(*numbers)
        assert p == p_number(RECORDS.loc[(*SECTIONS[heading], first, second, "all", "all"), "p_holm"])


def test_means_are_those_of_the_cases():
    means = CASES.assign(arm=CASES["source"].str.rsplit(" seed", n=1).str[0]).groupby(["rule", "arm", "source"])
    of_seeds = means[["dsc", "released_dsc"]].mean()
    for arm, *cells, soft in rows("## Result")[1:]:
        for rule, cell in zip(("argmax", "tumour_channel", "background_complement"), cells, strict=True):
            dsc = of_seeds.loc[(rule, arm), "dsc"]
            assert len(dsc) == 3
            assert cell == f"{dsc.mean():.3f} ({dsc.min():.3f}-{dsc.max():.3f})"
        assert float(soft) == pytest.approx(of_seeds.loc[("argmax", arm), "released_dsc"].mean(), abs=5e-4)


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


def test_the_figure_is_drawn_from_the_cases():
    scores = study_figure.scores()
    arm = CASES.query("rule == 'argmax' and source.str.startswith('A-FL released')")
    assert scores.loc["A-FL released"].tolist() == pytest.approx(arm[["dsc", "released_dsc"]].mean().tolist())
    assert scores["dsc"].is_monotonic_decreasing
    assert (DOCS / "study" / study_figure.PICTURE).read_text() == study_figure.draw(scores)


def test_the_claims_follow_from_the_intervals():
    """A difference is claimed where the interval leaves 0 out, and not claimed where it holds 0."""

    def overall(second, rule="argmax", first="FL", **where):
        record = RECORDS.loc[
            (rule, where.get("level", "case"), first, second, where.get("axis", "all"), where.get("bin_", "all"))
        ]
        assert not math.isnan(record["ci_low"])
        return int(record["ci_low"] > 0) - int(record["ci_high"] < 0)

    assert overall("A-FL released", "tumour_channel") == -1
    assert overall("A-FL released") == 0
    assert overall("A-FL released", level="lesion") == -1
    assert overall("A-FL paper") == overall("A-FL scale-free") == overall("DiceFocal") == 1
    assert overall("DiceCE") == 0
    assert (
        overall("A-FL paper", axis="size", bin_="small") == overall("A-FL scale-free", axis="size", bin_="small") == 0
    )
    control = RECORDS.xs(("argmax", "case", "A-FL gamma 0", "A-FL released", "all", "all"))
    assert abs(control["mean_difference"]) < 0.0015
