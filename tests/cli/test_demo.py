"""The shipped demo: its cohort, its checkpoints and its results, and MONAI's opinion of the same masks."""

import numpy as np
import pandas as pd
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_iou
from monai.metrics.meandice import compute_dice

from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.base.paths import DEMO, MODELS, RESULTS
from afl_core.cli.demo import DEMO_PAIR, demo_sources
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import load_cohort
from afl_core.data.patient_names import patient_id
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.model.checkpoints import load_card, verify_weights


@pytest.fixture(scope="module")
def rows(demo) -> pd.DataFrame:
    return Results(RESULTS / "demo").cases()


def test_both_checkpoints_have_a_result_for_every_test_case(rows):
    expected = {(case, source) for case in load_splits(DEMO / SPLITS_FILE)["test"] for source in DEMO_PAIR}
    assert len(expected) == 2 * 116
    assert set(zip(rows["case_id"], rows["source"], strict=True)) == expected


def test_every_bin_has_25_patients_and_every_cell_of_size_by_roughness_8(rows):
    results = Results(RESULTS / "demo")
    options = Options(by=("size", "roughness"))
    breakdown = choose_breakdown((rows, results.lesions()), results.manifest(), options)
    bins = breakdown.records[breakdown.records["axis"] != "all"]
    assert len(bins) == 2 * 6
    assert bins["n"].min() >= 25
    cases = rows[rows["source"] == "FL"].assign(patient=lambda of: of["case_id"].map(patient_id))
    size, roughness = breakdown.binnings
    cells = cases.groupby([size.assign(cases["reference_volume_ml"]), roughness.assign(cases["roughness"])])[
        "patient"
    ].nunique()
    assert len(cells) == 9
    assert cells.min() >= 8


def test_the_pair_differs_in_the_loss_alone():
    fl, afl = (load_card(MODELS / folder) for folder in DEMO_PAIR.values())
    assert (fl.loss, afl.loss) == ("focal", "adaptive_focal")
    assert afl.loss_settings == {"preset": "released_code"}
    assert fl.decision_rule == afl.decision_rule == "argmax"
    outcome = {"loss", "loss_settings", "best_step", "best_validation_dsc"}
    same = [{k: v for k, v in card.training.items() if k not in outcome} for card in (fl, afl)]
    assert same[0] == same[1]
    assert fl.data == afl.data


@pytest.mark.parametrize("folder", ["demo_fl", "demo_afl", "demo_fl_2seq", "demo_afl_2seq"])
def test_a_shipped_checkpoint_is_the_one_on_its_card(folder):
    card = load_card(MODELS / folder)
    verify_weights(MODELS / folder, card)
    assert "synthetic" in card.data["name"]


@pytest.mark.parametrize("source", DEMO_PAIR)
def test_the_card_reports_the_scores_of_the_results(rows, source):
    card = load_card(MODELS / DEMO_PAIR[source])
    measured = rows[rows["source"] == source]["dsc"].mean()
    assert card.scores["test"] | {"cases": 116, "dsc": round(measured, 4)} == card.scores["test"]


def test_six_cases_drawn_and_measured_anew_give_the_rows_that_ship(rows, tmp_path):
    """Another processor may add in another order, which moves a voxel at the edge of a mask to its other side."""
    results, cohort = Results(tmp_path / "anew"), load_cohort(DEMO)
    chosen = cohort.only(load_splits(DEMO / SPLITS_FILE)["test"][::20])
    assert len(chosen.cases) == 6
    begin(results, cohort, chosen.cases, demo_sources())
    problems = []
    evaluate_into(results, chosen.cases, demo_sources(), report=lambda of: problems.append(of.problems))
    assert problems == [{}] * 6
    keys = ["case_id", "source"]
    anew = results.cases().set_index(keys).sort_index()
    shipped = rows.set_index(keys).loc[anew.index, anew.columns]
    for column in anew.select_dtypes("number").drop(columns="seconds"):
        np.testing.assert_allclose(anew[column], shipped[column], rtol=1e-2, atol=5e-3, err_msg=column)


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")
def test_dsc_iou_hd95_and_assd_agree_with_monai_on_every_fifth_demo_case(rows):
    chosen = sorted(set(rows["case_id"]))[::5]
    references = {case.case_id: load_mask(case.reference) for case in load_cohort(DEMO).only(chosen).cases}
    for row in rows[rows["case_id"].isin(chosen)].itertuples():
        reference = references[row.case_id]
        prediction = load_mask(mask_path(RESULTS / "demo", row.source, row.case_id))
        p, r = (torch.from_numpy(m.array)[None, None] for m in (prediction, reference))
        assert row.dsc == pytest.approx(compute_dice(p, r).item(), abs=1e-4)
        assert row.iou == pytest.approx(compute_iou(p, r).item(), abs=1e-4)
        if not prediction.array.any():
            diagonal = np.linalg.norm(np.multiply(reference.array.shape, reference.spacing_mm))
            assert row.hd95_mm == pytest.approx(diagonal)
            continue
        spacing = {"spacing": reference.spacing_mm, "include_background": True}
        hd95 = compute_hausdorff_distance(p, r, percentile=95, **spacing).item()
        assd = compute_average_surface_distance(p, r, symmetric=True, **spacing).item()
        # Relative: MONAI places the percentile in float32, which moves it by 0.0002 mm in one of 48.
        assert row.hd95_mm == pytest.approx(hd95, rel=1e-4, abs=1e-4)
        assert row.assd_mm == pytest.approx(assd, abs=1e-4)
