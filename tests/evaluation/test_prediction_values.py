"""What the values of predicted files mean, decided for their folder."""

import numpy as np
import pandas as pd
import pytest

from afl_core.base.words import number_of
from afl_core.data.formats.files import load_labels, load_mask
from afl_core.data.layouts import references_cohort
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.caveats import _alone, _foreign, notes, warnings
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.facts import changed_sentence
from afl_core.evaluation.prediction_reading import changes, load_prediction
from afl_core.evaluation.prediction_values import decide_meaning, describe_mixture, sort_by_kind
from afl_core.evaluation.results import Results
from afl_core.evaluation.rows import row_key
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import MaskSource, decide_meanings, parse_sources, source_text
from afl_core.volume import Region

ET = Region("et", (3,), (1, 2, 3))
SHAPE = (10, 10, 10)


@pytest.fixture
def put(tmp_path, write_nifti):
    def put(name, values):
        """A file whose first voxels hold these values, and the others 0."""
        array = np.zeros(SHAPE, np.asarray(values).dtype)
        array.ravel()[: len(values)] = values
        return write_nifti(tmp_path / name, array)

    return put


@pytest.mark.parametrize("beyond", [1.0000002, -1e-9, 1.0009, -0.0009])
def test_rounding_beyond_0_and_1_leaves_a_map_a_map(put, beyond):
    path = put("a.nii.gz", np.array([beyond, 0.6, 0.4], np.float32))
    mask, probabilities, note = load_prediction(path)
    assert mask.array.ravel()[:4].tolist() == [beyond > 0.5, True, False, False]
    assert probabilities is not None
    assert (probabilities.min(), probabilities.max()) == (0, 1 if beyond > 0 else np.float32(0.6))
    assert note == "a map of probabilities, cut at 0.5"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_map_of_0_to_255_is_no_label_image_and_is_cut_at_one_half(put, dtype):
    path = put("a.nii.gz", np.arange(256).astype(dtype))
    for load in (load_labels, load_mask):
        with pytest.raises(DataError, match=r"looks like a map of 0 to 255 .*256 different values.*0 and 1"):
            load(path)
    mask, _, note = load_prediction(path)
    assert int(mask.array.sum()) == 128  # 128 to 255: 127 / 255 is below one half
    assert note == "a map of 0 to 255, divided by 255, cut at 0.5"


@pytest.mark.parametrize("top", [100, 1000, 65535])
def test_a_map_of_another_scale_is_refused(put, top):
    with pytest.raises(DataError, match="looks like a map of"):
        load_prediction(put("a.nii.gz", np.linspace(0, top, 60).astype(np.uint16)))


@pytest.mark.parametrize("value", [255, 1000, 65535])
def test_a_file_of_one_value_is_a_mask_whatever_the_value(put, value):
    path = put("a.nii.gz", np.array([0, value, value], np.uint16))
    for region in (Region(), ET):
        mask, _, note = load_prediction(path, region)
        assert (int(mask.array.sum()), note) == (2, "")


def test_predictions_without_background_are_refused_and_inverted_ones_said(tmp_path, write_nifti):
    """Of 1,000 voxels 27 are tumour; an inverted mask has the other 973, and shares none with the reference."""
    tumour = np.zeros(SHAPE, np.uint8)
    tumour[3:6, 3:6, 3:6] = 1
    for place, array in (("refs", tumour), ("A", tumour), ("B", 1 - tumour), ("C", tumour + 1), ("D", 0 * tumour + 1)):
        write_nifti(tmp_path / place / "a.nii.gz", array)
    cohort, results = references_cohort(tmp_path / "refs"), Results(tmp_path / "out")
    sources = decide_meanings(parse_sources([f"{name}={tmp_path / name}" for name in "ABCD"]), cohort)
    sources += parse_sources([f"E={tmp_path / 'C'}"], meaning="mask")
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    rows, manifest = results.cases(), results.manifest()
    assert dict(zip(rows["source"], rows["dsc"].round(3), strict=True)) == {"A": 1, "B": 0, "D": 0.053}  # 54 / 1027
    for name in "CE":
        assert "has no voxel of 0, which is the background (received: labels 1, 2)" in manifest.problems["a"][name]
    said = [text for text in warnings(manifest, rows) if "corners" in text]
    assert [text[:18] for text in said] == ["The masks of B fil", "The masks of D fil"]
    assert "in 1 of 1 case: are tumour and background exchanged?" in said[0]
    assert changed_sentence(open_comparison(results.folder)) == ""  # nothing was changed


