"""Which label was taken for which, against slabs of 16 voxels that are counted by hand."""

import numpy as np
import pandas as pd
import pytest
from made_regions import CODES, PREDICTED, write_cases

from afl_core import evaluate
from afl_core.analysis.label_error_counts import labelled_sources
from afl_core.analysis.label_errors import ANY_OTHER, NO_TUMOUR, OTHER, label_errors, matrix, parts_of, wrong_share
from afl_core.data.formats.files import save_volume
from afl_core.data.label_codes import find_scheme
from afl_core.data.labels import SCHEMES
from afl_core.data.layouts import DataOptions
from afl_core.errors import AflError
from afl_core.evaluation.comparison import open_comparison

ED, NCR, ET = "edema (ED)", "necrotic core (NCR)", "enhancing tumour (ET)"


def opened(folder, *regions, labels=CODES, **sources):
    evaluate(
        {name: folder / path for name, path in (sources or {"L": "labels"}).items()},
        folder / "out",
        references=folder / "references",
        options=DataOptions(labels=labels),
        regions=regions,
    )
    first = open_comparison(folder / "out")
    return {region: open_comparison(folder / "out", region=region) for region in first.regions}


def counted(table):
    return {(row["reference"], row["predicted"]): row["voxels"] for row in table.to_dict("records")}


BY_HAND = {(ED, ED): 32, (ED, NCR): 16, (NCR, NCR): 32, (ET, NCR): 16, (ET, ET): 32, (NO_TUMOUR, ET): 16}


@pytest.mark.parametrize("regions", [(), ("whole", "tc", "et"), ("et", "ncr", "ed")])
def test_every_voxel_is_counted_by_its_two_labels(tmp_path, regions):
    table = label_errors(opened(write_cases(tmp_path), *regions), "a", "L")
    assert counted(table) == BY_HAND
    assert table["ml"].tolist() == pytest.approx((table["voxels"] / 1000).tolist())
    assert wrong_share(table) == pytest.approx(32 / 128)


def test_regions_of_your_own_tell_labels_apart_without_a_declaration(tmp_path):
    results = opened(write_cases(tmp_path), "whole", "a=1+3", "b=2+3", labels=None)
    one, two, three = (f"label {label}" for label in (1, 2, 3))
    assert labelled_sources(results) == ("L",)
    assert counted(label_errors(results, "a", "L")) == {
        **{(three, three): 32, (three, two): 16, (two, two): 32},
        **{(one, two): 16, (one, one): 32, (NO_TUMOUR, one): 16},
    }


def test_labels_that_no_region_of_your_own_names_are_one(tmp_path):
    table = label_errors(opened(write_cases(tmp_path), "whole", "a=1", labels=None), "a", "L")
    pairs = {("label 1", ANY_OTHER): 16, ("label 1", "label 1"): 32, (NO_TUMOUR, "label 1"): 16}
    assert counted(table) == pairs | {(ANY_OTHER, ANY_OTHER): 80}


def test_labels_that_no_region_tells_apart_are_one(tmp_path):
    table = label_errors(opened(write_cases(tmp_path), "whole", "et"), "a", "L")
    rest = f"{NCR} or {ED}"
    assert counted(table) == {(rest, rest): 80, (ET, rest): 16, (ET, ET): 32, (NO_TUMOUR, ET): 16}


def test_the_matrix_has_shares_of_each_label_of_the_reference(tmp_path):
    table = label_errors(opened(write_cases(tmp_path)), "a", "L")
    shares = matrix(pd.concat([table, table]))  # twice as many voxels, the same shares
    assert list(shares.index) == list(shares.columns) == [ED, ET, NCR, NO_TUMOUR]
    assert shares.loc[ED].tolist() == pytest.approx([2 / 3, 0, 1 / 3, 0])
    assert shares.loc[NO_TUMOUR, ET] == pytest.approx(2 * 0.016)
    assert np.isnan(shares.loc[NO_TUMOUR, NO_TUMOUR])


def test_regions_that_no_label_is_in_together_are_another_thing(tmp_path):
    """A source of regions of its own may call a voxel enhancing and not core; here its stored mask is exchanged."""
    results = opened(write_cases(tmp_path), "whole", "tc", "et")
    save_volume(tmp_path / "out" / "masks" / "L" / "tc" / "a.nii.gz", np.zeros_like(PREDICTED), np.eye(4))
    with pytest.raises(AflError, match="is not the one that was measured"):
        label_errors(results, "a", "L")
    results["tc"].rows["mask_sha256"] = ""  # as in rows of a version that kept none
    assert counted(label_errors(results, "a", "L"))[ET, OTHER] == 32


def test_a_source_of_one_region_tells_no_labels_apart(tmp_path):
    results = opened(write_cases(tmp_path), L="labels", M="masks")
    with pytest.raises(AflError, match="M was measured in one region of a alone"):
        label_errors(results, "a", "M")


def test_an_empty_case_has_no_pair(tmp_path):
    folder = write_cases(tmp_path)
    for name in ("references", "labels"):
        save_volume(folder / name / "a.nii.gz", np.zeros_like(PREDICTED), np.eye(4))
    table = label_errors(opened(folder), "a", "L")
    assert table.empty
    assert np.isnan(wrong_share(table))


def test_a_cavity_is_no_tumour():
    parts = parts_of(SCHEMES["brats2024"], ("whole", "tc", "et"))
    assert parts.codes == {1: 0b011, 2: 0b001, 3: 0b111, 4: 0}
    assert parts.names[0] == NO_TUMOUR
    assert parts_of(find_scheme("lesion=1"), ("whole",)).names == {1: "lesion", 0: NO_TUMOUR}
