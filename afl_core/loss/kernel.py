"""Focal loss and its gradient in one pass over cache-sized blocks, compiled by Numba: how `focal` runs on the CPU.

Why not PyTorch: each of its operations streams through memory, and a volume does not fit the cache; block by block it
still starts 16 operations for each. The loops here read the logits once, write the gradient once, and keep nothing.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from afl_core.loss.targets import IGNORED

BLOCK = 2048
"""Voxels in a block: its arrays stay in the first-level cache."""

PIECE = 64 * BLOCK
"""Voxels that a thread takes at a time."""

ALONE = PIECE // 2
"""Elements below which a second thread costs more than it saves."""

Floats = NDArray[Any]
"""float32 or float64."""

Codes = NDArray[np.uint8]
"""Class of each voxel, or 1 inside a region and 0 outside; `IGNORED` where it does not count."""

F = np.float32

_OPTIONS = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}
_compiled = numba.njit(nogil=True, cache=True, **_OPTIONS)

_LOG2_E = F(1 / math.log(2))
_LN2_HIGH, _LN2_LOW = F(0.693359375), F(math.log(2) - 0.693359375)  # 9 bits, so multiples of it are exact; the rest


def _coefficients(function: Callable[[Floats], Floats], low: float, high: float, degree: int) -> list[np.float32]:
    """Polynomial through a function's Chebyshev points: close to the best one of its degree."""
    polynomial = Chebyshev.interpolate(function, degree, domain=[low, high]).convert(kind=Polynomial)
    return [F(c) for c in polynomial.coef]


_E0, _E1, _E2, _E3, _E4, _E5, _E6 = _coefficients(np.exp, -math.log(2) / 2, math.log(2) / 2, 6)
_A0, _A1, _A2, _A3 = _coefficients(lambda q: np.sum([q**k / (2 * k + 3) for k in range(20)], axis=0), 0, 1 / 9, 3)


@dataclass(frozen=True, eq=False)
class Work:
    """A loss to compute, and where its parts are written.

    Attributes:
        logits: Shape (B, C, N), C-contiguous. Two channels with K = 1 are a softmax: one sigmoid of their difference.
        codes: Shape (B, 1, N) of classes, or (B, K, N) of regions.
        weights: Shape (B, K, classes): weight of a voxel of each class in each channel.
        gamma: Shape (B, 1), or (B, K).
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

        # The caller works too, and whoever is free takes the next piece: PyTorch's own threads may still hold a core.
        helpers = (
            []
            if samples * kinds * n < ALONE
            else [_pool(threads, os.getpid()).submit(work) for _ in range(threads - 1)]
        )
        work()
        for helper in helpers:
            helper.result()
        return float(sums.sum()) * self.scale

    def _run(self, b: int, k: int, part: slice, sums: Floats) -> None:
        """One stretch of one channel."""
        channels, kinds = self.logits.shape[1], self.weights.shape[1]
        softmax, by_class = kinds < channels, self.codes.shape[1] == 1 and channels > 1
        channel = 1 if softmax else k
        own = channel if by_class else 1
        opposite = slice(part.start, part.stop if softmax else part.start)
        weights = self.weights[b, k, [1 - min(own, 1), own]]  # all classes but a channel's own weigh the same in it
        _stretch(
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


@lru_cache(maxsize=1)
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked one has none of them, and makes its own."""
    return ThreadPoolExecutor(threads)


def _exp(x: Any) -> Any:
    """exp(x) for x <= 0; compiled code takes what `_choose_exp` gives."""
    return math.exp(x)


def _log1p(u: Any) -> Any:
    """log(1 + u) for 0 <= u <= 1; likewise."""
    return math.log1p(u)


@overload(_exp, jit_options=_OPTIONS)
def _choose_exp(x: Any) -> Any:
    def series(x: Any) -> Any:
        """The exponential, to 1e-7 relative: 2^k by the exponent's bits, the rest by a polynomial."""
        x = x if x > F(-87) else F(-87)  # what is smaller leaves the normal numbers
        k = np.floor(x * _LOG2_E + F(0.5))
        r = (x - k * _LN2_HIGH) - k * _LN2_LOW
        r2 = r * r
        rest = (_E0 + _E1 * r) + (_E2 + _E3 * r) * r2 + (_E4 + _E5 * r + _E6 * r2) * (r2 * r2)
        return rest * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)

    def double(x: Any) -> Any:
        return math.exp(x)

    return series if x is numba.float32 else double


