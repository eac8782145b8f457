"""What a difference says of new training runs: in the records, and in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_units import PAIR, SIZE, make_units

from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.breakdown.runs import runs_sentence
from afl_core.analysis.breakdown.seeds import seed_numbers
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.runs import runs_interval
from afl_core.evaluation.manifest_sections import SourceSection

FL, AFL = PAIR
MASKS = SourceSection(kind="masks", path="/somewhere", files=3)


def with_runs(units: Units, runs: dict[str, tuple[int, ...]]) -> Units:
    """The units whose sources are means over runs of these seeds: a seed shifts both sources alike."""
    seeds = {}
    for name, numbers in runs.items():
        left = np.random.default_rng(7).normal(0, 0.02, (len(units.table), max(numbers) + 1))
        columns = {f"{name} seed{k}": units.values[name] + 0.05 * k + left[:, k] for k in numbers}
        seeds[name] = pd.DataFrame(columns)
    pooled = units.values.assign(**{name: table.mean(axis=1) for name, table in seeds.items()})
    return replace(units, values=pooled, seeds=seeds, seed_numbers=runs)


def overall(units: Units) -> dict:
    return compute_breakdown(units, (SIZE,)).pair(*PAIR).iloc[0].to_dict()


def test_the_record_has_the_interval_of_patient_means_with_runs_paired_by_their_seeds():
    units = with_runs(make_units(24, per_patient=2), {FL: (0, 1, 2), AFL: (2, 0, 1)})
    record = overall(units)
    means = {name: table.groupby(units.table["patient"], sort=False).mean() for name, table in units.seeds.items()}
    in_order = means[AFL][[f"{AFL} seed{k}" for k in (0, 1, 2)]]
    wanted = runs_interval(means[FL].to_numpy(), in_order.to_numpy(), paired=True)
    assert (record["runs_low"], record["runs_high"]) == pytest.approx((wanted.low, wanted.high))
    assert record["runs_share"] == pytest.approx(wanted.runs_share)
    assert record["mean_difference"] == pytest.approx(wanted.mean)


def test_other_seeds_are_not_paired():
    same, other = ({FL: (0, 1, 2), AFL: numbers} for numbers in ((0, 1, 2), (3, 4, 5)))
    widths = [
        record["runs_high"] - record["runs_low"]
        for record in (overall(with_runs(make_units(), r)) for r in (same, other))
    ]
    assert widths[1] > 1.5 * widths[0], "the shift of a seed does not cancel"


def test_each_bin_has_its_own_interval():
    records = compute_breakdown(with_runs(make_units(), {FL: (0, 1, 2), AFL: (0, 1, 2)}), (SIZE,)).pair(*PAIR)
    assert len(records) == 4
    assert records["runs_low"].notna().all()
    assert records["runs_low"].nunique() == 4


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({}, "FL and A-FL are one set of predictions each: what other training runs would give is not known."),
        ({FL: (0, 1, 2)}, "A-FL is one set of predictions: what other training runs would give is not known."),
        ({FL: (0, 1), AFL: (0, 1)}, "cannot be told: that takes 3 runs each and 6 patients."),
    ],
)
def test_too_few_runs_are_said_and_have_no_interval(runs, said):
    units = with_runs(make_units(), runs)
    assert runs_sentence(units, PAIR).endswith(said)
    assert np.isnan(overall(units)["runs_low"])


def test_the_sentence_has_the_numbers_of_the_record():
    units = with_runs(make_units(), {FL: (0, 1, 2), AFL: (3, 4, 5)})
    record, said = overall(units), runs_sentence(units, PAIR)
    assert f"{record['mean_difference']:+.3f} [{record['runs_low']:+.3f}, {record['runs_high']:+.3f}]" in said.replace(
        "(", "["
    ).replace(")", "]").replace(" to ", ", ")
    assert f"{100 * record['runs_share']:.0f} % of its variance is of the training runs." in said
    assert said.endswith("would halve the interval.")


def test_seeds_are_known_by_card_or_name():
    assert seed_numbers(("FL seed2", "FL seed10"), dict.fromkeys(("FL seed2", "FL seed10"), MASKS)) == (2, 10)
    assert seed_numbers(("FL", "FL seed1"), dict.fromkeys(("FL", "FL seed1"), MASKS)) == ()
