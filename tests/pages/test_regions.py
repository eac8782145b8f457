"""The selector of the region on every page, and the table of all regions on the Overview."""

import json

import numpy as np
import pandas as pd
import pytest
from made_results import SOURCES, write_regions

from afl_core import evaluate
from afl_core.analysis.breakdown.options import Options, choose_binnings, choose_units
from afl_core.analysis.breakdown.records import compute_breakdown
from afl_core.analysis.label_errors import label_errors, matrix
from afl_core.analysis.statistics.ranks import holm
from afl_core.analysis.xray.store import kept_table
from afl_core.base.numbers import p_number
from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import DataOptions
from afl_core.evaluation.comparison import open_comparison
from afl_core.figures.kept_thumbnails import FOLDER, kept_thumbnail
from afl_core.ui.compare import case_views
from afl_core.ui.overview.label_errors import TITLE
from afl_core.ui.shared.label_matrix import shown_matrix
from afl_core.ui.shared.thumbnails import thumbnail_addresses

REGION = "region of several"


def brain(core: int) -> np.ndarray:
    """A cube of edema with necrosis in it, and enhancing tumour of some thickness around that."""
    array = np.zeros((20, 20, 20), np.uint8)
    array[4:16, 4:16, 4:16] = 3
    array[10 - core : 10 + core, 6:14, 6:14] = 1
    array[8:12, 8:12, 8:12] = 2
    return array


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Two cases with labels, and two sources that have the whole right and the enhancing tumour not; with results."""
    made = tmp_path_factory.mktemp("several")
    for case_id, core in (("one", 4), ("two", 5)):
        save_volume(made / "references" / f"{case_id}.nii.gz", brain(core), np.eye(4))
        for name, less in (("FL", 2), ("A-FL", 1)):
            save_volume(made / name / f"{case_id}.nii.gz", brain(core - less), np.eye(4))
    evaluate(
        {name: made / name for name in ("FL", "A-FL")},
        made / "results" / "several",
        references=made / "references",
        options=DataOptions(labels="et=1,ncr=2,ed=3"),
        regions=("whole", "tc", "et"),
    )
    return made


@pytest.fixture
def results(several, copy_made, tmp_path):
    """A copy of those results, beside a copy of their files."""
    copy_made(several, tmp_path, "references", "FL", "A-FL", "results")
    return tmp_path / "results" / "several"


def headline(at) -> str:
    return next(str(of.value) for of in at.markdown if str(of.value).startswith("## ")).replace("\\", "")


def test_the_numbers_are_those_of_the_region_in_the_address(app, results):
    at = app()
    assert at.selectbox(REGION).options == ["whole tumour (WT)", "tumour core (TC)", "enhancing tumour (ET)"]
    assert "A-FL minus FL 0.000" in headline(at)
    at = app(measured_region="et")
    expected = open_comparison(results, region="et").rows.pivot(index="case_id", columns="source", values="dsc")
    difference = (expected["A-FL"] - expected["FL"]).mean()
    assert difference > 0.1
    assert f"A-FL minus FL +{difference:.3f}" in headline(at)
    assert headline(at).startswith("## Enhancing tumour (ET). ")
    (table,) = [of.value for of in at.dataframe if "In the reference" in of.value]
    assert table["Region"].tolist() == ["whole tumour (WT)", "tumour core (TC)", "enhancing tumour (ET), open"]
    assert at.query_params["measured_region"] == "et"


def test_the_table_says_in_how_many_cases_a_region_is(app, results, tmp_path):
    """A case without enhancing tumour, in which a source that predicts none scores 1."""
    save_volume(tmp_path / "references" / "none.nii.gz", np.where(brain(4) == 1, 2, brain(4)), np.eye(4))
    for name in ("FL", "A-FL"):
        save_volume(tmp_path / name / "none.nii.gz", np.where(brain(4) == 1, 2, brain(4)), np.eye(4))
    options = DataOptions(labels="et=1,ncr=2,ed=3")
    sources = {name: tmp_path / name for name in ("FL", "A-FL")}
    evaluate(sources, results, references=tmp_path / "references", options=options, regions=("whole", "tc", "et"))
    at = app()
    assert not at.exception
    (table,) = [of.value for of in at.dataframe if "In the reference" in of.value]
    assert table.set_index("Region")["In the reference"].tolist() == ["3 of 3 cases", "3 of 3 cases", "2 of 3 cases"]


def test_a_link_opens_its_region(app, results):
    at = app("breakdown", measured_region="tc")
    assert at.selectbox(REGION).value == "tc"
    at = app("compare", measured_region="et")
    assert at.selectbox(REGION).value == "et"


def test_breakdown_shows_every_region_with_one_correction(app, tmp_path):
    folder = write_regions(tmp_path / "results" / "made", whole=SOURCES, tc=SOURCES, et={"FL": 0.0})
    at = app("breakdown")
    alone = headline(at)
    at.toggle("every_region").set_value(True).run()
    assert not at.exception
    assert headline(at).startswith("## Whole tumour (WT). Dice, all cases")
    assert alone.startswith("## Whole tumour (WT). Dice, all cases")
    (table,) = [of.value for of in at.dataframe if "region" in of.value]
    expected = [
        compute_breakdown(units, choose_binnings(units, Options())).pair("FL", "A-FL")
        for opened in (open_comparison(folder), open_comparison(folder, region="tc"))
        for units in [choose_units(opened.rows, opened.lesions, opened.manifest, Options())]
    ]
    p = holm(np.concatenate([of["p"] for of in expected]))
    assert table["p (Holm)"].tolist() == [p_number(of) for of in p]
    assert table["region"].drop_duplicates().tolist() == ["whole tumour (WT)", "tumour core (TC)"]
    said = " ".join(of.value for of in [*at.caption, *at.warning, *at.markdown]).replace("\\", "")
    assert "14 comparisons together: 2 regions x 7 comparisons" in said
    assert "A-FL has no result in the region enhancing tumour (ET)" in said
    assert "### Whole tumour (WT) alone" in said


def test_every_region_is_in_the_address_and_in_the_commands(app, tmp_path):
    write_regions(tmp_path / "results" / "made", whole=SOURCES, et=SOURCES)
    at = app("breakdown", every_region="true", measured_region="et", view="Export")
    assert headline(at).startswith("## Enhancing tumour (ET). ")
    (code,) = [of.value for of in at.code]
    assert [line.split()[1] for line in code.splitlines()] == ["breakdown", "report", "export"]
    assert all(" --regions all " in line and " --region " not in line for line in code.splitlines())
    assert not {of.key for of in app("breakdown", results="made").toggle} - {"every_region"}


def test_a_link_to_a_region_that_was_not_measured_says_so(app, results):
    at = app(measured_region="ncr")
    assert "measured_region=ncr in the address does not fit here" in at.warning[0].value
    assert "measured_region" not in at.query_params


def test_the_overview_has_a_row_for_every_region(app, results):
    (table,) = [of.value for of in app().dataframe if "Region" in of.value]
    assert table["Region"].tolist() == ["whole tumour (WT), open", "tumour core (TC)", "enhancing tumour (ET)"]
    for region, row in zip(("whole", "tc", "et"), table.to_dict("records"), strict=True):
        dsc = open_comparison(results, region=region).rows.groupby("source")["dsc"].mean()
        assert (row["FL mean"], row["A-FL mean"]) == (f"{dsc['FL']:.3f}", f"{dsc['A-FL']:.3f}")
        assert row["Over"] == "2 patients"


def test_compare_shows_which_label_was_taken_for_which(app, results):
    at = app("compare", case="one", measured_region="et")
    assert not [of for of in at.dataframe if of.value.index.name == "reference"]
    at.toggle("label errors").set_value(True).run()
    assert not at.exception
    first, second = (of.value for of in at.dataframe if of.value.index.name == "reference")
    by_region = {region: open_comparison(results, region=region) for region in ("whole", "tc", "et")}
    for source, shown in (("FL", first), ("A-FL", second)):
        shares = matrix(label_errors(by_region, "one", source))
        right = shares.loc["enhancing tumour (ET)", "enhancing tumour (ET)"]
        assert shown.loc["enhancing tumour (ET)", "enhancing tumour (ET)"].startswith(f"{100 * right:.0f} % (")
        assert 0 < right < 1


@pytest.fixture
def sent(monkeypatch):
    """The headers that the slice viewer is given."""
    headers = []
    monkeypatch.setattr(
        case_views, "show_viewer", lambda payload, **_: headers.append(json.loads(payload.header)["labels"])
    )
    return headers


def test_the_slices_have_the_labels_of_every_file(app, results, sent):
    assert not app("compare", case="one", measured_region="et").exception
    assert sent[-1]["names"] == ["enhancing tumour (ET)", "necrotic core (NCR)", "edema (ED)"]
    assert sent[-1]["columns"] == {"0": 1, "1": 2, "2": 3}


def test_results_of_one_region_have_no_labels_in_colours(app, results, tmp_path, sent):
    evaluate({"FL": tmp_path / "FL"}, tmp_path / "results" / "one", references=tmp_path / "references")
    assert not app("compare", results="one", case="one").exception
    assert sent == [None]


def test_results_of_one_region_have_no_selector(app, results, tmp_path):
    evaluate({"FL": tmp_path / "FL"}, tmp_path / "results" / "one", references=tmp_path / "references")
    at = app(results="one")
    assert "region of one" not in {of.key for of in at.selectbox}
    assert not [of for of in at.dataframe if "Region" in of.value]


def test_thumbnails_are_of_the_region(results):
    whole, part = (open_comparison(results, region=region) for region in ("", "et"))
    assert kept_thumbnail(whole, "one") != kept_thumbnail(part, "one")
    assert kept_thumbnail(whole, "one") == kept_thumbnail(open_comparison(results), "one")
    assert len(list((results / FOLDER / "et" / "one").iterdir())) == 1
    assert "&region=et" in thumbnail_addresses(part, ("one",))[0]
    assert "region" not in thumbnail_addresses(whole, ("one",))[0]


def test_the_x_ray_is_of_the_region(results):
    sizes = [
        kept_table(results, open_comparison(results, region=region).cohort.cases, "own")[0]["size"].tolist()
        for region in ("", "et", "")
    ]
    assert sizes[0] == sizes[2]
    assert sizes[1][0] < sizes[0][0] / 2


def open_matrices(app, results):
    at = app()
    at.session_state[f"label errors of {results.name}"] = True
    return at.run()


def test_the_overview_counts_the_labels_on_demand_and_shows_a_matrix_a_source(app, results):
    at = open_matrices(app, results)
    assert not at.exception
    assert not [of for of in at.dataframe if of.value.index.name == "reference"]
    assert "4 predictions of 4 not counted yet" in "".join(str(of.value) for of in at.caption)
    at.button(f"count labels {results.name}").click().run()
    assert not at.exception
    first, second = (of.value for of in at.dataframe if of.value.index.name == "reference")
    by_region = {region: open_comparison(results, region=region) for region in ("whole", "tc", "et")}
    for source, shown in (("FL", first), ("A-FL", second)):
        table = pd.concat([label_errors(by_region, case_id, source) for case_id in ("one", "two")])
        pd.testing.assert_frame_equal(shown, shown_matrix(table), check_names=False)
    assert "not counted yet" not in "".join(str(of.value) for of in at.caption)


def test_a_mask_that_is_gone_is_named_and_the_other_cases_are_shown(app, results):
    open_comparison(results, region="tc").mask("two", "FL").unlink()
    at = open_matrices(app, results)
    at.button(f"count labels {results.name}").click().run()
    assert "FL on two" in at.warning[-1].value
    assert "is gone" in at.warning[-1].value
    assert any("Counted on 1 of 2 cases" in of.value.replace("\\", "") for of in at.info), "the same for both sources"
    assert len([of for of in at.dataframe if of.value.index.name == "reference"]) == 2
    assert any("1 case" in str(of.value) and "FL" in str(of.value) for of in at.markdown)


def test_results_of_one_region_have_no_matrix(app, results, tmp_path):
    evaluate({"FL": tmp_path / "FL"}, tmp_path / "results" / "one", references=tmp_path / "references")
    assert TITLE not in {of.label for of in app(results="one").expander}
    assert TITLE in {of.label for of in app(results="several").expander}
