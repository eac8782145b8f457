"""Lesion candidates of predicted maps, case by case: for a protocol that takes maps of confidences."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from afl_core.base.isolation import attempt
from afl_core.data.formats.files import load_volume
from afl_core.data.formats.values import FRACTION
from afl_core.data.voxel_order import as_placed, placed_by
from afl_core.errors import AflError, DataError
from afl_core.evaluation.sources import MaskSource
from afl_core.metrics.detection import (
    CaseDetection,
    is_detection_map,
    map_candidates,
    match_candidates,
    probability_candidates,
)
from afl_core.volume import Case, Volume, check_same_grid

DETECTION, PROBABILITIES = "detection maps", "maps of probabilities"
"""What a folder of maps may hold."""

READ_AS = {
    DETECTION: "detection maps: each connected component is a candidate with its value as confidence",
    PROBABILITIES: "maps of probabilities: candidates are extracted by a dynamic threshold (docs/protocols.md)",
}
"""How they are read, for people."""


def kind_of_maps(source: MaskSource, cases: Sequence[Case]) -> str:
    """What the maps of a folder are, by all its files: detection maps if each component of each holds one value."""
    for case in cases:
        found = attempt(partial(_load, case, source), of=f"reading {source.name} on {case.case_id}")
        if not isinstance(found, AflError) and not is_detection_map(_values(found)):  # its case reports an error
            return PROBABILITIES
    return DETECTION


def detect(case: Case, source: MaskSource, reference: Volume, kind: str) -> CaseDetection:
    """What the candidates of a map find among the lesions of a reference, whose labels above 0 are lesions.

    Args:
        case: The case.
        source: A folder of maps of 0 to 1.
        reference: Labels of the reference.
        kind: What the maps of the folder are, as `kind_of_maps` says.

    Raises:
        DataError: If the map cannot be read or is none.
        GeometryError: If it lies on another grid.
    """
    values = _load(case, source)
    check_same_grid(reference, values, names=("the reference", f"{source.name}'s map of {case.case_id}"))
    candidates = map_candidates if kind == DETECTION else probability_candidates
    return match_candidates(candidates(_values(values)), reference.array != 0)


def _values(volume: Volume) -> NDArray[np.float32]:
    return volume.array.astype(np.float32, copy=False)


def _load(case: Case, source: MaskSource) -> Volume:
    path = source.files(case)[0]
    values, by = load_volume(path), placed_by(case, path)
    if values.array.max() > 1 + FRACTION or values.array.min() < 0:
        received = f"{values.array.min():g} to {values.array.max():g}"
        raise DataError(f"{path.name} is no map of 0 to 1", received=received, todo="Save confidences from 0 to 1")
    return values if by == path else as_placed(values, by)
