"""A step of the training loop against a bare loop with MONAI's focal loss, interleaved; see README.md beside it."""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import FocalLoss
from torch import Tensor

from afl_core.training import loop
from afl_core.training.cases import BatchSampler, TrainingCase
from afl_core.training.config import TrainConfig, build_config
from afl_core.training.keeper import FolderKeeper
from afl_core.training.loop import train
from afl_core.training.run_records import RunSpec
from afl_core.training.runs import create_run
from afl_core.training.state import RunState

LOSSES: Mapping[str, Mapping[str, Any]] = {
    "focal": {"loss": "focal", "loss_settings": {"gamma": 2.0}},
    "adaptive_focal/released_code": {"loss": "adaptive_focal", "loss_settings": {"preset": "released_code"}},
    "adaptive_focal/paper_equation": {"loss": "adaptive_focal", "loss_settings": {"preset": "paper_equation"}},
}
GRID = (96, 112, 96)  # of a case: the demo's size at 2 mm
TURN = 6  # steps that one of the two loops makes before the other has its turn; the first of each is not counted


@dataclass(frozen=True)
class Record:
    """One loss of ours against the bare loop in the same run.

    Attributes:
        name: The loss.
        patch: Voxels.
        batch: Patches a step.
        seconds: Median step of our loop, from batch to batch, with everything that it does.
        bare_seconds: Median step of the bare loop, whose batches lie ready.
        ratio: The first over the second.
        draw_seconds: Median time to make a batch, which another thread does meanwhile.
        waiting: Share of our loop's time in which it waited for a batch.
    """

    name: str
    patch: tuple[int, int, int]
    batch: int
    seconds: float
    bare_seconds: float
    ratio: float
    draw_seconds: float
    waiting: float


class BareLoop:
    """What a step cannot do without: network, MONAI's focal loss, gradient and optimiser."""

    def __init__(self, config: TrainConfig, batches: Sequence[tuple[Tensor, Tensor, list[str]]]) -> None:
        state = RunState(config, ())
        self.network, self.optimiser = state.network, state.optimiser
        self.loss, self.batches, self.done = FocalLoss(gamma=2, to_onehot_y=True), batches, 0

    def step(self) -> float:
        """Make a step; gives its seconds."""
        image, label, _ = self.batches[self.done % len(self.batches)]
        self.done += 1
        begin = time.perf_counter()
        loss = self.loss(self.network(image), label)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        loss.item()
        return time.perf_counter() - begin


class Turns(FolderKeeper):
    """Keeps a run as always, and lets the bare loop have its turn whenever ours has had one."""

    def __init__(self, run: Any, bare: BareLoop) -> None:
        super().__init__(run)
        self.bare, self.mine, self.others, self.count = bare, [], [], 0
        self.begin = time.perf_counter()

    def stopped(self) -> bool:
        """Called once a step: the time since the last call is a step of ours."""
        self.mine.append(time.perf_counter() - self.begin)
        self.count += 1
        if self.count % TURN == 0:
            self.others += [self.bare.step() for _ in range(TURN)][1:]
        self.begin = time.perf_counter()
        return False

    def counted(self) -> list[float]:
        """Steps of ours: neither the first, which warms up, nor the first after a turn, whose batch lay ready."""
        return [seconds for k, seconds in enumerate(self.mine) if k > TURN and k % TURN]


