"""The labels of a case, voxel by voxel: what each voxel is in the reference and in each source.

As in `label_errors`, a source is known by the masks of its regions, which are what was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afl_core.analysis.label_errors import (
    NO_TUMOUR,
    OTHER,
    Parts,
    labelled_case,
    measured_parts,
    parts_of,
    predicted_codes,
    reference_codes,
)
from afl_core.data.loading import load_reference_labels
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.regions import bounding_box
from afl_core.volume import check_same_grid

Numbers = NDArray[np.uint8]
"""The number of a label at every voxel, as in `LabelMaps.names`; 0 is no tumour."""


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """The labels of a case on the grid of its reference.

    Attributes:
        names: What the numbers 1, 2, ... are; those of the data set come first, in their order.
        reference: Number of the label at every voxel.
        predictions: Source to the same; without the sources in `alone`.
        alone: Source to the reason why its labels are not known: its region can be shown alone.
    """

    names: tuple[str, ...]
    reference: Numbers
    predictions: Mapping[str, Numbers]
    alone: Mapping[str, str]


def load_label_maps(opened: Mapping[str, Comparison], case_id: str, sources: Sequence[str]) -> LabelMaps:
    """The labels of a case in the reference and in sources.

    Args:
        opened: Region to the comparison of it, of every region that was measured.
        case_id: Id of the case.
        sources: Names of the sources.

    Raises:
        AflError: If the reference cannot be read.
    """
    case, scheme = labelled_case(opened, case_id)
    labels = load_reference_labels(case)
    parts = parts_of(scheme, tuple(opened))
    numbers = {NO_TUMOUR: 0}
    reference = np.zeros(labels.array.shape, dtype=np.uint8)
    if (box := bounding_box(labels.array != 0)) is not None:
        codes = reference_codes(labels.array[box], parts)
        there = np.flatnonzero(np.bincount(codes.ravel())).tolist()  # labels that the data set does not name come last
        reference[box] = _numbered(parts, numbers, [*parts.codes.values(), *there])[codes]
    else:
        _numbered(parts, numbers, list(parts.codes.values()))
    predictions, alone = dict[str, Numbers](), dict[str, str]()
    for source in sources:
        try:
            told, masks = measured_parts(opened, case_id, source, scheme)
            check_same_grid(labels, masks[0], names=("the reference", f"the masks of {source}"))
        except AflError as error:
            alone[source] = str(error)
            continue
        codes = predicted_codes([mask.array for mask in masks])
        predictions[source] = _numbered(told, numbers, np.flatnonzero(np.bincount(codes.ravel())).tolist())[codes]
    return LabelMaps(tuple(numbers)[1:], reference, predictions, alone)


def _numbered(parts: Parts, numbers: dict[str, int], codes: Sequence[int]) -> Numbers:
    """The number of the name of each code; names that have none yet are added to `numbers`."""
    table = np.zeros(1 << len(parts.regions), dtype=np.uint8)
    for code in codes:
        table[code] = numbers.setdefault(parts.names.get(code, OTHER), len(numbers))
    return table