def test_a_nearly_empty_map_of_bytes_is_not_a_mask_beside_full_ones(put):
    full, nearly = put("a.nii.gz", np.arange(256).astype(np.uint8)), put("b.nii.gz", np.array([1, 2, 3], np.uint8))
    assert load_prediction(nearly)[0].array.sum() == 3  # by itself it could be
    other = put("c.nii.gz", np.arange(255).astype(np.uint8))
    assert decide_meaning(sort_by_kind([full, nearly, other]), Region()) == "byte-probabilities"
    for meaning in ("byte-probabilities", "probabilities"):
        with pytest.raises(DataError, match="not a map of probabilities, as other files"):
            load_prediction(nearly, meaning=meaning)


@pytest.mark.parametrize(
    "values",
    [
        [3, 17, 88, 201, 255],
        [2, 5, 11, 26],
        [1, 255],
        [12, 3051, 65535],
        list(range(1, 256, 9)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_nearly_empty_map_is_hardly_labels_even_alone(put, values, dtype):
    path = put("a.nii.gz", np.array(values, dtype))
    with pytest.raises(DataError, match=r"a\.nii\.gz is hardly a mask or labels") as error:
        load_prediction(path)
    assert f"values {values[0]}, {values[1]}" in error.value.received
    assert "--prediction-labels mask" in error.value.todo
    assert int(load_prediction(path, meaning="mask")[0].array.sum()) == len(values)


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ([1, 2, 4], ()),
        ([1, 2, 3], ()),
        ([4], ()),
        ([2, 5], ()),
        (list(range(1, 33)), ()),
        ([1, 2, 3, 5, 6, 9], ()),  # numbered lesions of which some were removed
        ([17, 53, 77, 85], (2, 17, 41, 53, 77, 85)),
    ],
)
def test_labels_one_voxel_each_are_labels(put, values, known):
    mask, probabilities, note = load_prediction(
        put("a.nii.gz", np.array(values, np.uint8)), Region("whole", known, known)
    )
    assert (int(mask.array.sum()), probabilities, note) == (len(values), None, "")


@pytest.mark.parametrize("codes", [(17, 53, 77, 85), (63, 126, 189, 252), (1000, 2035)])
def test_codes_of_an_atlas_lie_in_solid_pieces(write_nifti, tmp_path, codes):
    array = np.zeros(SHAPE, np.uint16)
    for number, code in enumerate(codes):
        array[2 * number : 2 * number + 2, 3:7, 3:7] = code
    mask, _, note = load_prediction(write_nifti(tmp_path / "a.nii.gz", array))
    assert (int(mask.array.sum()), note) == (32 * len(codes), "")


def test_a_small_smooth_map_of_bytes_is_hardly_labels(write_nifti, tmp_path):
    away = np.linalg.norm(np.indices((5, 5, 5)) - np.array([[2.1], [1.9], [2.2]])[..., None, None], axis=0)
    array = np.zeros(SHAPE, np.uint8)
    array[2:7, 2:7, 2:7] = np.where(away < 1.8, 90 * np.exp(-(away**2)), 0)
    assert 4 < len(np.unique(array)) < 33
    with pytest.raises(DataError, match="nearly empty map"):
        load_prediction(write_nifti(tmp_path / "a.nii.gz", array))


def test_every_file_of_a_folder_counts_whatever_its_size(put):
    """Files that are not compressed are of one size: those with the maps may be any of them."""
    paths = [put(f"{number}.nii", np.array([1, 2, 3], np.uint8)) for number in range(5)]
    assert decide_meaning(sort_by_kind(paths), Region()) == "labels"
    paths += [put(f"{number}.nii", np.arange(256).astype(np.uint8)) for number in range(5, 11)]
    assert decide_meaning(sort_by_kind(paths), Region()) == "byte-probabilities"


def test_a_map_among_labels_is_a_problem_of_its_case(tmp_path, put):
    for case_id in "abc":
        put(f"refs/{case_id}.nii.gz", np.array([1, 1, 1], np.uint8))
        put(f"A/{case_id}.nii.gz", np.array([1, 2, 1], np.uint8))
    put("A/c.nii.gz", np.array([0.9, 0.7, 0.1], np.float32))
    cohort, results = references_cohort(tmp_path / "refs"), Results(tmp_path / "out")
    sources = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort)
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    assert results.cases()["case_id"].tolist() == ["a", "b"]
    assert "c.nii.gz is not a label image: it holds fractions" in results.manifest().problems["c"]["A"]


