"""How often the intervals and tests of the breakdown are right, in simulation; docs/statistics.md has the figures."""

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from afl_core.analysis.breakdown.bins import tertiles
from afl_core.analysis.breakdown.records import ALL, Breakdown, compute_breakdown
from afl_core.analysis.breakdown.units import select_units
from afl_core.analysis.curves import Curves
from afl_core.analysis.operating_point import match_thresholds
from afl_core.analysis.statistics.bootstrap import CI_LEVEL, RESAMPLES, mean_intervals
from afl_core.analysis.statistics.runs import runs_interval
from afl_core.metrics.thresholds import THRESHOLDS

SEED = 2607
SIZES = (15, 30, 100)
CHUNK = 200  # cohorts in one call: they share the resamples, which are the same for every cohort of that size anyway
SCIPY_ELEMENTS = 2e7  # values resampled at once

PATIENTS, SMALL, SOURCES = 90, 30, ("first", "second")
GAIN, SPREAD = 0.08, 0.05  # in DSC; SD of a patient's difference
ALPHA = 0.05
FALL = 0.03  # in DSC, one logit from a patient's best threshold

TIMED = ((90, 36), (1251, 36))  # patients, columns
ROUNDS = 3

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]


def overlapping(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Differences of two DSC of the same patient; three in ten are 0, where both find nothing or the same."""
    quality = rng.beta(4, 2, shape)
    first, second = (np.clip(quality + rng.normal(shift, 0.08, shape), 0, 1) for shift in (0, 0.04))
    return np.where(rng.random(shape) < 0.3, 0, second - first)


DIFFERENCES: Mapping[str, Draw] = MappingProxyType(
    {
        "normal": lambda rng, shape: rng.normal(0.02, 0.05, shape),
        "DSC, 30 % zeros": overlapping,
        "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, shape),
        "skewed (lognormal, s = 0.5)": lambda rng, shape: rng.lognormal(0, 0.5, shape),
        "very skewed (lognormal, s = 1)": lambda rng, shape: rng.lognormal(0, 1, shape),
    }
)
"""Differences between two sources on a patient."""

MEANS: Mapping[str, float] = MappingProxyType(
    {
        "normal": 0.02,
        "heavy tails (t, 3 df)": 0.0,
        "skewed (lognormal, s = 0.5)": math.exp(0.125),
        "very skewed (lognormal, s = 1)": math.exp(0.5),
    }
)
"""True means; that of a difference which is missing here is taken from DRAWN values."""
DRAWN = 20_000_000


def true_mean(name: str) -> float:
    if name in MEANS:
        return MEANS[name]
    rng = np.random.default_rng(SEED)
    return float(np.mean([DIFFERENCES[name](rng, (1000, 1000)).mean() for _ in range(DRAWN // 1_000_000)]))


def scipy_intervals(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """SciPy's BCa intervals of the column means at 95 %, as they come; shape (columns, 2)."""
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, int(SCIPY_ELEMENTS / values.size)),
        confidence_level=CI_LEVEL,
        method="BCa",
        rng=np.random.default_rng(SEED),
    )
    return np.column_stack(found.confidence_interval)


