"""Time and peak memory of the adaptive focal loss and its peers, interleaved in one run; see README.md beside it."""

import argparse
import ctypes
import functools
import json
import math
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceFocalLoss, FocalLoss
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own convention

from afl_core.loss import PRESETS, build_loss

Shape = tuple[int, int, int, int, int]  # (B, C, X, Y, Z)

SHAPES: tuple[Shape, ...] = (
    (1, 2, 160, 128, 24),
    (2, 2, 96, 96, 64),
    (1, 2, 224, 224, 144),
    (1, 3, 160, 128, 24),
    (1, 3, 224, 224, 144),
)
WARM_UP = (64, 64, 16)  # voxels: large enough to start every thread, small enough to leave no memory behind
LARGE = 8_000_000  # elements of the logits from which 7 rounds are enough
MIB = 2**20
SOFTMAX = "/softmax"  # ends the names of contestants whose classes compete; the others have a sigmoid a channel


@dataclass(frozen=True)
class Record:
    """One contestant at one shape.

    Attributes:
        name: The contestant.
        shape: Of the logits, (B, C, X, Y, Z).
        seconds: Median of forward and backward.
        ratio: `seconds` over those of MONAI's focal loss of the same activation in the same rounds.
        peak_bytes: Largest extra memory during one call, the gradient included; None where it cannot be measured.
        minimum_bytes: What no implementation can avoid: logits and target read, gradient written.
        floor_ratio: `seconds` over the time that a copy of so many bytes would take in the same rounds.
    """

    name: str
    shape: Shape
    seconds: float
    ratio: float
    peak_bytes: int | None
    minimum_bytes: int
    floor_ratio: float


def released_step(logits: Tensor, target: Tensor) -> Tensor:
    """What the paper's released training step computes, in plain NumPy and torch through autograd.

    The voxels of all samples are counted together and the smoothness is that of the first sample, as there.
    """
    slopes = np.gradient(target[0, 0].numpy())
    smoothness = float(np.sqrt(sum(slope**2 for slope in slopes)).mean())
    foreground = int((target == 1).sum()) / target.numel()
    weights = torch.tensor([1 - foreground, foreground]).view(1, 2, 1, 1, 1)
    one_hot = torch.cat([target == 0, target == 1], dim=1).to(logits.dtype)  # (B, 2, X, Y, Z)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, one_hot, reduction="none")
    log_miss = F.logsigmoid(logits * (1 - 2 * one_hot))  # log(1 - p_t)
    focus = torch.exp((foreground + smoothness) * log_miss)
    return (weights * (focus * cross_entropy)).mean()


@functools.cache
def losses(channels: int) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
    """Contestants of the form loss(logits, target); A-FL takes its factors from the target at each call."""
    sigmoid = {f"adaptive_focal/{preset}": build_loss("adaptive_focal", preset=preset) for preset in PRESETS} | {
        "monai_focal": FocalLoss(gamma=2, to_onehot_y=True),
        "monai_dice_focal": DiceFocalLoss(sigmoid=True, to_onehot_y=True, gamma=2),
    }
    if channels == 2:
        return sigmoid | {"released_step": released_step}
    softmax = {
        f"adaptive_focal/{preset}{SOFTMAX}": build_loss("adaptive_focal", preset=preset, activation="softmax")
        for preset in PRESETS
    }
    return sigmoid | softmax | {f"monai_focal{SOFTMAX}": FocalLoss(gamma=2, to_onehot_y=True, use_softmax=True)}


def build_inputs(shape: Shape) -> tuple[Tensor, Tensor]:
    """Logits (a leaf) and a target with one ball of 0.5 to 1 % of the voxels a sample; float32, always the same.

    Of more than two classes each but the background has a slab of the ball.
    """
    rng = np.random.default_rng(0)
    batch, channels, *grid = shape
    target = torch.zeros(batch, 1, *grid)
    axes = np.ogrid[tuple(slice(size) for size in grid)]
    for sample in target:
        radius = (rng.uniform(0.005, 0.01) * math.prod(grid) * 3 / (4 * math.pi)) ** (1 / 3)
        centre = [rng.uniform(margin, size - margin) for size in grid for margin in [min(radius, size / 2)]]
        squared = sum((axis - middle) ** 2 for axis, middle in zip(axes, centre, strict=True))
        slabs = 1 + np.clip((axes[0] - centre[0] + radius) / (2 * radius) * (channels - 1), 0, channels - 2).astype(int)
        sample[0] = torch.from_numpy((squared <= radius**2) * slabs)
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul_(3).requires_grad_()
    return logits, target


def build_steps(logits: Tensor, target: Tensor) -> dict[str, Callable[[], object]]:
    """One call without arguments a contestant: forward and backward, or the copy."""
    buffer = torch.ones_like(logits, requires_grad=False)  # its pages are touched here, outside the clock
    steps: dict[str, Callable[[], object]] = {
        name: lambda loss=loss: loss(logits, target).backward() for name, loss in losses(logits.shape[1]).items()
    }
    return steps | {"copy": lambda: buffer.copy_(logits.detach())}


def use_threads(threads: int | None) -> None:
    """Compute on so many threads; None leaves PyTorch's choice."""
    if threads is not None:
        torch.set_num_threads(threads)


