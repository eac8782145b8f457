"""How busy `afl evaluate` keeps the cores, what its processes hold, and what three regions take; see README.md."""

import argparse
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from viewer import SHAPE, write

from afl_core.base.paths import DEMO
from afl_core.data.layouts import load_case, load_cohort, references_cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.evaluation import pipeline
from afl_core.evaluation.pipeline import evaluate_case
from afl_core.evaluation.rows import settings_for
from afl_core.evaluation.sources import decide_meanings, parse_sources

ROOT = Path(__file__).parents[1]
EVERY = 0.1  # seconds between two looks at the processes


def make_cases(root: Path, count: int) -> None:
    """Cases of two sequences with a tumour that differs from case to case."""
    axes = np.ogrid[tuple(slice(n) for n in SHAPE)]
    draw = np.random.default_rng(5)
    head = sum(((axis - n / 2) / (0.4 * n)) ** 2 for axis, n in zip(axes, SHAPE, strict=True)) < 1
    for k in range(count):
        centre, radius = draw.uniform(0.4, 0.6, 3) * SHAPE, draw.uniform(8, 30)
        tumour = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)) < radius**2
        for name in ("flair", "t1ce"):
            image = np.where(head, draw.normal(300, 30, SHAPE) + 90 * tumour, 0)
            write(root / "images" / f"case_{k:03d}_{name}.nii.gz", image)
        write(root / "references" / f"case_{k:03d}.nii.gz", tumour)