def student_intervals(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack(stats.ttest_1samp(values, 0).confidence_interval(CI_LEVEL))


METHODS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = MappingProxyType(
    {"afl_core": mean_intervals, "SciPy's BCa": scipy_intervals, "Student's t": student_intervals}
)


def coverage(repeats: int) -> pd.DataFrame:
    """Share of cohorts whose interval holds the true mean, and our median width over that of Student's t."""
    rows = []
    for name, draw in DIFFERENCES.items():
        mean = true_mean(name)
        for n in SIZES:
            rng = np.random.default_rng([SEED, n])
            found: dict[str, list[NDArray[np.float64]]] = {method: [] for method in METHODS}
            for start in range(0, repeats, CHUNK):
                values = draw(rng, (n, min(CHUNK, repeats - start)))
                for method, intervals in METHODS.items():
                    found[method].append(intervals(values))
            ends = {method: np.concatenate(parts) for method, parts in found.items()}
            held = {method: ((e[:, 0] <= mean) & (mean <= e[:, 1])).mean() for method, e in ends.items()}
            width = {method: np.median(np.ptp(e, axis=1)) for method, e in ends.items()}
            own = {"width": width["afl_core"] / width["Student's t"]}
            rows.append({"differences": name, "n": n, **held, **own})
    return pd.DataFrame(rows)


def runs_coverage(repeats: int) -> pd.DataFrame:
    """Share of studies whose interval for new patients and new runs covers the true difference.

    The standard deviation of a patient's difference is 0.1, of what is left 0.05; that of a run goes from none to as
    much as a patient's. Runs are paired by their seeds, or not.
    """
    rows = []
    for patients, runs, of_run in product((10, 30, 100), (3, 5, 10), (0, 0.02, 0.05, 0.1)):
        rng = np.random.default_rng(SEED)
        covered = {True: 0, False: 0}
        for _ in range(repeats):
            first, second = (_study(rng, patients, runs, of_run) for _ in "ab")
            for paired in covered:
                found = runs_interval(0 * first if paired else first, second, paired=paired)
                covered[paired] += bool(found and found.low <= 0 <= found.high)
        shares = {"paired": covered[True] / repeats, "not paired": covered[False] / repeats}
        rows.append({"patients": patients, "runs": runs, "SD of a run": of_run} | shares)
    return pd.DataFrame(rows)


def _study(rng: np.random.Generator, patients: int, runs: int, of_run: float) -> NDArray[np.float64]:
    """Values without any true difference, shape (patients, runs)."""
    of_patient, left = rng.normal(0, 0.1, (patients, 1)), rng.normal(0, 0.05, (patients, runs))
    return of_patient + rng.normal(0, of_run, (1, runs)) + left


def threshold_coverage(repeats: int) -> pd.DataFrame:
    """Share of studies whose intervals at matched thresholds hold the true difference, and its share in that at 0.5.

    Dice falls by the square of the distance, in logits, from the best threshold of a patient. The second source is
    the first with a shifted threshold and noise of its own, and worse by a part.
    """
    rows = []
    for (patients, validation), (shift, worse) in product(((16, 16), (30, 15)), ((1.5, 0), (1, 0.02), (1, 0.05))):
        rng, truth = np.random.default_rng([SEED, patients]), worse / (worse + FALL * shift**2)
        held = {"difference": 0, "share": 0, "raw leaves out 0": 0}
        for _ in range(repeats):
            test, chosen_on = (_dice_study(rng, n, shift, worse, of) for n, of in ((patients, "t"), (validation, "v")))
            found = match_thresholds(test, chosen_on, SOURCES)
            low, high = found.remaining_interval
            held["difference"] += bool(found.matched["ci_low"] <= -worse <= found.matched["ci_high"])
            held["share"] += bool(low <= truth <= high)
            held["raw leaves out 0"] += bool(found.raw["ci_high"] < 0)
        shares = {key: count / repeats for key, count in held.items()}
        rows.append({"patients": patients, "validation": validation, "true share": truth} | shares)
    return pd.DataFrame(rows)


def _dice_study(rng: np.random.Generator, n: int, shift: float, worse: float, of: str) -> dict[str, Curves]:
    """Curves of both sources on n patients, a case each."""
    quality, own = rng.normal(0.8, 0.05, n), rng.normal(0, 0.3, n)
    logits, whole, none = np.log(THRESHOLDS / (1 - THRESHOLDS)), np.full(n, 100.0), np.zeros((n, len(THRESHOLDS)))
    ids, study = tuple(f"{of}{k}" for k in range(n)), {}
    for name, by, less in zip(SOURCES, (0, shift), (0, worse), strict=True):
        best, top = own + by + rng.normal(0, 0.3, n), quality - less + rng.normal(0, 0.02, n)
        dice = top[:, None] - FALL * (logits - best[:, None]) ** 2
        counts = 100 * dice / (2 - dice), none, none, none
        study[name] = Curves(np.array(ids, dtype=object), ids, *counts, whole, np.ones(n), whole)
    return study


def cohort(repeat: int, *, gain: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Case rows of 90 patients and two sources, of which the second is better by `gain` on the 30 smallest tumours.

    Volumes are lognormal. The two DSC of a patient are correlated and grow with the volume.

    Returns:
        Case rows, and no lesions.
    """
    rng = np.random.default_rng([SEED, repeat])
    size = np.sort(rng.lognormal(0.5, 1.2, PATIENTS))
    quality = 0.3 + 0.45 * (0.5 * np.arange(PATIENTS) / PATIENTS + 0.5 * rng.beta(4, 2, PATIENTS))
    noise = rng.normal(0, SPREAD / math.sqrt(2), (2, PATIENTS))
    noise[1, :SMALL] += gain
    scores = np.clip(quality + noise, 0, 1)
    facts = {"reference_volume_ml": size, "roughness": rng.uniform(0, 0.4, PATIENTS), "released_smoothness": size / 1e4}
    case_id = [f"Case_{k:03}" for k in range(PATIENTS)]
    tables = [
        pd.DataFrame({"case_id": case_id, "source": name, "dsc": dsc} | facts)
        for name, dsc in zip(SOURCES, scores, strict=True)
    ]
    return pd.concat(tables).sample(frac=1, random_state=repeat), pd.DataFrame()


def compare(repeat: int, *, gain: float) -> Breakdown:
    """The breakdown of a cohort by tertiles of size."""
    units = select_units(*cohort(repeat, gain=gain), metric="dsc", sources=SOURCES)
    return compute_breakdown(units, [tertiles("size", units.reference["size"])])


def judge(breakdown: Breakdown, *, gain: float) -> dict[str, bool]:
    """What came out of one cohort.

    Returns:
        Whether `small` alone has an interval without 0; whether the intervals of all three bins cover the true
        difference; whether p after Holm's correction is below 0.05 in `small`; and whether it is anywhere (over all
        cases or in a bin) where there is no difference.
    """
    records = breakdown.pair(*SOURCES)
    bins = records[records["axis"] != ALL]
    small = bins["bin"] == "small"
    without = (bins["ci_low"] > 0) | (bins["ci_high"] < 0)
    truth = small * gain
    nothing = records if gain == 0 else bins[~small]
    return {
        "small alone": without.equals(small),
        "all bins cover": bool(((bins["ci_low"] <= truth) & (truth <= bins["ci_high"])).all()),
        "p of small": bool((bins.loc[small, "p_holm"] < ALPHA).all()),
        "false p": bool((nothing["p_holm"] < ALPHA).any()),
    }


def shares(repeats: int) -> pd.DataFrame:
    """Shares of cohorts, with a gain on small tumours and without any."""
    rows = []
    for gain in (GAIN, 0.0):
        judged = [judge(compare(k, gain=gain), gain=gain) for k in range(repeats)]
        rows.append({"gain": gain, **pd.DataFrame(judged).mean()})
    return pd.DataFrame(rows)


def scipy_one_by_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([scipy_intervals(column[:, None]) for column in values.T])


def times() -> pd.DataFrame:
    """Milliseconds and ratios; the contestants take turns, the first round does not count."""
    rng, rows = np.random.default_rng(SEED), []
    contestants = {
        "afl_core": mean_intervals,
        "SciPy, one call": scipy_intervals,
        "SciPy, a call a column": scipy_one_by_one,
    }
    for n, columns in TIMED:
        values = rng.normal(0.02, 0.05, (n, columns))
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(ROUNDS + 1):
            for name, intervals in contestants.items():
                began = time.perf_counter()
                intervals(values)
                seconds[name].append(time.perf_counter() - began)
        middle = {name: median(taken[1:]) for name, taken in seconds.items()}
        ratios = {f"{name}, ratio": middle[name] / middle["afl_core"] for name in list(contestants)[1:]}
        rows.append({"patients": n, "columns": columns, "afl_core ms": 1e3 * middle["afl_core"], **ratios})
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000, help="cohorts of each kind (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)

    parts = {
        "Coverage at 95 %": lambda: coverage(options.repeats),
        f"{PATIENTS} patients by tertiles of size": lambda: shares(options.repeats),
        "Coverage of new patients and new runs at 95 %": lambda: runs_coverage(options.repeats),
        "Coverage at matched thresholds at 95 %": lambda: threshold_coverage(options.repeats),
        "Time": times,
    }
    results = {}
    for title, compute in parts.items():
        results[title] = compute()
        print(f"{title}\n{results[title].to_string(index=False, float_format='{:.3f}'.format)}\n", flush=True)
    if options.json:
        text = json.dumps({title: table.to_dict("records") for title, table in results.items()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
