"""What `NAME=PATH` may be, and what is never loaded."""

import hashlib
import json
import pickle
import shlex
import shutil
from pathlib import Path

import pytest

from afl_core.errors import CheckpointError, DataError, UsageError
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.pipeline import evaluate_case
from afl_core.evaluation.prediction_files import source_name
from afl_core.evaluation.sources import NAME, MaskSource, parse_sources
from afl_core.model.checkpoints import CARD, WEIGHTS
from afl_core.volume import Case


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


def test_what_a_path_is_is_read_from_what_it_holds(masks, tmp_path, make_checkpoint):
    checkpoint = make_checkpoint(tmp_path / "net")
    assert parse_sources([f"A-FL 1.0={checkpoint}", f"B={masks}"]) == (
        CheckpointSource("A-FL 1.0", checkpoint),
        MaskSource("B", masks),
    )


def test_an_equals_sign_may_be_part_of_the_path(masks, tmp_path):
    folder = masks.rename(tmp_path / "run=3")
    assert parse_sources([f"A={folder}"])[0].path == folder


@pytest.mark.parametrize(
    "folder", ["nnUNetTrainerDiceCELoss_noSmooth__nnUNetResEncUNetLPlans__3d_cascade_fullres", "x" * 200, "(ö) __"]
)
def test_the_name_of_every_folder_can_be_a_source(folder):
    assert NAME.fullmatch(source_name(Path(folder)) + " 12")


@pytest.mark.parametrize("text", ["{}", "={}", "A=", "A/B={}", "../A={}", ".A={}", "a" * 81 + "={}", "A\n={}", "é={}"])
def test_a_source_that_is_not_name_equals_path_is_refused(text, masks):
    with pytest.raises(UsageError, match="A source is written NAME=PATH"):
        parse_sources([text.format(masks)])


def test_the_same_name_twice_is_refused_also_in_another_case(masks):
    with pytest.raises(UsageError, match=r"same name \(received: a, A\)"):
        parse_sources([f"a={masks}", f"A={masks}"])


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"The source A does not exist.*nowhere"):
        parse_sources([f"A={tmp_path / 'nowhere'}"])


def test_a_pickle_is_refused_without_being_loaded(tmp_path):
    for name in ("model.pt", "model.pth", "model.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
        with pytest.raises(CheckpointError, match="Pickled weights are not loaded"):
            parse_sources([f"A={tmp_path / name}"])
    assert not (tmp_path / "sprung").exists()


def test_a_folder_with_a_pickle_is_no_checkpoint_and_is_not_loaded(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "weights.pt").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    (folder / CARD).write_text("{}")
    with pytest.raises(CheckpointError, match="not a checkpoint of the workbench"):
        parse_sources([f"A={folder}"])
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_named_safetensors_is_not_loaded(tmp_path, make_checkpoint):
    from afl_core.model.checkpoints import load_network

    folder = make_checkpoint(tmp_path / "net")
    (folder / WEIGHTS).write_bytes(data := pickle.dumps(Trap(tmp_path / "sprung")))
    card = json.loads((folder / CARD).read_text()) | {"weights_sha256": hashlib.sha256(data).hexdigest()}
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="weights in net do not fit"):
        load_network(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", ["nothing", "text", "sub-folder"])
def test_a_folder_that_is_neither_says_what_is_accepted(content, tmp_path, masks):
    folder = tmp_path / "folder"
    folder.mkdir()
    if content == "text":
        (folder / "notes.txt").write_text("no")
    if content == "sub-folder":
        masks.rename(folder / "masks")
    with pytest.raises(CheckpointError, match="or a folder of predicted masks"):
        parse_sources([f"A={folder}"])


def test_a_folder_of_models_names_each_as_a_source(tmp_path, masks):
    folder = tmp_path / "predictions"
    for model in ("model A", "b"):
        shutil.copytree(masks, folder / model)
    with pytest.raises(CheckpointError, match="holds such folders") as caught:
        parse_sources([f"A={folder}"])
    assert f"--source b={folder}/b --source 'model_A={folder}/model A'" in caught.value.todo
    assert len(parse_sources(shlex.split(caught.value.todo.partition(": ")[2])[1::2])) == 2


def test_references_beside_models_are_no_source(tmp_path, masks):
    for name in ("a", "b", "labelsTr"):
        shutil.copytree(masks, tmp_path / "all" / name)
    with pytest.raises(CheckpointError, match=r"received: a, b, labelsTr\)") as caught:
        parse_sources([f"A={tmp_path / 'all'}"])
    assert shlex.split(caught.value.todo.partition(": ")[2])[1::2] == [f"{n}={tmp_path}/all/{n}" for n in "ab"]


def test_two_masks_of_one_case_are_named(masks):
    """Not called a folder that is no checkpoint, even where there is nothing else."""
    for case_id in "BCD":
        (masks / f"Case_{case_id}.nii.gz").unlink()
    (masks / "Case_A.nii").write_bytes(b"")
    (source,) = parse_sources([f"A={masks}"])
    with pytest.raises(DataError, match=r"Two masks .*Case_A\.nii and Case_A\.nii\.gz"):
        source.predict(Case("Case_A", {}), {}, None)


def test_a_mask_on_another_grid_is_a_problem_that_names_source_and_case(masks, cohort, tmp_path):
    reference = cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz"
    (masks / "Case_A.nii.gz").write_bytes((masks / "Case_C.nii.gz").read_bytes())
    result = evaluate_case(Case("Case_A", {}, reference), (MaskSource("A", masks),), tmp_path / "out")
    assert "A's mask of Case_A lies on another grid than the reference" in result.problems["A"]
    assert "(32, 32, 32) against (32, 36, 34) voxels" in result.problems["A"]


def test_a_checkpoints_key_depends_on_rule_and_images_but_not_on_scores(tmp_path, cohort, make_checkpoint):
    from afl_core.data.layouts import load_cohort
    from afl_core.model.checkpoints import add_scores

    first, second = load_cohort(cohort).cases[:2]
    source = CheckpointSource("A", make_checkpoint(tmp_path / "net"))
    key = source.key(first)
    assert key == source.key(first)
    assert key != source.key(second)
    add_scores(source.path, {"dsc": 1})
    assert source.key(first) == key
    make_checkpoint(tmp_path / "net", decision_rule="tumour_channel")
    assert source.key(first) != key
