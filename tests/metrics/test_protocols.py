"""Protocols against the challenges' own codes on made-up pairs, and by hand.

tests/oracles/make_protocols.py made the values, and says how.
"""

import json
import math
from pathlib import Path

import made_protocols
import numpy as np
import pytest

from afl_core.errors import DataError, GeometryError, UsageError
from afl_core.metrics import evaluate_masks
from afl_core.metrics.by_protocol import measure_by_protocol
from afl_core.metrics.matchers import MATCHERS
from afl_core.metrics.protocols import PROTOCOLS, find_protocol
from afl_core.metrics.surface import compute_surface_distances, hd95_mm, hd95_pooled_mm

ORACLES = Path(__file__).parents[1] / "oracles"
PAIRS = made_protocols.pairs()
ORACLE = {
    (title, name): rows
    for code in ("brats2023", "brats2025", "picai")
    for title, protocols in json.loads((ORACLES / f"protocols_{code}.json").read_text()).items()
    for name, rows in protocols.items()
}


def known(value, penalty):
    """A value of an oracle: undefined is null, and infinity stands for the penalty."""
    return math.nan if value is None else penalty if value == "inf" else value


def measured(name, title):
    prediction, reference, spacing = PAIRS[title]
    rows = measure_by_protocol(prediction, reference, spacing, PROTOCOLS[name])
    return {row.region: row for row in rows}


def defined_alike(key, title, name):
    """Whether the challenge's code means the same by a value of this pair; docs/protocols.md says why it may not."""
    spacing = PAIRS[title][2]
    if not name.startswith("brats2025"):
        return True
    if key == "hd95_mm":
        return spacing == made_protocols.MM1  # theirs is in voxels
    if key in ("lesion_hd95_mm", "lesion_nsd"):  # theirs swaps the first axis and the last; several best pairings
        return len(set(spacing)) == 1 and not title.startswith("speckle")
    return True


@pytest.mark.parametrize(("title", "name"), ORACLE)
def test_equal_to_the_challenges_own_code(title, name):
    rows = measured(name, title)
    assert set(rows) == set(ORACLE[title, name])
    for region, theirs in ORACLE[title, name].items():
        for key, value in theirs.items():
            if defined_alike(key, title, name):
                expected = known(value, PROTOCOLS[name].matcher.penalty_mm)
                ours = getattr(rows[region], key)
                assert ours == pytest.approx(expected, abs=1e-6, nan_ok=True), f"{region} {key}"


def test_lesions_on_a_grid_of_unequal_edges():
    """As panoptica 2.1.7 has them where arrays and spacing are given, not files: evaluate(..., voxelspacing=...)."""
    whole = measured("brats2025_gli", "noise of 1 x 1 x 3 mm")["wt"]
    assert whole.lesion_hd95_mm == pytest.approx(4.669186893695669, abs=1e-6)
    assert whole.lesion_nsd == pytest.approx(0.843472186891021, abs=1e-6)


def test_the_oracles_hold_every_protocol_and_thirty_pairs():
    assert {name for _, name in ORACLE} == set(PROTOCOLS)
    assert len(PAIRS) >= 30
    assert {title for title, _ in ORACLE} == set(PAIRS)


def test_the_catalogue():
    for name, protocol in PROTOCOLS.items():
        assert name == protocol.name
        assert protocol.source.startswith("https://")
        assert protocol.definition.endswith(".")
        assert {label for labels in protocol.regions.values() for label in labels} <= set(protocol.labels)
    with pytest.raises(TypeError):
        PROTOCOLS["mine"] = PROTOCOLS["picai"]
    with pytest.raises(UsageError, match=r"no protocol of that name.*Did you mean brats2025_met"):
        find_protocol("brats2025_mets")


def line(*spans, label=3):
    """Labels along one row of voxels, each span (first, stop)."""
    labels = np.zeros((40, 5, 5), np.uint8)
    for first, stop in spans:
        labels[first:stop, 2, 2] = label
    return labels


def blocks(*corners, size=(5, 5, 5), label=3):
    labels = np.zeros((60, 20, 20), np.uint8)
    for corner in corners:
        labels[tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))] = label
    return labels


def row(name, prediction, reference, *, region="et", spacing=made_protocols.MM1):
    rows = measure_by_protocol(prediction, reference, spacing, PROTOCOLS[name])
    return next(row for row in rows if row.region == region)


FOUND_MISSED_FALSE = blocks((0, 5, 5), (50, 0, 0)), blocks((0, 5, 5), (25, 5, 5))
"""One of two lesions of 125 voxels found exactly, and a false one."""