@pytest.mark.parametrize(
    ("files", "meaning"),
    [
        ([[0, 1, 2, 3], [1]], "labels"),
        ([[40, 88, 201], [1]], "labels"),  # several values are no mask of one region
        ([[65535], [1]], "mask"),
        ([[1], [0]], "mask"),
        ([[255], [1]], "mask"),
        ([[0.2, 0.7], [1.0]], "probabilities"),
        ([[1, 2], [0.5]], "labels"),
    ],
)
def test_files_of_a_part_are_what_all_of_them_say(put, files, meaning):
    paths = [put(f"{number}.nii.gz", np.array(values, np.float32)) for number, values in enumerate(files)]
    assert decide_meaning(sort_by_kind(paths), ET) == meaning
    assert decide_meaning(sort_by_kind(paths[::-1]), ET) == meaning


NOISE = np.random.default_rng(0).normal(0, 300, 1000)
UNUSABLE = {
    "an image": NOISE.astype(np.int16),
    "logits": NOISE.astype(np.float32),
    "48 numbered lesions": np.arange(49).astype(np.uint8),
    "0 and 100000": np.array([0, 100_000], np.int32),
    "255 as a signed byte": np.array([0, -1], np.int8),
    "-1 and 1": np.array([-1, 1, 1], np.int8),
    "labels from 1 on": np.arange(1000).astype(np.uint8) % 2 + 1,
}


@pytest.mark.parametrize("bad", UNUSABLE)
@pytest.mark.parametrize(("kinds", "meaning"), [("ones ones", "mask"), ("labels ones", "labels"), ("maps", "maps")])
def test_a_file_that_cannot_be_used_does_not_change_what_the_others_are(tmp_path, put, bad, kinds, meaning):
    """Its own case alone has a problem."""
    kinds = kinds.split()
    cohort, results = mixed(tmp_path, put, [*kinds, "ones"]), Results(tmp_path / "out")
    put(f"A/{len(kinds)}.nii.gz", UNUSABLE[bad])
    (source,) = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort)
    assert (source.meaning, source.doubt) == ("probabilities" if meaning == "maps" else meaning, "")
    results.describe_cohort(cohort, [source])
    evaluate_into(results, cohort.cases, [source])
    assert results.cases()["case_id"].tolist() == [str(n) for n in range(len(kinds))]
    assert list(results.manifest().problems) == [str(len(kinds))]


KINDS = {"maps": [0.2, 0.7], "labels": [1, 2, 3], "ones": [0, 1, 1], "bytes": list(range(256)), "empty": [0]}


@pytest.mark.parametrize(
    ("kinds", "meaning"),
    [
        ("maps maps labels ones", "maps-beside-labels"),
        ("labels labels maps ones", "labels-beside-maps"),
        ("labels maps ones", "labels-beside-maps"),
        ("maps maps labels", "probabilities"),
        ("maps ones ones ones", "probabilities"),
        ("labels ones empty", "labels"),
        ("bytes bytes ones", "maps-beside-labels"),
        ("ones ones empty", "mask"),
    ],
)
def test_a_folder_of_several_kinds_makes_files_of_0_and_1_ambiguous(put, kinds, meaning):
    paths = [put(f"{n}.nii.gz", np.array(KINDS[kind], np.float32)) for n, kind in enumerate(kinds.split())]
    assert decide_meaning(sort_by_kind(paths), ET) == decide_meaning(sort_by_kind(paths[::-1]), ET) == meaning
    assert bool(describe_mixture(sort_by_kind(paths))) == (
        len({*kinds.split()} - {"ones", "empty"}) > 1 or kinds == "bytes bytes ones"
    )


def test_of_the_whole_label_1_and_a_map_of_1_are_the_same_mask(put):
    paths = [put(f"{n}.nii.gz", np.array(KINDS[kind], np.float32)) for n, kind in enumerate(("maps", "labels", "ones"))]
    assert decide_meaning(sort_by_kind(paths), Region()) == "labels"
    assert describe_mixture(sort_by_kind(paths)) == (
        "1 map of probabilities (0.nii.gz); 1 file of labels (1.nii.gz); "
        "1 file of 0 and 1 alone, which may be either (2.nii.gz)"
    )


