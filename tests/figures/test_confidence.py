"""The reliability chart: a line, a band and bars a source, in its colour."""

import numpy as np

from afl_core.analysis.confidence import Confidence
from afl_core.evaluation.tables import PARTS
from afl_core.figures.confidence import plot_reliability
from afl_core.figures.palette import source_style
from afl_core.metrics.probability_counts import ProbabilityCounts
from afl_core.metrics.reliability import FINE


def made(places) -> Confidence:
    voxels = np.zeros((2, FINE))
    voxels[:, places] = 10
    counts = ProbabilityCounts(voxels, voxels * 0.5, voxels * 0.7, np.ones(2), np.zeros(0))
    return Confidence(np.array(["p", "q"], object), ("a", "b"), dict.fromkeys(PARTS, counts), np.zeros((0, 2, 2, 0)))


def test_bins_without_a_voxel_are_left_out_and_colours_are_those_of_the_source():
    figure = plot_reliability({"B": made([70, 71, 99])}, ("A", "B"), "near")
    line = next(trace for trace in figure.data if trace.name == "B")
    assert line.x.tolist() == [0.7, 0.7]
    assert line.y.tolist() == [0.5, 0.5]
    assert line.line.color == source_style(1)[0]
    bars = next(trace for trace in figure.data if trace.type == "bar")
    assert bars.y[14] == 40
    assert bars.y.sum() == 60
