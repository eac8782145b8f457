"""The labels of all files of a case in one byte a voxel: the number of a combination of mask bits and labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afl_core.analysis.label_maps import LabelMaps
from afl_core.errors import UsageError
from afl_core.figures.palette import LABEL_COLOURS, WRONG_LABEL_COLOUR
from afl_core.regions import bounding_box

MOST = 256
"""Combinations that a byte can number."""


def label_part(
    labels: LabelMaps, sources: Sequence[str], bits: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """What each voxel is in every file, and the part of the header that says what the bytes mean.

    Args:
        labels: Labels of the case.
        sources: Names of the sources, in the order of their bits.
        bits: The masks of the case: bit 0 the reference, bit 1 and up the sources.

    Returns:
        The number of a combination at every voxel, and `names`, `colours`, `wrong` (colour of a wrong label), `columns`
        (bit of a mask to its place in a combination, of the masks whose labels are known) and `combinations`: what a
        number stands for, first the mask bits, then the number of a label in each file, 0 for no tumour.

    Raises:
        UsageError: If there are more combinations than a byte can number.
    """
    files = {0: labels.reference} | {
        bit: labels.predictions[name] for bit, name in enumerate(sources, 1) if name in labels.predictions
    }
    volumes = [bits, *files.values()]
    box = bounding_box(np.logical_or.reduce([values != 0 for values in volumes])) or (slice(0, 0),) * 3
    inside, combinations = _combined([values[box] for values in volumes])
    if len(combinations) > MOST:
        raise UsageError(
            "The labels of this case are too many to be shown in colours",
            received=f"{len(combinations)} combinations of labels",
            todo=f"Compare fewer sources: at most {MOST} can be told apart",
        )
    names, codes = labels.names, np.zeros(bits.shape, dtype=np.uint8)
    codes[box] = inside
    return codes, {
        "names": names,
        "colours": [LABEL_COLOURS[k % len(LABEL_COLOURS)] for k in range(len(names))],
        "wrong": WRONG_LABEL_COLOUR,
        "columns": {bit: place for place, bit in enumerate(files, 1)},
        "combinations": combinations,
    }


def _combined(volumes: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.integer[Any]], list[list[int]]]:
    """The number of the combination of values at every voxel, and the combinations; 0 is where all values are 0."""
    codes = np.zeros(volumes[0].shape, dtype=np.intp)
    combinations: list[list[int]] = [[]]
    for values in volumes:
        pairs = codes * 256 + values
        there = np.flatnonzero(np.bincount(pairs.ravel(), minlength=1))
        there = there if there.size and there[0] == 0 else np.insert(there, 0, 0)
        number = np.zeros(int(there[-1]) + 1, dtype=np.intp)
        number[there] = np.arange(len(there))
        codes = number[pairs]
        combinations = [[*combinations[pair // 256], pair % 256] for pair in map(int, there)]
    return codes, combinations
