"""The trainers inside nnU-Net: found by its own variable, with its weights of levels, and its cross-entropy."""

import json

import numpy as np
import pytest
import torch
from made_balls import CASES, RADII_MM, command
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.training.nnUNetTrainer.variants.loss.nnUNetTrainerCELoss import nnUNetTrainerCELoss
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from afl_core.errors import UsageError
from afl_core.loss import factors
from afl_core.nnunet.catalogue import TRAINERS, TrainerSpec

OFF = {"alpha": "none", "gamma_volume": False, "gamma_smoothness": "none", "activation": "softmax"}


def make(name, plans, **labels):
    """A trainer before its network is made; labels replace those of the data set."""
    kind = recursive_find_trainer_class_by_name(name) if isinstance(name, str) else name
    described = plans[1] | labels
    return kind(json.loads(json.dumps(plans[0])), "3d_fullres", 0, described, torch.device("cpu"))


def plain():
    """Our trainer with all terms off."""
    base = recursive_find_trainer_class_by_name("nnUNetTrainerAFL_paper")
    return type("Plain", (base,), {"spec": TrainerSpec("All terms off.", "adaptive_focal", OFF)})


def batch(trainer, masks=1, channels=2):
    """Logits and targets at every level that this trainer's network has."""
    torch.manual_seed(0)
    patch = trainer.configuration_manager.patch_size
    whole = torch.rand(2, masks, *patch).gt(0.9).to(torch.int16)
    outputs, targets = [], []
    for scale in trainer._get_deep_supervision_scales():
        every = [round(1 / s) for s in scale]
        targets.append(whole[:, :, :: every[0], :: every[1], :: every[2]])
        outputs.append(torch.randn(2, channels, *targets[-1].shape[2:], requires_grad=True))
    return outputs, targets


@pytest.mark.parametrize("name", [*TRAINERS, "nnUNetTrainerAFL_released_levels_3epochs_7iterations"])
def test_nnunet_finds_every_trainer_by_its_variable(name, plans):
    kind = recursive_find_trainer_class_by_name(name)
    assert issubclass(kind, nnUNetTrainer)
    assert kind.__name__ == name
    trainer, theirs = make(name, plans), make("nnUNetTrainer", plans)
    lengths = (3, 7, 2) if name.endswith("7iterations") else (1000, 250, 50)
    found = (trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch)
    assert found == lengths
    for same in ("initial_lr", "weight_decay", "oversample_foreground_percent"):
        assert getattr(trainer, same) == getattr(theirs, same)
    assert name in trainer.output_folder


def test_other_names_are_told_by_nnunet():
    with pytest.raises(RuntimeError, match="Could not find requested nnunet trainer nnUNetTrainerAFL_papr"):
        recursive_find_trainer_class_by_name("nnUNetTrainerAFL_papr")


CLASSES = {
    "one tumour": {"background": 0, "tumour": 1},
    "three classes": {"background": 0, "edema": 1, "core": 2},
    "ignored voxels": {"background": 0, "edema": 1, "core": 2, "ignore": 3},
}


@pytest.mark.parametrize("labels", CLASSES.values(), ids=CLASSES)
def test_all_terms_off_is_nnunets_cross_entropy_trainer(plans, labels):
    ours, theirs = (make(trainer, plans, labels=labels) for trainer in (plain(), nnUNetTrainerCELoss))
    outputs, targets = batch(ours, channels=ours.label_manager.num_segmentation_heads)
    assert len(outputs) >= 2
    targets = [torch.randint_like(target, len(labels)) for target in targets]
    losses = [trainer._build_loss()(outputs, targets) for trainer in (ours, theirs)]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-6)
    for mine, other in zip(*(torch.autograd.grad(x, outputs, allow_unused=True) for x in losses), strict=True):
        if other is None:  # the level of weight 0
            assert mine is None
        else:
            torch.testing.assert_close(mine, other, rtol=0, atol=1e-6)


def test_the_weights_of_the_levels_are_nnunets(plans):
    theirs = make("nnUNetTrainer", plans)._build_loss().weight_factors
    for name in TRAINERS:
        assert make(name, plans)._build_loss().heads.weights == pytest.approx(tuple(theirs), abs=1e-12)
    assert theirs[-1] == 0


def test_without_deep_supervision_there_is_one_level(plans):
    trainer = make(plain(), plans)
    trainer.enable_deep_supervision = False
    x, target = torch.randn(1, 2, 8, 8, 8), torch.rand(1, 1, 8, 8, 8).gt(0.5).to(torch.int16)
    ce = torch.nn.functional.cross_entropy(x, target[:, 0].long())
    assert trainer._build_loss()(x, target).item() == pytest.approx(ce.item(), abs=1e-6)


