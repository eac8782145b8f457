"""Least squares with intervals that hold also where the spread differs from patient to patient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from afl_core.analysis.statistics.bootstrap import CI_LEVEL

FULL = 1 - 1e-8
"""Leverage from which on a patient alone decides a coefficient, so that nothing is left to say how sure it is."""


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of a linear model, one for each column.

    Attributes:
        estimate: The coefficients.
        low: Lower ends of their 95 % intervals.
        high: Upper ends of the same intervals.
        p: Two-sided p-values.
    """

    estimate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]


def least_squares(y: ArrayLike, columns: ArrayLike) -> Coefficients | None:
    """Ordinary least squares of y on columns and a constant, with the HC3 covariance and Student's t.

    Args:
        y: Shape (n,), finite.
        columns: Shape (n, k), finite.

    Returns:
        The coefficients of the columns; None where columns depend on one another, a patient alone decides one, or there
        are no more patients than coefficients.

    Source of HC3: MacKinnon and White, Journal of Econometrics 29 (1985) 305; advised for fewer than 250 observations
    by Long and Ervin, The American Statistician 54 (2000) 217. As statsmodels' `OLS.fit(cov_type="HC3", use_t=True)`.
    """
    x, values = np.asarray(columns, dtype=np.float64), np.asarray(y, dtype=np.float64)
    x = np.column_stack([np.ones(len(values)), x])
    free = len(values) - x.shape[1]
    if free < 1 or np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    inverse = np.linalg.inv(x.T @ x)
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
    if leverage.max() > FULL:
        return None
    estimate = inverse @ x.T @ values
    scaled = (values - x @ estimate) / (1 - leverage)
    error = np.sqrt(np.diag(inverse @ (x.T * scaled**2) @ x @ inverse))
    half = -float(stdtrit(free, (1 - CI_LEVEL) / 2)) * error
    flat = error <= 1e-12 * np.maximum(1, np.abs(estimate))  # no spread at all: certain, or nothing
    t = np.divide(np.abs(estimate), error, out=np.where(np.abs(estimate) > 1e-12, np.inf, 0.0), where=~flat)
    p = 2 * stdtr(free, -t)
    return Coefficients(estimate[1:], (estimate - half)[1:], (estimate + half)[1:], p[1:])
