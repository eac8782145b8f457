"""Exponential and logarithm of float32 as short series, which compilers turn into vector code; of float64 libm's."""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numpy.polynomial import Chebyshev, Polynomial

from afl_core.loss.counting import Floats

F = np.float32

OPTIONS = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}
"""How Numba compiles what calls these: multiplications and additions may be fused, zeros lose their sign."""

_LOG2_E = F(1 / math.log(2))
_LN2_HIGH, _LN2_LOW = F(0.693359375), F(math.log(2) - 0.693359375)  # 9 bits, so multiples of it are exact; the rest


def _coefficients(function: Callable[[Floats], Floats], low: float, high: float, degree: int) -> list[np.float32]:
    """Polynomial through a function's Chebyshev points: close to the best one of its degree."""
    polynomial = Chebyshev.interpolate(function, degree, domain=[low, high]).convert(kind=Polynomial)
    return [F(c) for c in polynomial.coef]


_E0, _E1, _E2, _E3, _E4, _E5, _E6 = _coefficients(np.exp, -math.log(2) / 2, math.log(2) / 2, 6)
_A0, _A1, _A2, _A3 = _coefficients(lambda q: np.sum([q**k / (2 * k + 3) for k in range(20)], axis=0), 0, 1 / 9, 3)


def exp_of_negative(x: Any) -> Any:
    """exp(x) for x <= 0; compiled code takes what `_choose_exp` gives."""
    return math.exp(x)


def log1p_of_fraction(u: Any) -> Any:
    """log(1 + u) for 0 <= u <= 1; likewise."""
    return math.log1p(u)


@overload(exp_of_negative, jit_options=OPTIONS)
def _choose_exp(x: Any) -> Any:
    def series(x: Any) -> Any:
        """The exponential, to 1e-7 relative: 2^k by the exponent's bits, the rest by a polynomial."""
        x = F(-87) if x < F(-87) else x  # what is smaller leaves the normal numbers; what is no number stays so
        k = np.floor(x * _LOG2_E + F(0.5))
        r = (x - k * _LN2_HIGH) - k * _LN2_LOW
        r2 = r * r
        rest = (_E0 + _E1 * r) + (_E2 + _E3 * r) * r2 + (_E4 + _E5 * r + _E6 * r2) * (r2 * r2)
        return rest * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)

    def double(x: Any) -> Any:
        return math.exp(x)

    return series if x is numba.float32 else double


@overload(log1p_of_fraction, jit_options=OPTIONS)
def _choose_log1p(u: Any) -> Any:
    def series(u: Any) -> Any:
        """log(1 + u), to 2e-7 relative: 2 artanh(s) = 2 s + 2 s^3 (1/3 + s^2/5 + ...), by a polynomial in s^2."""
        s = u / (F(2) + u)
        q = s * s
        return F(2) * (s + s * q * ((_A0 + _A1 * q) + (_A2 + _A3 * q) * (q * q)))

    def double(u: Any) -> Any:
        return math.log1p(u)

    return series if u is numba.float32 else double
