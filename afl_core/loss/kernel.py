"""Focal loss and its gradient in one pass over cache-sized blocks, compiled by Numba; `fused` shares out the work.

Why not PyTorch: each of its operations streams through memory, and a volume does not fit the cache; block by block it
still starts 16 operations for each. The loops here read the logits once, write the gradient once, and keep nothing.
"""

from typing import Any

import numba
import numpy as np

from afl_core.loss.counting import IGNORED, Codes, Floats
from afl_core.loss.series import OPTIONS, exp_of_negative, log1p_of_fraction

BLOCK = 2048
"""Voxels in a block: its arrays stay in the first-level cache."""

PART = 512
"""Voxels in a block of a softmax, which has more arrays."""

_compiled = numba.njit(nogil=True, cache=True, **OPTIONS)


@_compiled
def _wrongness(logits: Floats, codes: Codes, own: Any, m: Floats, u: Floats) -> None:
    """Fill m with -z, where p_t = sigmoid(z), and u with exp(-|m|)."""
    zero = m.dtype.type(0)
    for i in range(m.size):
        x = zero if codes[i] == IGNORED else logits[i]
        m[i] = -x if codes[i] == own else x
        u[i] = exp_of_negative(-abs(m[i]))


@_compiled
def _logarithm(u: Floats, log: Floats) -> None:
    for i in range(u.size):
        log[i] = log1p_of_fraction(u[i])


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
        focus = (zero if code[i] == IGNORED else weight) * exp_of_negative(gamma * log_q)
        log[i] = focus * minus_log_p
        slope[i] = focus * (q + gamma * p * minus_log_p) * (-scale if code[i] == own else scale)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def _sum(values: Floats) -> Any:
    total = values.dtype.type(0)
    for i in range(values.size):
        total += values[i]
    return total


@_compiled
def sigmoid_stretch(
    logits: tuple[Floats, Floats],
    codes: tuple[Codes, Any],
    constants: Floats,
    outputs: tuple[Floats, ...],
    sums: Floats,
) -> None:
    """Loss and gradient of one channel, block by block: short loops, which become better vector code than one long.

    Args:
        logits: Shape (N,), and that of the opposite class where the two are a softmax (else empty).
        codes: Shape (N,), and which of them is the channel's own class.
        constants: gamma, the weights outside and inside of the own class, and the scale of the gradient.
        outputs: Gradient, gradient of the opposite class, losses: shape (N,), or empty where not wanted.
        sums: Filled with the sum of each block's losses.
    """
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


@_compiled
def _other(low: Floats, high: Floats, codes: Codes, j: Any, other: Floats) -> None:
    """Logits of the j-th of the other classes: of a voxel of class c they are 0 ... c - 1, c + 1 ...; so j or j + 1."""
    for i in range(other.size):
        after, before = high[i], low[i]  # both are read whatever the class, which makes vector code
        other[i] = after if codes[i] <= j else before


@_compiled
def _own(logits: Floats, codes: Codes, c: Any, own: Floats) -> None:
    zero = own.dtype.type(0)
    for i in range(own.size):
        own[i] += logits[i] if codes[i] == c else zero  # writes every voxel, which makes vector code


@_compiled
def _add(other: Floats, log_sum: Floats, share: Floats, rest: Floats) -> None:
    """Add exp(other) to a sum of exponentials, given by its logarithm; what shares of the new sum both have."""
    zero, one = other.dtype.type(0), other.dtype.type(1)
    for i in range(other.size):
        more = other[i] - log_sum[i]
        ratio = exp_of_negative(-abs(more))
        larger = one / (one + ratio)
        is_larger = more > zero
        log_sum[i] = (other[i] if is_larger else log_sum[i]) + log1p_of_fraction(ratio)
        share[i] = larger if is_larger else ratio * larger
        rest[i] = ratio * larger if is_larger else larger


@_compiled
def _margin(m: Floats, own: Floats, codes: Codes, u: Floats) -> None:
    """Take the own logit from the log of the others' sum: p_t = sigmoid(-m); u is exp(-|m|)."""
    zero = m.dtype.type(0)
    for i in range(m.size):
        m[i] = zero if codes[i] == IGNORED else m[i] - own[i]
        u[i] = exp_of_negative(-abs(m[i]))


@_compiled
def _of_class(codes: Codes, table: Floats, values: Floats) -> None:
    for i in range(values.size):
        values[i] = table[codes[i]]