REGIONS = {"labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}


def test_ignored_voxels_of_regions_count_for_nothing(plans):
    labels = {"labels": REGIONS["labels"] | {"ignore": 3}}
    trainer = make("nnUNetTrainerAFL_paper", plans, **REGIONS | labels)
    outputs, targets = batch(trainer, masks=3)
    loss = trainer._build_loss()
    value = loss(outputs, targets := [target.bool() for target in targets])
    for gradient, target in zip(torch.autograd.grad(value, outputs, allow_unused=True), targets, strict=True):
        if gradient is not None:
            assert not gradient[target[:, -1:].expand_as(gradient)].any()
            assert gradient[~target[:, -1:].expand_as(gradient)].any()


@pytest.mark.parametrize("name", TRAINERS)
def test_regions_have_a_sigmoid_each(name, plans):
    trainer = make(name, plans, **REGIONS)
    outputs, targets = batch(trainer, masks=2)
    loss = trainer._build_loss()
    value = loss(outputs, [target.bool() for target in targets])
    assert value.isfinite()
    swapped = loss([x.flip(1) for x in outputs], [target.flip(1).bool() for target in targets])
    assert swapped.item() == pytest.approx(value.item(), rel=1e-5)


def test_what_a_loss_does_not_take_is_refused_before_training(plans):
    with pytest.raises(UsageError, match="Blob takes the background and one class"):
        make("nnUNetTrainerBlob", plans, labels={"background": 0, "a": 1, "b": 2})._build_loss()


def test_a_case_is_that_of_the_preprocessed_folder_and_its_spacing_that_of_its_axes(plans):
    """The ellipsoids have known radii in mm: extent times spacing, axis by axis, must be twice those."""
    trainer = make("nnUNetTrainerAFL_paper_case", plans)
    trainer.dataset_class = infer_dataset_class(trainer.preprocessed_dataset_folder)
    loss = trainer._build_loss()
    for case in CASES:
        mask = trainer._reference(case)
        assert mask.shape[:2] == (1, 1)
        extents = [len(set(where.tolist())) for where in mask[0, 0].nonzero(as_tuple=True)]
        along = list(trainer.plans_manager.transpose_forward)
        assert along == [1, 0, 2]
        spacing = np.array(loss.heads.spacing_mm)
        radii = np.array(RADII_MM)[::-1][along]  # SimpleITK gives Z, Y, X; the plans move them
        shrunk = (np.array(extents) * spacing / (2 * radii)).mean()
        assert 0.75 < shrunk < 1.1
        assert np.all(np.abs(extents - 2 * radii * shrunk / spacing) < 1.5)
    outputs, targets = batch(trainer)
    loss.cases = CASES[:2]
    loss(outputs, targets)
    known = loss._known[CASES[1]]
    expected = factors(trainer._reference(CASES[1]), smoothness="surface")
    assert (known.alpha_va, known.gamma_msa) == (expected.alpha_va, expected.gamma_msa)


@pytest.mark.parametrize("name", ["nnUNetTrainerFL", "nnUNetTrainerAFL_scale_free_case"])
def test_nnunet_trains_validates_and_predicts(name, folders, tmp_path):
    trainer = f"{name}_2epochs_2iterations"
    said = command("nnUNetv2_train", "501", "3d_fullres", "0", "-tr", trainer, "-device", "cpu", "--npz")
    assert "Mean Validation Dice" in said
    made = folders / "results" / "Dataset501_Balls" / f"{trainer}__nnUNetPlans__3d_fullres" / "fold_0"
    assert (made / "checkpoint_final.pth").is_file()
    (case,) = json.loads((made / "validation" / "summary.json").read_text())["metric_per_case"]
    assert 0 <= case["metrics"]["1"]["Dice"] <= 1
    (probabilities,) = made.glob("validation/*.npz")
    assert np.load(probabilities)["probabilities"].sum(axis=0) == pytest.approx(1, abs=1e-2)
    images = folders / "raw" / "Dataset501_Balls" / "imagesTr"
    places = ("-i", images, "-o", tmp_path, "-d", "501", "-c", "3d_fullres", "-f", "0", "-tr", trainer)
    command("nnUNetv2_predict", *places, "-device", "cpu", "-npp", "1", "-nps", "1", "--disable_tta")
    assert len(list(tmp_path.glob("*.nii.gz"))) == len(CASES)
