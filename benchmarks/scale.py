"""What a results folder of 100,000 cases, 8 sources and 3 regions costs: a batch, opening, a page; see README.md."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from afl_core.analysis.breakdown.options import Options, choose_binnings, choose_units
from afl_core.analysis.breakdown.overall import overall
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.manifest_sections import DataSection, SettingsSection, SourceSection
from afl_core.evaluation.parts import append_part
from afl_core.evaluation.pipeline import CaseResult
from afl_core.evaluation.results import Results
from afl_core.evaluation.tables import CASES, LESIONS
from afl_core.metrics import METRICS

REGIONS = ("whole", "tc", "et")
BLOCK = 2000  # cases that are written at a time


def make_block(first: int, count: int, sources: list[str], of_each: int = 5) -> dict[str, pd.DataFrame]:
    """The rows of some cases, with so many lesions each."""
    rng = np.random.default_rng(first)
    n = count * len(sources) * len(REGIONS)
    case = np.repeat([f"case_{k:06d}" for k in range(first, first + count)], len(sources) * len(REGIONS))
    source = np.tile(np.repeat(sources, len(REGIONS)), count)
    region = np.tile(REGIONS, count * len(sources))
    size = np.repeat(np.exp(rng.uniform(-1, 4, count)), len(sources) * len(REGIONS))
    key = pd.Series(rng.integers(0, 2**63, n)).astype(str).str.zfill(64)
    cases = pd.DataFrame({"region": region, "case_id": case, "group": "", "source": source, "empty": "", "note": ""})
    facts = dict.fromkeys(("surface_area_mm2", "roughness", "sphericity", "compactness", "elongation"))
    values = {name: rng.uniform(0, 1, n) for name in (*facts, *METRICS, "released_smoothness", "seconds")}
    values |= {name: np.full(n, of_each) for name in ("reference_lesions", "lesion_tp")}
    values |= {name: rng.integers(0, 3, n) for name in ("ignored_lesions", "ignored_false_lesions", "lesion_fp")}
    values |= {"reference_volume_ml": size, "predicted_volume_ml": size * rng.uniform(0.8, 1.2, n)}
    values |= {"slice_thickness_mm": np.full(n, 1.0), "key": key, "mask_sha256": key.to_numpy()[::-1]}
    cases = cases.assign(**values)
    each = cases.loc[cases.index.repeat(of_each), ["region", "case_id", "source"]].reset_index(drop=True)
    m = len(each)
    numbers = ("volume_ml", "roughness", "dsc", "dsc_in_region", "hd95_mm", "assd_mm", "nearest_mm", "overlap_ml")
    found = {name: rng.uniform(0, 1, m) for name in (*numbers, "predicted_ml", "other_lesion_mm", "x", "y", "z")}
    components = pa.ListArray.from_arrays(np.arange(m + 1, dtype=np.int32), rng.integers(1, 9, m))
    lesions = each.assign(
        lesion_id=np.tile(np.arange(1, of_each + 1), n),
        kind="reference",
        detected=rng.integers(0, 2, m).astype(float),
        predicted_components=pd.Series(pd.arrays.ArrowExtensionArray(components)),
        **found,
    )
    return {LESIONS: lesions, CASES: cases}


def make(folder: Path, cases: int, sources: list[str], of_each: int) -> None:
    """A results folder by the functions that an evaluation writes with, with no data set."""
    results = Results(folder)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        data=DataSection(path=str(folder / "data"), kind="references", skipped={}),
        sources={name: SourceSection(kind="masks", path=str(folder / name), files=cases) for name in sources},
        settings=SettingsSection(more_regions=REGIONS[1:]),
    )
    for first in range(0, cases, BLOCK):
        append_part(folder, make_block(first, min(BLOCK, cases - first), sources, of_each))
    results._write_manifest(manifest)


def batch(number: int, sources: list[str]) -> list[CaseResult]:
    """What an evaluation hands over at a time: 20 finished cases."""
    tables = make_block(10**6 + 20 * number, 20, sources)
    lesions = tables[LESIONS].assign(predicted_components=[[1]] * len(tables[LESIONS]))
    of = {name: dict(tuple(table.groupby("case_id"))) for name, table in ((CASES, tables[CASES]), (LESIONS, lesions))}
    return [
        CaseResult(case, tuple(rows.to_dict("records")), tuple(of[LESIONS][case].to_dict("records")), {})
        for case, rows in of[CASES].items()
    ]


def timed(said: dict[str, float], name: str, work: Callable[[], object]) -> object:
    """What the work gives; its seconds of the processor and on the clock, and the largest memory so far, are noted."""
    clock, processor = time.perf_counter(), time.process_time()
    found = work()
    said |= {f"{name}, s of processor": time.process_time() - processor, f"{name}, s": time.perf_counter() - clock}
    said[f"{name}, peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def headline(tables: tuple[pd.DataFrame, pd.DataFrame], opened: Comparison, options: Options) -> None:
    """What the first page shows of every source: its means, and its difference from the first source."""
    first, *others = opened.sources
    for metric in overall(tables, opened.manifest, options):
        for other in others:
            metric.pair(first, other)


def measure_reading(folder: Path, level: str) -> dict[str, float]:
    """Opening, what the first page computes at a level, and a moved edge of Breakdown."""
    said: dict[str, float] = {}
    opened = timed(said, "open", lambda: open_comparison(folder))
    if level == "lesion":
        timed(said, "read lesions", lambda: opened.lesions)
    tables = opened.rows, opened.lesions if level == "lesion" else pd.DataFrame()
    options = Options(level=level, metric="dsc")
    timed(said, "headline table", lambda: headline(tables, opened, options))
    units = timed(said, "pair the rows", lambda: choose_units(*tables, opened.manifest, options))
    timed(said, "breakdown", lambda: compute_breakdown(units, choose_binnings(units, options)))
    low, high = np.quantile(units.reference["size"], [0.3, 0.7])
    moved = Options(level=level, metric="dsc", by=("size",), edges={"size": (float(low), float(high))})
    timed(said, "a moved edge", lambda: compute_breakdown(units, choose_binnings(units, moved)))
    return said


def measure_adding(folder: Path, sources: list[str]) -> dict[str, float]:
    """The median of some batches, of the processor's seconds."""
    results, took = Results(folder), []
    for number in range(5):
        finished = batch(number, sources)
        start = time.process_time()
        results.add(finished)
        took.append(time.process_time() - start)
    return {"add 20 cases, s of processor": float(np.median(took))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--lesions", type=int, default=5, help="of each case")
    parser.add_argument("--folder", type=Path, help="keep the results here; they are used again where they are there")
    parser.add_argument("--measure", choices=["case", "lesion", "add"], help="one of them, in this process")
    args = parser.parse_args()
    sources = [f"source {k}" for k in range(args.sources)]
    if args.measure:
        reading = args.measure != "add"
        said = measure_reading(args.folder, args.measure) if reading else measure_adding(args.folder, sources)
        print(json.dumps(said))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "results"
        if not folder.is_dir():
            start = time.process_time()
            make(folder, args.cases, sources, args.lesions)
            print(f"made, s of processor: {time.process_time() - start:.1f}")
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        print(f"on disk, MiB: {size / 2**20:,.0f}")
        for what in (
            "case",
            *(["lesion"] if args.lesions else []),
            "add",
        ):  # each in a process of its own: memory is what one needs
            own = [sys.executable, __file__, "--folder", folder, "--sources", str(args.sources), "--measure", what]
            said = json.loads(subprocess.run(own, check=True, capture_output=True, text=True).stdout)
            print(what, *(f"  {name}: {value:.3g}" for name, value in said.items()), sep="\n")


if __name__ == "__main__":
    main()