@_compiled
def _focus(m: Floats, log: Floats, gamma: Floats, weight: Floats) -> None:
    """Weights times (1 - p_t)^gamma, over the weights."""
    zero = m.dtype.type(0)
    for i in range(m.size):
        log_q = m[i] - log[i] if m[i] < zero else -log[i]
        weight[i] *= exp_of_negative(gamma[i] * log_q)


@_compiled
def _class_loss(m: Floats, u: Floats, log: Floats, gamma: Floats, focus: Floats, scale: Any) -> None:
    """Loss (over `log`) and its scaled derivative by m (over `focus`)."""
    zero, one = m.dtype.type(0), m.dtype.type(1)
    for i in range(m.size):
        right = m[i] < zero
        larger = one / (one + u[i])
        smaller = u[i] * larger
        p, q = (larger, smaller) if right else (smaller, larger)
        minus_log_p = log[i] if right else m[i] + log[i]
        log[i] = focus[i] * minus_log_p
        focus[i] *= (q + gamma[i] * p * minus_log_p) * scale


@_compiled
def _multiply(share: Floats, rest: Floats, whole: Floats) -> None:
    for i in range(whole.size):
        share[i] *= whole[i]
        rest[i] *= whole[i]


@_compiled
def _spread(c: Any, slope: Floats, shares: tuple[Floats, Floats], codes: Codes, gradient: Floats) -> None:
    """Gradient of one class: less for the own one, and for the others their share of the slope."""
    before, after = shares  # of the class's place among the others, where the own class comes before or after it
    zero = slope.dtype.type(0)
    for i in range(slope.size):
        if_before, if_after, whole = before[i], after[i], slope[i]
        share = if_before if codes[i] < c else if_after
        either = -whole if codes[i] == c else share
        gradient[i] = zero if codes[i] == IGNORED else either


@_compiled
def softmax_stretch(
    logits: Floats, codes: Codes, tables: Floats, outputs: tuple[Floats, Floats], sums: Floats, stretch: tuple[int, int]
) -> None:
    """Loss and gradient of a softmax of C classes, block by block.

    The other classes of each voxel are met one by one; what the two-class loss needs is then the margin between the
    log of the sum of their exponentials and the own logit. A loop over many arrays would be no vector code: the
    compiler gives up comparing where each lies in memory.

    Args:
        logits: Shape (C, N).
        codes: Shape (N,).
        tables: Shape (3, 256): weights and exponents by code, 0 for `IGNORED`; and the scale of the gradient.
        outputs: Gradient, shape (C, N), and losses, shape (N,); or empty where not wanted.
        sums: The sum of each block's losses is added.
        stretch: The first voxel, and that after the last.
    """
    gradient, losses = outputs
    others = len(logits) - 1
    rows = np.empty((5 + 2 * others, PART), logits.dtype)
    for start in range(stretch[0], stretch[1], PART):
        stop = min(stretch[1], start + PART)
        n, t = stop - start, codes[start:stop]
        m, u, log, gamma, slope = rows[0, :n], rows[1, :n], rows[2, :n], rows[3, :n], rows[4, :n]
        _other(logits[0, start:stop], logits[1, start:stop], t, np.uint8(0), m)
        for j in range(1, others):
            _other(logits[j, start:stop], logits[j + 1, start:stop], t, np.uint8(j), log)
            _add(log, m, rows[5 + j, :n], rows[5 + others + j, :n])
        slope[:] = 0
        for c in range(others + 1):
            _own(logits[c, start:stop], t, np.uint8(c), slope)
        _margin(m, slope, t, u)
        _logarithm(u, log)
        _of_class(t, tables[0], slope)
        _of_class(t, tables[1], gamma)
        _focus(m, log, gamma, slope)
        _class_loss(m, u, log, gamma, slope, tables[2, 0])
        sums[start // BLOCK] += _sum(log)
        if losses.size:
            losses[start:stop] = log
        if gradient.size:
            whole = slope
            for j in range(others - 1, 0, -1):
                _multiply(rows[5 + j, :n], rows[5 + others + j, :n], whole)
                whole = rows[5 + others + j, :n]
            rows[5, :n] = whole
            for c in range(others + 1):
                places = rows[5 + max(c - 1, 0), :n], rows[5 + min(c, others - 1), :n]
                _spread(np.uint8(c), slope, places, t, gradient[c, start:stop])
