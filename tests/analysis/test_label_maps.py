"""The labels of a case, voxel by voxel, against slabs of labels that are known."""

import numpy as np
import pytest
from made_regions import CODES, PREDICTED, REFERENCE, write_cases

from afl_core import evaluate
from afl_core.analysis.label_errors import ANY_OTHER, OTHER
from afl_core.analysis.label_maps import load_label_maps
from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import DataOptions
from afl_core.evaluation.comparison import open_comparison

NAMES = ("enhancing tumour (ET)", "necrotic core (NCR)", "edema (ED)")


@pytest.fixture
def opened(tmp_path):
    write_cases(tmp_path)
    evaluate(
        {"L": tmp_path / "labels", "M": tmp_path / "masks"},
        tmp_path / "out",
        references=tmp_path / "references",
        options=DataOptions(labels=CODES),
        regions=("whole", "tc", "et"),
    )
    return {region: open_comparison(tmp_path / "out", region=region) for region in ("whole", "tc", "et")}


def test_every_voxel_has_the_label_of_its_file_and_a_mask_stays_alone(opened):
    maps = load_label_maps(opened, "a", ("L", "M"))
    assert maps.names == NAMES  # the labels 1, 2, 3 of the codes
    np.testing.assert_array_equal(maps.reference, REFERENCE)
    assert list(maps.predictions) == ["L"]
    np.testing.assert_array_equal(maps.predictions["L"], PREDICTED)
    assert "M was measured in one region of a alone" in maps.alone["M"]


def test_a_voxel_that_is_in_no_label_of_the_data_is_another_thing(opened, tmp_path):
    save_volume(tmp_path / "out" / "masks" / "L" / "tc" / "a.nii.gz", np.zeros_like(PREDICTED), np.eye(4))
    opened["tc"].rows["mask_sha256"] = ""  # as in rows of a version that kept none
    maps = load_label_maps(opened, "a", ("L",))
    assert maps.names == (*NAMES, OTHER)
    np.testing.assert_array_equal(maps.predictions["L"] == 4, PREDICTED == 1)  # enhancing and not core


def test_a_mask_that_is_gone_leaves_the_others(opened):
    opened["et"].mask("a", "L").unlink()
    maps = load_label_maps(opened, "a", ("L",))
    assert "is gone" in maps.alone["L"]
    np.testing.assert_array_equal(maps.reference, REFERENCE)


def test_regions_of_your_own_name_the_labels_without_a_declaration(tmp_path):
    sources = {"L": write_cases(tmp_path) / "labels"}
    regions = ("whole", "a=1")
    evaluate(sources, tmp_path / "out", references=tmp_path / "references", regions=regions)
    opened = {region: open_comparison(tmp_path / "out", region=region) for region in regions}
    maps = load_label_maps(opened, "a", ("L",))
    assert maps.names == ("label 1", ANY_OTHER)
    np.testing.assert_array_equal(maps.reference, np.where(REFERENCE == 1, 1, np.where(REFERENCE > 0, 2, 0)))
    np.testing.assert_array_equal(maps.predictions["L"], np.where(PREDICTED == 1, 1, np.where(PREDICTED > 0, 2, 0)))
