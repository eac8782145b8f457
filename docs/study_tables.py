"""Renew the tables of docs/study.md from the CSV files in docs/study: `python docs/study_tables.py`."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from blocks import renew, table

from afl_core.base.numbers import p_number
from afl_core.study.tables import OWN_RATE

PAGE = Path(__file__).parent / "study.md"
FOLDER = Path(__file__).parent / "study"
BINS = {
    "all": [("all", "all")],
    "size": [("size", "small"), ("size", "medium"), ("size", "large")],
    "roughness": [("roughness", "smooth"), ("roughness", "medium"), ("roughness", "rough")],
}
SHAPES = {"shapes_picai": "PI-CAI, prostate", "shapes_ms": "MS, brain"}
SMALL_ROUGH = [("all", "all"), ("size", "small"), ("roughness", "rough")]
CALIBRATION = {
    ("ece_near", "near"): "ECE near the tumour",
    ("brier_near", "near"): "Brier score near the tumour",
    ("released_dsc", "grid"): "the paper's soft score",
}
"""Measure, and the voxels on which its temperature was fitted, to its name."""


def read(name: str) -> pd.DataFrame:
    """One of the study's tables."""
    return pd.read_csv(FOLDER / name)


def signed(record: "Mapping[str, Any] | pd.Series[Any]", *names: str) -> str:
    """A difference with its interval; a dash where there is none."""
    value, low, high = (record[name] for name in names)
    return "–" if pd.isna(value) or pd.isna(low) else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def choices() -> str:
    """What the validation cases chose: Dice of seed 0 by setting and learning rate."""
    runs, chosen = read("runs.csv").query("seed == 0"), json.loads((FOLDER / "choices.json").read_text())
    body = []
    for arm, of_arm in runs.groupby("arm", sort=False):
        candidate, own = chosen["candidates"][arm], chosen["rates"][arm]
        common = of_arm[of_arm["rate"] == 1].set_index("candidate")["best_validation_dsc"]
        settings = ", ".join(f"{dsc:.3f}" for dsc in common.sort_index())
        of_rate = of_arm[of_arm["candidate"] == candidate].set_index("rate")["best_validation_dsc"]
        setting = f"{candidate + 1} of {len(common)} ({settings})" if len(common) > 1 else "–"
        body.append((arm, setting, *(f"{of_rate[rate]:.3f}" for rate in (0.3, 1.0, 3.0)), f"{own:g}"))
    return table("loss | setting | 0.3 x | common rate | 3 x | own rate", body)


def of_arms(cases: pd.DataFrame) -> "pd.Series[str]":
    """The arm of every row: its source's name without the seed."""
    return cases["source"].str.rsplit(" seed", n=1).str[0]


def span(of_runs: "pd.Series[float]") -> str:
    """Mean of the runs, and the lowest and highest."""
    return f"{of_runs.mean():.3f} ({of_runs.min():.3f}-{of_runs.max():.3f})"


def means(rate: str) -> str:
    """Mean over the test cases, mean over the seeds (lowest to highest seed)."""
    cases = read("cases.csv").query("rule == 'argmax'")
    of_seeds = cases.assign(arm=of_arms(cases)).groupby(["arm", "source"], sort=False)[
        ["dsc", "lesion_f1", "nsd", "released_dsc"]
    ]
    by_seed = of_seeds.mean()
    body = []
    for arm in dict.fromkeys(by_seed.index.get_level_values("arm")):
        if arm.endswith(OWN_RATE) != (rate == "own"):
            continue
        of_arm = by_seed.loc[arm]
        cells = (span(of) for _, of in of_arm.items())
        body.append((arm.removesuffix(OWN_RATE), len(of_arm), *cells))
    return table("loss | runs | Dice | lesion F1 | surface Dice | the paper's soft score", body)


def _records(rule: str, rate: str, level: str, name: str = "comparisons.csv") -> pd.DataFrame:
    return read(name).query("rule == @rule and rate == @rate and level == @level")


def differences(axes: Sequence[str], rule: str = "argmax", rate: str = "common", level: str = "case") -> str:
    """Differences with their intervals for these runs, over all and in bins, with Holm's p over all."""
    records = _records(rule, rate, level)
    bins = [bin_ for axis in axes for bin_ in BINS[axis]]
    first = records[["minus", "source"]].drop_duplicates().iloc[0]
    one = records[(records["minus"] == first["minus"]) & (records["source"] == first["source"])]
    counts = one.set_index(["axis", "bin"])["n"]
    body = []
    for (minus, source), of_pair in records.groupby(["minus", "source"], sort=False):
        at = of_pair.set_index(["axis", "bin"])
        cells = [signed(at.loc[bin_], "mean_difference", "ci_low", "ci_high") for bin_ in bins]
        name = f"{source} minus {minus}".replace(OWN_RATE, "")
        body.append((name, *cells, p_number(at.loc[("all", "all"), "p_holm"])))
    heads = [f"{_title(*bin_)}, n = {counts[bin_]:.0f}" for bin_ in bins]
    return table(" | ".join(["difference", *heads, "p (Holm), all"]), body)


