"""A training run as it was just read, and what follows from that: its best score, its time left, its row in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from afl_core.training.names import duration, first_unique, network_name, short_loss
from afl_core.training.run_records import STARTING, TRAINING, UNDER_WAY, VALIDATING, RunSpec, RunStatus
from afl_core.training.runs import RunFolder

Rows = Sequence[Mapping[str, Any]]
"""Lines of a run's `metrics.jsonl`, oldest first."""


@dataclass(frozen=True)
class Seen:
    """A run as it was just read.

    Attributes:
        run: Folder of the run.
        spec: Specification of the run.
        status: Status of the run.
        rows: Rows of its metrics.
        measuring: What is said while the test cases of its batch are measured; "" where they are not.
    """

    run: RunFolder
    spec: RunSpec
    status: RunStatus
    rows: Rows
    measuring: str = ""

    @property
    def batch(self) -> str:
        """Name that all runs have that were started together."""
        return self.spec.pair or self.run.name

    @property
    def busy(self) -> bool:
        """Whether something works at the run: its own process, or one that measures the test cases of its batch."""
        return self.status.state in UNDER_WAY or bool(self.measuring)

    @property
    def best(self) -> float:
        """Best validation DSC so far; NaN before the first."""
        scored = [row for row in self.rows if row["validation_dsc"] is not None]
        return float(best_row(scored)["validation_dsc"]) if scored else np.nan

    @property
    def progress(self) -> float:
        """Share of the steps that is done."""
        return self.status.step / self.status.steps if self.status.steps else 0.0

    @property
    def phase(self) -> str:
        """What the run does now, in few words; of one that is not under way its state."""
        state, message = self.status.state, self.status.message
        if state == "waiting":
            return "starting" if message == STARTING else "waiting"
        if state != "running":
            return self.measuring or state
        if message == VALIDATING:
            return "validating"
        if message == TRAINING:
            return f"step {self.steps}"
        return "testing" if self.progress >= 1 else "preparing"

    @property
    def steps(self) -> str:
        """Steps done and due, in words; "" as long as it is not known how many are due."""
        return f"{self.status.step:,} of {self.status.steps:,}" if self.status.steps else ""

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step; None where that is not known yet."""
        return seconds_left(self.status, self.rows)


def partners_of(chosen: Seen, everything: Sequence[Seen]) -> list[Seen]:
    """The run and those that differ from it in the loss alone; FL first, as in Compare: a run keeps its colour."""
    pair = chosen.spec.pair
    paired = [seen for seen in everything if pair and seen.spec.pair == pair] or [chosen]
    return in_order([seen for seen in paired if seen.spec.config.seed == chosen.spec.config.seed])


def in_order(runs: Sequence[Seen]) -> list[Seen]:
    """Runs with FL first, then as they were made."""
    return sorted(runs, key=lambda seen: (seen.spec.config.loss != "focal", seen.spec.created))


def titles_of(runs: Sequence[Seen]) -> tuple[str, ...]:
    """The shortest names that tell runs apart: by loss, by loss and seed, or by folder."""
    losses = [short_loss(seen.spec.config) for seen in runs]
    seeds = [f"{loss}, seed {seen.spec.config.seed}" for loss, seen in zip(losses, runs, strict=True)]
    return first_unique(losses, seeds, [seen.run.name for seen in runs])


def seconds_left(status: RunStatus, rows: Rows) -> float | None:
    """Time to the last step at the pace of the reports so far, validations included; None after it."""
    if status.state != "running" or not rows or not 0 < status.step < status.steps:
        return None
    first, last = rows[0], rows[-1]
    steps, seconds = last["step"] - first["step"], last["seconds"] - first["seconds"]
    pace = seconds / steps if steps > 0 else status.seconds / status.step
    return float(pace * (status.steps - status.step))


def runs_table(everything: Sequence[Seen]) -> pd.DataFrame:
    """The table of the runs, one row a run."""
    return pd.DataFrame(
        {
            "run": [seen.run.name for seen in everything],
            "state": [seen.phase for seen in everything],
            "progress": [100 * seen.progress for seen in everything],
            "time left": [duration(left) if (left := seen.seconds_left) is not None else "" for seen in everything],
            "validation Dice": [seen.best for seen in everything],
            "loss": [short_loss(seen.spec.config) for seen in everything],
            "network": [network_name(seen.spec.config) for seen in everything],
            "seed": [seen.spec.config.seed for seen in everything],
        }
    )


def best_row(rows: Rows) -> Mapping[str, Any]:
    """The first of the rows with the highest validation DSC, as the run itself chooses."""
    return max(rows, key=lambda row: row["validation_dsc"])
