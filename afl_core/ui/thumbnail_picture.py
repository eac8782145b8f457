"""The picture behind the address of a thumbnail."""

import logging
import time
from functools import lru_cache
from pathlib import Path
from threading import Lock

from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.results import Results
from afl_core.evaluation.store import result_folders
from afl_core.figures.kept_thumbnails import kept_thumbnail

FRESH_S = 60
"""Seconds for which the list of a data set's cases is kept, as the pages keep it."""

log = logging.getLogger("afl.server")
_lock = Lock()


def picture(name: str, case_id: str, region: str) -> bytes | None:
    """The thumbnail; None where there is no such case, or it cannot be drawn, which the page of the case explains."""
    try:
        folder = next(folder for folder in result_folders() if folder.name == name)
        with _lock:  # one thread opens it, the others wait and find it open
            opened = _opened(folder, region, Results(folder).stamp(), int(time.monotonic() / FRESH_S))
        return kept_thumbnail(opened, case_id)
    except (StopIteration, AflError, OSError) as error:
        log.info("No thumbnail: %s", error)
        return None


@lru_cache(maxsize=4)
def _opened(folder: Path, region: str, stamp: int, fresh: int) -> Comparison:
    return open_comparison(folder, region=region)