def test_every_file_of_a_mixture_is_listed(put):
    kinds = ("maps", "labels", "empty", "empty")
    paths = [put(f"{n}.nii.gz", np.array(KINDS[kind], np.float32)) for n, kind in enumerate(kinds)]
    assert describe_mixture(sort_by_kind(paths)).endswith(
        "2 other files that do not tell what they are (2.nii.gz, 3.nii.gz)"
    )


def mixed(tmp_path, put, kinds):
    """Results of references in BraTS 2023's labels, and of predictions of these kinds, one a case; of ET."""
    for number, kind in enumerate(kinds):
        put(f"refs/{number}.nii.gz", np.array([1, 1, 2, 3, 3, 3], np.uint8))
        put(f"A/{number}.nii.gz", np.array(KINDS[kind], np.float32))
    return references_cohort(tmp_path / "refs", labels="brats2023", region="et")


@pytest.mark.parametrize("kinds", ["maps maps maps labels ones", "labels labels labels maps ones", "labels maps ones"])
def test_a_file_that_may_be_either_is_a_problem_of_its_case_and_the_mixture_is_said_once(tmp_path, put, kinds):
    kinds = kinds.split()
    cohort, results = mixed(tmp_path, put, kinds), Results(tmp_path / "out")
    sources = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort)
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases[-1:], sources)  # the ambiguous case alone: it means the same in a subset
    assert results.cases().empty
    evaluate_into(results, cohort.cases, sources)
    most = "labels" if kinds.count("labels") >= kinds.count("maps") else "maps"
    assert results.cases()["case_id"].tolist() == [str(n) for n, kind in enumerate(kinds) if kind == most]
    manifest = results.manifest()
    (said,) = [text for text in warnings(manifest, results.cases()) if "several kinds" in text]
    assert number_of(kinds.count("maps"), "map of probabilities", "maps of probabilities") in said
    assert f"1 file of 0 and 1 alone, which may be either ({len(kinds) - 1}.nii.gz)" in said
    assert "--prediction-labels" in said
    assert "holds 0 and 1 alone, which may be a label or a map" in manifest.problems[str(len(kinds) - 1)]["A"]
    again = parse_sources([source_text("A", tmp_path / "A", "", manifest.sources["A"].meaning)])
    with pytest.raises(DataError, match="holds 0 and 1 alone"):
        again[0].predict(cohort.cases[-1], {}, None)


def test_a_saturated_map_among_maps_is_counted(tmp_path, put):
    cohort, results = mixed(tmp_path, put, ["maps", "ones"]), Results(tmp_path / "out")
    sources = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort)
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    assert len(results.cases()) == 2
    assert "1 map of A holds 0 and 1 alone." in notes(results.manifest(), results.cases())


@pytest.mark.parametrize(
    ("note", "left"),
    [
        ("", ""),
        ("a file of labels, of which et: 3 was taken", ""),
        ("channel 1 of 3 (TC, WT, ET)", ""),
        (
            "channel 1 of 3 (TC, WT, ET), probabilities cut at 0.5",
            "channel 1 of 3 (TC, WT, ET), probabilities cut at 0.5",
        ),
        (
            "a file of labels, of which et: 3 was taken; placed by a.nii, voxel by voxel",
            "placed by a.nii, voxel by voxel",
        ),
        ("a map of probabilities, cut at 0.5", "a map of probabilities, cut at 0.5"),
    ],
)
def test_the_selection_of_a_region_changes_no_prediction(note, left):
    assert changes(note) == left


@pytest.fixture
def labelled(tmp_path, put):
    """References of two cases in BraTS 2023's labels, and predictions: all labels, and the necrosis alone."""
    for case in ("a", "b"):
        put(f"refs/{case}.nii.gz", np.array([1, 1, 2, 3, 3, 3], np.uint8))
    put("A/a.nii.gz", np.array([1, 1, 2, 3, 3, 3], np.uint8))
    put("A/b.nii.gz", np.array([1, 1], np.uint8))
    return references_cohort(tmp_path / "refs", labels="brats2023", region="et")


