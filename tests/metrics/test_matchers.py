"""The rules of MATCHERS, by hand and against slow loops."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from afl_core.errors import UsageError
from afl_core.metrics import MATCHERS, METRICS, evaluate_masks, metrics_of
from afl_core.metrics.lesions import lesion_rows
from afl_core.metrics.matchers import match_masks, task_warning

ISOTROPIC = (1, 1, 1)
CONSTANTS = {"gli": (3, 50), "ssa": (3, 50), "ped": (3, 50), "men": (1, 50), "met": (1, 2)}
"""Steps of the dilation and largest ignored lesion in voxels, as the challenge's code has them."""

BLOCK = np.ones((3, 3, 3))


def line(*spans):
    mask = np.zeros((40, 5, 5), bool)
    for start, stop in spans:
        mask[start:stop, 2, 2] = True
    return mask


def blocks(*corners, size=(5, 5, 5), shape=(60, 20, 20)):
    mask = np.zeros(shape, bool)
    for corner in corners:
        mask[tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))] = True
    return mask


def evaluated(prediction, reference, matcher, spacing=ISOTROPIC):
    return evaluate_masks(prediction, reference, spacing_mm=spacing, matcher=matcher)


def counts(m):
    return m.lesion_tp, m.lesion_fp, m.lesion_fn


def test_the_catalogue():
    assert list(MATCHERS) == ["overlap", "iou", *(f"brats2023_{task}" for task in CONSTANTS)]
    for name, matcher in MATCHERS.items():
        assert name == matcher.name
        assert matcher.title
        assert matcher.definition.endswith(".")
        assert matcher.source
    with pytest.raises(TypeError):
        MATCHERS["mine"] = MATCHERS["iou"]


def test_an_unknown_name_gets_help():
    with pytest.raises(UsageError, match=r"no lesion matcher.*Did you mean brats2023_gli"):
        evaluated(line((0, 1)), line((0, 1)), "brats2032_gli")


def test_overlap_is_the_default():
    pair = line((0, 10), (20, 21)), line((0, 4), (7, 10), (30, 33))
    assert evaluated(*pair, "overlap") == evaluate_masks(*pair, spacing_mm=ISOTROPIC)


@pytest.mark.parametrize(
    ("predicted", "lesion", "found"),
    [
        ((0, 2), (0, 4), True),  # IoU 2/4, the threshold itself
        ((0, 8), (0, 4), True),  # 4/8
        ((0, 10), (0, 21), False),  # 10/21
        ((0, 11), (0, 21), True),  # 11/21
        ((2, 6), (0, 4), False),  # 2/6
        ((1, 5), (0, 4), True),  # 3/5
    ],
)
def test_iou_threshold(predicted, lesion, found):
    m = evaluated(line(predicted), line(lesion), "iou")
    assert counts(m) == ((1, 0, 0) if found else (0, 1, 1))
    assert m.lesion_f1 == found
    assert m.lesion_dsc == (m.dsc if found else 0)


def test_iou_leaves_the_other_components_false():
    m = evaluated(line((0, 4), (6, 7)), line((0, 7)), "iou")  # 4/7 and 1/7
    row, false = m.lesions
    assert counts(m) == (1, 1, 0)
    assert (row.predicted_components, row.dsc) == ((1,), pytest.approx(8 / 11))
    assert row.overlap_ml == pytest.approx(0.004)
    assert (false.predicted_components, false.overlap_ml, false.nearest_mm) == ((2,), 0, 0)


def test_iou_of_a_missed_lesion_that_is_touched():
    m = evaluated(line((0, 10)), line((0, 4), (7, 10)), "iou")  # 4/10 and 3/10
    assert counts(m) == (0, 1, 2)
    assert [row.nearest_mm for row in m.lesions] == [0, 0, 0]
    assert [row.overlap_ml for row in m.lesions] == [0, 0, 0]


def test_a_false_component_inside_a_lesion_is_at_no_distance():
    """Its surface lies 2 mm from that of the lesion, yet they share a voxel."""
    m = evaluated(blocks((12, 7, 7), size=(1, 1, 1)), blocks((10, 5, 5)), "iou")
    assert counts(m) == (0, 1, 1)
    assert [row.nearest_mm for row in m.lesions] == [0, 0]


def test_one_to_one_takes_the_greatest_iou_first():
    """Lesions of 6 and 3, one component over both: 3/9 and 3/6; then a second component, 2/6, is left for the first."""
    low = replace(MATCHERS["iou"], min_iou=0.2)
    m = match_masks(line((0, 2), (3, 12)), line((0, 6), (9, 12)), spacing_mm=ISOTROPIC, matcher=low)
    assert m.pairs.tolist() == [[1, 2], [2, 1]]
    rows = lesion_rows(m, origin=(0, 0, 0))
    assert [row.predicted_components for row in rows] == [(2,), (1,)]
    assert [row.dsc for row in rows] == pytest.approx([4 / 8, 6 / 12])


