"""Numba for loops that NumPy cannot express, compiled on their first use."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from afl_core.base.paths import COMPILED, IN_CHECKOUT


@cache
def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop, and keep the result on disk; a page that only reads results never waits for Numba.

    An installed package keeps it in the home folder, so that nothing is left beside the code when it is uninstalled.
    """
    import numba  # noqa: PLC0415 - takes half a second

    kept = numba.config.CACHE_DIR
    if not IN_CHECKOUT and "NUMBA_CACHE_DIR" not in os.environ:
        numba.config.CACHE_DIR = str(COMPILED)
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = kept  # it is everybody's in this process
    return compiled