def _title(axis: str, name: str) -> str:
    if axis == "roughness" and name == "medium":
        return "medium roughness"
    return "all" if axis == "all" else name


def new_runs(rate: str) -> str:
    """The same differences for new patients and new training runs, over all and in every bin."""
    records, bins = _records("argmax", rate, "case"), [bin_ for axis in BINS for bin_ in BINS[axis]]
    body = []
    for (minus, source), of_pair in records.groupby(["minus", "source"], sort=False):
        at = of_pair.set_index(["axis", "bin"])
        cells = [signed(at.loc[bin_], "mean_difference", "runs_low", "runs_high") for bin_ in bins]
        share = at.loc[("all", "all"), "runs_share"]
        name = f"{source} minus {minus}".replace(OWN_RATE, "")
        body.append((name, *cells, "–" if pd.isna(share) else f"{100 * share:.0f} %"))
    heads = [_title(*bin_) for bin_ in bins]
    return table(" | ".join(["difference", *heads, "variance of the runs, all"]), body)


def shapes() -> str:
    """The arms with most seeds on lesions of real shapes, for new patients and new training runs."""
    body = []
    for name, title in SHAPES.items():
        records = _records("argmax", "common", "case", f"{name}_comparisons.csv")
        for (minus, source), of_pair in records.groupby(["minus", "source"], sort=False):
            at = of_pair.set_index(["axis", "bin"])
            cells = [signed(at.loc[bin_], "mean_difference", "runs_low", "runs_high") for bin_ in SMALL_ROUGH]
            body.append((f"{title}, n = {at.loc[('all', 'all'), 'n']:.0f}", f"{source} minus {minus}", *cells))
    return table("shapes | difference | all | small | rough", body)


def listed(name: str) -> str:
    """Dice of every arm on every case of a data set with few."""
    cases = read(f"{name}_cases.csv")
    cases = cases.assign(arm=of_arms(cases))
    of_case = cases.groupby("case_id")["reference_volume_ml"].first()
    heads = [f"{case_id}, {volume:.0f} ml" for case_id, volume in of_case.items()]
    body = []
    for arm in dict.fromkeys(cases["arm"]):
        of_arm = cases[cases["arm"] == arm].groupby("case_id")["dsc"]
        body.append((arm, *(span(of_arm.get_group(case_id)) for case_id in of_case.index)))
    return table(" | ".join(["loss", *heads]), body)


def _is_own(row: Mapping[str, Any]) -> bool:
    """Whether a comparison is one of losses at their own rates."""
    return any(row[name].endswith(OWN_RATE) for name in ("minus", "source"))


def _twice(row: Mapping[str, Any], *prefixes: str) -> list[str]:
    """A difference as it is told under each of these prefixes."""
    return [signed(row, *(f"{prefix}_{end}" for end in ("difference", "low", "high"))) for prefix in prefixes]


def matched() -> str:
    """Differences at 0.5 and at thresholds that the validation cases chose."""
    body = []
    for row in read("matched.csv").to_dict("records"):
        if _is_own(row):
            continue
        goal = {"dice": "best Dice", "false": "equal false lesions"}[row["rule"]]
        thresholds = "–" if pd.isna(row["threshold"]) else f"{row['threshold_minus']:.2f} and {row['threshold']:.2f}"
        body.append((f"{row['source']} minus {row['minus']}", goal, thresholds, *_twice(row, "at_half", "matched")))
    return table("difference | thresholds for | thresholds | at 0.5 | at the thresholds", body)


def calibration() -> str:
    """Errors of calibration near the tumour and the paper's score, as they are and at fitted temperatures."""
    rows = (
        read("calibration.csv").set_index(["measure", "over"]).loc[list(CALIBRATION)].reset_index().to_dict("records")
    )
    body = []
    for row in rows:
        if _is_own(row):
            continue
        name = f"{row['source']} minus {row['minus']}"
        body.append((CALIBRATION[row["measure"], row["over"]], name, *_twice(row, "as_is", "scaled")))
    return table("measure | difference | as they are | at fitted temperatures", body)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "choices": choices,
    "means": partial(means, "common"),
    "means at own rates": partial(means, "own"),
    "cases by size": partial(differences, ("all", "size")),
    "cases by roughness": partial(differences, ("roughness",)),
    "new runs": partial(new_runs, "common"),
    "new runs at own rates": partial(new_runs, "own"),
    "lesions": partial(differences, ("all", "size"), level="lesion"),
    "by the tumour channel": partial(differences, ("all", "size"), rule="tumour_channel"),
    "at own rates": partial(differences, ("all", "size"), rate="own"),
    "matched": matched,
    "calibration": calibration,
    "shapes": shapes,
    "shapes of gliomas": partial(listed, "shapes_brats"),
    "real images": partial(listed, "brats_2021"),
}

if __name__ == "__main__":
    renew(PAGE, BLOCKS)
