"""The demo cohort: a designed experiment, the same bytes everywhere, and files that say what the table says."""

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from afl_core.data.demo import case as demo_case
from afl_core.data.demo import lesion_shapes, phantom
from afl_core.data.demo.case import LesionRow, write_demo_case
from afl_core.data.demo.design import (
    GROWTH,
    LEAST_LESION_ML,
    ROUGHNESS_LEVELS,
    SIZE_LIMITS_ML,
    SPLITS,
    DemoSpec,
    Plan,
    Scan,
    plan_patient,
)
from afl_core.data.demo.lesion_shapes import draw_blob, find_room, keep_apart, place_blob
from afl_core.data.demo_cohort import DemoCohort, load_demo, write_demo
from afl_core.data.layouts import load_cohort
from afl_core.data.patient_names import patient_id
from afl_core.data.splits import load_splits
from afl_core.errors import DataError, UsageError

SPEC = DemoSpec(n_train=1, n_validation=0, n_test=2, spacing_mm=2.0)
FIRST = Scan("train", 0)
TOUCHING = np.ones((3, 3, 3))
LEVELS = list(ROUGHNESS_LEVELS)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoCohort:
    return write_demo(tmp_path_factory.mktemp("demo"), SPEC, splits=("train", "test"))


def digests(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def plans(spec: DemoSpec, split: str) -> list[Plan]:
    return [plan_patient(spec, split, patient) for patient in range(getattr(spec, f"n_{split}"))]


def columns(cohort: list[Plan]) -> np.ndarray:
    """Log of the total volume, level, contrast and scanner of each patient, as drawn."""
    return np.array(
        [
            (np.log(sum(plan.volumes_ml)), LEVELS.index(plan.roughness), plan.look.contrast, plan.look.scanner == "B")
            for plan in cohort
        ],
        dtype=float,
    )


def scans(spec: DemoSpec, split: str) -> np.ndarray:
    """The same of each scan, with its volume at that visit."""
    of = [(plan_patient(spec, split, scan.patient), scan.visit) for scan in spec.scans(split)]
    rows = columns([plan for plan, _ in of])
    rows[:, 0] = [np.log(sum(plan.at(visit))) for plan, visit in of]
    return rows


def largest_correlation(rows: np.ndarray) -> float:
    return float(np.abs(np.corrcoef(rows, rowvar=False)[np.triu_indices(rows.shape[1], 1)]).max())


# --- the design


@pytest.mark.parametrize(("seed", "most"), [(DemoSpec().seed, 0.05), *((seed, 0.08) for seed in range(100, 106))])
def test_size_roughness_contrast_and_scanner_go_with_none_of_the_others(seed: int, most: float) -> None:
    rows = columns(plans(DemoSpec(seed=seed), "test"))
    thirds = np.searchsorted(np.log(SIZE_LIMITS_ML[1:3]), rows[:, 0])
    assert np.bincount(thirds).tolist() == [32, 32, 32]
    assert largest_correlation(rows) < most
    assert largest_correlation(scans(DemoSpec(seed=seed), "test")) < most
    assert max(largest_correlation(rows[thirds == third]) for third in range(3)) < most
    cells = np.zeros((3, 3), dtype=int)
    np.add.at(cells, (thirds, rows[:, 1].astype(int)), 1)
    assert cells.min() >= 10


@pytest.mark.parametrize("split", SPLITS)
def test_sizes_are_even_in_the_logarithm_within_each_third(split: str) -> None:
    sizes = np.sort(columns(plans(DemoSpec(), split))[:, 0])
    limits = np.log(SIZE_LIMITS_ML)
    for low, high in pairwise(limits):
        share = (sizes[(sizes >= low) & (sizes < high)] - low) / (high - low)
        assert len(share) == len(sizes) // 3
        assert np.abs(share - (np.arange(len(share)) + 0.5) / len(share)).max() < 0.15


def test_cases_have_one_to_three_lesions_that_are_large_enough_for_a_roughness() -> None:
    cohort = plans(DemoSpec(), "test")
    counts = np.bincount([len(plan.volumes_ml) for plan in cohort])
    assert counts[1:].min() >= 12
    assert len(counts) == 4
    every = [v for plan in cohort for visit in (1, 2) for v in plan.at(visit)]
    assert min(every) >= LEAST_LESION_ML
    assert max(sum(plan.at(visit)) for plan in cohort for visit in (1, 2)) <= SIZE_LIMITS_ML[-1] * 1.0001
    assert all(list(plan.volumes_ml) == sorted(plan.volumes_ml, reverse=True) for plan in cohort)


def test_a_fifth_of_the_patients_is_scanned_again_and_their_cases_are_of_one_patient() -> None:
    spec = DemoSpec()
    scans = spec.scans("test")
    second = [scan for scan in scans if scan.visit == 2]
    assert len(second) == 20
    assert len(scans) == 116
    assert {plan_patient(spec, "test", scan.patient).growth for scan in second} == set(GROWTH)
    assert all(patient_id(scan.case_id) == scan.patient_id for scan in scans)
    assert spec.case_ids("test")[:3] == ("Brats18_SYN_test_000", "Brats18_SYN_test_000_visit2", "Brats18_SYN_test_001")


def test_a_plan_depends_on_seed_split_and_patient_alone() -> None:
    spec = DemoSpec()
    other_counts = DemoSpec(n_test=1, n_train=500, spacing_mm=3)
    assert plan_patient(spec, "test", 30) == plan_patient(other_counts, "test", 30)
    others = [
        plan_patient(replace(spec, seed=3), "test", 7),
        plan_patient(spec, "train", 7),
        plan_patient(spec, "test", 8),
    ]
    assert all(plan_patient(spec, "test", 7) != other for other in others)


@pytest.mark.parametrize(
    "options", [{"n_test": -1}, {"n_train": 1000}, {"spacing_mm": 0.5}, {"spacing_mm": 9.0}, {"seed": -1}]
)
def test_a_spec_refuses_what_makes_no_cohort(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(options.values())))):
        DemoSpec(**options)