@pytest.mark.parametrize(
    ("name", "lesion_dsc", "lesion_hd95_mm"),
    [
        ("brats2023_gli", 1 / 3, 2 * 374 / 3),
        ("brats2025_met", 1 / 3, 2 * 373 / 3),
        ("brats2025_gli", 1, 0),  # of the matched alone
    ],
)
def test_one_found_one_missed_one_false(name, lesion_dsc, lesion_hd95_mm):
    r = row(name, *FOUND_MISSED_FALSE)
    assert (r.tp, r.fp, r.fn, r.ignored) == (1, 1, 1, 0)
    assert (r.lesion_dsc, r.lesion_hd95_mm) == pytest.approx((lesion_dsc, lesion_hd95_mm))
    assert r.dsc == 2 * 125 / (250 + 250)


@pytest.mark.parametrize(("spacing", "voxels"), [(1, 50), (2, 6), (0.5, 400)])
def test_brats2023_ignores_up_to_50_mm3(spacing, voxels):
    for size, ignored in ((voxels, 1), (voxels + 1, 0)):
        reference = np.zeros((500, 3, 3), np.uint8)
        reference[:size, 1, 1] = 3
        r = row("brats2023_gli", np.zeros_like(reference), reference, spacing=(spacing,) * 3)
        assert (r.ignored, r.fn) == (ignored, 1 - ignored)
        assert (r.lesion_dsc, r.lesion_hd95_mm) == ((1, 0) if ignored else (0, 374))


@pytest.mark.parametrize(("voxels", "found"), [(11, 1), (12, 1), (13, 0)])
def test_brats2025_detects_a_small_lesion_from_dice_0_1_on(voxels, found):
    """Eight voxels and one of a component in common: Dice 2/19, 2/20 and 2/21."""
    r = row("brats2025_met", line((7, 7 + voxels)), line((0, 8)))
    assert (r.tp, r.fp, r.fn) == (1, 0, 0)
    assert (r.small_tp, r.small_fn) == (found, 1 - found)
    assert np.isnan([r.large_tp, r.large_fn, r.lesion_dsc, r.lesion_hd95_mm]).all()


def test_brats2025_parts_lesions_at_20_mm3():
    for size, large in ((19, False), (20, True)):
        r = row("brats2025_met", line((0, size)), line((0, size)))
        assert (r.large_tp, r.small_tp) == pytest.approx((1, math.nan) if large else (math.nan, 1), nan_ok=True)


def test_the_largest_sum_of_dice_is_not_the_greedy_one():
    """Component 1 meets both lesions (6/15, 12/20), 2 the second (6/18): greedy would take 12/20 alone."""
    r = row("brats2025_gli", line((2, 12), (13, 21)), line((0, 5), (6, 16)))
    assert (r.tp, r.fp, r.fn) == (2, 0, 0)
    assert r.lesion_dsc == pytest.approx((6 / 15 + 6 / 18) / 2)


@pytest.mark.parametrize(
    ("prediction", "reference", "counts"),
    [
        (((0, 4), (5, 9)), ((0, 9),), (1, 0, 0)),  # 4/9 each: the second is spared
        (((0, 9),), ((0, 4), (5, 9)), (1, 0, 1)),
        (((0, 1),), ((0, 10),), (1, 0, 0)),  # 1/10
        (((0, 1),), ((0, 11),), (0, 1, 1)),
        (((0, 2), (3, 24)), ((0, 20), (21, 27)), (2, 0, 0)),  # most pairs: 2/20 and 3/24, not 17/24 alone
    ],
)
def test_picai_by_hand(prediction, reference, counts):
    r = row("picai", line(*prediction, label=1), line(*reference, label=2), region="cspca")
    assert (r.tp, r.fp, r.fn) == counts
    assert np.isnan([r.lesion_dsc, r.lesion_hd95_mm, r.hd95_mm]).all()


NOTHING, LESION = blocks(), blocks((5, 5, 5))


@pytest.mark.parametrize(
    ("name", "pair", "expected"),
    [
        ("brats2023_met", (NOTHING, NOTHING), (1, 0, 1, 0)),
        ("brats2023_met", (NOTHING, LESION), (0, 374, 0, 374)),
        ("brats2023_met", (LESION, NOTHING), (0, 374, 0, 374)),
        ("brats2025_ped", (NOTHING, NOTHING), (math.nan,) * 4),
        ("brats2025_gli", (NOTHING, LESION), (0, 373, 0, 373)),
        ("brats2025_gli", (LESION, NOTHING), (0, 373, 0, 373)),
        ("brats2025_met", (LESION, NOTHING), (math.nan, math.nan, 0, 373)),
    ],
)
def test_empty_masks(name, pair, expected):
    r = row(name, *pair)
    assert (r.lesion_dsc, r.lesion_hd95_mm, r.dsc, r.hd95_mm) == pytest.approx(expected, nan_ok=True)


