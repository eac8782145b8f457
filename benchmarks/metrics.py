"""Time and values of `evaluate_masks` and its peers, interleaved in one run; see README.md beside it."""

import argparse
import importlib
import json
import math
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import edt
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from afl_core.metrics import evaluate_masks
from afl_core.metrics.surface import compute_surface_distances, surface_voxels
from afl_core.regions import bounding_box, union_box

Mask = NDArray[np.bool_]
Pair = tuple[Mask, Mask]  # prediction, reference
Shape = tuple[int, int, int]
Values = dict[str, float]

GRID: Shape = (240, 240, 155)
SPACING_MM = (1.0, 1.0, 1.0)
OWN = "afl_core"
TOLERANCE_MM = 1.0
PATIENCE_S = 20  # a contestant that has taken so long on a case gets no further turn on it
FAILURES = (ArithmeticError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Record:
    """One contestant on one case.

    Attributes:
        case: The pair of masks.
        name: The contestant.
        seconds: Median of a call.
        ratio: `seconds` over those of afl_core in the same rounds: how many times faster afl_core is.
        values: The metrics by their names in METRICS; None for NaN and infinity.
        differences: Value minus that of afl_core, for the metrics that both have; None as above.
    """

    case: str
    name: str
    seconds: float
    ratio: float
    values: dict[str, float | None]
    differences: dict[str, float | None]


def ball(grid: Shape, radius: float, offset: Sequence[float] = (0, 0, 0), wobble: float = 0, seed: int = 0) -> Mask:
    """A ball near the middle of the grid, its radius varying smoothly with the direction by about `wobble`."""
    rng = np.random.default_rng(seed)
    reach = radius * (1 + 3 * wobble) + 1
    centre = [size // 2 + shift for size, shift in zip(grid, offset, strict=True)]
    window = tuple(slice(max(0, math.floor(c - reach)), math.ceil(c + reach) + 1) for c in centre)
    mask = np.zeros(grid, bool)
    axes = np.ogrid[tuple(slice(w.start, min(w.stop, size)) for w, size in zip(window, grid, strict=True))]
    apart = [axis - c for axis, c in zip(axes, centre, strict=True)]
    distance = np.sqrt(sum(a**2 for a in apart))
    waves = np.zeros(distance.shape)
    if wobble:
        for wave, phase in zip(rng.normal(size=(6, 3)) * 2, rng.uniform(0, 6, 6), strict=True):
            waves += np.cos(sum(w * a for w, a in zip(wave, apart, strict=True)) / np.maximum(distance, 1) + phase)
    mask[window] = distance <= radius * (1 + wobble * waves / 2)
    return mask


def noisy_ball(grid: Shape, radius: float, noise: float, seed: int) -> Mask:
    """A ball in the middle of the grid whose edge is lost in noise: one large piece among hundreds of small ones."""
    axes = np.ogrid[tuple(slice(size) for size in grid)]
    distance = np.sqrt(sum((axis - size // 2) ** 2 for axis, size in zip(axes, grid, strict=True)))
    return distance + np.random.default_rng(seed).normal(0, noise, grid) <= radius


def real_cases() -> dict[str, Pair]:
    """Whole tumours that two networks predicted, as they are; none where AFL_REAL_DATA names no folder."""
    root, cases = Path(os.environ.get("AFL_REAL_DATA", "-")) / "two_models", {}
    for file in sorted(root.glob("*/*_seg/*/*/*_pred.nii.gz")):
        case, model = file.parent.name, file.parents[1].name
        reference = next(root.glob(f"*/*_images/{case}/{case}_seg.nii.gz"))
        images = [nib.load(path) for path in (file, reference)]
        assert all(np.allclose(image.header.get_zooms(), SPACING_MM) for image in images)
        first, second = (np.asarray(image.dataobj) > 0 for image in images)
        cases[f"{case} by {model}"] = first, second
    return cases


def build_cases(grid: Shape) -> dict[str, Pair]:
    """The pairs of masks, always the same; lengths are those of a BraTS grid, scaled to this one's smallest side."""
    unit = min(grid) / 155
    large, small = ((3000 * ml / (4 * math.pi)) ** (1 / 3) * unit for ml in (50, 0.2))
    tumour = ball(grid, large, wobble=0.1, seed=1)
    predicted = ball(grid, large, (2 * unit, unit, -2 * unit), wobble=0.13, seed=1)
    scattered = predicted.copy()
    rng = np.random.default_rng(0)
    scattered[tuple(rng.integers(0, grid, (round(2000 * unit), 3)).T)] = True
    middle = ball(grid, 23 * unit)
    return {
        "50 ml": (predicted, tumour),
        "0.2 ml": (ball(grid, small, (0, 1, 0), 0.13, 2), ball(grid, small, wobble=0.1, seed=2)),
        "empty prediction": (np.zeros(grid, bool), tumour),
        "scattered prediction": (scattered, tumour),
        "edges in pieces": tuple(noisy_ball(grid, 23 * unit, 3 * unit, seed) for seed in (1, 2)),
        "19,000 pieces": (ball(grid, 60 * unit), np.random.default_rng(3).random(grid) < 0.00225),
        "concentric balls": (ball(grid, 60 * unit), middle),
        "ball shifted 20 mm": (ball(grid, 23 * unit, (20 * unit, 0, 0)), middle),
        "all ones against a ball": (np.ones(grid, bool), middle),
    }


def own(prediction: Mask, reference: Mask) -> Values:
    """Everything that this project computes."""
    metrics = evaluate_masks(prediction, reference, spacing_mm=SPACING_MM, nsd_tolerance_mm=TOLERANCE_MM)
    return metrics.as_dict()


def monai(metrics: ModuleType, prediction: Mask, reference: Mask) -> Values:
    """MONAI's overlap and surface metrics."""
    torch = importlib.import_module("torch")
    p, r = (torch.from_numpy(mask)[None, None] for mask in (prediction, reference))
    both = {"include_background": True, "spacing": list(SPACING_MM)}
    values = {
        "dsc": metrics.compute_dice(p, r),
        "iou": metrics.compute_iou(p, r),
        "hd_mm": metrics.compute_hausdorff_distance(p, r, **both),
        "hd95_mm": metrics.compute_hausdorff_distance(p, r, percentile=95, **both),
        "assd_mm": metrics.compute_average_surface_distance(p, r, symmetric=True, **both),
        "nsd": metrics.compute_surface_dice(p, r, [TOLERANCE_MM], **both),
    }
    return {key: float(value) for key, value in values.items()}


def medpy(binary: ModuleType, prediction: Mask, reference: Mask) -> Values:
    """MedPy's; its distances run between 6-connected borders."""
    overlap = {
        "dsc": "dc",
        "iou": "jc",
        "sensitivity": "recall",
        "specificity": "specificity",
        "precision": "precision",
    }
    values = {key: float(getattr(binary, name)(prediction, reference)) for key, name in overlap.items()}
    for key in ("hd", "hd95", "assd"):
        values[f"{key}_mm"] = float(getattr(binary, key)(prediction, reference, SPACING_MM))
    return values


def deepmind(module: ModuleType, prediction: Mask, reference: Mask) -> Values:
    """surface-distance: distances between surface elements, weighted by their areas."""
    distances = module.compute_surface_distances(reference, prediction, SPACING_MM)
    one, other = module.compute_average_surface_distance(distances)
    areas = distances["surfel_areas_gt"].sum(), distances["surfel_areas_pred"].sum()
    return {
        "dsc": float(module.compute_dice_coefficient(reference, prediction)),
        "hd_mm": float(module.compute_robust_hausdorff(distances, 100)),
        "hd95_mm": float(module.compute_robust_hausdorff(distances, 95)),
        "assd_mm": float((one * areas[0] + other * areas[1]) / sum(areas)),
        "nsd_area": float(module.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM)),
    }


def simpleitk(sitk: ModuleType, prediction: Mask, reference: Mask) -> Values:
    """SimpleITK's overlap and Hausdorff filters, and surface distances from its Maurer distance map."""
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (prediction, reference)]
    for image in images:
        image.SetSpacing(SPACING_MM[::-1])
    overlap, hausdorff = sitk.LabelOverlapMeasuresImageFilter(), sitk.HausdorffDistanceImageFilter()
    overlap.Execute(images[1], images[0])
    hausdorff.Execute(*images)
    borders = [sitk.LabelContour(image, fullyConnected=False) for image in images]
    maps = [sitk.SignedMaurerDistanceMap(b, squaredDistance=False, useImageSpacing=True) for b in borders]
    found = [
        np.abs(sitk.GetArrayViewFromImage(to)[sitk.GetArrayViewFromImage(border) > 0])
        for border, to in zip(borders, reversed(maps), strict=True)
    ]
    pooled = np.concatenate(found)
    return {
        "dsc": overlap.GetDiceCoefficient(),
        "iou": overlap.GetJaccardCoefficient(),
        "hd_mm": hausdorff.GetHausdorffDistance(),
        "hd95_mm": float(max(np.percentile(distances, 95) for distances in found)),
        "assd_mm": float(pooled.mean(dtype=float)),
        "nsd": float(np.mean(pooled <= TOLERANCE_MM)),
    }


def panoptica(module: ModuleType, prediction: Mask, reference: Mask) -> Values:
    """panoptica on the whole masks; lesions matched by overlap. Its NSD, at 0.5 mm, is computed but not compared."""
    kind = module.Metric
    names = {"dsc": kind.DSC, "iou": kind.IOU, "hd_mm": kind.HD, "hd95_mm": kind.HD95, "assd_mm": kind.ASSD}
    evaluator = module.Panoptica_Evaluator(
        expected_input=module.InputType.SEMANTIC,
        instance_approximator=module.ConnectedComponentsInstanceApproximator(),
        instance_matcher=module.NaiveThresholdMatching(),
        instance_metrics=[kind.DSC],
        global_metrics=[*names.values(), kind.NSD],
    )
    masks = prediction.astype(np.uint8), reference.astype(np.uint8)
    (result,) = evaluator.evaluate(*masks, voxelspacing=SPACING_MM).values()
    found = result.to_dict()
    return {key: float(found[f"global_bin_{metric.name.lower()}"]) for key, metric in names.items()}


PEERS: Mapping[str, tuple[str, Callable[[ModuleType, Mask, Mask], Values]]] = {
    "MONAI": ("monai.metrics", monai),
    "DeepMind surface-distance": ("surface_distance", deepmind),
    "panoptica": ("panoptica", panoptica),
    "SimpleITK": ("SimpleITK", simpleitk),
    "MedPy": ("medpy.metric.binary", medpy),
}


def load_peers(names: Sequence[str] = tuple(PEERS)) -> tuple[dict[str, ModuleType], list[str]]:
    """Modules of the peers that are installed, and why each other one is left out."""
    modules, missing = {}, []
    for name in names:
        try:
            modules[name] = importlib.import_module(PEERS[name][0])
        except (ImportError, AttributeError) as error:
            missing.append(f"{name}: cannot be imported ({error})")
    return modules, missing


def build_calls(
    modules: Mapping[str, ModuleType], prediction: Mask, reference: Mask
) -> dict[str, Callable[[], Values]]:
    """One call without arguments a contestant."""
    calls: dict[str, Callable[[], Values]] = {OWN: lambda: own(prediction, reference)}
    boxes = bounding_box(prediction), bounding_box(reference)
    if boxes[0] and boxes[1]:
        box = union_box(boxes[0], boxes[1])
        crops = np.ascontiguousarray(prediction[box]), np.ascontiguousarray(reference[box])
        background = ~surface_voxels(crops[1])

        def distances() -> Values:
            compute_surface_distances(*crops, spacing_mm=SPACING_MM)
            return {}

        def transform() -> Values:
            edt.edt(background, anisotropy=SPACING_MM, parallel=1)
            return {}

        calls |= {"surface distances alone": distances, "edt": transform}
    for name, module in modules.items():
        calls[name] = lambda name=name, module=module: PEERS[name][1](module, prediction, reference)
    return calls


def time_calls(
    calls: Mapping[str, Callable[[], Values]], *, rounds: int
) -> tuple[dict[str, float], dict[str, Values], dict[str, str]]:
    """Median seconds and values of each contestant, all taking their turn in each round, and the errors of others.

    The first round is thrown away, unless a contestant is so slow that it is its only one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    values: dict[str, Values] = {}
    errors: dict[str, str] = {}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            if name in errors or sum(seconds[name]) > PATIENCE_S:
                continue
            start = time.perf_counter()
            try:
                values[name] = call()
            except FAILURES as error:
                errors[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                continue
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(s[1:] or s) for name, s in seconds.items() if name not in errors}
    return medians, values, errors


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The same with None for what JSON cannot say."""
    return {key: float(value) if math.isfinite(value) else None for key, value in values.items()}


def compare(case: str, pair: Pair, modules: Mapping[str, ModuleType], *, rounds: int) -> tuple[list[Record], list[str]]:
    """Set every contestant against afl_core on one case; and say which ones failed."""
    seconds, values, errors = time_calls(build_calls(modules, *pair), rounds=rounds)
    if OWN in errors:
        raise RuntimeError(f"{OWN} failed on {case}: {errors[OWN]}")
    mine = values[OWN]
    records = []
    for name, median in seconds.items():
        apart = {key: value - mine[key] for key, value in values[name].items() if key in mine}
        records.append(Record(case, name, median, median / seconds[OWN], finite(values[name]), finite(apart)))
    return records, [f"{name}: {error}" for name, error in errors.items()]


def print_table(records: Sequence[Record], failures: Sequence[str]) -> None:
    """Print the contestants on one case: time, ratio, and beside it how far their values are from ours."""
    keys = ("dsc", "iou", "hd_mm", "hd95_mm", "assd_mm", "nsd", "nsd_area")
    seconds = {record.name: record.seconds for record in records}
    print(f"\n{records[0].case}\n{'':28}{'ms':>10}{'ratio':>9}" + "".join(f"{key:>11}" for key in keys))
    for record in records:
        shown = record.values if record.name == OWN else record.differences
        cells = (
            ("-" if value is None else f"{value:.4g}") if key in shown else ""
            for key in keys
            for value in [shown.get(key)]
        )
        row = f"{record.name:28}{record.seconds * 1e3:10.2f}{record.ratio:9.2f}" + "".join(f"{c:>11}" for c in cells)
        print(row.rstrip())
    if "edt" in seconds:
        times = 2 * seconds["edt"] / seconds["surface distances alone"]
        print(f"The two transforms that the surface distances replace take {times:.1f} times as long.")
    for failure in failures:
        print(f"failed: {failure}")


def print_headline(records: Sequence[Record], cases: str) -> None:
    """Say how many times as long as afl_core with everything MONAI's five metrics take, in the median and at worst."""
    ratios = [record.ratio for record in records if record.name == "MONAI"]
    if ratios:
        middle, least = statistics.median(ratios), min(ratios)
        print(f"\n{len(ratios)} {cases}: MONAI takes {middle:.0f} times as long in the median, {least:.0f} at worst")


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(arguments: Sequence[str] | None = None, *, grid: Shape = GRID) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the records there")
    parser.add_argument("--real-only", action="store_true", help="leave the drawn cases out")
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="timed rounds (default 7)")
    options = parser.parse_args(arguments)
    records: list[Record] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' own
        modules, missing = load_peers()
        print(f"{grid} voxels of 1 mm; ratio: to {OWN} in the same rounds; values of {OWN}, differences of the others")
        for reason in missing:
            print(f"left out: {reason}")
        only = {name: module for name, module in modules.items() if name == "MONAI"}
        for case, pair in real_cases().items():
            found, failures = compare(case, pair, only, rounds=options.rounds)
            print_table(found, failures)
            records += found
        print_headline(records, "real pairs")
        drawn: list[Record] = []
        for case, pair in ({} if options.real_only else build_cases(grid)).items():
            found, failures = compare(case, pair, modules, rounds=options.rounds)
            print_table(found, failures)
            drawn += found
        print_headline(drawn, "drawn pairs")
        records += drawn
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(record) for record in records], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
