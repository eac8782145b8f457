"""Columns of rows that are measured nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from afl_core.evaluation.rows import other_lesion_mm
from afl_core.metrics.lesions import match_lesions


def test_the_nearest_other_lesion_is_measured_centre_to_centre_in_mm():
    reference = np.zeros((20, 20, 20), dtype=bool)
    for x, y, z in ((2, 2, 2), (5, 2, 4), (5, 2, 19)):
        reference[x, y, z] = True
    rows = match_lesions(reference, reference, spacing_mm=(1.0, 1.0, 2.0))
    found = {row.centroid_voxel: other_lesion_mm(rows, (1.0, 1.0, 2.0))[row.lesion_id] for row in rows}
    assert found == pytest.approx({(2, 2, 2): 5, (5, 2, 4): 5, (5, 2, 19): 30})
    ignored = (rows[0], replace(rows[1], kind="ignored"), replace(rows[2], kind="false_positive"))
    assert other_lesion_mm(ignored, (1.0, 1.0, 2.0)) == {}
