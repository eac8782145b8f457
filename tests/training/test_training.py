"""Runs that repeat bit for bit, compare fairly, and choose their weights on the validation split alone."""

import hashlib
import json
import random

import numpy as np
import pytest
import torch

from afl_core.data.layouts import load_case, load_cohort
from afl_core.data.splits import load_splits
from afl_core.errors import DataError, UsageError
from afl_core.model.checkpoints import CARD, WEIGHTS, load_card, load_network
from afl_core.training import loop
from afl_core.training.config import TrainConfig
from afl_core.training.loop import BatchSampler, train, training_case, validation_dsc
from afl_core.training.run import train_checkpoint
from afl_core.volume import Mask, Volume

TINY = {"sequences": ("flair", "t1ce"), "patch_size": (16, 16, 16), "validate_every": 2, "steps": 2}
FOCAL = TrainConfig(loss="focal", loss_settings={"gamma": 2.0}, **TINY)
ADAPTIVE = TrainConfig(loss="adaptive_focal", loss_settings={"alpha": "released"}, **TINY)


def prepared(root, config=FOCAL):
    cases = [load_case(case) for case in load_cohort(root).cases]
    return [training_case(case.case.case_id, case.images, case.reference, config) for case in cases]


@pytest.fixture
def cases(cohort):
    return prepared(cohort)


def digest(network):
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in network.state_dict().values())).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(cases):
    config = FOCAL.model_copy(update={"steps": 3})
    first, second = (train(config, cases[:2], cases[2:3]) for _ in range(2))
    assert digest(first.network) == digest(second.network)
    assert first.history == second.history
    other = train(config.model_copy(update={"seed": 1}), cases[:2], cases[2:3])
    assert digest(other.network) != digest(first.network)
    assert other.initial_weights_sha256 != first.initial_weights_sha256


def test_fl_and_a_fl_start_from_the_same_weights_and_see_the_same_batches(cases, monkeypatch):
    seen = {}

    class Spy(BatchSampler):
        def __call__(self, step):
            batch = super().__call__(step)
            seen.setdefault(self.config.loss, []).append(batch)
            return batch

    monkeypatch.setattr(loop, "BatchSampler", Spy)
    focal, adaptive = (train(config, cases[:2], cases[2:3]) for config in (FOCAL, ADAPTIVE))
    assert focal.initial_weights_sha256 == adaptive.initial_weights_sha256
    assert digest(focal.network) != digest(adaptive.network)
    for one, two in zip(seen["focal"], seen["adaptive_focal"], strict=True):
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])
        assert one[2] == two[2]


def test_initial_weights_are_those_of_the_seed(cases, monkeypatch):
    """Hashed before the first step, not after."""
    from afl_core.model.networks import build_model

    result = train(FOCAL, cases[:1], cases[2:3])
    torch.manual_seed(FOCAL.seed)
    assert result.initial_weights_sha256 == digest(build_model("demo_unet", in_channels=2))
    assert result.initial_weights_sha256 != digest(result.network)


def test_a_batch_depends_on_seed_and_step_alone(cases):
    forwards, backwards = BatchSampler(cases, FOCAL), BatchSampler(cases, ADAPTIVE)
    early = [forwards(step) for step in (1, 2, 3)]
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - MONAI's global state must not matter either
    torch.manual_seed(5)
    late = [backwards(step) for step in (3, 2, 1)][::-1]
    for one, two in zip(early, late, strict=True):
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])
        assert one[2] == two[2]
    assert not torch.equal(early[0][0], early[1][0])
    other = BatchSampler(cases, FOCAL.model_copy(update={"seed": 1}))(1)
    assert not torch.equal(other[0], early[0][0])


def test_batches_are_patches_of_image_and_label_together(cases):
    """Flips move both: the first channel is brighter exactly where the label is (by far more than noise)."""
    draw = BatchSampler(cases, FOCAL)
    with_tumour = 0
    for step in range(1, 21):
        image, label, names = draw(step)
        assert image.shape == (2, 2, 16, 16, 16)
        assert label.shape == (2, 1, 16, 16, 16)
        assert image.dtype == label.dtype == torch.float32
        assert len(names) == 2
        for patch, mask in zip(image[:, 1], label[:, 0] > 0, strict=True):
            with_tumour += bool(mask.any())
            if mask.any() and not mask.all():
                assert patch[mask].min() > patch[~mask].max() - 1e-3
    assert 18 <= with_tumour <= 40  # half of the 40 patches by design, and some of the rest


