"""Covariates as axes: the bins of numbers and of values, what is refused, and that each one shown is counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_results import make_manifest, make_tables
from made_units import make_units

from afl_core.analysis.breakdown.bins import Axis, Binning, by_values
from afl_core.analysis.breakdown.covariates import computed, with_covariates
from afl_core.analysis.breakdown.export import breakdown_json, units_csv
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.breakdown.sentences import evidence_sentence, pair_sentence
from afl_core.data.covariates import Covariates
from afl_core.errors import UsageError

TABLES = make_tables()
CASES = TABLES[0].drop_duplicates("case_id").set_index("case_id")
VOLUMES = {case: float(volume) for case, volume in CASES["reference_volume_ml"].items() if volume > 0}
SITES = {case: ("North", "South", "Far West")[k % 3] for k, case in enumerate(CASES.index) if k}
MANIFEST = make_manifest(Path("data")).with_covariates(Covariates("t.csv", {"volume": VOLUMES, "site": SITES}))


def broken_down(*by, **options):
    return choose_breakdown(TABLES, MANIFEST, Options(by=by, **options))


@pytest.mark.parametrize("level", ["case", "lesion"])
def test_a_covariate_equal_to_the_volume_has_the_records_of_the_size_axis(level):
    tables, manifest = TABLES, MANIFEST
    if level == "lesion":  # one lesion a case: then its volume is one of the case
        lesions = TABLES[1][TABLES[1]["lesion_id"] == 1]
        of = dict(zip(lesions["case_id"], lesions["volume_ml"].astype(float), strict=True))
        manifest = MANIFEST.with_covariates(Covariates("t.csv", {"volume": of}))
        tables = (TABLES[0], lesions)
    found = choose_breakdown(tables, manifest, Options(by=("size", "volume"), level=level)).records
    size, volume = (found[found["axis"] == axis].reset_index(drop=True) for axis in ("size", "volume"))
    rest = {"no tumour": "no value", "small": "low", "large": "high"}
    assert size["bin"].replace(rest).tolist() == volume["bin"].tolist()
    pd.testing.assert_frame_equal(
        size.drop(columns=["axis", "bin", "low"]), volume.drop(columns=["axis", "bin", "low"])
    )
    assert size["low"].iloc[2:].tolist() == pytest.approx(volume["low"].iloc[2:].tolist(), nan_ok=True)


def test_each_value_of_text_is_a_bin_and_no_value_is_one_too():
    found = broken_down("site")
    pair = found.pair("FL", "A-FL").set_index("bin")
    assert pair.index.tolist() == ["all", "Far West", "North", "South", "no value"]
    wide = TABLES[0].pivot(index="case_id", columns="source", values="dsc")
    for site in ("Far West", "North", "South"):
        inside = [case for case, value in SITES.items() if value == site]
        assert pair.loc[site, "n"] == len(inside) > 0
        assert pair.loc[site, "mean_difference"] == pytest.approx((wide["A-FL"] - wide["FL"])[inside].mean())
    assert pair.loc["no value", "n"] == 1
    assert found.binnings[0].where() == "by its 3 values, exploratory: chosen after the data were seen"


def test_holm_counts_every_axis_that_is_shown():
    without, beside = broken_down("size", "roughness"), broken_down("size", "roughness", "site")
    of_site = int(beside.records[beside.records["axis"] == "site"]["p"].notna().sum())
    assert of_site == 3
    assert beside.n_tests == without.n_tests + of_site
    smallest = beside.records["p"].min()
    assert beside.records["p_holm"].min() == pytest.approx(min(1, smallest * beside.n_tests))


def test_sentences_name_the_covariate_and_that_it_is_exploratory():
    found = broken_down("site", "volume")
    by_bin = {(r["axis"], r["bin"]): r for r in found.pair("FL", "A-FL").to_dict("records")}
    assert pair_sentence(by_bin["site", "North"], found.units).startswith("Cases with site North (exploratory): ")
    assert pair_sentence(by_bin["site", "no value"], found.units).startswith(
        "Cases with no value of site (exploratory): "
    )
    assert pair_sentence(by_bin["volume", "low"], found.units).startswith("Cases with low volume (exploratory): ")
    evidence = evidence_sentence(by_bin["site", "North"], found.units, tests=9)
    assert evidence.startswith("Exploratory: chosen after the data were seen. ")
    assert "xploratory" not in evidence_sentence(by_bin["all", "all"], found.units, tests=9)
    low = evidence_sentence(by_bin["volume", "low"], found.units, tests=9)
    assert low.startswith("Volume up to ")


def test_an_export_marks_it_and_gives_the_values():
    found = broken_down("size", "site", "volume")
    size, site, volume = breakdown_json(found, Options(), MANIFEST, results="r")["bins"]
    assert [part["exploratory"] for part in (size, site, volume)] == [False, True, True]
    assert (site["low"], site["high"], site["names"]) == (None, None, ["Far West", "North", "South", "no value"])
    assert (volume["low"], volume["high"]) == (size["low"], size["high"])
    header, first, *_ = units_csv(found).splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert row["site_bin"] == "no value"
    assert float(row["volume"]) == VOLUMES[row["case_id"]]


def test_values_that_are_numbers_stand_in_their_order():
    grades = {case: ("10", "2", "3")[k % 3] for k, case in enumerate(CASES.index)}
    manifest = MANIFEST.with_covariates(Covariates("t.csv", {"grade": grades}))
    found = choose_breakdown(TABLES, manifest, Options(by=("grade",)))
    assert found.pair("FL", "A-FL")["bin"].tolist() == ["all", "2", "3", "10"]


def test_a_patients_scans_of_two_sites_count_in_both():
    tables = tuple(
        table.assign(patient="p" + table["case_id"].str[-2:].astype(int).floordiv(2).astype(str)) for table in TABLES
    )
    found = choose_breakdown(tables, MANIFEST, Options(by=("site",)))
    by_site = found.pair("FL", "A-FL").set_index("bin")
    assert by_site.loc["all", "n"] == 12
    assert by_site.loc[["Far West", "North", "South"], "n"].sum() > 12


def test_what_is_no_axis_says_why():
    of = Covariates(
        "t.csv", {"same": dict.fromkeys(SITES, "x")}, {"note": "The column note of t.csv is no axis: text."}
    )
    manifest = MANIFEST.with_covariates(of)
    for axis, why in (("note", "is no axis: text"), ("same", "fewer than two values"), ("sites", "There is no axis")):
        with pytest.raises(UsageError, match=why):
            choose_breakdown(TABLES, manifest, Options(by=(axis,)))
    with pytest.raises(UsageError, match="Site has values, not edges"):
        broken_down("site", edges={"site": (1.0, 2.0)})


@pytest.mark.parametrize("axis", ["size", "roughness", "lesions"])
def test_a_column_of_a_table_with_the_name_of_an_axis_leaves_that_axis_as_it_is(axis):
    reason = f"The column {axis} of t.csv is no axis: the name is one of the workbench's own; give it another."
    manifest = make_manifest(Path("data")).with_covariates(Covariates("t.csv", {}, {axis: reason}))
    found = choose_breakdown(TABLES, manifest, Options(by=(axis,)))
    pd.testing.assert_frame_equal(found.records, broken_down(axis).records)


def test_size_without_values_leaves_a_covariate_its_bins():
    cases = TABLES[0].assign(reference_volume_ml=np.nan)
    found = choose_breakdown((cases, TABLES[1]), MANIFEST, Options(by=("size", "site")))
    assert [b.axis for b in found.binnings] == ["site"]
    assert found.unbinned[0].startswith("There are no bins by tumour volume")


def test_training_bins_leave_a_covariate_the_tertiles_of_these_cases():
    training = broken_down("size").units.reference
    found = choose_breakdown(TABLES, MANIFEST, Options(by=("size", "volume"), bins="training"), training)
    assert [b.how.split(" (")[0] for b in found.binnings] == [
        "tertiles of the training split",
        "tertiles of the reference set",
    ]


def test_negative_numbers_and_zero_have_a_place():
    axis = Axis("z", "Z", "Z", "", ("low", "medium", "high"), "no value", is_covariate=True)
    binning = Binning("z", (-1.0, 0.0), "own edges", axis)
    assert binning.assign([-5.0, -1.0, 0.0, 2.0, np.nan]).tolist() == [0, 0, 1, 2, 3]
    assert binning.bounds(0) == (-np.inf, -1.0)
    with pytest.raises(UsageError, match="ascending"):
        Binning("z", (0.0, -1.0), "own edges", axis)


def test_two_values_make_two_bins():
    axis = Axis("sex", "Sex", "Sex", "", ("f", "m"), "no value", is_covariate=True, by_values=True)
    binning = by_values(axis)
    assert binning.assign([0.0, 1.0, np.nan]).tolist() == [0, 1, 2]
    assert binning.names == ("f", "m", "no value")


def test_only_covariates_that_vary_over_the_cases_are_axes():
    units = broken_down("size").units
    found = with_covariates(units, {"other": {"elsewhere": 1.0, "nowhere": 2.0}, "site": SITES})
    assert list(found.covariates) == ["site"]


def test_a_permuted_covariate_shows_a_difference_in_5_of_100_where_there_is_none():
    rng, runs, shown = np.random.default_rng(2), 100, 0
    units = make_units(30)
    cases = units.table["case_id"].tolist()
    for _ in range(runs):
        site = dict(zip(cases, rng.permutation(["North", "South", "West"] * 10).tolist(), strict=True))
        of = with_covariates(units, {"site": site})
        of = replace(of, values=of.values.assign(**{"A-FL": of.values["FL"] + rng.standard_t(4, 30)}))
        found = compute_breakdown(of, [by_values(of.axis("site"))]).records
        shown += bool((found["p_holm"] < 0.05).any())
    assert shown / runs < 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_rows_give_the_count_of_lesions_surface_to_volume_and_slice_thickness():
    rows = TABLES[0].assign(surface_area_mm2=lambda t: 600 * t["reference_volume_ml"], slice_thickness_mm=1.0)
    rows.loc[rows["case_id"] == "case_03", ["surface_area_mm2", "slice_thickness_mm"]] = [np.nan, 5.0]
    of = computed(rows)
    assert of["lesions"] == {case: "0" if case == "case_23" else "2" for case in CASES.index}
    ratios = of["surface_to_volume"]
    assert {"case_03", "case_23"} == set(CASES.index) - set(ratios)  # not known; no tumour
    assert set(ratios.values()) == {"0.6"}  # 600 mm2 over 1000 mm3
    assert of["slice_thickness"]["case_03"] == "5"
    found = choose_breakdown((rows, TABLES[1]), MANIFEST, Options(by=("slice_thickness",))).units
    assert list(found.covariates) == ["volume", "site", "lesions", "slice_thickness"]  # one ratio is no axis
    assert found.axis("slice_thickness").title == "Slice thickness (mm)"
    with pytest.raises(UsageError, match="Slice thickness is not known of these cases"):
        broken_down("slice_thickness")


def test_the_distance_to_the_nearest_lesion_is_a_lesions_own_and_the_smallest_of_a_case():
    lesions = TABLES[1].assign(other_lesion_mm=lambda t: t["volume_ml"] * t["lesion_id"])
    lesions.loc[lesions["case_id"] == "case_05", "other_lesion_mm"] = np.nan
    specks = lesions.assign(kind="ignored", other_lesion_mm=0.0, lesion_id=9)
    tables = TABLES[0], pd.concat([lesions, specks], ignore_index=True)
    wanted = lesions.drop_duplicates(["case_id", "lesion_id"]).set_index(["case_id", "lesion_id"])["other_lesion_mm"]
    of_lesions = choose_breakdown(tables, MANIFEST, Options(level="lesion", by=("lesion_distance",))).units
    found = of_lesions.table.set_index(["case_id", "lesion_id"])["lesion_distance"]
    pd.testing.assert_series_equal(found, wanted[found.index], check_names=False)
    assert of_lesions.axis("lesion_distance").title == "Distance to the nearest lesion (mm)"
    of_cases = choose_breakdown(tables, MANIFEST, Options(by=("lesion_distance",)))
    smallest = of_cases.units.table.set_index("case_id")["lesion_distance"]
    assert smallest["case_02"] == pytest.approx(min(wanted["case_02"]))
    assert smallest[["case_05", "case_23"]].isna().all()  # one lesion; no tumour
    assert of_cases.pair("FL", "A-FL").set_index("bin").loc["no value", "n"] == 2


def test_no_two_axes_have_one_label():
    units = broken_down("size").units
    names = ("tumour_volume", "lesion_count", "scan_ner", "scan ner", "lesions")
    found = with_covariates(units, dict.fromkeys(names, VOLUMES)).axes
    labels = [axis.label for axis in found.values()]
    assert labels[3:] == ["tumour_volume", "lesion_count", "Scan ner", "scan ner", "Lesion count"]
    assert len(set(labels)) == len(labels)
