"""`afl predict` against one case after another, and its sliding window against MONAI's; see README.md."""

import argparse
import json
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from evaluation import make_cases
from monai.inferers import SlidingWindowInferer

from afl_core.data.layouts import load_case, load_cohort
from afl_core.evaluation.prediction_stream import predict_cases, predict_mask
from afl_core.evaluation.sources import parse_sources
from afl_core.inference import OVERLAP, prepare, tumour_probability, window_logits
from afl_core.interpolation import resize
from afl_core.model.checkpoints import load_network

NETWORK = Path(__file__).parents[1] / "models" / "demo_afl_2seq"
THEIRS = 0.5
"""Overlap of windows with which MONAI's inferer is compared, that of nnU-Net; its voxels are 32-bit numbers too."""


def timed(work):
    """Seconds of some work, and what it gives."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def compare_streams(data, network, rounds):
    """Seconds of `afl predict`'s way over one case after another, in one process; their files have the same bytes."""
    cases = load_cohort(data).cases
    (source,) = parse_sources([f"net={network}"])

    def in_turn(out):
        for case in cases:
            predict_mask(case, source, out / f"{case.case_id}.nii.gz")

    def in_stream(out):
        assert all(error is None for _, error in predict_cases(cases, source, out))

    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder) / "turn", Path(folder) / "stream"
        in_turn(one)
        takes = [(timed(partial(in_turn, one))[0], timed(partial(in_stream, other))[0]) for _ in range(rounds)]
        assert all(file.read_bytes() == (other / file.name).read_bytes() for file in one.iterdir())
    turn, stream = (statistics.median(times) / len(cases) for times in zip(*takes, strict=True))
    return {"turn_s": turn, "stream_s": stream, "ratio": statistics.median(b / a for a, b in takes)}


def dice(logits, card, reference):
    """Dice of the mask that logits give, on the grid of the reference."""
    mask = resize(tumour_probability(logits, card.decision_rule)[0].numpy(), reference.shape) > 0.5
    return 2 * float((mask & reference).sum()) / float(mask.sum() + reference.sum())


@torch.inference_mode()
def compare_windows(data, network, rounds):
    """Seconds of our window over those of MONAI's inferer, each case in turn, and the Dice of both."""
    net, card = load_network(network)
    inferer = SlidingWindowInferer(card.patch_size, sw_batch_size=1, overlap=THEIRS, mode="gaussian")
    takes, scores = [], []
    for case in load_cohort(data).cases:
        loaded = load_case(case, sequences=card.sequences)
        channels = prepare(loaded.images, sequences=card.sequences, spacing_mm=card.spacing_mm)
        for _ in range(rounds):
            ours, mine = timed(partial(window_logits, net, channels, patch_size=card.patch_size))
            theirs, other = timed(partial(inferer, channels[None], net))
            takes.append((ours, theirs))
        reference = np.asarray(loaded.reference.array)
        scores.append((dice(mine, card, reference), dice(other, card, reference)))
    ours, theirs = (statistics.median(times) for times in zip(*takes, strict=True))
    found = {"ours_s": ours, "theirs_s": theirs, "ratio": statistics.median(a / b for a, b in takes)}
    return found | dict(
        zip(("ours_dice", "theirs_dice"), map(statistics.fmean, zip(*scores, strict=True)), strict=True)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="a data set with references, in place of generated cases")
    parser.add_argument("--model", type=Path, default=NETWORK)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)  # as `afl predict` has it
    with tempfile.TemporaryDirectory() as folder:
        if given.data is None:
            make_cases(Path(folder), given.cases)
        data = given.data or Path(folder)
        found = {"stream": compare_streams(data, given.model, given.rounds)}
        found["windows"] = compare_windows(data, given.model, given.rounds)
    stream, windows = found["stream"], found["windows"]
    print(f"{os.cpu_count()} cores, one thread, one process, {given.rounds} rounds")
    print(f"a case in turn {stream['turn_s']:.2f} s, in a stream {stream['stream_s']:.2f} s: {stream['ratio']:.2f}")
    print(
        f"windows at {OVERLAP:g} {windows['ours_s']:.2f} s, Dice {windows['ours_dice']:.4f}; MONAI's at {THEIRS:g} "
        f"{windows['theirs_s']:.2f} s, Dice {windows['theirs_dice']:.4f}: {windows['ratio']:.2f}"
    )
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
