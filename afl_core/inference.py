"""A case and a network to a mask on the case's own grid."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from monai.transforms import NormalizeIntensity, Resize
from numpy.typing import NDArray
from torch import Tensor, nn

from afl_core.data.preprocess import check_grid_size, resampled_shape, z_score
from afl_core.errors import CheckpointError
from afl_core.interpolation import resize
from afl_core.model.checkpoints import Card, DecisionRule
from afl_core.volume import Mask, Prediction, Volume

OVERLAP = 0.25
"""Overlap of neighbouring windows, blended by a Gaussian."""

WINDOWS = 2
"""Windows that go through the network at once: PyTorch convolves a single one on one thread by a slower way."""


def prepare(
    images: Mapping[str, Volume],
    *,
    sequences: tuple[str, ...],
    spacing_mm: tuple[float, ...],
    grid: tuple[int, int, int] | None = None,
    preprocessing: str = "workbench",
) -> Tensor:
    """Resample and z-score the sequences that a network takes.

    Args:
        images: Sequence name to volume, all on one grid.
        sequences: The network's input channels, in order.
        spacing_mm: The network's voxel size.
        grid: Number of voxels to resize to instead, whatever the field of view.
        preprocessing: `workbench` z-scores the foreground and interpolates linearly; `released` does as the paper's
            code: area interpolation to a grid, then a z-score of the voxels that are not 0.

    Returns:
        Float32, shape (C, X', Y', Z').

    Raises:
        CheckpointError: If a sequence that the network needs is missing.
        GeometryError: If the network's grid would have too many voxels.
    """
    missing = [name for name in sequences if name not in images]
    if missing:
        raise CheckpointError(
            f"The checkpoint needs the sequence {' and '.join(missing)}, which this case does not have",
            received=f"of {', '.join(sequences)} it has {', '.join(n for n in sequences if n in images) or 'none'}",
            todo="Use a checkpoint for these sequences, or train one with `afl train --sequences`",
        )
    channels = []
    check_grid_size(grid or ())
    for name in sequences:
        volume = images[name]
        shape = grid or resampled_shape(volume.array.shape, volume.spacing_mm, tuple(spacing_mm))  # type: ignore[arg-type]
        array = volume.array.astype(np.float32)
        if preprocessing == "released":
            channels.append(_released(resize(array, shape) if grid is None else array, grid))
        else:
            channels.append(resize(z_score(array), shape))
    return torch.from_numpy(np.stack(channels))


def _released(array: NDArray[np.float32], grid: tuple[int, int, int] | None) -> NDArray[np.float32]:
    """MONAI's Resize with its default mode, where there is a grid, and NormalizeIntensity(nonzero=True)."""
    image = torch.from_numpy(array)[None]
    if grid is not None:
        image = Resize(grid, mode="area")(image)
    return np.asarray(NormalizeIntensity(nonzero=True)(image)[0], dtype=np.float32)


def tumour_probability(logits: Tensor, rule: DecisionRule) -> Tensor:
    """Probability whose value above 0.5 means tumour.

    Args:
        logits: Shape (B, 2, ...), background and tumour.
        rule: `tumour_channel` reads sigmoid(tumour), `background_complement` 1 - sigmoid(background), `argmax` the
            softmax of both.

    Returns:
        Shape (B, ...).
    """
    if rule == "tumour_channel":
        return logits[:, 1].sigmoid()
    if rule == "background_complement":
        return (-logits[:, 0]).sigmoid()
    return (logits[:, 1] - logits[:, 0]).sigmoid()


@torch.inference_mode()
def window_logits(network: nn.Module, channels: Tensor, *, patch_size: tuple[int, int, int]) -> Tensor:
    """Logits of a whole image by sliding window.

    Args:
        network: Network in evaluation mode.
        channels: Shape (C, X, Y, Z).
        patch_size: Window in voxels.

    Returns:
        Shape (1, 2, X, Y, Z).
    """
    logits: Tensor = sliding_window_inference(
        channels[None], patch_size, sw_batch_size=WINDOWS, predictor=network, overlap=OVERLAP, mode="gaussian"
    )
    return logits


@lru_cache(maxsize=1)
def _prepare_once(images: tuple[tuple[str, Volume], ...], **settings: Any) -> Tensor:
    """`prepare`, once for all networks that take the same of a case, as those of several losses do."""
    return prepare(dict(images), **settings)


def predict(network: nn.Module, card: Card, images: Mapping[str, Volume]) -> Prediction:
    """Tumour mask on the case's own grid and affine: where the probability is above 0.5.

    Args:
        network: Network in evaluation mode, from `load_network`.
        card: Card of the network.
        images: Sequence name to volume, all on one grid; sequences that the network does not take are ignored.

    Returns:
        The mask by the card's decision rule, and the probabilities of both channels, by which the paper's code
        evaluates.

    Raises:
        CheckpointError: If a sequence is missing.
    """
    channels = _prepare_once(
        tuple((name, images[name]) for name in card.sequences if name in images),
        sequences=card.sequences,
        spacing_mm=card.spacing_mm,
        grid=card.grid,
        preprocessing=card.preprocessing,
    )
    logits = window_logits(network, channels, patch_size=card.patch_size)
    image = images[card.sequences[0]]
    tumour, *both = (
        resize(probability.numpy(), image.array.shape)
        for probability in (tumour_probability(logits, card.decision_rule)[0], *logits[0].sigmoid())
    )
    return Prediction(Mask(tumour > 0.5, image.affine), np.stack(both), tumour=tumour)
