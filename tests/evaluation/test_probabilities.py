"""Probabilities from a process of its own are those of the network."""

import numpy as np
import pytest

from afl_core.data.layouts import load_case, load_cohort
from afl_core.errors import CheckpointError
from afl_core.evaluation.probabilities import case_probabilities
from afl_core.evaluation.sources import CheckpointSource
from afl_core.volume import Case


def test_they_are_those_of_the_network(cohort, make_checkpoint, tmp_path):
    checkpoint = make_checkpoint(tmp_path / "net")
    case = load_cohort(cohort).cases[2]
    found = case_probabilities(checkpoint, case)
    images = load_case(case, sequences=("flair", "t1ce")).images
    expected = CheckpointSource("net", checkpoint).predict(case, images, None).probabilities
    assert found.shape == (2, *images["flair"].array.shape)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_cannot_be_predicted_says_why(cohort, make_checkpoint, tmp_path):
    checkpoint = make_checkpoint(tmp_path / "net")
    case = load_cohort(cohort).cases[0]
    with pytest.raises(CheckpointError, match=r"t1ce"):
        case_probabilities(checkpoint, Case(case.case_id, {"flair": case.sequences["flair"]}))
