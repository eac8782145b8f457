"""Threads for compiled work between PyTorch's operations: its own, where they can be had.

After an operation PyTorch's threads wait for the next one, spinning, and hold their cores for milliseconds, so that
threads of ours would wait for them. They run a function through the entry of their OpenMP library that compilers call.
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch

_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def share(work: Callable[[], None], *, threads: int) -> None:
    """Call a function on so many threads at once, this one among them; it divides the work among its calls itself.

    Raises:
        BaseException: What a call raised, such as KeyboardInterrupt, once all have ended.
    """
    if threads == 1:
        work()
    elif (parallel := _openmp(os.getpid())) is not None:
        _call(parallel, work, threads)
    else:
        helpers = [_pool(threads, os.getpid()).submit(work) for _ in range(threads - 1)]
        work()
        for helper in helpers:
            if not helper.cancel():  # one that has not begun, its core being taken, is not waited for
                helper.result()


def _call(parallel: Any, work: Callable[[], None], threads: int) -> None:
    errors: list[BaseException] = []

    def call(_: int | None) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it cannot pass through the library
            errors.append(error)

    parallel(_FUNCTION(call), None, threads, 0)
    if errors:
        raise errors[0]


_PROCESS = os.getpid()
"""The process that imported this: one that is forked from it has none of the library's threads, which wait for them."""


@cache
def _openmp(process: int) -> Any:
    """GNU OpenMP's `GOMP_parallel`, of the library that PyTorch has loaded; None where it uses another, as on a Mac."""
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*") if process == _PROCESS else ():
        parallel = ctypes.CDLL(str(path)).GOMP_parallel
        parallel.argtypes, parallel.restype = (_FUNCTION, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None
        return parallel
    return None


@lru_cache(maxsize=1)
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked one has none of them, and makes its own."""
    return ThreadPoolExecutor(threads)