class TimedLoader(ThreadPoolExecutor):
    """Notes how long batches took to make and how long the loop waited for them."""

    waited: list[float]
    drew: list[float]

    def submit(self, draw: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """As ever, timed."""

        def timed() -> Any:
            begin = time.perf_counter()
            batch = draw(*arguments, **named)
            self.drew.append(time.perf_counter() - begin)
            return batch

        future, waited = super().submit(timed), self.waited
        result = future.result

        def wait(timeout: float | None = None) -> Any:
            begin = time.perf_counter()
            try:
                return result(timeout)
            finally:
                waited.append(time.perf_counter() - begin)

        future.result = wait  # type: ignore[method-assign]
        return future


def build_cases(config: TrainConfig, grid: tuple[int, int, int] = GRID, count: int = 4) -> list[TrainingCase]:
    """Noise with a bright ball of 0.5 to 1 % of the voxels; always the same."""
    random = np.random.default_rng(0)
    cases = []
    for k in range(count):
        axes = np.ogrid[tuple(slice(edge) for edge in grid)]
        radius = (random.uniform(0.005, 0.01) * np.prod(grid) * 3 / (4 * np.pi)) ** (1 / 3)
        centre = [random.uniform(0.3, 0.7) * edge for edge in grid]
        ball = sum((axis - middle) ** 2 for axis, middle in zip(axes, centre, strict=True)) <= radius**2
        label = torch.from_numpy(ball[None].astype(np.uint8))
        image = torch.randn((len(config.sequences), *grid), generator=torch.Generator().manual_seed(k)) + 2 * label
        flat = label.flatten()
        cases.append(TrainingCase(f"case {k}", image.half(), label, flat.nonzero()[:, 0], (flat == 0).nonzero()[:, 0]))
    return cases


def compare(name: str, steps: int, patch: tuple[int, int, int]) -> Record:
    """Train with one loss, the bare loop taking turns with it."""
    length = {"steps": steps, "validate_every": steps, "patch_size": patch}
    config = build_config("demo", **LOSSES[name], **length)
    cases = build_cases(config, tuple(max(edge, least) for edge, least in zip(patch, GRID, strict=True)))
    draw = BatchSampler(cases, config)
    TimedLoader.waited, TimedLoader.drew = [], []
    plain, loop.ThreadPoolExecutor = loop.ThreadPoolExecutor, TimedLoader
    try:
        with tempfile.TemporaryDirectory() as folder:
            spec = RunSpec(config=config, data=Path(folder), command="", created=0)
            keeper = Turns(
                create_run("run", spec, root=Path(folder)), BareLoop(config, [draw(k) for k in range(1, 1 + 2 * TURN)])
            )
            train(config, cases, [small_case(config)], keeper)
    finally:
        loop.ThreadPoolExecutor = plain
    ours, bare = statistics.median(keeper.counted()), statistics.median(keeper.others)
    counted = [seconds for k, seconds in enumerate(TimedLoader.waited, start=1) if k > TURN and k % TURN]
    waiting = sum(counted) / sum(keeper.counted())
    return Record(name, patch, config.batch_size, ours, bare, ours / bare, statistics.median(TimedLoader.drew), waiting)


def small_case(config: TrainConfig) -> TrainingCase:
    """A case of one window, so that the validation at the end costs little."""
    return build_cases(config, config.patch_size, 1)[0]


def print_table(records: Sequence[Record]) -> None:
    """Print a line a loss."""
    print(f"\n{'':32}{'ms a step':>11}{'bare ms':>10}{'ratio':>8}{'batch ms':>10}{'waiting':>9}")
    for r in records:
        times = f"{r.seconds * 1e3:11.1f}{r.bare_seconds * 1e3:10.1f}{r.ratio:8.3f}{r.draw_seconds * 1e3:10.1f}"
        print(f"{r.name:32}{times}{r.waiting:9.1%}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the records there")
    parser.add_argument("--steps", type=int, default=72, metavar="N", help="steps of each loop and loss (default 72)")
    parser.add_argument("--patch", type=int, default=64, metavar="N", help="edge of a patch (default 64)")
    options = parser.parse_args(arguments)
    print(
        f"torch {torch.__version__}, demo_unet, {options.patch}^3 voxels, batch of 2, one thread and one for the data"
    )
    records = [compare(name, options.steps, (options.patch,) * 3) for name in LOSSES]
    print_table(records)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(record) for record in records], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
