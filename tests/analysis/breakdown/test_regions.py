"""Several regions at once: Holm over the p-values of all of them, and each region as it is alone otherwise."""

import csv
import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from made_results import SOURCES, write_regions
from statsmodels.stats.multitest import multipletests

from afl_core.analysis.breakdown.export import export_files, export_regions
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.breakdown.regions import compare_regions, correct_together, together_sentence
from afl_core.analysis.breakdown.sentences import NOT_COUNTED
from afl_core.analysis.breakdown.units import select_units
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.comparison import open_comparison
from afl_core.figures.region_forest import plot_regions

WEAK = {"FL": 0.0, "A-FL": 0.01}


def over_all(*differences):
    """The breakdown over all of patients with these differences of Dice."""
    rows = [
        {"case_id": f"case {k}", "source": name, "dsc": 0.5 + gain * d, "reference_volume_ml": 1.0}
        | {"roughness": 0.1, "released_smoothness": np.nan}
        for k, d in enumerate(differences)
        for name, gain in (("FL", 0), ("A-FL", 1))
    ]
    return compute_breakdown(select_units(pd.DataFrame(rows), pd.DataFrame(), metric="dsc", sources=["FL", "A-FL"]), [])


def break_down(opened, options):
    return choose_breakdown((opened.rows, opened.lesions), opened.manifest, options)


def compared(folder, options=None):
    """The breakdown of every region of a folder."""
    regions = open_comparison(folder).regions
    opened = [open_comparison(folder, region=region) for region in regions]
    return compare_regions(opened, options or Options(), break_down)


def test_holm_over_three_regions_by_hand():
    """All 7 of 7 higher: 2/2^7; all 6 of 6: 2/2^6; of 6 the smallest lower: 4/2^6. Holm: x 3, x 2, x 1, ascending."""
    parts = [
        over_all(0.1, 0.2, 0.3, 0.31, 0.32, 0.33),
        over_all(0.1, 0.2, 0.3, 0.31, 0.32, 0.33, 0.34),
        over_all(-0.1, 0.2, 0.3, 0.31, 0.32, 0.33),
    ]
    found = [of.pair("FL", "A-FL").iloc[0] for of in correct_together(parts)]
    assert [of["p"] for of in found] == pytest.approx([1 / 32, 1 / 64, 1 / 16], abs=1e-15)
    assert [of["p_holm"] for of in found] == pytest.approx([2 / 32, 3 / 64, 1 / 16], abs=1e-15)
    assert [of.n_tests for of in correct_together(parts)] == [3, 3, 3]


def test_the_tests_of_axes_that_were_opened_before_count_in_every_region():
    """1/32 with 1/64 of an axis opened before, beside 1/16 of another region: x 3 of the least, x 2, x 1, ascending."""
    shown, other = over_all(0.1, 0.2, 0.3, 0.31, 0.32, 0.33), over_all(-0.1, 0.2, 0.3, 0.31, 0.32, 0.33)
    opened = replace(shown, opened={"size": np.array([1 / 64, np.nan])})
    found = correct_together([opened, other])
    assert [of.pair("FL", "A-FL").iloc[0]["p_holm"] for of in found] == pytest.approx([2 / 32, 1 / 16], abs=1e-15)
    assert [of.n_tests for of in found] == [3, 3]


def test_one_region_alone_stays_as_it_is():
    part = over_all(0.1, 0.2, 0.3, 0.31, 0.32, 0.33)
    (same,) = correct_together([part])
    pd.testing.assert_frame_equal(same.records, part.records)
    assert same.n_tests == part.n_tests == 1


