"""Several regions measured at once: rows, masks and problems of each, and a comparison of any of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_regions import CODES, PREDICTED, REFERENCE, write_cases

from afl_core import evaluate, open_results
from afl_core.data.formats.files import save_volume
from afl_core.data.label_codes import find_scheme
from afl_core.data.layouts import DataOptions, references_cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.results import CASES, LESIONS, Results
from afl_core.evaluation.run import begin, evaluate_into, pending
from afl_core.evaluation.sources import MaskSource
from afl_core.model.checkpoints import CARD, WEIGHTS

DICE = {"whole": 2 * 8 / (8 + 9), "tc": 2 * 5 / (5 + 7), "et": 2 * 2 / (3 + 3), "ncr": 2 * 2 / (2 + 4), "ed": 2 * 2 / 5}


@pytest.fixture
def folder(tmp_path):
    return write_cases(tmp_path)


def measured(folder, *regions: str, **sources: str):
    """The results of these regions, () for all that the labels name."""
    return evaluate(
        {name: folder / path for name, path in (sources or {"L": "labels"}).items()},
        folder / "out",
        references=folder / "references",
        options=DataOptions(labels=CODES),
        regions=regions,
    )


@pytest.mark.parametrize("region", DICE)
def test_every_region_that_the_labels_name_is_measured_at_once(folder, region):
    measured(folder)
    opened = open_results(folder / "out", region=region)
    assert opened.cases["dsc"].tolist() == pytest.approx([DICE[region]] * 2)
    assert set(opened.cases["region"]) == set(opened.lesions["region"]) == {region}
    assert opened.manifest.settings.region == region
    assert f"{region}" in opened.manifest.data.labels.lower()


def test_every_region_that_no_reference_holds_is_said(folder):
    """No file holds the label 4; it is said whichever region is opened, once."""
    said = "No reference holds the region b=4: an empty mask scores 1, and every other 0."
    tables = evaluate(
        {"L": folder / "labels"},
        folder / "out",
        references=folder / "references",
        regions=("whole", "a=1", "b=4"),
    )
    assert sum(said in note for note in tables.notes) == 1
    for region, first in (("whole", 1), ("a=1", 1), ("b=4", 1)):
        assert sum(said in note for note in open_results(folder / "out", region=region).notes) == first


def test_the_names_of_regions_have_synonyms_and_an_order(folder):
    measured(folder, "ET", "wt", "tc", "whole")
    opened = open_comparison(folder / "out")
    assert opened.regions == ("et", "whole", "tc")
    assert opened.region == "et"
    assert open_comparison(folder / "out", region="WT").region == "whole"


def test_masks_are_of_the_first_region_alone(folder):
    measured(folder, L="labels", M="masks")
    table = Results(folder / "out").cases()
    assert table.groupby("source")["region"].agg(set).to_dict() == {"L": set(DICE), "M": {"whole"}}
    part = open_comparison(folder / "out", region="et")
    assert set(part.rows["source"]) == {"L"}
    (said,) = part.left_out_sentences
    assert said.startswith(
        "M has no result in the region enhancing tumour (ET): masks and maps are of the region whole"
    )
    assert open_comparison(folder / "out").left_out_sentences == ()


@pytest.mark.parametrize("region", ["", "et"])
def test_a_source_of_which_every_file_failed_is_said_to_have_failed_in_every_region(folder, region):
    for case_id in ("a", "b"):
        save_volume(folder / "bad" / f"{case_id}.nii.gz", (PREDICTED * 0.7).astype(np.float32), np.eye(4))
    measured(folder, L="labels", B="bad")
    part = open_comparison(folder / "out", region=region)
    assert part.absent == ("B",)
    assert part.of_other_regions == ()
    (said,) = part.left_out_sentences
    assert said.startswith("B has no result, since none of its files could be used.")
    assert set(part.manifest.problems) == {"a", "b"}


def test_a_mask_that_failed_is_no_problem_of_the_regions_that_it_does_not_predict(folder):
    (folder / "masks" / "b.nii.gz").unlink()
    (folder / "labels" / "b.nii.gz").unlink()
    measured(folder, L="labels", M="masks")
    part = open_comparison(folder / "out", region="et")
    assert part.of_other_regions == ("M",)
    assert part.manifest.missing == {"L": ("b",)}
    assert {of for texts in part.manifest.problems.values() for of in texts} == {"L"}


def test_masks_alone_leave_one_region_to_choose(folder):
    measured(folder, M="masks")
    assert open_comparison(folder / "out").regions == ("whole",)
    with pytest.raises(UsageError, match=r"Nothing was measured in the region et: .* are of the region whole alone"):
        open_comparison(folder / "out", region="et")
    with pytest.raises(UsageError, match=r"was not measured.*b; there is whole.*--regions b"):
        open_comparison(folder / "out", region="b")


def test_the_stored_mask_of_a_region_is_the_one_that_was_measured(folder):
    measured(folder, "whole", "et")
    first, second = (open_comparison(folder / "out", region=region) for region in ("whole", "et"))
    assert first.mask("a", "L") == folder / "out" / "masks" / "L" / "a.nii.gz"
    assert second.mask("a", "L") == folder / "out" / "masks" / "L" / "et" / "a.nii.gz"
    from afl_core.data.formats.files import load_mask

    assert (load_mask(second.mask("a", "L")).array == (PREDICTED == 1)).all()
    assert {case.region.name for case in second.cohort.cases} == {"et"}


def test_a_region_is_added_later_and_the_others_stay_as_they_are(folder):
    measured(folder, "whole", "tc")
    before = (folder / "out" / "masks" / "L" / "a.nii.gz").stat().st_mtime_ns
    assert set(measured(folder, "whole", "et").cases["region"]) == {"whole"}
    assert open_comparison(folder / "out").regions == ("whole", "tc", "et")
    assert (folder / "out" / "masks" / "L" / "a.nii.gz").stat().st_mtime_ns == before
    assert len(Results(folder / "out").cases()) == 6


def test_nothing_is_due_once_every_region_is_measured(folder):
    measured(folder)
    results = Results(folder / "out")
    cohort = with_regions(references_cohort(folder / "references", labels=CODES), ())
    cases, sources = begin(results, cohort, cohort.cases, (MaskSource("L", folder / "labels"),))
    assert pending(cases, sources, results) == []
    (folder / "out" / "masks" / "L" / "tc" / "b.nii.gz").unlink()
    assert [case.case_id for case in pending(cases, sources, results)] == ["b"]
    evaluate_into(results, cases, sources)
    assert pending(cases, sources, results) == []
    assert len(results.cases()) == 2 * len(DICE)


def test_results_of_a_version_with_one_region_read_on(folder):
    measured(folder, "tc")
    for name in (CASES, LESIONS):
        table = pd.read_parquet(folder / "out" / name)
        table.drop(columns="region").to_parquet(folder / "out" / name)
    assert open_results(folder / "out").cases["region"].tolist() == ["tc", "tc"]
    assert len(Results(folder / "out").known_keys()) == 2


def test_a_label_that_no_region_has_leaves_the_whole(folder):
    """Of the whole, every value above 0 is tumour; a part cannot be told where a label is unknown."""
    save_volume(folder / "labels" / "b.nii.gz", np.where(PREDICTED == 1, 7, PREDICTED).astype(np.uint8), np.eye(4))
    measured(folder, "whole", "et")
    whole, part = (open_comparison(folder / "out", region=region) for region in ("whole", "et"))
    assert (whole.rows["case_id"].tolist(), whole.manifest.problems) == (["a", "b"], {})
    assert part.rows["case_id"].tolist() == ["a"]
    assert "holds labels that its data set does not have" in part.manifest.problems["b"]["L"]
    save_volume(folder / "labels" / "b.nii.gz", PREDICTED, np.eye(4))
    measured(folder, "whole", "et")
    assert open_comparison(folder / "out", region="et").manifest.problems == {}


def test_a_source_that_goes_takes_what_is_said_of_its_regions_along(folder):
    save_volume(folder / "labels" / "b.nii.gz", np.where(PREDICTED == 1, 7, PREDICTED).astype(np.uint8), np.eye(4))
    measured(folder, "whole", "et", L="labels", M="masks")
    results = Results(folder / "out")
    results.rename_source("L", "other")
    assert list(open_comparison(results.folder, region="et").manifest.problems["b"]) == ["other"]
    assert open_comparison(results.folder, region="et").mask("a", "other").is_file()
    results.keep_sources(["M"])
    assert results.manifest().region_problems == {}
    assert open_comparison(results.folder).regions == ("whole",)


def test_an_empty_region_counts_for_its_own_rule_alone(folder):
    nothing_enhances = np.where(REFERENCE == 1, 2, REFERENCE).astype(np.uint8)
    save_volume(folder / "references" / "b.nii.gz", nothing_enhances, np.eye(4))
    measured(folder, "whole", "et")
    assert open_comparison(folder / "out").manifest.empty_masks == {}
    assert open_comparison(folder / "out", region="et").manifest.empty_masks == {"L": {"reference": 1}}


def test_a_checkpoint_is_measured_on_the_region_that_it_learned(folder, tmp_path, make_card):
    cohort = with_regions(references_cohort(folder / "references", labels=CODES), ("whole", "et"))
    source = CheckpointSource("net", tmp_path / "net")
    source.path.mkdir()
    (source.path / WEIGHTS).touch()
    for learned, on in (("et", "et"), ("whole", "whole"), ("tc", "whole")):
        (source.path / CARD).write_text(make_card(data={"region": learned}).model_dump_json())
        assert [region.name for region in source.regions(cohort.cases[0])] == [on]


def test_the_first_region_is_what_results_are_of(folder):
    measured(folder, "whole", "et")
    with pytest.raises(Exception, match="region et where it holds whole"):
        measured(folder, "et", "whole")


def test_labels_that_the_data_set_does_not_tell_are_read_where_a_part_is_asked_for(folder):
    references = references_cohort(folder / "references")
    assert [region.name for region in with_regions(references, ()).regions] == ["whole"]
    with pytest.raises(UsageError, match="fit several schemes"):
        with_regions(references, ("whole", "et"))
    only = replace(references, scheme=with_regions(references_cohort(folder / "references", labels=CODES), ()).scheme)
    assert [region.name for region in with_regions(only, ("tc",)).regions] == ["tc"]


def test_a_region_of_ones_own_labels_is_measured_and_opened_by_its_name(folder):
    measured(folder, "whole", "Ring=3,1")
    # edema and enhancing: slabs 1 to 3 and 6 to 8 of the reference, 1, 2 and 7 to 9 of the prediction; 4 in common
    rows = open_results(folder / "out", region="ring=1+3").cases
    assert rows["dsc"].tolist() == pytest.approx([2 * 4 / (6 + 5)] * 2)
    opened = open_comparison(folder / "out", region="ring=1+3")
    assert opened.region == "ring=1+3"
    assert opened.mask_file("a", "L").is_file()
    assert "ring=1+3, by the labels" in opened.manifest.data.labels


@pytest.mark.parametrize("text", ["ring=", "ring=0", "ring=9", "tc=1+2", "wt=1", "=1", "a b=1", "ring=1-2"])
def test_a_region_of_ones_own_is_refused_with_what_there_is(text):
    with pytest.raises(UsageError, match="new name and labels of the data set"):
        find_scheme(CODES).region(text)
