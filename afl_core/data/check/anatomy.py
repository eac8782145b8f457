"""A doubt of labels whose place contradicts their meaning: edema surrounds the tumour core."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afl_core.data.formats.files import load_labels
from afl_core.data.labels import CORE, ENHANCING, Scheme
from afl_core.errors import AflError
from afl_core.volume import Case

READ = 24
"""References that are read, spread over the data set: enough for a median."""

DOUBT = -0.2
"""Median difference below which labels are doubted. It is +0.4 to +0.7 in BraTS 2013 and 2021, and -0.6 where edema and
enhancing tumour were swapped."""


FACES = 20
"""A label with fewer outer faces in a reference, a few voxels, has no place there that tells anything."""


def doubt_labels(cases: Iterable[Case], scheme: Scheme) -> str:
    """A warning where the label that a scheme calls edema lies inside those of the tumour core, as `doubt_edema`.

    A scheme without edema and core is never doubted.
    """
    edema = next((label for label, what in scheme.values.items() if "edema" in what), 0)
    core = scheme.regions.get(CORE) or scheme.regions.get(ENHANCING, ())
    return doubt_edema(cases, edema, core, by=f"the labels {scheme.name}") if edema and core else ""


def doubt_edema(cases: Iterable[Case], edema: int, core: Collection[int], *, by: str) -> str:
    """A warning where the label of edema lies inside those of the tumour core; "" where it does not.

    In each reference with both, the share of each label's outer faces that touch background is taken. Edema is the
    outermost, so its share less the largest of the core's is positive; the median over the references decides.

    Args:
        cases: Cases whose references are read, `READ` of them at most.
        edema: Label of edema.
        core: Labels of the tumour core.
        by: What gives the labels this meaning.
    """
    paths = [case.reference for case in cases if case.reference is not None]
    differences: list[float] = []
    for path in paths[:: -(-len(paths) // READ) or 1]:
        with suppress(AflError, OSError):  # the case reports it where it is used
            stat = path.stat()
            shares = _shares_of(path, stat.st_size, stat.st_mtime_ns)
            if edema in shares and (inner := [shares[label] for label in core if label in shares]):
                differences.append(shares[edema] - max(inner))
    if not differences or float(np.median(differences)) > DOUBT:
        return ""
    return (
        f"The label {edema} is edema by {by}, but it lies inside the labels "
        f"{', '.join(map(str, core))} of the tumour core in most references: the data set may be coded otherwise. "
        "Check its description, and give its own codes, such as --labels et=1,ncr=2,ed=3."
    )


@lru_cache(maxsize=4096)
def _shares_of(path: Path, _size: int, _changed_ns: int) -> dict[int, float]:
    """`background_shares` of a file, read once: the check of a data set and opening it for results need it."""
    return background_shares(load_labels(path).array)


def background_shares(labels: NDArray[np.generic]) -> dict[int, float]:
    """Label to the share of its outer faces that touch background; of labels with `FACES` of them.

    Args:
        labels: Whole numbers, shape (X, Y, Z); faces at the edge of the array count as none.
    """
    outer, towards = list[NDArray[np.generic]](), list[NDArray[np.generic]]()
    for axis in range(3):
        along = np.swapaxes(labels, 0, axis)
        change = along[1:] != along[:-1]
        below, above = along[:-1][change], along[1:][change]
        outer += [below, above]
        towards += [above, below]
    of, other = np.concatenate(outer), np.concatenate(towards)
    face_counts = np.unique(of[of != 0], return_counts=True)
    return {
        int(label): float(np.mean(other[of == label] == 0)) for label, n in zip(*face_counts, strict=True) if n >= FACES
    }
