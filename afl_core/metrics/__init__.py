"""Metrics of a predicted mask against its reference: `evaluate_masks` computes them, METRICS explains them."""

from afl_core.metrics.lesions import LesionMetrics
from afl_core.metrics.masks import MaskMetrics, evaluate_masks
from afl_core.metrics.metric import Metric
from afl_core.metrics.table import METRICS

__all__ = ["METRICS", "LesionMetrics", "MaskMetrics", "Metric", "evaluate_masks"]