def test_an_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"valid.*Choose from train, validation, test"):
        write_demo(tmp_path / "new", SPEC, splits=("valid",))
    assert not (tmp_path / "new").exists()


# --- the shapes


@pytest.mark.parametrize("amplitude", ROUGHNESS_LEVELS.values())
@pytest.mark.parametrize("volume_ml", [0.2, 3.0, 60.0])
def test_a_blob_has_its_volume_and_its_roughness(volume_ml: float, amplitude: float) -> None:
    blob = draw_blob(np.random.default_rng(1), volume_ml=volume_ml, amplitude=amplitude)
    assert np.linalg.det(blob.stretch) == pytest.approx(1)
    spacing = 0.07 * volume_ml ** (1 / 3) * 6
    inside = blob.depth(spacing) < 1
    assert inside.sum() * spacing**3 / 1000 == pytest.approx(volume_ml, rel=0.01)
    assert not any(np.take(inside, end, axis).any() for axis in range(3) for end in (0, -1))
    directions = np.random.default_rng(2).normal(size=(20_000, 3))
    radii = blob.profile(directions / np.linalg.norm(directions, axis=1, keepdims=True))
    assert radii.std() == pytest.approx(amplitude, abs=0.02)


def test_rougher_levels_have_more_surface_at_the_same_volume() -> None:
    def faces(amplitude: float, seed: int) -> int:
        inside = draw_blob(np.random.default_rng(seed), volume_ml=20, amplitude=amplitude).depth(1.5) < 1
        return sum(int(np.diff(inside, axis=axis).sum()) for axis in range(3))

    for seed in range(3):
        smooth, medium, rough = (faces(amplitude, seed) for amplitude in ROUGHNESS_LEVELS.values())
        assert smooth * 1.04 < medium
        assert medium * 1.04 < rough


def room_for_a_blob(
    free: np.ndarray, blob: lesion_shapes.Blob, *, spacing_mm: float = 2.0
) -> lesion_shapes.Placed | None:
    rng = np.random.default_rng(4)
    centre = find_room(rng, blob, free=free, likelihood=free * 1.0, spacing_mm=spacing_mm)
    return None if centre is None else place_blob(blob, centre, free=free, spacing_mm=spacing_mm)


def on_grid(placed: lesion_shapes.Placed, volume_ml: float, shape: tuple[int, ...]) -> np.ndarray:
    labels = np.zeros(shape, dtype=np.int16)
    labels[placed.box] = placed.labels(volume_ml)
    return labels


def test_a_placed_blob_stays_free_and_keeps_its_volume() -> None:
    free = np.zeros((30, 30, 30), dtype=bool)
    free[2:28, 2:28, 2:28] = True
    free &= ~keep_apart(np.indices(free.shape).sum(axis=0) == 0, spacing_mm=2.0)
    placed = room_for_a_blob(free, draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.24))
    assert placed is not None
    labels = on_grid(placed, 8, free.shape)
    assert np.count_nonzero(labels) == 1000
    assert not ((labels > 0) & ~free).any()
    assert np.bincount(labels[labels > 0])[[1, 4, 2]].min() > 50