def resident_mib(pid: int) -> float:
    """Resident memory of a process, 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for each in found:
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            pass
    return found


def run(data: Path, out: Path, workers: int) -> dict[str, float]:
    """Evaluate both shipped checkpoints of two sequences; what the whole command took."""
    sources = [f"--source={name}={ROOT / 'models' / folder}" for name, folder in CHECKPOINTS.items()]
    command = [sys.executable, "-m", "afl_core", "evaluate", "--data", str(data), "--out", str(out), *sources]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    largest, most = 0.0, 0.0
    with subprocess.Popen([*command, "--workers", str(workers)], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            held = [resident_mib(pid) for pid in family(process.pid)]
            largest, most = max(largest, *held), max(most, sum(held))
            time.sleep(EVERY)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cores = min(workers, os.cpu_count() or 1)
    return {"seconds": seconds, "busy": used / seconds / cores, "largest_mib": largest, "together_mib": most}


def real_cases(data: Path, predictions: Path) -> None:
    """The references of BraTS 2021 as predictions: moved by a voxel, with necrosis taken for edema in places."""
    for folder in sorted(data.glob("BraTS2021_*")):
        image = nib.load(next(folder.glob("*_seg.nii.gz")))
        labels = np.roll(np.asanyarray(image.dataobj), (1, -1), (0, 1))
        labels[::7] = np.where(labels[::7] == 1, 2, labels[::7])
        predictions.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(labels, image.affine, image.header), predictions / f"{folder.name}.nii.gz")


def cpu_seconds(data: Path, predictions: Path, regions: tuple[str, ...]) -> float:
    """CPU time in which two folders of label files are measured in these regions, from deciding what the files mean."""
    start, out = time.process_time(), Path(tempfile.mkdtemp())
    cohort = with_regions(load_cohort(data), regions)
    sources = decide_meanings(parse_sources([f"{name}={predictions}" for name in "ab"]), cohort)
    for case in cohort.cases:
        result = evaluate_case(case, sources, out, settings=settings_for(cohort))
        assert not result.problems, result.problems
        assert len(result.rows) == len(sources) * len(regions)
    shutil.rmtree(out)
    return time.process_time() - start


def compare_regions(data: Path, rounds: int = 9) -> dict[str, float]:
    """CPU time of WT, TC and ET together over that of WT alone: the median of rounds that take turns."""
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder)
        real_cases(data, predictions)
        takes = [
            [cpu_seconds(data, predictions, regions) for regions in (("wt",), ("wt", "tc", "et"))]
            for _ in range(rounds + 1)
        ][1:]
    one, three = (statistics.median(times) for times in zip(*takes, strict=True))
    return {"one_s": one, "three_s": three, "ratio": statistics.median(b / a for a, b in takes)}


def make_maps(root: Path, background: float, shape: tuple[int, ...] = SHAPE) -> None:
    """A reference, and a smooth map of probabilities with about this logit in the background."""
    away = np.sqrt(sum((axis - n / 2) ** 2 for axis, n in zip(np.ogrid[tuple(map(slice, shape))], shape, strict=True)))
    noise = gaussian_filter(np.random.default_rng(6).normal(0, 20, shape), 2)
    maps = (1 / (1 + np.exp(np.minimum(0.8 * (away - 24), -background) + noise))).astype(np.float32)
    save_maps(root, away < 24, maps)


def predict_maps(root: Path, checkpoint: str) -> None:
    """A reference of the demo, and the map of probabilities that a demo checkpoint gives."""
    case = load_cohort(DEMO).cases[0]
    (source,) = parse_sources([f"net={ROOT / 'models' / checkpoint}"])
    loaded = load_case(case)
    save_maps(root, loaded.reference.array, source.predict(case, loaded.images, None).tumour)


def save_maps(root: Path, reference: NDArray[np.bool_], maps: NDArray[np.float32]) -> None:
    for name, array in {"references": reference.astype(np.uint8), "maps": maps}.items():
        (root / name).mkdir()
        nib.save(nib.Nifti1Image(array, np.eye(4)), root / name / "case.nii.gz")


def compare_counts(make: Callable[[Path], None], rounds: int = 9) -> dict[str, float]:
    """CPU time of a case of maps with counts by threshold and probability over that without: the median of rounds."""

    def seconds(root: Path, counted: bool) -> float:
        cohort = references_cohort(root / "references")
        sources = decide_meanings(parse_sources([f"maps={root / 'maps'}"]), cohort)
        kept = {name: getattr(pipeline, name) for name in ("measure_curve", "measure_confidence")}
        with patch.multiple(pipeline, **(kept if counted else dict.fromkeys(kept, lambda *_, **__: None))):
            gc.collect()
            start = time.process_time()
            result = evaluate_case(cohort.cases[0], sources, root / "out", settings=settings_for(cohort))
            took = time.process_time() - start
        assert len(result.curves) == len(result.confidence) == counted, result.problems
        return took

    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        takes = [[seconds(Path(folder), counted) for counted in (False, True)] for _ in range(rounds + 1)][1:]
    without, with_ = (statistics.median(times) for times in zip(*takes, strict=True))
    return {"without_s": without, "with_s": with_, "ratio": statistics.median(b / a for a, b in takes)}


CHECKPOINTS = {"FL": "demo_fl_2seq", "A-FL": "demo_afl_2seq"}
MAPS = {
    **{f"Network trained by {name}": partial(predict_maps, checkpoint=path) for name, path in CHECKPOINTS.items()},
    "Made up, with a background of 0.0001": partial(make_maps, background=-9.0),
    "Made up, with a background of 0.03": partial(make_maps, background=-3.5),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, nargs="+", default=[8, 24], help="sizes of the data set")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--brats-2021", type=Path, help="BraTS 2021 cases: also compare three regions with one")
    parser.add_argument("--maps", action="store_true", help="compare counts of a map with none instead")
    options = parser.parse_args(arguments)
    if options.maps:
        for words, make in MAPS.items():
            found = compare_counts(make)
            print(
                f"{words}: CPU time without counts",
                "{without_s:.2f} s, with {with_s:.2f} s: {ratio:.2f} times".format(**found),
            )
        return
    if options.brats_2021:
        found = compare_regions(options.brats_2021)
        print("CPU time of one region {one_s:.2f} s, of three {three_s:.2f} s: {ratio:.2f} times".format(**found))
    cores = os.cpu_count() or 1
    records = []
    with tempfile.TemporaryDirectory() as folder:
        for count in options.cases:
            make_cases(Path(folder) / f"data{count}", count)
            for workers in sorted({1, cores}):
                found = run(Path(folder) / f"data{count}", Path(folder) / f"out{count}_{workers}", workers)
                records.append({"cases": count, "workers": workers} | found)
                print(
                    f"{count:3} cases, {workers} workers: {found['seconds']:6.1f} s, cores {100 * found['busy']:.0f} % "
                    f"busy, largest process {found['largest_mib']:.0f} MiB, all {found['together_mib']:.0f} MiB",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