def test_a_case_without_tumour_and_one_smaller_than_the_patch_are_trained_on(cases):
    small = Volume(np.random.default_rng(0).random((12, 40, 9), np.float32), np.diag([2, 2, 2, 1.0]))
    images = {"flair": small, "t1ce": small}
    blob = np.zeros(small.array.shape, np.bool_)
    blob[3:6, 30:34, 2:5] = True
    some = training_case("small", images, Mask(blob, small.affine), FOCAL)
    none = training_case("none", images, Mask(np.zeros_like(blob), small.affine), FOCAL)
    assert some.image.shape == (2, 16, 40, 16)
    assert not some.image[:, 12:].any()
    assert np.array_equal(some.label[0, :12, :, :9].numpy(), blob)
    result = train(FOCAL, [some, none], [some])
    assert np.isfinite(result.history[-1].loss)
    everywhere = training_case("all", images, Mask(np.ones_like(blob), small.affine), FOCAL)
    assert BatchSampler([everywhere], FOCAL)(1)[1].any()


def test_the_label_is_resampled_to_the_images_grid():
    blob = np.zeros((40, 40, 40), np.bool_)
    blob[5:13, 11:21, 17:29] = True  # odd edges: the first of each pair of voxels would give another label
    image = Volume(np.where(blob, 5, np.random.default_rng(0).random(blob.shape)).astype(np.float32), np.eye(4))
    case = training_case("a", {"flair": image, "t1ce": image}, Mask(blob, image.affine), FOCAL)
    assert case.image.shape == (2, 20, 20, 20)
    assert case.image.dtype == torch.float16
    assert case.label.shape == (1, 20, 20, 20)
    expected = np.zeros((20, 20, 20), np.uint8)
    expected[2:6, 5:10, 8:14] = 1
    assert np.array_equal(case.label[0].numpy(), expected)
    assert len(case.tumour_voxels) == expected.sum()
    assert len(case.tumour_voxels) + len(case.other_voxels) == 20**3
    assert bool((case.label.flatten()[case.tumour_voxels] == 1).all())


def test_the_best_step_is_chosen_by_validation_and_its_weights_are_kept(cases, monkeypatch):
    scores = iter([0.2, 0.9, 0.9, 0.5])
    weights = []

    def score(network, validation, config):
        assert [case.case_id for case in validation] == ["Case_C"]
        weights.append(digest(network))
        return next(scores)

    monkeypatch.setattr(loop, "validation_dsc", score)
    config = FOCAL.model_copy(update={"steps": 4, "validate_every": 1})
    reported = []
    result = train(config, cases[:2], cases[2:3], report=reported.append)
    assert (result.best_step, result.best_validation_dsc) == (2, 0.9)
    assert digest(result.network) == weights[1]
    assert len(set(weights)) == 4
    assert [(p.step, p.validation_dsc) for p in reported] == [(1, 0.2), (2, 0.9), (3, 0.9), (4, 0.5)]
    assert tuple(reported) == result.history
    assert not result.network.training


def test_validation_is_done_at_the_last_step_also(cases):
    result = train(FOCAL.model_copy(update={"steps": 3}), cases[:1], cases[2:3])
    assert [p.step for p in result.history if p.validation_dsc is not None] == [2, 3]


def test_validation_dsc_is_the_mean_over_whole_cases_under_the_rule(cases):
    class Says(torch.nn.Module):
        def forward(self, image):
            return torch.stack([torch.ones_like(image[:, 0]), torch.full_like(image[:, 0], 0.5)], dim=1)

    network = Says()
    everything = validation_dsc(network, cases, FOCAL.model_copy(update={"decision_rule": "tumour_channel"}))
    fractions = [float(case.label.float().mean()) for case in cases]
    assert everything == pytest.approx(np.mean([2 * f / (1 + f) for f in fractions]))
    assert validation_dsc(network, cases, FOCAL) == 0
    assert network.training


