"""Evaluations and trainings that are killed at a random moment and started again: the results must be equal.

python benchmarks/kills.py [--evaluations N] [--trainings N] [--seed N]

It ends with 0 where every result equals that of a process that nothing happened to.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from afl_core.model.checkpoints import WEIGHTS
from afl_core.training.config import TrainConfig
from afl_core.training.launcher import start_run
from afl_core.training.run_records import RunSpec
from afl_core.training.runs import CHECKPOINT, RunFolder, create_run

SHAPE, CASES = (40, 40, 24), 24
CONFIG = TrainConfig(
    loss="adaptive_focal",
    loss_settings={"alpha": "released"},
    sequences=("t1",),
    patch_size=(16, 16, 16),
    steps=40,
    validate_every=10,
    batch_size=1,
)


def write_cohort(root: Path) -> None:
    """Balls in noise: `data` with images, splits and references, `A` and `B` with masks that are moved."""
    rng, grid, affine = np.random.default_rng(0), np.indices(SHAPE), np.diag([1.0, 1.0, 2.0, 1.0])
    for number in range(CASES):
        name, centre, radius = f"case_{number:02d}", rng.uniform(12, 20, 3), rng.uniform(4, 8)
        for k, place in enumerate(("data/references", "A", "B")):
            moved = (centre + rng.normal(0, k, 3))[:, None, None, None]
            mask = ((grid - moved) ** 2).sum(0) < radius**2
            _save(root / place / f"{name}.nii.gz", mask.astype(np.uint8), affine)
            if k == 0:
                image = rng.normal(100, 10, SHAPE) + 80 * mask
                _save(root / "data" / "images" / f"{name}_t1.nii.gz", image.astype(np.float32), affine)
    names = [f"case_{number:02d}" for number in range(CASES)]
    splits = {"train": names[:6], "validation": names[6:8], "test": names[8:10]}
    (root / "data" / "splits.json").write_text(json.dumps(splits))


def _save(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def evaluate(root: Path, out: Path) -> "subprocess.Popen[bytes]":
    """The command, in a session of its own."""
    command = [sys.executable, "-m", "afl_core", "evaluate", "--data", str(root / "data"), "--out", str(out)]
    command += ["--source", f"A={root / 'A'}", "--source", f"B={root / 'B'}", "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def evaluated(out: Path) -> dict[str, str]:
    """All that a results folder says, but times."""
    found = {}
    for name in ("cases.parquet", "lesions.parquet"):
        table = pd.read_parquet(out / name).drop(columns="seconds", errors="ignore")
        found[name] = table.to_json(orient="records", double_precision=15)
    for mask in sorted(out.glob("masks/*/*")):
        found[str(mask.relative_to(out))] = hashlib.sha256(mask.read_bytes()).hexdigest()
    manifest = json.loads((out / "manifest.json").read_text())
    return found | {"manifest": json.dumps({k: v for k, v in manifest.items() if k != "updated"}, sort_keys=True)}


def kill_evaluation(root: Path, out: Path, after: float) -> bool:
    """Kill the command and its workers after so long, and give it again; False where it was over before."""
    process = evaluate(root, out)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert evaluate(root, out).wait(300) == 0
        return True
    return False


def train(root: Path, runs: Path) -> RunFolder:
    """A run that is started as the page starts it."""
    spec = RunSpec(config=CONFIG, data=root / "data", command="", created=time.time())
    run = create_run("run", spec, root=runs)
    start_run(run)
    return run


def trained(run: RunFolder) -> dict[str, object]:
    """Weights and reports of a run, but times."""
    weights = hashlib.sha256((run.path / CHECKPOINT / WEIGHTS).read_bytes()).hexdigest()
    return {"weights": weights, "reports": [{k: v for k, v in row.items() if k != "seconds"} for row in run.metrics()]}


def wait(run: RunFolder, seconds: float) -> str:
    """State of a run after so long, or when it has ended."""
    until = time.monotonic() + seconds
    while run.alive() and time.monotonic() < until:
        time.sleep(0.01)
    return run.status().state


def kill_training(root: Path, runs: Path, after: float) -> RunFolder | None:
    """Kill a run's process after so long, and resume; None where it was over before."""
    run = train(root, runs)
    wait(run, after)
    if (pid := run.status().pid) and run.alive():
        os.kill(pid, signal.SIGKILL)
        wait(run, 30)
    if run.checkpoint:
        return None
    start_run(run)
    assert wait(run, 300) == "finished", run.log_tail()
    return run


def compare(kind: str, count: int, seconds: float, expected: object, attempt: Callable[[float], object]) -> int:
    """Kill so many at random moments; gives how many results differ."""
    done = wrong = 0
    while done < count:
        found = attempt(random.uniform(0, seconds))
        if found is not None:
            done, wrong = done + 1, wrong + (found != expected)
            print(f"{kind} {done} of {count}, {wrong} differ", flush=True)
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Run it; gives how many results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=40)
    parser.add_argument("--trainings", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    random.seed(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        root, numbers = Path(folder), iter(range(10**6))
        write_cohort(root)

        def evaluation(after: float) -> object:
            out = root / f"out{next(numbers)}"
            return evaluated(out) if kill_evaluation(root, out, after) else None

        def training(after: float) -> object:
            run = kill_training(root, root / "runs", after)
            return run and trained(run)

        wrong = 0
        if asked.evaluations:
            begin = time.monotonic()
            assert evaluate(root, root / "whole").wait(600) == 0
            seconds = time.monotonic() - begin
            wrong += compare("evaluation", asked.evaluations, seconds, evaluated(root / "whole"), evaluation)
        if asked.trainings:
            begin, whole = time.monotonic(), train(root, root / "runs")
            assert wait(whole, 600) == "finished", whole.log_tail()
            wrong += compare("training", asked.trainings, time.monotonic() - begin, trained(whole), training)
    return wrong


if __name__ == "__main__":
    sys.exit(main() > 0)
