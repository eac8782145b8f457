"""Metrics of a predicted mask against its reference: `evaluate_masks` computes them, METRICS explains them.

MATCHERS says which predicted components belong to which lesion.
"""

from afl_core.metrics.lesions import LesionMetrics
from afl_core.metrics.masks import MaskMetrics, evaluate_masks
from afl_core.metrics.matchers import MATCHERS, Matcher
from afl_core.metrics.metric import Metric
from afl_core.metrics.table import METRICS, metrics_of

__all__ = ["MATCHERS", "METRICS", "LesionMetrics", "MaskMetrics", "Matcher", "Metric", "evaluate_masks", "metrics_of"]