def test_masks_without_a_common_voxel_are_373_mm_apart():
    """So BraTS 2025 has it; BraTS 2023 measures, by area from the corner of one voxel to that of the other."""
    pair = blocks((3, 5, 5), size=(1, 1, 1)), blocks((9, 5, 5), size=(1, 1, 1))
    assert row("brats2025_gli", *pair).hd95_mm == 373
    assert row("brats2023_met", *pair).hd95_mm == 6


def test_the_pooled_hd95_is_not_the_directed_one():
    """A plate, and one with a hill on its side: the percentile of one direction sees more of it than that of both."""
    reference, prediction = np.zeros((2, 12, 24, 24), bool)
    reference[2:4, 2:12, 2:12] = prediction[2:4, 2:12, 2:12] = True
    prediction[4:8, 5:8, 5:8] = True
    distances = compute_surface_distances(prediction, reference, spacing_mm=made_protocols.MM1)
    pooled = np.percentile(np.concatenate([distances.prediction, distances.reference]), 95)
    directed = max(np.percentile(distances.prediction, 95), np.percentile(distances.reference, 95))
    assert hd95_pooled_mm(distances) == pytest.approx(pooled)
    assert hd95_mm(distances) == pytest.approx(directed)
    assert pooled < directed


def labelled(seed):
    rng = np.random.default_rng(seed)
    return (rng.integers(1, 4, (12, 11, 10)) * (rng.random((12, 11, 10)) < 0.1)).astype(np.uint8)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_perfect_prediction(name):
    labels = labelled(1)
    if PROTOCOLS[name].labels:
        labels = np.minimum(labels, max(PROTOCOLS[name].labels)).astype(np.uint8)
    for r in measure_by_protocol(labels, labels, (1.0, 2.0, 1.5), PROTOCOLS[name]):
        there = bool(np.isin(labels, PROTOCOLS[name].regions[r.region] or (1, 2, 3)).any())
        assert (r.fp, r.fn) == (0, 0)
        assert r.dsc == (1 if there else pytest.approx(PROTOCOLS[name].both_empty[0], nan_ok=True))
        assert math.isnan(r.hd95_mm) or r.hd95_mm == 0
        assert math.isnan(r.lesion_dsc) or r.lesion_dsc == 1


@pytest.mark.parametrize("name", PROTOCOLS)
def test_more_background_and_a_mirror_change_nothing(name):
    pair = [np.where(labels == 3, 1, labels).astype(np.uint8) for labels in (labelled(2), labelled(3))]
    if PROTOCOLS[name].labels == (1,):
        pair = [(labels > 0).astype(np.uint8) for labels in pair]
    plain = measure_by_protocol(*pair, made_protocols.MM1, PROTOCOLS[name])
    padded = [np.pad(labels, 3) for labels in pair]
    assert measure_by_protocol(*padded, made_protocols.MM1, PROTOCOLS[name]) == pytest.approx(plain)
    mirrored = measure_by_protocol(*(labels[::-1] for labels in pair), made_protocols.MM1, PROTOCOLS[name])
    assert [(r.tp, r.fp, r.fn, r.dsc) for r in mirrored] == [(r.tp, r.fp, r.fn, r.dsc) for r in plain]


@pytest.mark.parametrize("task", ["gli", "met", "men", "ped", "ssa"])
@pytest.mark.parametrize("pair", [name for name, (_, _, spacing) in PAIRS.items() if spacing == made_protocols.MM1])
def test_counts_and_dice_are_those_of_the_matcher(task, pair):
    prediction, reference, spacing = PAIRS[pair]
    for r in measure_by_protocol(prediction, reference, spacing, PROTOCOLS[f"brats2023_{task}"]):
        inside = PROTOCOLS[f"brats2023_{task}"].regions[r.region]
        masks = np.isin(prediction, inside), np.isin(reference, inside)
        m = evaluate_masks(*masks, spacing_mm=spacing, matcher=MATCHERS[f"brats2023_{task}"].name)
        assert (r.tp, r.fp, r.fn, r.dsc) == (m.lesion_tp, m.lesion_fp, m.lesion_fn, m.dsc)
        assert r.lesion_dsc == pytest.approx(m.lesion_dsc), r.region


def test_what_cannot_be_measured():
    protocol, other = PROTOCOLS["brats2023_gli"], blocks(label=4) + blocks((5, 5, 5), label=4)
    with pytest.raises(
        DataError, match=r"The prediction holds labels that .* does not have \(received: 4 where 1, 2, 3"
    ):
        measure_by_protocol(other, LESION, made_protocols.MM1, protocol)
    with pytest.raises(DataError, match="The reference holds"):
        measure_by_protocol(LESION, other, made_protocols.MM1, protocol)
    with pytest.raises(GeometryError, match="one shape"):
        measure_by_protocol(LESION[1:], LESION, made_protocols.MM1, protocol)
    with pytest.raises(GeometryError, match="spacing"):
        measure_by_protocol(LESION, LESION, (1, 1, 0), protocol)
