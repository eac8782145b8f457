import math
from dataclasses import fields

import numpy as np
import pytest

from afl_core.metrics import METRICS, MaskMetrics, evaluate_masks


def test_every_metric_is_a_field_and_every_field_a_metric():
    assert [field.name for field in fields(MaskMetrics)] == [*METRICS, "empty", "lesions", "ignored_false"]
    assert all(key == metric.key for key, metric in METRICS.items())


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        METRICS["dsc"] = METRICS["iou"]


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_rows_are_complete(metric):
    assert metric.label
    assert metric.definition.endswith(".")
    assert metric.source
    assert metric.range[0] < metric.range[1]
    assert metric.unit == {"mm": "mm", "ml": "ml"}.get(metric.key.rsplit("_", 1)[-1], "")
    errors = metric.key.endswith(("error", "error_ml"))
    assert (metric.better == "zero") == errors
    if metric.range == (0, 1):
        assert metric.better == "higher"


def test_labels_differ():
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)


def test_the_empty_rule_in_words():
    rule = METRICS["hd95_mm"].empty_rule
    assert rule == (
        "both masks empty: 0; reference empty: diagonal of the grid in mm; prediction empty: diagonal of the grid in mm"
    )
    assert "reference empty: undefined; prediction empty: 0" in METRICS["sensitivity"].empty_rule
    assert "both masks empty: as computed" in METRICS["specificity"].empty_rule


def test_values_stay_in_their_range():
    rng = np.random.default_rng(0)
    for density in (0, 0.02, 0.5, 1):
        for other in (0, 0.02, 0.5, 1):
            pair = rng.random((6, 5, 4)) < density, rng.random((6, 5, 4)) < other
            options = {"spacing_mm": (1, 2, 3), "probabilities": rng.random((2, 6, 5, 4))}
            for key, value in evaluate_masks(*pair, **options).as_dict().items():
                low, high = METRICS[key].range
                assert math.isnan(value) or low <= value <= high, key


def test_the_tolerance_of_surface_dice_is_named():
    assert "1 mm unless set otherwise" in METRICS["nsd"].definition
