"""Training cases, and the batches that are drawn from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from monai.transforms import (
    Compose,
    RandAffined,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandGaussianNoised,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSpatialCropd,
    Transform,
)
from torch import Tensor, nn

from afl_core.inference import prepare
from afl_core.training.config import TrainConfig
from afl_core.volume import Mask, Volume

BOTH = ("image", "label")


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One case as the network sees it.

    Attributes:
        case_id: Id of the case, for messages.
        image: Image, float16, shape (C, X, Y, Z), z-scored.
        label: Mask on the same grid, uint8, shape (1, X, Y, Z).
        tumour_voxels: Flat indices of tumour voxels, from which half of the patches are drawn.
        other_voxels: Flat indices of the rest.
    """

    case_id: str
    image: Tensor
    label: Tensor
    tumour_voxels: Tensor
    other_voxels: Tensor


def training_case(case_id: str, images: Mapping[str, Volume], reference: Mask, config: TrainConfig) -> TrainingCase:
    """Preprocess a case for training; a case smaller than the patch is padded.

    Args:
        case_id: Id of the case, for messages.
        images: Sequence name to volume, all on one grid.
        reference: Reference mask on the same grid.
        config: The run, which names sequences, spacing or grid, and how the reference is resized.
    """
    image = prepare(images, sequences=config.sequences, spacing_mm=config.spacing_mm, grid=config.grid)
    label = torch.from_numpy(reference.array.astype(np.uint8))[None]
    if label.shape[1:] != image.shape[1:]:
        if config.label_resize == "area":
            label = (nn.functional.interpolate(label[None].float(), image.shape[1:], mode="area")[0] != 0).byte()
        else:
            label = nn.functional.interpolate(label[None], image.shape[1:], mode="nearest-exact")[0]
    short = [max(0, edge - n) for edge, n in zip(config.patch_size, image.shape[1:], strict=True)]
    if any(short):  # background (0) up to the patch, so that patches can be stacked
        padding = [after for n in reversed(short) for after in (0, n)]
        image, label = nn.functional.pad(image, padding), nn.functional.pad(label, padding)
    flat = label.flatten()
    return TrainingCase(case_id, image.half(), label, flat.nonzero()[:, 0], (flat == 0).nonzero()[:, 0])


def _flips() -> list[Transform]:
    return [RandFlipd(BOTH, prob=0.5, spatial_axis=axis) for axis in range(3)]


def _intensity(prob: float) -> list[Transform]:
    return [RandScaleIntensityd("image", factors=0.1, prob=prob), RandShiftIntensityd("image", offsets=0.1, prob=prob)]


def _demo(patch_size: Sequence[int]) -> list[Transform]:
    """Draw half of the patches around a tumour voxel."""
    crop = RandCropByPosNegLabeld(
        BOTH,
        label_key="label",
        spatial_size=patch_size,
        num_samples=1,
        fg_indices_key="tumour",
        bg_indices_key="other",
        allow_smaller=True,
    )
    return [crop, *_flips(), *_intensity(0.5)]


def _picai_paper(patch_size: Sequence[int]) -> list[Transform]:
    """Take the whole case, moved by up to 10 voxels along the first axis."""
    move = RandAffined(BOTH, prob=0.2, translate_range=(10, 0, 0), mode=("bilinear", "nearest"), padding_mode="zeros")
    noise = RandGaussianNoised("image", prob=0.4)
    return [RandSpatialCropd(BOTH, patch_size, random_size=False), move, *_flips(), noise, *_intensity(0.4)]


def _brats_paper(patch_size: Sequence[int]) -> list[Transform]:
    """Draw random crops, wherever the tumour is."""
    return [RandSpatialCropd(BOTH, patch_size, random_size=False), *_flips(), *_intensity(1.0)]


def _none(patch_size: Sequence[int]) -> list[Transform]:
    return [RandSpatialCropd(BOTH, patch_size, random_size=False)]


AUGMENTATIONS: Mapping[str, Callable[[Sequence[int]], list[Transform]]] = MappingProxyType(
    {"demo": _demo, "picai_paper": _picai_paper, "brats_paper": _brats_paper, "none": _none}
)
"""Name to the random transforms that make a patch of a case, given its size."""


class BatchSampler:
    """Random patches, augmented. A batch depends on seed and step alone."""

    def __init__(self, cases: Sequence[TrainingCase], config: TrainConfig) -> None:
        self.cases, self.config = cases, config
        self.transform = Compose(AUGMENTATIONS[config.augmentation](config.patch_size))

    def __call__(self, step: int) -> tuple[Tensor, Tensor, list[str]]:
        """Images (B, C, X, Y, Z), labels (B, 1, X, Y, Z) and case ids of a step's batch."""
        random = np.random.default_rng([self.config.seed, step])
        self.transform.set_random_state(seed=int(random.integers(2**32)))
        chosen = [self.cases[i] for i in random.integers(len(self.cases), size=self.config.batch_size)]
        patches = [self._patch(case) for case in chosen]
        image, label = (torch.stack([patch[key].as_tensor().float() for patch in patches]) for key in BOTH)
        return image, label, [case.case_id for case in chosen]

    def _patch(self, case: TrainingCase) -> dict[str, Any]:
        sample = {
            "image": case.image,
            "label": case.label,
            "tumour": case.tumour_voxels if len(case.tumour_voxels) else case.other_voxels,
            "other": case.other_voxels if len(case.other_voxels) else case.tumour_voxels,
        }
        patch: Any = self.transform(sample)
        cropped: dict[str, Any] = patch[0] if isinstance(patch, list) else patch
        return cropped
