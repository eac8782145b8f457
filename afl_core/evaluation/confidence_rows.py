"""A row of `confidence.parquet`: voxels of a case by the probability that a source gives them."""

from typing import Any

import numpy as np

from afl_core.evaluation.case_reader import CaseReader
from afl_core.evaluation.tables import CHANNELS
from afl_core.metrics.probability_counts import ProbabilityCounts, count_probabilities
from afl_core.volume import Case, Mask, Prediction


def measure_confidence(
    of: tuple[Case, str], prediction: Prediction, reference: Mask, reader: CaseReader
) -> dict[str, Any] | None:
    """The counts over the whole grid and near the reference, all 0 where that is empty; None where no map is known.

    Args:
        of: The case and the name of the source.
        prediction: Prediction of the source.
        reference: The reference of the case, on the same grid.
        reader: Reader of the case, which finds the voxels near the reference once for all sources.
    """
    tumour, both = prediction.tumour, prediction.probabilities
    if tumour is None:
        return None
    case, source = of
    if reader.near is None:
        near = count_probabilities(tumour[:0], reference.array[:0])
    else:
        box, voxels = reader.near
        near = count_probabilities(tumour[box][voxels], reference.array[box][voxels])
    channels = np.zeros(0, np.int32)
    some = np.s_[..., ::8]  # outputs of a network that are no 1 - p and p differ in every plane
    if both is not None and not np.array_equal(both[some], np.stack([1 - tumour[some], tumour[some]])):
        channels = np.concatenate([count_probabilities(p, reference.array).logits.ravel() for p in both]).astype(
            np.int32
        )
    return {
        **{"case_id": case.case_id, "source": source, "region": case.region.name},
        **_columns("near", near),
        **_columns("grid", count_probabilities(tumour, reference.array)),
        CHANNELS: channels,
    }


def _columns(part: str, counts: ProbabilityCounts) -> dict[str, Any]:
    return {
        f"{part}_voxels": counts.voxels,
        f"{part}_reference": counts.reference,
        f"{part}_probability": counts.probability,
        f"{part}_squared_error": float(counts.squared_error),
        f"{part}_logits": counts.logits.ravel().astype(np.int32),
    }
