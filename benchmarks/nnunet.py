"""Our trainers in a real run of nnU-Net: the demo, planned, trained, validated and measured; see README.md beside it.

It runs where nnU-Net is installed: `make nnunet-env`, then .venv/nnunet/bin/python benchmarks/nnunet.py
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from afl_core.data.demo.design import DemoSpec
from afl_core.data.demo_cohort import write_demo
from afl_core.nnunet.catalogue import FOLDER, VARIABLE

DATASET, PLANS, CONFIGURATION = "Dataset501_Demo", "nnUNetPlans_4mm", "3d_fullres"
SPACING_MM = "4"  # of the training: an eighth of the demo's voxels
TRAINERS = ("nnUNetTrainerFL", "nnUNetTrainerAFL_paper")


@dataclass(frozen=True)
class Record:
    """One trainer.

    Attributes:
        trainer: Its name.
        seconds: Time of `nnUNetv2_train` from its start to the end of its validation.
        epoch_seconds: Median time of an epoch, as nnU-Net's log says it.
        cases: Number of validation cases.
        dice: Mean Dice of the validation cases, by nnU-Net.
        afl_dice: The same by `afl evaluate`.
        largest_difference: Largest difference of a case between the two.
    """

    trainer: str
    seconds: float
    epoch_seconds: float
    cases: int
    dice: float
    afl_dice: float
    largest_difference: float


def environment(out: Path) -> dict[str, str]:
    """What nnU-Net is told: where its folders are, and to use one process, as these machines are small."""
    return os.environ | {
        **{f"nnUNet_{name}": str(out / name) for name in ("raw", "preprocessed", "results")},
        VARIABLE: str(FOLDER),
        "nnUNet_n_proc_DA": "1",
        "nnUNet_def_n_proc": "1",
        "nnUNet_compile": "f",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def prepare(out: Path, cases: int, run: "Runner") -> None:
    """Draw cases of the demo, write them as a data set of nnU-Net, plan and preprocess."""
    demo, held_out = out / "demo", max(2, cases // 4)
    spec = DemoSpec(n_train=cases - held_out, n_validation=held_out, n_test=0)
    write_demo(demo, spec, splits=("train", "validation"))
    export = (sys.executable, "-m", "afl_core", "data", "export", demo, "--as", "nnunet", "--classes", "tumour")
    run(*export, "--out", out / "raw" / DATASET, "--preprocessed", out / "preprocessed")
    run("nnUNetv2_extract_fingerprint", "-d", "501", "-np", "1", "--verify_dataset_integrity")
    edges = ("-overwrite_target_spacing", *[SPACING_MM] * 3)
    run("nnUNetv2_plan_experiment", "-d", "501", *edges, "-overwrite_plans_name", PLANS)
    run("nnUNetv2_preprocess", "-d", "501", "-plans_name", PLANS, "-c", CONFIGURATION, "-np", "1")


@dataclass(frozen=True)
class Runner:
    """Runs commands, with what they print in a log."""

    log: Path
    variables: Mapping[str, str]

    def __call__(self, *command: object) -> float:
        """Seconds of a command; a failed one ends the benchmark."""
        words = [str(word) for word in command]
        print("$", *words, flush=True)
        begin = time.perf_counter()
        with self.log.open("a", encoding="utf-8") as log:
            ended = subprocess.run(words, env=self.variables, stdout=log, stderr=log, check=False)
        if ended.returncode:
            sys.exit(f"It ended with status {ended.returncode}; see {self.log}")
        return time.perf_counter() - begin


def train(trainer: str, run: Runner) -> float:
    """Seconds of one training with its validation."""
    return run("nnUNetv2_train", "501", CONFIGURATION, "0", "-tr", trainer, "-p", PLANS, "-device", "cpu", "--npz")


def folder_of(out: Path, trainer: str) -> Path:
    return out / "results" / DATASET / f"{trainer}__{PLANS}__{CONFIGURATION}"


def epoch_seconds(folder: Path) -> float:
    (log,) = (folder / "fold_0").glob("training_log_*.txt")
    return statistics.median(map(float, re.findall(r"Epoch time: ([\d.]+) s", log.read_text(encoding="utf-8"))))


def dice_by_nnunet(folder: Path) -> dict[str, float]:
    """Case to Dice, as `summary.json` has it."""
    summary = json.loads((folder / "fold_0" / "validation" / "summary.json").read_text(encoding="utf-8"))
    return {
        Path(case["reference_file"]).name.removesuffix(".nii.gz"): case["metrics"]["1"]["Dice"]
        for case in summary["metric_per_case"]
    }


def compare(out: Path, seconds: Mapping[str, float], run: Runner) -> list[Record]:
    """Measure the folders of the trainers as they are, and hold each case to nnU-Net's own number."""
    names = {trainer: trainer.removeprefix("nnUNetTrainer") for trainer in seconds}
    sources = [word for of, name in names.items() for word in ("--source", f"{name}={folder_of(out, of)}")]
    command = (sys.executable, "-m", "afl_core", "evaluate", "--data", out / "raw" / DATASET)
    run(*command, "--split", "validation", *sources, "--out", out / "comparison")
    measured = pd.read_parquet(out / "comparison" / "cases.parquet")
    records = []
    for trainer, took in seconds.items():
        folder = folder_of(out, trainer)
        theirs = dice_by_nnunet(folder)
        rows = measured[measured["source"] == names[trainer]].set_index("case_id")["dsc"]
        ours = {case: float(rows[case]) for case in theirs}
        records.append(
            Record(
                trainer=trainer,
                seconds=took,
                epoch_seconds=epoch_seconds(folder),
                cases=len(theirs),
                dice=float(np.mean(list(theirs.values()))),
                afl_dice=float(np.mean(list(ours.values()))),
                largest_difference=max(abs(ours[case] - theirs[case]) for case in theirs),
            )
        )
    return records


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for everything; a temporary one, which stays, by default")
    parser.add_argument("--cases", type=int, default=12, help="cases of the demo; a quarter of them is held out")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=10, help="training steps an epoch")
    parser.add_argument("--trainer", action="append", help="again for more; FL and AFL_paper by default")
    parser.add_argument("--json", type=Path, help="file for the records")
    given = parser.parse_args(arguments)
    out = given.out or Path(tempfile.mkdtemp(prefix="nnunet-"))
    out.mkdir(parents=True, exist_ok=True)
    run = Runner(out / "log.txt", environment(out))
    prepare(out, given.cases, run)
    ending = f"_{given.epochs}epochs_{given.iterations}iterations"
    trainers = [f"{name}{ending}" for name in given.trainer or TRAINERS]
    records = compare(out, {name: train(name, run) for name in trainers}, run)
    table = pd.DataFrame([asdict(record) for record in records])
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    print(f"The comparison: afl app, and open {out / 'comparison'}")
    if given.json:
        given.json.write_text(json.dumps([asdict(record) for record in records], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
