"""The demo cohort: a designed experiment, the same bytes everywhere, and files that say what the table says."""

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr

from afl_core.data.demo import case as demo_case
from afl_core.data.demo import lesion_shapes, phantom
from afl_core.data.demo.case import LesionRow, write_demo_case
from afl_core.data.demo.design import ROUGHNESS_LEVELS, SPLITS, VOLUME_RANGE_ML, DemoSpec, Plan, plan_case
from afl_core.data.demo.lesion_shapes import draw_blob, keep_apart, place_blob
from afl_core.data.demo.synthetic import DemoCohort, load_demo, write_demo
from afl_core.data.layouts import load_cohort
from afl_core.data.splits import load_splits
from afl_core.errors import DataError, UsageError

SPEC = DemoSpec(n_train=1, n_validation=0, n_test=2)
TOUCHING = np.ones((3, 3, 3))
LEVELS = list(ROUGHNESS_LEVELS)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoCohort:
    return write_demo(tmp_path_factory.mktemp("demo"), SPEC, splits=("train", "test"))


def digests(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def plans(spec: DemoSpec, split: str) -> list[Plan]:
    return [plan_case(spec, split, index) for index in range(len(spec.case_ids(split)))]


def rho(first: list[float], second: list[float]) -> float:
    return float(spearmanr(first, second).statistic)


# --- the design


@pytest.mark.parametrize("seed", [DemoSpec().seed, *range(100, 112)])
@pytest.mark.parametrize("split", SPLITS)
def test_size_and_roughness_are_uncorrelated_by_construction(split: str, seed: int) -> None:
    cohort = plans(DemoSpec(seed=seed), split)
    sizes = [v for plan in cohort for v in plan.volumes_ml]
    levels = [LEVELS.index(plan.roughness) for plan in cohort for _ in plan.volumes_ml]
    assert set(levels) == {0, 1, 2}
    assert rho(sizes, levels) == pytest.approx(0, abs=1e-9)
    totals = [sum(plan.volumes_ml) for plan in cohort]
    assert rho(totals, [LEVELS.index(plan.roughness) for plan in cohort]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", [DemoSpec().seed, *range(100, 112)])
@pytest.mark.parametrize("split", ["train", "test"])
def test_contrast_goes_with_neither_size_nor_roughness(split: str, seed: int) -> None:
    cohort = plans(DemoSpec(seed=seed), split)
    contrast = [plan.look.contrast for plan in cohort for _ in plan.volumes_ml]
    assert abs(rho(contrast, [LEVELS.index(plan.roughness) for plan in cohort for _ in plan.volumes_ml])) < 0.05
    assert abs(rho(contrast, [v for plan in cohort for v in plan.volumes_ml])) < (
        0.05 if seed == DemoSpec().seed else 0.2
    )


def test_sizes_fill_the_range_and_cases_have_one_to_three_lesions() -> None:
    cohort = plans(DemoSpec(), "train")
    sizes = np.array([v for plan in cohort for v in plan.volumes_ml])
    assert sizes.min() >= VOLUME_RANGE_ML[0]
    assert sizes.max() <= VOLUME_RANGE_ML[1]
    low, high = np.log(VOLUME_RANGE_ML)
    thirds = np.bincount(((np.log(sizes) - low) / (high - low) * 3).astype(int), minlength=3) / sizes.size
    assert thirds == pytest.approx([1 / 3] * 3, abs=0.05)
    counts = np.bincount([len(plan.volumes_ml) for plan in cohort])[1:]
    assert len(counts) == 3
    assert counts.min() >= 12


def test_a_plan_depends_on_seed_split_and_index_alone() -> None:
    spec = DemoSpec()
    assert plan_case(spec, "test", 7) == plan_case(DemoSpec(n_test=1, n_train=500, spacing_mm=3), "test", 7)
    others = [plan_case(replace(spec, seed=3), "test", 7), plan_case(spec, "train", 7), plan_case(spec, "test", 8)]
    assert all(plan_case(spec, "test", 7) != other for other in others)


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


def test_a_placed_blob_stays_free_and_keeps_its_volume() -> None:
    free = np.zeros((30, 30, 30), dtype=bool)
    free[2:28, 2:28, 2:28] = True
    free &= ~keep_apart(np.indices(free.shape).sum(axis=0) == 0)
    blob = draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.24)
    placed = place_blob(np.random.default_rng(4), blob, free=free, likelihood=free * 1.0, spacing_mm=2.0)
    assert placed is not None
    assert placed.mask.sum() == 1000
    assert not (placed.mask & ~free).any()
    assert placed.labels[placed.centre] == 1
    counts = np.bincount(placed.labels[placed.mask])
    assert counts[[1, 4, 2]].min() > 50
    assert np.array_equal(placed.labels > 0, placed.mask)


def test_a_blob_without_room_is_not_placed() -> None:
    free = np.zeros((30, 30, 30), dtype=bool)
    free[12:18, 12:18, 12:18] = True
    blob = draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.0)
    assert place_blob(np.random.default_rng(4), blob, free=free, likelihood=free * 1.0, spacing_mm=2.0) is None


