"""The fused focal loss on the CPU: its work cut into pieces that threads share."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from afl_core.loss.counting import IGNORED, Codes, Floats
from afl_core.loss.kernel import BLOCK, sigmoid_stretch, softmax_stretch
from afl_core.loss.threads import share

PIECE = 64 * BLOCK
"""Voxels that a thread takes at a time: few, since one that is late, its core being taken, holds up the others."""

ALONE = 32 * BLOCK
"""Elements below which a second thread costs more than it saves."""


@dataclass(frozen=True, eq=False)
class Work:
    """A loss to compute, and where its parts are written.

    Attributes:
        logits: Shape (B, C, N), C-contiguous. More channels than K = 1 are a softmax.
        codes: Shape (B, 1, N) of classes, or (B, K, N) of regions.
        weights: Shape (B, K, classes): weight of a voxel of each class in each channel.
        gamma: Shape (B, 1); or (B, C) for the channels or, of a softmax, the class of the voxel.
        gradient: Filled with the gradient of the sum; shape of the logits, or empty where it isn't wanted.
        losses: Filled with the loss of each element; shape (B, K, N), or empty.
        scale: Multiplies the sum and the gradient, for a mean.
    """

    logits: Floats
    codes: Codes
    weights: Floats
    gamma: Floats
    gradient: Floats
    losses: Floats
    scale: float

    def run(self, *, threads: int) -> float:
        """Scaled sum of -w (1 - p_t)^gamma log(p_t) over all elements, the same for any number of threads."""
        samples, kinds, n = len(self.logits), self.weights.shape[1], self.logits.shape[2]
        sums = np.zeros((samples, kinds, -(-n // BLOCK)))
        pieces = iter(list(product(range(samples), range(kinds), range(0, n, PIECE))))

        def work() -> None:
            for b, k, start in pieces:
                self._run(b, k, slice(start, start + PIECE), sums)

        share(work, threads=1 if samples * kinds * n < ALONE else threads)
        return float(sums.sum()) * self.scale

    def _run(self, b: int, k: int, part: slice, sums: Floats) -> None:
        """One stretch of one channel, or of a softmax."""
        channels, kinds = self.logits.shape[1], self.weights.shape[1]
        if kinds < channels and (channels > 2 or self.gamma.shape[1] > 1):
            self._run_softmax(b, part, sums)
            return
        softmax, by_class = kinds < channels, self.codes.shape[1] == 1 and channels > 1
        channel = 1 if softmax else k
        own = channel if by_class else 1
        opposite = slice(part.start, part.stop if softmax else part.start)  # two classes: a sigmoid of the difference
        weights = self.weights[b, k, [1 - min(own, 1), own]]  # all classes but a channel's own weigh the same in it
        sigmoid_stretch(
            (self.logits[b, channel, part], self.logits[b, 0, opposite]),
            (self.codes[b, k if self.codes.shape[1] > 1 else 0, part], np.uint8(own)),
            np.array([self.gamma[b, k if self.gamma.shape[1] > 1 else 0], *weights, self.scale], self.logits.dtype),
            tuple(
                array[b, c, where] if array.size else array.reshape(-1)
                for array, c, where in (
                    (self.gradient, channel, part),
                    (self.gradient, 0, opposite),
                    (self.losses, k, part),
                )
            ),
            sums[b, k, part.start // BLOCK :],
        )

    def _run_softmax(self, b: int, part: slice, sums: Floats) -> None:
        """One stretch of a softmax of classes with weights and exponents of their own."""
        outputs = (
            self.gradient[b] if self.gradient.size else self.gradient.reshape(0, 0),
            self.losses[b, 0] if self.losses.size else self.losses.reshape(0),
        )
        stretch = part.start, min(part.stop, self.codes.shape[2])
        softmax_stretch(self.logits[b], self.codes[b, 0], self._tables[b], outputs, sums[b, 0], stretch)

    @cached_property
    def _tables(self) -> Floats:
        """What `softmax_stretch` is told of the classes of each sample, shape (B, 3, 256)."""
        samples, classes = self.logits.shape[:2]
        tables = np.zeros((samples, 3, IGNORED + 1), self.logits.dtype)
        tables[:, 0, :classes], tables[:, 1, :classes], tables[:, 2, 0] = self.weights[:, 0], self.gamma, self.scale
        return tables