@overload(_log1p, jit_options=_OPTIONS)
def _choose_log1p(u: Any) -> Any:
    def series(u: Any) -> Any:
        """log(1 + u), to 2e-7 relative: 2 artanh(s) = 2 s + 2 s^3 (1/3 + s^2/5 + ...), by a polynomial in s^2."""
        s = u / (F(2) + u)
        q = s * s
        return F(2) * (s + s * q * ((_A0 + _A1 * q) + (_A2 + _A3 * q) * (q * q)))

    def double(u: Any) -> Any:
        return math.log1p(u)

    return series if u is numba.float32 else double


@_compiled
def _wrongness(logits: Floats, codes: Codes, own: Any, m: Floats, u: Floats) -> None:
    """Fill m with -z, where p_t = sigmoid(z), and u with exp(-|m|)."""
    zero = m.dtype.type(0)
    for i in range(m.size):
        x = zero if codes[i] == IGNORED else logits[i]
        m[i] = -x if codes[i] == own else x
        u[i] = _exp(-abs(m[i]))


@_compiled
def _logarithm(u: Floats, log: Floats) -> None:
    for i in range(u.size):
        log[i] = _log1p(u[i])


@_compiled
def _loss(m: Floats, u: Floats, log: Floats, codes: tuple[Codes, Any], constants: Floats, slope: Floats) -> None:
    """Loss (over `log`) and its scaled derivative by the logit, from m, u and log(1 + u)."""
    code, own = codes
    gamma, outside, inside, scale = constants[0], constants[1], constants[2], constants[3]
    zero, one = m.dtype.type(0), m.dtype.type(1)
    for i in range(m.size):
        right = m[i] < zero
        larger = one / (one + u[i])
        smaller = u[i] * larger
        p, q = (larger, smaller) if right else (smaller, larger)  # p_t and 1 - p_t
        minus_log_p = log[i] if right else m[i] + log[i]
        log_q = m[i] - log[i] if right else -log[i]
        weight = inside if code[i] == own else outside
        focus = (zero if code[i] == IGNORED else weight) * _exp(gamma * log_q)
        log[i] = focus * minus_log_p
        slope[i] = focus * (q + gamma * p * minus_log_p) * (-scale if code[i] == own else scale)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def _sum(values: Floats) -> Any:
    total = values.dtype.type(0)
    for i in range(values.size):
        total += values[i]
    return total


@_compiled
def _stretch(
    logits: tuple[Floats, Floats],
    codes: tuple[Codes, Any],
    constants: Floats,
    outputs: tuple[Floats, ...],
    sums: Floats,
) -> None:
    """Loss and gradient block by block: three short loops, which compilers turn into vector code better than one."""
    logit, opposite = logits
    code, own = codes
    gradient, opposite_gradient, losses = outputs
    m, u = np.empty(BLOCK, logit.dtype), np.empty(BLOCK, logit.dtype)
    log, scratch = np.empty(BLOCK, logit.dtype), np.empty(BLOCK, logit.dtype)
    for start in range(0, logit.size, BLOCK):
        stop = min(logit.size, start + BLOCK)
        n = stop - start
        x, t = logit[start:stop], code[start:stop]
        if opposite.size:
            x = x - opposite[start:stop]
        _wrongness(x, t, own, m[:n], u[:n])
        _logarithm(u[:n], log[:n])
        slope = gradient[start:stop] if gradient.size else scratch[:n]
        _loss(m[:n], u[:n], log[:n], (t, own), constants, slope)
        sums[start // BLOCK] = _sum(log[:n])
        if opposite_gradient.size:
            opposite_gradient[start:stop] = -slope
        if losses.size:
            losses[start:stop] = log[:n]
