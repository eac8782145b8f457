"""Results of a real run of nnU-Net (tests/nnunet_run): every Dice is that of its summary.json."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from afl_core.data.layouts import references_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources

RUN = Path(__file__).parents[1] / "nnunet_run"
TINY, SHORT = (f"nnUNetTrainer_{name}__nnUNetPlans__3d_fullres" for name in ("Tiny", "Short"))
BALLS, REGIONS = "Dataset911_Balls", "Dataset912_BallsRegions"


def measured(model, region, tmp_path):
    """The source and its rows, of the references that nnU-Net kept."""
    dataset = model.relative_to(RUN / "nnUNet_results").parts[0]
    cohort = references_cohort(RUN / "nnUNet_preprocessed" / dataset / "gt_segmentations", region=region)
    results = Results(tmp_path / region)
    cases, sources = begin(results, cohort, cohort.cases, parse_sources([f"A={model}"]))
    evaluate_into(results, cases, sources)
    assert set(results.manifest().problems) == set(results.manifest().missing["A"])  # those of the third fold
    return sources[0], results.cases().set_index("case_id")


def summaries(model):
    """Case to label or region to its numbers, from every summary.json of a model."""
    files = sorted(model.glob("fold_*/validation/summary.json")) or [model / "summary.json"]
    cases = [case for file in files for case in json.loads(file.read_text())["metric_per_case"]]
    return {Path(case["prediction_file"]).name.partition(".")[0]: case["metrics"] for case in cases}


@pytest.mark.parametrize(
    ("folder", "regions"),
    [
        (f"{BALLS}/{TINY}", {"shell": "1", "core": "2"}),
        (f"{BALLS}/{SHORT}", {"shell": "1", "core": "2"}),
        (f"{BALLS}/{TINY}/crossval_results_folds_0_1", {"shell": "1", "core": "2"}),
        (f"{REGIONS}/{SHORT}", {"whole": "(1, 2)", "core": "2"}),
    ],
)
def test_every_dice_is_that_of_summary_json(folder, regions, tmp_path):
    model = RUN / "nnUNet_results" / folder
    of_case = summaries(model)
    for region, key in regions.items():
        source, rows = measured(model, region, tmp_path)
        assert source.meaning == "declared"
        assert set(rows.index) == set(of_case)
        for case_id, metrics in of_case.items():
            there = metrics[key]
            assert rows["dsc"][case_id] == pytest.approx(1 if math.isnan(there["Dice"]) else there["Dice"], abs=1e-9)
            assert rows["predicted_volume_ml"][case_id] == pytest.approx(there["n_pred"] * 1.5 * 1.5 * 2 / 1000)
            assert rows["reference_volume_ml"][case_id] == pytest.approx(there["n_ref"] * 1.5 * 1.5 * 2 / 1000)


def test_the_run_is_no_trivial_one():
    """Some masks are wrong, and some are right: a parity of zeros and ones would show little."""
    values = [
        numbers["Dice"]
        for model in (RUN / "nnUNet_results").glob("*/*")
        for metrics in summaries(model).values()
        for numbers in metrics.values()
    ]
    assert len({value for value in values if 0 < value < 1}) > 6


@pytest.mark.parametrize("folder", [f"{BALLS}/{TINY}", f"{REGIONS}/{SHORT}"])
def test_the_probabilities_give_the_mask(folder, tmp_path):
    """On every voxel, or the note would say that post-processing was applied."""
    model = RUN / "nnUNet_results" / folder
    stored = {path.stem for path in model.glob("fold_*/validation/*.npz")}
    _, rows = measured(model, "core", tmp_path)
    assert stored
    assert not rows["note"].str.contains("npz|probabilities").any()
    assert set(rows.index[rows["released_dsc"].notna()]) == stored
    assert np.all(rows["released_dsc"][sorted(stored)] > 0.5)


def test_the_fold_that_was_not_trained_is_said(tmp_path):
    source, _ = measured(RUN / "nnUNet_results" / BALLS / TINY, "whole", tmp_path)
    assert source.doubt == f"1 fold is missing in {TINY} (fold_2): its cases have no prediction."


def test_the_fixture_holds_no_pickle_and_no_path_of_a_machine():
    for path in RUN.rglob("*"):
        assert path.suffix not in (".pkl", ".pth")
        if path.suffix == ".json":
            text = path.read_text()
            assert '"/' not in text