def test_a_slab_that_would_cut_the_blob_flat_is_no_room() -> None:
    free = np.zeros((40, 40, 40), dtype=bool)
    free[:, :, 18:22] = True  # room for the voxels, not for the shape
    blob = draw_blob(np.random.default_rng(3), volume_ml=8, amplitude=0.0)
    assert place_blob(np.random.default_rng(4), blob, free=free, likelihood=free * 1.0, spacing_mm=2.0) is None


def test_only_the_largest_piece_of_a_broken_blob_is_kept() -> None:
    depth = np.full((9, 9, 9), 2.0)
    depth[1:4, 1:4, 1:4], depth[6:8, 6:8, 6:8] = 0.5, 0.1
    kept = np.isfinite(lesion_shapes._closest(depth, 27 + 8))
    assert kept.sum() == 27
    assert kept[1:4, 1:4, 1:4].all()


@pytest.mark.parametrize("seed", range(3))
def test_lesions_of_a_case_keep_a_margin_where_room_is_scarce(seed: int) -> None:
    distance = np.sqrt(((np.indices((50, 50, 50)) - 24.5) ** 2).sum(axis=0))
    brain, ones = distance < 22, np.ones((50, 50, 50), dtype=np.float32)
    anatomy = phantom.Anatomy(brain, 0 * ones, 0 * ones, ones, 0 * ones, 2.0)
    look = phantom.Look(contrast=1.0, enhancement=1.0, noise=0.0)
    plan = Plan((40.0, 20.0, 10.0), "rough", look)
    lesions = demo_case._place_lesions(np.random.default_rng(seed), anatomy, plan)
    assert len(lesions) == 3
    for index, lesion in enumerate(lesions):
        others = np.any([other.mask for other in lesions[:index] + lesions[index + 1 :]], axis=0)
        grown = ndimage.binary_dilation(lesion.mask, TOUCHING, iterations=lesion_shapes.MARGIN_VOXELS)
        assert not (grown & others).any()
        assert not (lesion.mask & ~brain).any()


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
        "Brats18_SYN_test_001",
        "Brats18_SYN_train_000",
    ]
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
        plan = plan_case(SPEC, row.split, int(row.case_id[-3:]))
        assert (line["case_id"], line["split"], int(line["lesion"])) == (row.case_id, row.split, row.lesion)
        assert float(line["drawn_ml"]) == pytest.approx(plan.volumes_ml[row.lesion - 1], rel=1e-3)
        assert float(line["amplitude"]) == ROUGHNESS_LEVELS[plan.roughness]
        assert line["roughness"] == plan.roughness
        assert float(line["contrast"]) == pytest.approx(plan.look.contrast, abs=1e-4)
        assert (float(line["x_mm"]), float(line["y_mm"]), float(line["z_mm"])) == row.centre_mm


def test_splits_are_disjoint_and_name_what_is_there(demo: DemoCohort) -> None:
    assert load_splits(demo.root / "splits.json") == {
        "train": ("Brats18_SYN_train_000",),
        "test": ("Brats18_SYN_test_000", "Brats18_SYN_test_001"),
    }


# --- the same bytes, whenever and wherever


def test_another_process_with_other_counts_writes_the_same_bytes(demo: DemoCohort, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from afl_core.data.demo.synthetic import *\n"
        "spec = DemoSpec(n_test=9)\n"
        "for k in (1, 0): write_demo_case(Path(sys.argv[1]), spec, 'test', k)\n"
        "heavy = {'torch', 'monai', 'streamlit', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={"OMP_NUM_THREADS": "1"})
    again = digests(tmp_path)
    assert len(again) == 12
    assert again == {name: value for name, value in digests(demo.root).items() if "test_00" in name}


def test_cases_that_are_complete_are_kept_and_progress_is_told(demo: DemoCohort) -> None:
    before = {p: p.stat().st_mtime_ns for p in demo.root.rglob("*.nii.gz")}
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(2) as executor:
        again = write_demo(
            demo.root, SPEC, splits=("test",), executor=executor, progress=lambda *counts: told.append(counts)
        )
    assert told == [(2, 2)]
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
            write_demo_case(tmp_path, SPEC, "train", 0)
    assert digests(tmp_path) == {}
    assert load_demo(tmp_path, SPEC).lesions == ()
    folder = tmp_path / "HGG" / "Brats18_SYN_train_000"
    folder.mkdir(parents=True)
    (folder / "Brats18_SYN_train_000_t1.nii.gz").write_bytes(b"half")
    (folder / "lesions.json").write_text((demo.root / "HGG" / folder.name / "lesions.json").read_text())
    write_demo_case(tmp_path, SPEC, "train", 0)
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
    write_demo_case(tmp_path, SPEC, "train", 0)
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
    assert write_demo_case(tmp_path, SPEC, "train", 0) == rows
    assert [p.name for p in tmp_path.iterdir()] == ["HGG"]


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        write_demo(tmp_path / "file", SPEC)
