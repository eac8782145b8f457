"""What can be compared: every metric of a case, and the columns of a lesion."""

import dataclasses

import pytest

from afl_core.analysis.breakdown.measures import MEASURES, build_measure, choose_measure, measures_of
from afl_core.errors import UsageError
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.manifest_sections import SettingsSection
from afl_core.metrics import METRICS, LesionMetrics, metrics_of


def test_every_metric_of_a_case_can_be_compared():
    assert list(MEASURES["case"]) == list(METRICS)
    for key, metric in METRICS.items():
        measure = build_measure("case", key)
        kept = (measure.key, measure.unit, measure.definition, measure.empty_rule)
        assert kept == (key, metric.unit, metric.definition, metric.empty_rule)
        assert measure.absolute == (metric.better == "zero")
        assert measure.better == ("lower" if metric.better == "zero" else metric.better)
        assert measure.label == (f"{metric.label}, absolute" if measure.absolute else metric.label)


def test_results_by_a_matcher_of_brats_have_its_lesion_dice():
    by_overlap, by_brats = Manifest(), Manifest(settings=SettingsSection(matcher="brats2023_gli"))
    assert dict(measures_of(by_overlap, "case")) == dict(MEASURES["case"])
    measure = choose_measure(by_brats, "case", "lesion_dsc")
    assert measure.definition == metrics_of("brats2023_gli")["lesion_dsc"].definition
    assert measure.empty_rule != MEASURES["case"]["lesion_dsc"].empty_rule


def test_every_measure_of_a_lesion_is_a_column_of_its_rows():
    columns = {field.name for field in dataclasses.fields(LesionMetrics)}
    assert set(MEASURES["lesion"]) <= columns
    assert {key: m.better for key, m in MEASURES["lesion"].items()} == {
        "dsc": "higher",
        "dsc_in_region": "higher",
        "hd95_mm": "lower",
        "assd_mm": "lower",
        "detected": "higher",
    }
    assert not any(m.absolute for m in MEASURES["lesion"].values())
    assert all(m.empty_rule.startswith("a missed lesion: ") for m in MEASURES["lesion"].values())


def test_titles_carry_the_unit():
    assert build_measure("case", "hd95_mm").title == "HD95 (mm)"
    assert build_measure("case", "volume_error_ml").title == "Volume error, absolute (ml)"
    assert build_measure("lesion", "detected").title == "Lesion recall"


@pytest.mark.parametrize(("level", "key"), [("case", "detected"), ("lesion", "iou"), ("case", ""), ("lesion", "DSC")])
def test_a_measure_of_another_level_does_not_exist(level, key):
    with pytest.raises(
        UsageError, match=rf"no metric of {level}s of that name.*There are: {next(iter(MEASURES[level]))}, "
    ):
        build_measure(level, key)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        MEASURES["case"]["new"] = MEASURES["case"]["dsc"]
