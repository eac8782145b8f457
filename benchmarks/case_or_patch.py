"""How A-FL's alpha and gamma of a patch differ from those of its case; see README.md beside it."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from afl_core.base.paths import DEMO
from afl_core.data.demo.design import DemoSpec
from afl_core.data.demo_cohort import write_demo
from afl_core.data.layouts import DataOptions, load_case
from afl_core.data.mask_grid import resample_mask
from afl_core.loss import Factors, factors
from afl_core.training.cases import BatchSampler, TrainingCase
from afl_core.training.config import TrainConfig, build_config
from afl_core.volume import Case, Mask

READINGS = ("released", "surface", "scale_free")


@dataclass(frozen=True)
class Record:
    """One quantity over all patches; the case's value counts once a patch, so both are of the same draws.

    Attributes:
        quantity: alpha_va, or gamma_adaptive under a reading of its smoothness.
        case: Median of the patches' cases.
        patch: Median of the patches.
        low: 5th percentile of the patches.
        high: 95th percentile of the patches.
        ratio: Median of patch over case, where the case has a value above 0.
        rho: Spearman's rank correlation of the two, over the patches that have a tumour.
    """

    quantity: str
    case: float
    patch: float
    low: float
    high: float
    ratio: float
    rho: float


def references(cases: Sequence[Case], spacing_mm: Sequence[float]) -> dict[str, Mask]:
    """Case to its reference at a spacing; cases without a tumour have the factors of an empty one either way."""
    x, y, z = spacing_mm
    masks = {}
    for case in cases:
        mask = load_case(case, sequences=()).reference
        if mask is not None and mask.array.any():
            masks[case.case_id] = mask if mask.spacing_mm == (x, y, z) else resample_mask(mask, (x, y, z))
    return masks


def training_case(name: str, mask: Mask, patch: Sequence[int]) -> TrainingCase:
    """A case with its mask as its image, padded to the patch as in training."""
    label = torch.from_numpy(mask.array.astype(np.uint8))[None]
    short = [max(0, edge - n) for edge, n in zip(patch, label.shape[1:], strict=True)]
    label = torch.nn.functional.pad(label, [after for n in reversed(short) for after in (0, n)])
    flat = label.flatten()
    return TrainingCase(name, label.half(), label, flat.nonzero()[:, 0], (flat == 0).nonzero()[:, 0])


def draw(cases: Sequence[TrainingCase], config: TrainConfig, patches: int) -> pd.DataFrame:
    """One row a patch, drawn as in training: alpha and gammas of the patch and of its case."""
    sampler = BatchSampler(cases, config)
    of_case = {case.case_id: values(case.label[None]) for case in cases}
    rows = []
    for step in range(patches):
        _, label, (name,) = sampler(step)
        patch = values(label)
        rows.append({f"patch {key}": value for key, value in patch.items()})
        rows[-1] |= {f"case {key}": value for key, value in of_case[name].items()}
        rows[-1] |= {"tumour": bool(label.any())}
    return pd.DataFrame(rows)


def values(label: torch.Tensor) -> dict[str, float]:
    """alpha_va, and gamma_adaptive under each reading, of one target (1, 1, X, Y, Z)."""
    found: dict[str, Factors] = {reading: factors(label, smoothness=reading) for reading in READINGS}
    gammas = {f"gamma {reading}": f.gamma_adaptive.item() for reading, f in found.items()}
    return {"alpha": found["released"].alpha_va.item(), **gammas}


def summarise(drawn: pd.DataFrame) -> list[Record]:
    records = []
    for quantity in ("alpha", *(f"gamma {reading}" for reading in READINGS)):
        case, patch = drawn[f"case {quantity}"], drawn[f"patch {quantity}"]
        seen = drawn["tumour"]
        records.append(
            Record(
                quantity=quantity,
                case=float(case.median()),
                patch=float(patch.median()),
                low=float(patch.quantile(0.05)),
                high=float(patch.quantile(0.95)),
                ratio=float((patch[case > 0] / case[case > 0]).median()),
                rho=float(case[seen].corr(patch[seen], method="spearman")),
            )
        )
    return records


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the patches of a cohort, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=Path, help="folder of masks; the demo's test cases by default")
    parser.add_argument("--spacing", type=float, nargs=3, default=(2.0, 2.0, 2.0), help="of the training, in mm")
    parser.add_argument("--patch", type=int, nargs=3, default=(64, 64, 64), help="voxels")
    parser.add_argument("--patches", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="file for the records")
    given = parser.parse_args(arguments)
    if given.references is None:
        write_demo(DEMO)
        test = set(DemoSpec().case_ids("test"))
        of = [case for case in DataOptions().load(DEMO).cases if case.case_id in test]
    else:
        of = list(DataOptions().references(given.references).cases)
    config = build_config(
        "demo", loss="focal", loss_settings={}, patch_size=tuple(given.patch), batch_size=1, sequences=("mask",)
    )
    masks = references(of, given.spacing)
    cases = [training_case(name, mask, given.patch) for name, mask in masks.items()]
    drawn = draw(cases, config, given.patches)
    empty = 1 - drawn["tumour"].mean()
    print(f"{len(cases)} cases, {len(drawn)} patches of {given.patch} voxels, {empty:.0%} without a tumour")
    records = summarise(drawn)
    print(pd.DataFrame([asdict(record) for record in records]).to_string(index=False, float_format="{:.4g}".format))
    if given.json:
        given.json.write_text(json.dumps([asdict(record) for record in records], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