def test_a_file_of_necrosis_alone_has_no_enhancing_tumour(tmp_path, labelled):
    sources = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), labelled)
    results = Results(tmp_path / "out")
    results.describe_cohort(labelled, sources)
    evaluate_into(results, labelled.cases, sources)
    rows = results.cases().set_index("case_id")
    assert rows.loc["b", "predicted_volume_ml"] == 0
    assert rows.loc["a", "dsc"] == 1
    assert rows.loc["a", "note"] == "a file of labels, of which et: 3 was taken"
    manifest = results.manifest()
    assert any(
        "1 file of A holds the label 1 alone, such as that of b" in of for of in warnings(manifest, results.cases())
    )
    assert manifest.sources["A"].meaning == "labels"
    assert "A: files of labels, of which the region is taken." in notes(manifest, results.cases())
    assert changed_sentence(open_comparison(results.folder)) == ""  # that is said of the region


def test_what_the_user_says_of_the_files_counts_and_makes_other_rows(tmp_path, labelled):
    folder, case = tmp_path / "A", labelled.cases[1]
    (said,) = decide_meanings(parse_sources([f"A={folder}"], meaning="mask"), labelled)
    (found,) = decide_meanings(parse_sources([f"A={folder}"]), labelled)
    assert (said.meaning, found.meaning) == ("mask", "labels")
    assert said.predict(case, {}, None).mask.array.sum() == 2
    results = Results(tmp_path / "out")
    assert row_key(case, said, results.settings()) != row_key(case, found, results.settings())
    with pytest.raises(UsageError, match=r"Did you mean mask\?"):
        parse_sources([f"A={folder}"], meaning="masks")


@pytest.mark.parametrize("option", ["refuse", "resample"])
def test_option_and_meaning_survive_being_written(tmp_path, labelled, option):
    source = MaskSource("A", tmp_path / "A", option, "labels")
    assert parse_sources([source_text("A", source.path, option, source.meaning)]) == (source,)


def test_maps_of_bytes_are_said_with_the_results(tmp_path, put):
    put("refs/a.nii.gz", np.array([1, 1], np.uint8))
    put("A/a.nii.gz", np.r_[255, 200, np.arange(100)].astype(np.uint8))
    cohort = references_cohort(tmp_path / "refs")
    sources, results = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort), Results(tmp_path / "out")
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    assert results.cases()["dsc"].tolist() == [1]
    assert any(
        "1 file of A with values up to 255 was read" in said for said in warnings(results.manifest(), results.cases())
    )


def test_a_nearly_empty_map_of_bytes_is_read_as_its_folder_is(tmp_path, put):
    """By its own values it could be of per cent; cut at 0.5 of 255 it finds nothing, which is a Dice of 0."""
    for case_id, high in {"a": 255, "b": 255, "c": 80}.items():
        put(f"refs/{case_id}.nii.gz", np.array([1, 1], np.uint8))
        put(f"A/{case_id}.nii.gz", np.r_[high, high, np.arange(70)].astype(np.uint8))
    put("refs/d.nii.gz", np.array([1, 1], np.uint8))
    put("A/d.nii.gz", np.array([2, 1], np.uint8))  # labels, for all that can be known
    cohort = references_cohort(tmp_path / "refs")
    sources, results = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort), Results(tmp_path / "out")
    assert sources[0].meaning == "byte-probabilities"
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    assert results.cases().set_index("case_id")["dsc"].to_dict() == {"a": 1, "b": 1, "c": 0}
    assert "d.nii.gz is not a map of probabilities" in results.manifest().problems["d"]["A"]
    assert "A: maps of 0 to 255, which is a probability of 1, cut at 0.5." in notes(results.manifest(), results.cases())


def test_maps_of_per_cent_alone_are_still_refused(tmp_path, put):
    put("A/a.nii.gz", np.r_[100, 80, np.arange(70)].astype(np.uint8))
    for meaning in ("", "mask", "probabilities"):
        with pytest.raises(DataError, match="0 to 100"):
            load_prediction(tmp_path / "A/a.nii.gz", Region(), meaning)


def channels(axis, *, probable=False):
    """TC of 2 voxels, WT of 3, ET of 1 along x, in an asymmetric grid that is stored LPS."""
    stack = np.zeros((3, 5, 6, 7), np.float32)
    for number, extent in enumerate((2, 3, 1)):
        stack[number, :extent, 0, 0] = 0.9 if probable else 1
    return np.moveaxis(stack, 0, axis)