def test_all_but_the_correction_is_that_of_each_region_alone(tmp_path):
    folder = write_regions(tmp_path / "made", whole=SOURCES, tc=WEAK, et={"FL": 0.0, "A-FL": 0.03})
    found, problems = compared(folder)
    assert not problems
    assert [of.comparison.region for of in found] == ["whole", "tc", "et"]
    for of in found:
        alone = break_down(open_comparison(folder, region=of.comparison.region), Options())
        left = ["p_holm"]
        pd.testing.assert_frame_equal(of.breakdown.records.drop(columns=left), alone.records.drop(columns=left))
        assert of.breakdown.binnings == alone.binnings
    p = np.concatenate([of.breakdown.records["p"] for of in found])
    corrected = np.concatenate([of.breakdown.records["p_holm"] for of in found])
    there = np.isfinite(p)
    np.testing.assert_allclose(corrected[there], multipletests(p[there], method="holm")[1], rtol=1e-12)
    assert there.sum() == found[0].breakdown.n_tests == 21
    said = f"Holm's correction counts all 21 comparisons together: 3 regions x 7 comparisons. {NOT_COUNTED}"
    assert together_sentence(found) == said


def test_regions_with_fewer_tests_are_counted_one_by_one(tmp_path):
    folder = write_regions(tmp_path / "made", whole={**SOURCES, "C": 0.1}, et=SOURCES)
    found, _ = compared(folder)
    assert "28 comparisons together: 21 of whole tumour (WT), 7 of enhancing tumour (ET)" in together_sentence(found)
    assert found[1].options.sources == ("FL", "A-FL")


def test_a_region_without_the_sources_is_said_and_ends_no_other(tmp_path):
    folder = write_regions(tmp_path / "made", whole=SOURCES, et={"FL": 0.0})
    found, problems = compared(folder, Options(sources=("A-FL",)))
    assert [of.comparison.region for of in found] == ["whole"]
    assert problems == {"enhancing tumour (ET)": "No source that is compared has a result in this region."}
    with pytest.raises(DataError, match="No source that is compared"):
        compared(folder, Options(sources=("no such",)))


def test_a_choice_that_no_region_can_give_is_an_error(tmp_path):
    folder = write_regions(tmp_path / "made", whole=SOURCES, et=SOURCES)
    with pytest.raises(UsageError, match="metric"):
        compared(folder, Options(metric="no such"))


def test_the_files_hold_a_column_region_and_the_numbers_of_all(tmp_path):
    folder = write_regions(tmp_path / "made", whole=SOURCES, et=WEAK)
    found, problems = compared(folder)
    files = export_regions(found, problems)
    rows = list(csv.DictReader(StringIO(files["breakdown.csv"].decode())))
    document = json.loads(files["breakdown.json"])
    assert (document["tests"], document["not_compared"]) == (14, {})
    assert "2 regions x 7 comparisons" in document["correction"]
    for of in found:
        region = of.comparison.region
        own = [row for row in rows if row["region"] == region]
        records = of.breakdown.records
        assert [float(row["mean"]) for row in own] == pytest.approx(records["mean"].tolist(), abs=0)
        assert [row["p_holm"] for row in own] == ["" if np.isnan(p) else repr(p) for p in records["p_holm"]]
        of_region = export_files(of.breakdown, of.options, of.comparison.manifest, results="made")
        assert document["regions"][region] == json.loads(of_region["breakdown.json"])
    units = list(csv.DictReader(StringIO(files["units.csv"].decode())))
    assert {row["region"] for row in units} == {"whole", "et"}
    assert len(units) == sum(len(of.breakdown.units.table) for of in found)


def test_the_panels_share_scale_and_rows(tmp_path):
    folder = write_regions(tmp_path / "made", whole=SOURCES, tc=WEAK, et=WEAK, ncr=WEAK)
    found, _ = compared(folder)
    figure = plot_regions(found, ("FL", "A-FL"))
    axes = [figure.layout[f"xaxis{k}"].range for k in ("", 2, 3, 4)]
    assert len(set(axes)) == 1
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    for of, trace in zip(found, marks, strict=True):
        assert list(trace.x) == pytest.approx(of.breakdown.pair("FL", "A-FL")["mean_difference"].tolist())
    titles = [note.text for note in figure.layout.annotations[:4]]
    assert titles == [f"<b>{of.title}</b>" for of in found]
    assert "up to" in marks[0].hovertext[1]


def test_less_is_better_at_the_right_too(tmp_path):
    folder = write_regions(tmp_path / "made", whole=SOURCES, et=WEAK)
    found, _ = compared(folder, Options(metric="hd95_mm"))
    low, high = plot_regions(found, ("FL", "A-FL")).layout.xaxis.range
    assert low > 0 > high