def test_a_lesion_that_shrank_lies_in_what_it_was_and_has_its_parts_in_the_same_shares() -> None:
    free = np.ones((60, 60, 60), dtype=bool)
    placed = room_for_a_blob(free, draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.24), spacing_mm=1.0)
    assert placed is not None
    before, after = on_grid(placed, 8, free.shape), on_grid(placed, 2.4, free.shape)
    assert np.count_nonzero(after) == 2400
    assert not ((after > 0) & (before == 0)).any()
    for label in (1, 2, 4):
        assert (after == label).sum() / 2400 == pytest.approx((before == label).sum() / 8000, abs=0.02)


def test_a_blob_without_room_is_not_placed() -> None:
    free = np.zeros((30, 30, 30), dtype=bool)
    free[12:18, 12:18, 12:18] = True
    assert room_for_a_blob(free, draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.0)) is None
    blob = draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.0)
    assert place_blob(blob, (15, 15, 15), free=free, spacing_mm=2.0) is None


def test_a_slab_that_would_cut_the_blob_flat_is_no_room() -> None:
    free = np.zeros((40, 40, 40), dtype=bool)
    free[:, :, 18:22] = True  # room for the voxels, not for the shape
    assert room_for_a_blob(free, draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.0)) is None


def test_only_the_largest_piece_of_a_broken_blob_is_kept() -> None:
    depth = np.full((9, 9, 9), 2.0)
    depth[1:4, 1:4, 1:4], depth[6:8, 6:8, 6:8] = 0.5, 0.1
    kept = np.isfinite(lesion_shapes._closest(depth, 27 + 8))
    assert kept.sum() == 27
    assert kept[1:4, 1:4, 1:4].all()


@pytest.mark.parametrize("seed", range(3))
def test_lesions_of_a_case_keep_a_margin_where_room_is_scarce(seed: int) -> None:
    shape = phantom.grid(2.0)[0]
    distance = np.sqrt(((np.indices(shape) - np.array(shape).reshape(3, 1, 1, 1) / 2) ** 2).sum(axis=0))
    brain, ones = distance < 22, np.ones(shape, dtype=np.float32)
    anatomy = phantom.Anatomy(brain, 0 * ones, 0 * ones, ones, 0 * ones, 2.0)
    look = phantom.Look(contrast=1.0, enhancement=1.0, noise=0.0, scanner="A")
    plan = Plan((40.0, 20.0, 10.0), "rough", look, growth=0.0)
    placed = demo_case._place_lesions(np.random.default_rng(seed), anatomy, plan, spacing_mm=2.0)
    masks = [on_grid(lesion, volume, shape) > 0 for lesion, volume in zip(placed, plan.volumes_ml, strict=True)]
    for index, mask in enumerate(masks):
        others = np.any(masks[:index] + masks[index + 1 :], axis=0)
        assert not (ndimage.binary_dilation(mask, TOUCHING, iterations=3) & others).any()
        assert not (mask & ~brain).any()


