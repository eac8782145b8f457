"""Numba for loops that NumPy cannot express, compiled on their first use."""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop, and keep the result on disk; a page that only reads results never waits for Numba."""
    import numba  # noqa: PLC0415 - takes half a second

    compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled
