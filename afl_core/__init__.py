"""Compare segmentation losses case by case and lesion by lesion: FL against A-FL first.

The names below are loaded when they are first used, so that `import afl_core` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from afl_core.api import DataOptions, ResultTables, breakdown, describe, evaluate, open_results
    from afl_core.loss import build_loss

__all__ = ["DataOptions", "ResultTables", "breakdown", "build_loss", "describe", "evaluate", "open_results"]


def __getattr__(name: str) -> object:
    """A name of `__all__`, from where it is defined."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("afl_core.loss" if name == "build_loss" else "afl_core.api"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