def test_maps_of_the_anatomy_come_onto_the_grid_of_the_images_by_where_they_lie() -> None:
    coarse, fine = (phantom.grid(spacing) for spacing in (phantom.COARSE_MM, 1.0))

    def height(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
        """A ramp along each axis, by the place of the voxel in mm."""
        places = np.einsum("ij,j...->i...", affine[:3, :3], np.indices(shape)) + affine[:3, 3].reshape(3, 1, 1, 1)
        return np.asarray(places[0] + 2 * places[1] - 3 * places[2])

    inner = (slice(2, -2),) * 3
    assert phantom.finer(height(*coarse), 1.0)[inner] == pytest.approx(height(*fine)[inner], abs=1e-3)
    point = np.zeros(fine[0], dtype=bool)
    point[40, 50, 61] = True
    (found,) = np.argwhere(phantom.coarser(point, coarse[0]))
    millimetres = coarse[1] @ [*found, 1] - fine[1] @ [40, 50, 61, 1]
    assert np.abs(millimetres).max() <= 1


def test_a_smooth_field_has_variance_one_everywhere() -> None:
    rng = np.random.default_rng(0)
    fields = np.stack([phantom.smooth_field(rng, (9, 8, 7), knots_mm=3.0) for _ in range(600)])
    assert fields.var(axis=0) == pytest.approx(np.ones((9, 8, 7)), abs=0.3)
    neighbours = (fields[:, 1:] * fields[:, :-1]).mean(axis=0)
    assert neighbours.min() > 0.75


# --- the files


def test_files_of_a_case(demo: DemoCohort) -> None:
    folder = demo.root / "HGG" / "Brats18_SYN_test_001"
    assert sorted(p.name for p in folder.glob("*.nii.gz")) == [
        f"Brats18_SYN_test_001_{name}.nii.gz" for name in ("flair", "seg", "t1", "t1ce", "t2")
    ]
    cohort = load_cohort(demo.root)
    assert (cohort.layout.name, cohort.problems) == ("brats2018", ())
    assert [case.case_id for case in cohort.cases] == [
        "Brats18_SYN_test_000",
        "Brats18_SYN_test_000_visit2",
        "Brats18_SYN_test_001",
        "Brats18_SYN_train_000",
    ]
    assert cohort.patients["Brats18_SYN_test_000_visit2"] == "Brats18_SYN_test_000"
    assert [p.name for p in demo.root.iterdir() if p.name.startswith(".")] == []


def cases(demo: DemoCohort) -> Iterator[tuple[str, dict[str, np.ndarray], np.ndarray, tuple[LesionRow, ...]]]:
    for case in load_cohort(demo.root).cases:
        assert case.reference is not None
        images = {name: np.asanyarray(nib.load(path).dataobj) for name, path in case.sequences.items()}
        rows = tuple(row for row in demo.lesions if row.case_id == case.case_id)
        yield case.case_id, images, np.asanyarray(nib.load(case.reference).dataobj), rows


def test_images_are_skull_stripped_and_on_one_grid(demo: DemoCohort) -> None:
    for _, images, labels, _ in cases(demo):
        brain = images["t1"] > 0
        assert 900 < brain.sum() * 0.008 < 1900
        assert np.array_equal(brain, ndimage.binary_fill_holes(brain))
        assert ndimage.label(brain)[1] == 1
        for image in images.values():
            assert image.dtype == np.int16
            assert np.array_equal(image != 0, brain)
            assert image.min() == 0
            assert 50 < image[brain].mean() < 2000
        assert not (labels[~brain] > 0).any()
    header = nib.load(demo.root / "HGG/Brats18_SYN_test_000/Brats18_SYN_test_000_t2.nii.gz")
    assert header.shape == (80, 96, 80)
    assert nib.aff2axcodes(header.affine) == ("R", "A", "S")
    assert header.header.get_zooms() == (2, 2, 2)


def test_every_lesion_is_one_component_of_the_volume_in_the_table(demo: DemoCohort) -> None:
    for _, _, labels, rows in cases(demo):
        assert set(np.unique(labels)) <= {0, 1, 2, 4}
        pieces, number = ndimage.label(labels > 0, TOUCHING)
        assert number == len(rows)
        found = sorted((pieces == i).sum() * 0.008 for i in range(1, number + 1))
        assert found == pytest.approx(sorted(row.realised_ml for row in rows))
        affine = nib.load(next(demo.root.rglob("*_seg.nii.gz"))).affine
        for row in rows:
            assert row.realised_ml == pytest.approx(row.drawn_ml, rel=0.05)
            voxel = np.rint(np.linalg.inv(affine) @ [*row.centre_mm, 1])[:3].astype(int)
            own = pieces == pieces[tuple(voxel)]
            assert own.sum() * 0.008 == pytest.approx(row.realised_ml)


def test_a_tumour_looks_like_one(demo: DemoCohort) -> None:
    for _, images, labels, rows in cases(demo):
        if rows[0].realised_ml < 1:
            continue
        around = ndimage.binary_dilation(labels > 0, iterations=6) & (labels == 0) & (images["t1"] > 0)
        assert images["flair"][labels == 2].mean() > 1.1 * images["flair"][around].mean()
        assert images["t1ce"][labels == 4].mean() > images["t1ce"][labels == 2].mean()


def test_the_table_is_what_was_drawn(demo: DemoCohort) -> None:
    with (demo.root / "lesions.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(demo.lesions) >= 3
    for line, row in zip(table, demo.lesions, strict=True):
        patient, _, visit = row.case_id.partition("_visit")
        plan = plan_patient(SPEC, row.split, int(patient[-3:]))
        assert (line["case_id"], line["split"], int(line["lesion"])) == (row.case_id, row.split, row.lesion)
        assert float(line["drawn_ml"]) == pytest.approx(plan.at(int(visit or 1))[row.lesion - 1], rel=1e-3)
        assert float(line["amplitude"]) == ROUGHNESS_LEVELS[plan.roughness]
        assert line["roughness"] == plan.roughness
        assert line["scanner"] == plan.look.scanner
        assert float(line["contrast"]) == pytest.approx(plan.look.contrast, abs=1e-4)
        assert (float(line["x_mm"]), float(line["y_mm"]), float(line["z_mm"])) == row.centre_mm


def test_splits_are_disjoint_and_name_what_is_there(demo: DemoCohort) -> None:
    assert load_splits(demo.root / "splits.json") == {
        "train": ("Brats18_SYN_train_000",),
        "test": ("Brats18_SYN_test_000", "Brats18_SYN_test_000_visit2", "Brats18_SYN_test_001"),
    }


# --- the same bytes, whenever and wherever


def test_another_process_with_other_counts_writes_the_same_bytes(demo: DemoCohort, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from afl_core.data.demo_cohort import *\n"
        "from afl_core.data.demo.design import Scan\n"
        "spec = DemoSpec(n_test=9, spacing_mm=2.0)\n"
        "for k, v in ((1, 1), (0, 2), (0, 1)): write_demo_case(Path(sys.argv[1]), spec, Scan('test', k, v))\n"
        "heavy = {'torch', 'monai', 'streamlit', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={"OMP_NUM_THREADS": "1"})
    again = digests(tmp_path)
    assert len(again) == 18
    assert again == {name: value for name, value in digests(demo.root).items() if "test_00" in name}


def test_cases_that_are_complete_are_kept_and_progress_is_told(demo: DemoCohort) -> None:
    before = {p: p.stat().st_mtime_ns for p in demo.root.rglob("*.nii.gz")}
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(2) as executor:
        again = write_demo(
            demo.root, SPEC, splits=("test",), executor=executor, progress=lambda *counts: told.append(counts)
        )
    assert told == [(3, 3)]
    assert again == demo
    assert {p: p.stat().st_mtime_ns for p in demo.root.rglob("*.nii.gz")} == before


def test_an_interrupted_or_damaged_build_goes_on(
    demo: DemoCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {name: value for name, value in digests(demo.root).items() if "train_000" in name}

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo_case.Path, "write_text", stop)  # killed after the images, before the case is complete
        with pytest.raises(KeyboardInterrupt):
            write_demo_case(tmp_path, SPEC, FIRST)
    assert digests(tmp_path) == {}
    assert load_demo(tmp_path, SPEC).lesions == ()
    folder = tmp_path / "HGG" / "Brats18_SYN_train_000"
    folder.mkdir(parents=True)
    (folder / "Brats18_SYN_train_000_t1.nii.gz").write_bytes(b"half")
    (folder / "lesions.json").write_text((demo.root / "HGG" / folder.name / "lesions.json").read_text())
    write_demo_case(tmp_path, SPEC, FIRST)
    assert digests(tmp_path) == wanted


def test_a_demo_of_another_seed_is_not_mixed_in(demo: DemoCohort) -> None:
    before = digests(demo.root)
    for other in (replace(SPEC, seed=5), replace(SPEC, spacing_mm=3.0)):
        with pytest.raises(DataError, match=r"made with other settings.*delete this one"):
            write_demo(demo.root, other)
    assert digests(demo.root) == before


def test_cases_of_an_older_generator_are_made_again(
    demo: DemoCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_case, "GENERATOR_VERSION", demo_case.GENERATOR_VERSION + 1)
    assert load_demo(demo.root, SPEC).splits == {}
    folder = tmp_path / "HGG" / "Brats18_SYN_train_000"
    folder.mkdir(parents=True)
    (folder / "lesions.json").write_text((demo.root / "HGG" / folder.name / "lesions.json").read_text())
    write_demo_case(tmp_path, SPEC, FIRST)
    assert json.loads((folder / "lesions.json").read_text())["version"] == demo_case.GENERATOR_VERSION


def test_two_processes_that_write_the_same_case(
    demo: DemoCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = demo.root / "HGG" / "Brats18_SYN_train_000"
    rows = tuple(row for row in demo.lesions if row.case_id == source.name)
    replaced = Path.replace

    def overtaken(self: Path, target: Path) -> Path:
        if target.name == source.name:
            target.mkdir()
            for file in source.iterdir():
                (target / file.name).write_bytes(file.read_bytes())
        return replaced(self, target)

    monkeypatch.setattr(demo_case.Path, "replace", overtaken)
    assert write_demo_case(tmp_path, SPEC, FIRST) == rows
    assert [p.name for p in tmp_path.iterdir()] == ["HGG"]


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        write_demo(tmp_path / "file", SPEC)