def test_one_to_one_prefers_the_larger_lesion_at_equal_iou():
    low = replace(MATCHERS["iou"], min_iou=0.2)
    m = match_masks(line((0, 9)), line((0, 4), (5, 9)), spacing_mm=ISOTROPIC, matcher=low)  # 4/9 both
    assert m.pairs.tolist() == [[1, 1]]
    m = match_masks(line((0, 4), (5, 9)), line((0, 9)), spacing_mm=ISOTROPIC, matcher=low)
    assert m.pairs.tolist() == [[1, 1]]


@pytest.mark.parametrize(("start", "lesions"), [(11, 1), (12, 2)])
def test_brats_merges_lesions_whose_dilations_touch(start, lesions):
    """The first block ends at 4, grows to 7; the second grows down to its start - 3 = 8, the next voxel, or 9."""
    m = evaluated(blocks(), blocks((0, 5, 5), (start, 5, 5)), "brats2023_gli")
    assert len(m.lesions) == lesions
    assert sorted(c for row in m.lesions for c in row.reference_components) == [1, 2]
    assert sum(row.volume_ml for row in m.lesions) == pytest.approx(0.25)


def test_brats_numbers_lesions_by_their_volume_together():
    """A cube of 216 voxels is the largest component; two of 125 that merge are the larger lesion."""
    cube = blocks((40, 5, 5), size=(6, 6, 6))
    reference = blocks((5, 5, 5), (12, 5, 5)) | cube
    m = evaluated(cube, reference, "brats2023_gli")
    assert [row.reference_components for row in m.lesions] == [(2, 3), (1,)]
    assert [row.volume_ml for row in m.lesions] == pytest.approx([0.25, 0.216])
    assert [row.dsc for row in m.lesions] == [0, 1]
    assert all(reference[row.centroid_voxel] for row in m.lesions)


@pytest.mark.parametrize(
    ("step", "belongs"),
    [((3, 0, 0), True), ((4, 0, 0), False), ((3, 3, 0), True), ((2, 2, 2), True), ((3, 3, 1), False)],
)
def test_brats_reach_of_the_dilation(step, belongs):
    """3 steps of the 18-neighbourhood reach 3 along each axis and 6 in all, counted from the corner of the block."""
    corner = tuple(np.array((24, 9, 9)) + step)
    m = evaluated(blocks(corner, size=(1, 1, 1)), blocks((20, 5, 5)), "brats2023_gli")
    assert counts(m) == ((1, 0, 0) if belongs else (0, 1, 1))
    lesion = m.lesions[0]
    assert (lesion.detected, lesion.dsc, lesion.overlap_ml) == (belongs, 0, 0)
    assert lesion.nearest_mm == pytest.approx(np.linalg.norm(step))
    assert (lesion.hd95_mm == 374) == (not belongs)


@pytest.mark.parametrize(("size", "kind"), [((5, 5, 2), "ignored"), ((51, 1, 1), "reference")])
@pytest.mark.parametrize("found", [True, False])
def test_brats_ignores_lesions_up_to_50_voxels(size, kind, found):
    small = blocks((2, 5, 5), size=size)
    far = blocks((2, 18, 18), size=(1, 1, 1))
    m = evaluated(small if found else far, small, "brats2023_gli")
    assert m.lesions[0].kind == kind
    assert m.lesions[0].detected == found
    counted = kind == "reference"
    assert counts(m) == (found and counted, not found, counted and not found)
    if counted or not found:
        assert m.lesion_dsc == m.lesion_f1 == found
    else:
        assert m.lesion_dsc == 1
        assert np.isnan(m.lesion_f1)


def test_brats_counts_voxels_whatever_their_size():
    small = blocks((2, 5, 5), size=(5, 5, 2))
    assert evaluated(small, small, "brats2023_gli", spacing=(1, 1, 3)).lesions[0].kind == "ignored"
    assert evaluated(small, small, "overlap").lesions[0].kind == "reference"


def test_brats_names_no_task_of_its_own():
    with pytest.raises(UsageError, match=r"brats2023_gli, brats2023_ssa, brats2023_ped, brats2023_men, brats2023_met"):
        evaluated(line((0, 1)), line((0, 1)), "brats2023")


def test_metastases_that_glioma_settings_pass_over():
    """Lesions of 8 voxels, one found and two missed, 5 apart: by hand 1 TP, 2 FN, F1 1/2; glioma ignores all three."""
    reference = blocks((5, 5, 5), (12, 5, 5), (40, 5, 5), size=(2, 2, 2))
    found = blocks((5, 5, 5), size=(2, 2, 2))
    m = evaluated(found, reference, "brats2023_met")
    assert (counts(m), m.lesion_f1, m.lesion_dsc) == ((1, 0, 2), 0.5, pytest.approx(1 / 3))
    assert [row.kind for row in evaluated(found, reference, "brats2023_gli").lesions] == ["ignored"] * 2
    assert [row.kind for row in evaluated(found, blocks((5, 5, 5), size=(2, 1, 1)), "brats2023_met").lesions] == [
        "ignored"
    ]