def time_steps(shape: Shape, *, rounds: int) -> dict[str, float]:
    """Median seconds of each contestant over rounds in which all take their turn; a first round is thrown away.

    Their order is drawn anew in each round, the same from run to run: who comes first leaves data in the caches.
    """
    order = random.Random(0)
    logits, target = build_inputs(shape)
    steps = build_steps(logits, target)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name in order.sample(list(steps), len(steps)):
            step = steps[name]
            logits.grad = None
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def memory_bytes(field: str) -> int:
    """Read a field of /proc/self/status that is given in kB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:")) * 1024


def extra_bytes(step: Callable[[], object]) -> int | None:
    """Peak of this process's resident memory during one call over what it was before; None where that is not on offer.

    The kernel counts, so torch, NumPy and compiled code are all seen. Right only if the call's blocks come from fresh
    pages: kept free pages are given back first, and large blocks must not come from the heap (`measure_peaks`).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
    except (OSError, AttributeError):
        return None
    before = memory_bytes("VmRSS")
    step()
    return max(memory_bytes("VmHWM") - before, 0)


def peak_of(name: str, shape: Shape, threads: int | None) -> int | None:
    """Peak of one contestant in a process of its own, after a small call has started threads and compiled code."""
    use_threads(threads)
    build_steps(*build_inputs((1, shape[1], *WARM_UP)))[name]()
    return extra_bytes(build_steps(*build_inputs(shape))[name])


def print_peaks(shapes: Sequence[Shape], threads: int | None) -> None:
    """Print the peaks of every shape as JSON; this process imports once, and forks for each contestant."""
    found: list[dict[str, int | None]] = []
    for shape in shapes:
        found.append({})
        for name in (*losses(shape[1]), "copy"):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
                found[-1][name] = pool.submit(peak_of, name, shape, threads).result()
    print(json.dumps(found))


def measure_peaks(shapes: Sequence[Shape], threads: int | None) -> list[dict[str, int | None]]:
    """Peak extra bytes of each contestant at each shape, from a helper process; empty where /proc is missing."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        return [{} for _ in shapes]
    command = [sys.executable, __file__, "--peaks", json.dumps(shapes)]
    if threads is not None:
        command += ["--threads", str(threads)]
    # Blocks from 64 KiB on are mapped one by one: glibc would otherwise raise that limit and keep or scatter them.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**16)}
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


def compare(shape: Shape, peaks: Mapping[str, int | None], *, rounds: int | None) -> list[Record]:
    """Time every contestant at one shape and set it against MONAI's focal loss and against the copy."""
    elements = math.prod(shape)
    seconds = time_steps(shape, rounds=rounds or (7 if elements >= LARGE else 61))
    copied = 4 * 2 * elements
    needed = 4 * (2 * elements + elements // shape[1])
    records = []
    for name, median in seconds.items():
        minimum = copied if name == "copy" else needed
        floor = minimum * seconds["copy"] / copied
        ratio = median / seconds[f"monai_focal{SOFTMAX}" if name.endswith(SOFTMAX) else "monai_focal"]
        records.append(Record(name, shape, median, ratio, peaks.get(name), minimum, median / floor))
    return records


def print_table(records: Sequence[Record]) -> None:
    """Print the contestants at one shape."""
    shape = records[0].shape
    gradient = 4 * math.prod(shape)
    copy = next(record for record in records if record.name == "copy")
    bandwidth = copy.minimum_bytes / copy.seconds / 1e9
    print(f"\n{shape}: gradient {gradient / MIB:.1f} MiB, copy {bandwidth:.1f} GB/s")
    print(f"{'':32}{'ms':>9}{'ratio':>9}{'peak MiB':>10}{'/ gradient':>12}{'least MiB':>11}{'x floor':>9}")
    for record in records:
        peak = record.peak_bytes
        memory = f"{'-':>10}{'-':>12}" if peak is None else f"{peak / MIB:10.1f}{peak / gradient:12.2f}"
        print(
            f"{record.name:32}{record.seconds * 1e3:9.2f}{record.ratio:9.3f}{memory}"
            f"{record.minimum_bytes / MIB:11.1f}{record.floor_ratio:9.1f}"
        )


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(arguments: Sequence[str] | None = None, *, shapes: Sequence[Shape] = SHAPES) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the records there")
    parser.add_argument("--rounds", type=positive, metavar="N", help="timed rounds (default 61; 7 for large volumes)")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads (default: PyTorch's choice)")
    parser.add_argument("--peaks", type=json.loads, help=argparse.SUPPRESS)  # the helper process of measure_peaks
    options = parser.parse_args(arguments)
    if options.peaks is not None:
        print_peaks(options.peaks, options.threads)
        return
    use_threads(options.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; ratio: to monai_focal in the same rounds")
    records: list[Record] = []
    for shape, peaks in zip(shapes, measure_peaks(shapes, options.threads), strict=True):
        records += compare(shape, peaks, rounds=options.rounds)
        print_table([record for record in records if record.shape == shape])
    if any(record.peak_bytes is None for record in records):
        print("\nPeak memory was not measured: it needs Linux and a writable /proc/self/clear_refs.")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(record) for record in records], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