@pytest.mark.parametrize("axis", [0, 3])
@pytest.mark.parametrize("probable", [False, True])
@pytest.mark.parametrize(("name", "extent", "number"), [("tc", 2, 1), ("whole", 3, 2), ("et", 1, 3)])
def test_channels_are_regions(tmp_path, axis, probable, name, extent, number):
    import nibabel as nib

    path, affine = tmp_path / "a.nii.gz", np.diag([-1.0, -1.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(channels(axis, probable=probable), affine), path)
    mask, probabilities, note = load_prediction(path, Region(name, (1,), (1, 2, 3)))
    right = np.zeros((5, 6, 7), bool)
    right[5 - extent :, 5, 0] = True  # R and A count down as stored
    assert np.array_equal(mask.array, right)
    assert np.array_equal(mask.affine, nib.as_closest_canonical(nib.Nifti1Image(np.zeros((5, 6, 7)), affine)).affine)
    assert note == f"channel {number} of 3 (TC, WT, ET)" + (", probabilities cut at 0.5" if probable else "")
    assert (probabilities is None) != probable


def test_channels_are_measured_on_a_3d_reference(tmp_path, write_nifti):
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[:3, 0, 0] = 3, 1, 2
    write_nifti(tmp_path / "refs" / "a.nii.gz", labels, axes="LPS")
    write_nifti(tmp_path / "A" / "a.nii.gz", labels, axes="LPS")
    import nibabel as nib

    like = nib.load(tmp_path / "A" / "a.nii.gz")
    stored = np.asarray(like.dataobj)
    stack = np.stack([np.isin(stored, (1, 3)), stored > 0, stored == 3]).astype(np.uint8)
    nib.save(nib.Nifti1Image(stack, like.affine), tmp_path / "A" / "a.nii.gz")
    cohort = references_cohort(tmp_path / "refs", labels="brats2023", region="tc")
    sources, results = decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort), Results(tmp_path / "out")
    assert sources[0].meaning == "channels"
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    assert results.cases()["dsc"].tolist() == [1]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (channels(0)[[1, 0, 2]], "not TC, WT and ET in this order"),
        (np.zeros((4, 5, 6, 7), np.uint8), "in one of three channels"),
        (np.zeros((3, 5, 6, 3), np.uint8), "in one of three channels"),
    ],
)
def test_other_4d_files_are_refused(tmp_path, array, said):
    import nibabel as nib

    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match=said):
        load_prediction(tmp_path / "a.nii.gz", ET)


def test_labels_that_the_data_set_lacks_count_and_are_told(put):
    known = (1, 2, 4)
    mask, _, note = load_prediction(put("a.nii.gz", np.array([1, 2, 7], np.uint8)), Region("whole", known, known))
    assert int(mask.array.sum()) == 3
    assert note == "holds labels that the data set does not have, which count as tumour: 7"
    assert changes(note) == "", "a warning says it"
    rows = pd.DataFrame({"source": ["A", "A"], "case_id": ["a", "b"], "note": [note, ""]})
    assert _foreign(rows) == [
        "1 file of A holds labels that the data set does not have, such as 7 in a: they count as tumour."
    ]


def test_a_file_of_label_1_alone_among_labels_is_told(put):
    known = (1, 2, 4)
    path = put("a.nii.gz", np.array([1, 1], np.uint8))
    for region in (Region("whole", known, known), Region("tc", (1, 4), known)):
        *_, note = load_prediction(path, region, "labels")
        rows = pd.DataFrame({"source": ["A"], "case_id": ["a"], "note": [note]})
        (said,) = _alone(rows)
        assert said.startswith("1 file of A holds the label 1 alone, such as that of a: a mask of the whole tumour")
        assert changes(note) == ""
    assert load_prediction(path, Region("whole"), "labels")[2] == "", "one label is all that there is"


def test_labels_without_a_background_are_refused(write_nifti, tmp_path):
    array = np.ones(SHAPE, np.uint8)
    array[2:4, 2:4, 2:4] = 2
    with pytest.raises(DataError, match=r"no voxel of 0, which is the background \(received: labels 1, 2\)"):
        load_prediction(write_nifti(tmp_path / "a.nii.gz", array))
    array[0] = 0
    assert load_prediction(write_nifti(tmp_path / "b.nii.gz", array))[0].array.any()