@pytest.mark.parametrize(
    ("case_ids", "said"),
    [
        (["BraTS-MET-00001-000", "BraTS-MET-00002-000", "BraTS-GLI-00001-000"], "2 of MET (brats2023_met)"),
        (["BraTS2024_SSA-00002-000"], "1 of SSA (brats2023_ssa)"),
        (["BraTS-GLI-00001-000", "case_1"], ""),
    ],
)
def test_case_names_of_another_task(case_ids, said):
    warning = task_warning("brats2023_gli", case_ids)
    assert (said in warning) if said else warning == ""
    assert task_warning("overlap", case_ids) == ""


def test_brats_penalties():
    """One lesion right, one missed, one false positive of a single voxel: Dice 1 0 0, HD95 0 374 374."""
    prediction = blocks((0, 5, 5)) | blocks((50, 0, 0), size=(1, 1, 1))
    m = evaluated(prediction, blocks((0, 5, 5), (20, 5, 5)), "brats2023_gli")
    assert counts(m) == (1, 1, 1)
    assert m.lesion_dsc == pytest.approx(1 / 3)
    assert m.lesion_f1 == 0.5
    assert [row.hd95_mm for row in m.lesions] == [0, 374, 374]
    assert [row.kind for row in m.lesions] == ["reference", "reference", "false_positive"]


@pytest.mark.parametrize("task", CONSTANTS)
def test_brats_of_nothing_and_of_false_lesions_alone(task):
    """As the challenge has it: 0 / (0 + 158) beside no lesion, and 1 where there is neither."""
    nothing, false = blocks(), blocks(*((5 * k, 5, 5) for k in range(10)), size=(1, 1, 1))
    tiny = blocks((30, 15, 15), size=(2, 1, 1))
    for reference in (nothing, tiny):
        assert evaluated(false, reference, f"brats2023_{task}").lesion_dsc == 0
        assert evaluated(nothing, reference, f"brats2023_{task}").lesion_dsc == 1
    assert np.isnan(evaluated(false, nothing, "overlap").lesion_dsc)


def test_the_definition_is_that_of_the_matcher():
    assert all(metrics_of(name) is METRICS for name in ("overlap", "iou", "of another version"))
    for task in CONSTANTS:
        metrics = metrics_of(f"brats2023_{task}")
        assert "divided by the number of lesions and false positives" in metrics["lesion_dsc"].definition
        assert {key: m for key, m in metrics.items() if key != "lesion_dsc"} == {
            key: m for key, m in METRICS.items() if key != "lesion_dsc"
        }


def slow_brats(prediction, reference, steps, threshold):
    """Number of found, missed and false lesions, and the mean Dice, with each lesion dilated on its own."""
    ball = ndimage.generate_binary_structure(3, 2)
    grown, n = ndimage.label(ndimage.binary_dilation(reference, ball, iterations=steps), BLOCK)
    components, k = ndimage.label(prediction, BLOCK)
    matched, dices, found = set(), [], 0
    for number in range(1, n + 1):
        lesion = reference & (grown == number)
        touching = set(components[ndimage.binary_dilation(lesion, ball, iterations=steps)]) - {0}
        matched |= touching
        if lesion.sum() > threshold:
            theirs = np.isin(components, list(touching))
            dices.append(2 * (lesion & theirs).sum() / (lesion.sum() + theirs.sum()))
            found += bool(touching)
    false = k - len(matched)
    return (found, false, len(dices) - found), sum(dices) / (len(dices) + false) if dices or false else 1


@pytest.mark.parametrize("task", CONSTANTS)
def test_brats_against_a_slow_loop(task):
    rng = np.random.default_rng(11)
    for _ in range(12):
        noise = ndimage.gaussian_filter(rng.normal(size=(2, 44, 40, 36)), (0, 2, 2, 2))
        prediction, reference = noise > rng.uniform(1.8, 3) * noise.std()
        m = evaluated(prediction, reference, f"brats2023_{task}")
        theirs, mean = slow_brats(prediction, reference, *CONSTANTS[task])
        assert counts(m) == theirs
        assert m.lesion_dsc == pytest.approx(mean)


def test_voxel_metrics_do_not_depend_on_the_matcher():
    rng = np.random.default_rng(1)
    prediction, reference = rng.random((2, 9, 9, 9)) < 0.05
    rows = [evaluated(prediction, reference, name).as_dict() for name in MATCHERS]
    for key in ("dsc", "hd95_mm", "nsd", "volume_error_ml"):
        assert len({row[key] for row in rows}) == 1