def test_a_loss_that_is_not_finite_names_step_and_cases(cases):
    config = FOCAL.model_copy(update={"learning_rate": 1e38, "steps": 4, "validate_every": 4})
    with pytest.raises(
        DataError, match=r"The loss is not finite at step [234] \(received: (nan|inf) on Case_[AB], Case_[AB]\)"
    ):
        train(config, cases[:2], cases[2:3])


@pytest.mark.parametrize(("training", "validation"), [(0, 1), (1, 0)])
def test_training_needs_both_splits(cases, training, validation):
    with pytest.raises(DataError, match=f"received: {training} and {validation}"):
        train(FOCAL, cases[:training], cases[:validation])


def test_a_wrong_loss_setting_is_named(cases):
    with pytest.raises(UsageError, match=r"no setting of focal of that name.*gama"):
        train(FOCAL.model_copy(update={"loss_settings": {"gama": 1}}), cases[:1], cases[:1])


def test_a_checkpoint_of_a_run_says_how_it_was_made_and_loads(cohort, tmp_path):
    out = tmp_path / "run"
    read = load_cohort(cohort)
    splits = load_splits(cohort / "splits.json")
    train_checkpoint(FOCAL, read, splits, out, command="afl train x", report=lambda progress: None)
    network, card = load_network(out)
    assert (card.name, card.label, card.loss, card.decision_rule) == ("run", "FL", "focal", "argmax")
    assert (card.command, card.sequences, card.patch_size) == ("afl train x", ("flair", "t1ce"), (16, 16, 16))
    assert card.weights_sha256 == hashlib.sha256((out / WEIGHTS).read_bytes()).hexdigest()
    assert card.training["steps"] == 2
    assert card.training["parameters"] == sum(p.numel() for p in network.parameters())
    assert card.training["best_step"] == 2
    assert len(card.training["initial_weights_sha256"]) == 64
    assert card.data["cases"] == {"train": 2, "validation": 1, "test": 1}
    assert set(card.scores["test_mean_dsc_by_decision_rule"]) == {
        "tumour_channel",
        "background_complement",
        "argmax",
    }
    assert json.loads((out / CARD).read_text())["licence"] == "Apache-2.0"


def test_a_run_depends_on_the_training_cases_not_on_the_test_cases(cohort, tmp_path):
    splits = load_splits(cohort / "splits.json")

    def run(name):
        train_checkpoint(FOCAL, load_cohort(cohort), splits, tmp_path / name, command="", report=lambda progress: None)
        return load_card(tmp_path / name)

    first = run("a")
    test = cohort / "HGG" / "Case_D"
    for sequence in ("flair", "t1ce"):
        (test / f"Case_D_{sequence}.nii.gz").write_bytes((test / "Case_D_t2.nii.gz").read_bytes())
    second = run("b")
    assert second.weights_sha256 == first.weights_sha256
    assert second.data == first.data | {"name": "cohort"}
    training = cohort / "HGG" / "Case_A"
    (training / "Case_A_flair.nii.gz").write_bytes((training / "Case_A_t2.nii.gz").read_bytes())
    third = run("c")
    assert third.weights_sha256 != first.weights_sha256
    assert third.data["training_files_sha256"] != first.data["training_files_sha256"]


def test_the_card_counts_the_cases_that_were_used(cohort, tmp_path):
    """One that could not be found or has no reference is not claimed."""
    (cohort / "HGG" / "Case_B" / "Case_B_t1.nii.gz").unlink()
    train_checkpoint(
        FOCAL,
        load_cohort(cohort),
        load_splits(cohort / "splits.json"),
        tmp_path / "run",
        command="",
        report=lambda progress: None,
    )
    assert load_card(tmp_path / "run").data["cases"] == {"train": 1, "validation": 1, "test": 1}


@pytest.mark.parametrize("missing", ["train", "validation", "test"])
def test_a_missing_split_is_named(cohort, tmp_path, missing):
    splits = {name: ids for name, ids in load_splits(cohort / "splits.json").items() if name != missing}
    with pytest.raises(UsageError, match=f"The data set has no {missing} split"):
        train_checkpoint(FOCAL, load_cohort(cohort), splits, tmp_path / "run", command="", report=lambda p: None)
    assert not (tmp_path / "run").exists()
