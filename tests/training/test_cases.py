"""Cases and batches: image and label stay together, sizes are right, and a batch depends on seed and step alone."""

import random

import numpy as np
import pytest
import torch
from made_runs import ADAPTIVE, FOCAL, prepared

from afl_core.training.cases import AUGMENTATIONS, BatchSampler, training_case
from afl_core.training.config import TrainConfig
from afl_core.training.loop import train
from afl_core.volume import Mask, Volume


@pytest.fixture
def cases(cohort):
    return prepared(cohort)


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


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_a_batch_of_any_augmentation_depends_on_seed_and_step_alone(cases, augmentation):
    config = FOCAL.model_copy(update={"augmentation": augmentation})
    one = [BatchSampler(cases, config)(step)[0] for step in (7, 8)]
    torch.manual_seed(1)
    draw = BatchSampler(cases, config)
    two = [draw(step)[0] for step in (8, 7)][::-1]
    assert torch.equal(torch.stack(one), torch.stack(two))


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


def test_a_case_without_tumour_and_one_smaller_than_the_patch_are_trained_on():
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
    assert result.steps == 2
    assert np.isfinite(result.best_validation_dsc)
    everywhere = training_case("all", images, Mask(np.ones_like(blob), small.affine), FOCAL)
    assert BatchSampler([everywhere], FOCAL)(1)[1].any()


def boxed(shape=(40, 40, 40)):
    """An image that is bright where its mask is."""
    blob = np.zeros(shape, np.bool_)
    blob[5:13, 11:21, 17:29] = True  # odd edges: the first of each pair of voxels would give another label
    image = Volume(np.where(blob, 5, np.random.default_rng(0).random(blob.shape)).astype(np.float32), np.eye(4))
    return {"flair": image, "t1ce": image}, Mask(blob, image.affine)


def test_the_label_is_resampled_to_the_images_grid():
    images, reference = boxed()
    case = training_case("a", images, reference, FOCAL)
    assert case.image.shape == (2, 20, 20, 20)
    assert case.image.dtype == torch.float16
    assert case.label.shape == (1, 20, 20, 20)
    expected = np.zeros((20, 20, 20), np.uint8)
    expected[2:6, 5:10, 8:14] = 1
    assert np.array_equal(case.label[0].numpy(), expected)
    assert len(case.tumour_voxels) == expected.sum()
    assert len(case.tumour_voxels) + len(case.other_voxels) == 20**3
    assert bool((case.label.flatten()[case.tumour_voxels] == 1).all())


def test_an_area_resize_as_released_takes_every_voxel_that_the_tumour_touches():
    """5..13 at half the voxels: the pairs 2 to 6 hold some of it; nearest keeps those of which it holds the middle."""
    images, reference = boxed()
    case = training_case("a", images, reference, FOCAL.model_copy(update={"label_resize": "area"}))
    expected = np.zeros((20, 20, 20), np.uint8)
    expected[2:7, 5:11, 8:15] = 1
    assert np.array_equal(case.label[0].numpy(), expected)
    assert case.label.dtype == torch.uint8


def test_a_grid_is_the_size_of_every_case_whatever_its_field_of_view():
    config = FOCAL.model_copy(update={"grid": (20, 24, 16)})
    for shape in ((40, 40, 40), (30, 60, 44)):
        images, reference = boxed(shape)
        case = training_case("a", images, reference, config)
        assert case.image.shape == (2, 20, 24, 16)
        assert case.label.shape == (1, 20, 24, 16)
        share = float(case.label.float().mean()) / reference.array.mean()
        assert 0.75 < share < 1.3  # its edges are 4 to 6 voxels, rounded
        bright = case.image[0].float() > 1.5  # the same voxels in both, but for the edge
        both = (bright & (case.label[0] > 0)).sum()
        assert 2 * both / (bright.sum() + case.label.sum()) > 0.8


def test_a_case_of_the_grids_own_size_is_left_as_it_is():
    images, reference = boxed()
    for label_resize in ("nearest", "area"):
        config = FOCAL.model_copy(update={"grid": (40, 40, 40), "label_resize": label_resize})
        assert np.array_equal(training_case("a", images, reference, config).label[0].numpy(), reference.array)


def marked(shape):
    """A case whose two channels are 1 inside the label and 0 outside: whatever moves, moves both."""
    label = torch.zeros((1, *shape), dtype=torch.uint8)
    label[0, 3:9, 2:7, 4:6] = 1
    label[0, -2:, -4:, -3:] = 1
    return training_case(
        "m",
        {name: Volume(label[0].numpy().astype(np.float32), np.eye(4)) for name in ("flair", "t1ce")},
        Mask(label[0].numpy() > 0, np.eye(4)),
        FOCAL.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0)}),
    )


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 20, 30)])
def test_every_augmentation_gives_patches_of_the_right_size_and_moves_image_and_label_together(augmentation, shape):
    config = FOCAL.model_copy(update={"augmentation": augmentation, "batch_size": 8})
    case = marked(shape)
    inside = case.image[0][case.label[0] > 0].float()
    outside = case.image[0][case.label[0] == 0].float()
    halfway = float((inside.min() + outside.max()) / 2)
    draw = BatchSampler([case], config)
    seen = set()
    for step in range(1, 13):
        image, label, _ = draw(step)
        assert image.shape == (8, 2, 16, 16, 16)
        assert label.shape == (8, 1, 16, 16, 16)
        assert set(label.unique().tolist()) <= {0.0, 1.0}
        bright = image.mean(dim=1, keepdim=True) > halfway * 0.7
        agree = (bright == (label > 0)).float().mean()
        assert agree > 0.98, augmentation  # noise and the background at the image's edge cost a few voxels
        seen.update(mask.numpy().tobytes() for mask in label)
    if augmentation == "none" and shape == (16, 16, 16):
        assert len(seen) == 1
    else:
        assert len(seen) >= 8  # the mirror images at least


def moves(label):
    """By how many voxels each sample's label lies along the first axis from where it was."""
    return label.flatten(2).sum(-1)


def test_the_paper_s_pi_cai_cases_move_along_the_first_axis_alone():
    config = FOCAL.model_copy(update={"augmentation": "picai_paper", "patch_size": (32, 16, 16), "batch_size": 1})
    array = np.zeros((32, 16, 16), np.float32)
    array[14:18, 6:10, 6:10] = 1  # symmetric: flips do not show
    volume = Volume(array, np.eye(4))
    config = config.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0), "sequences": ("t2w",)})
    case = training_case("a", {"t2w": volume}, Mask(array > 0, volume.affine), config)
    draw, starts = BatchSampler([case], config), []
    for step in range(300):
        where = draw(step)[1][0, 0].nonzero()
        assert where[:, 1:].min(dim=0).values.tolist() == [6, 6]
        assert where[:, 1:].max(dim=0).values.tolist() == [9, 9]
        starts.append(int(where[:, 0].min()))
    moved = [start for start in starts if start != 14]
    assert 0.1 < len(moved) / 300 < 0.3  # a chance of 0.2
    assert min(starts) == 4
    assert max(starts) == 24


@pytest.mark.parametrize(
    ("augmentation", "touched"), [("demo", 0.75), ("picai_paper", 0.78), ("brats_paper", 1.0), ("none", 0.0)]
)
def test_intensities_change_as_often_as_set(augmentation, touched):
    """Scale and shift: 0.5 each, 0.4 each and noise 0.4 (1 - 0.6^3), always, never."""
    config = FOCAL.model_copy(update={"augmentation": augmentation, "batch_size": 1})
    case = marked((16, 16, 16))
    values = set(case.image.float().unique().tolist())
    draw = BatchSampler([case], config)
    changed = [not set(draw(step)[0].unique().tolist()) <= values for step in range(200)]
    assert np.mean(changed) == pytest.approx(touched, abs=0.1)


@pytest.mark.parametrize("augmentation", ["brats_paper", "picai_paper", "none"])
def test_crops_of_the_paper_come_from_anywhere(augmentation):
    config = FOCAL.model_copy(update={"augmentation": augmentation, "batch_size": 1, "spacing_mm": (1.0, 1.0, 1.0)})
    ramp = Volume(np.arange(24 * 17 * 16, dtype=np.float32).reshape(24, 17, 16), np.eye(4))
    mask = np.arange(24 * 17 * 16).reshape(24, 17, 16) % 2 == 0
    case = training_case("a", {"flair": ramp, "t1ce": ramp}, Mask(mask, ramp.affine), config)
    assert isinstance(config, TrainConfig)
    draw = BatchSampler([case], config)
    lowest = {round(float(draw(step)[0].min()), 1) for step in range(150)}
    assert len(lowest) >= 9  # of 9 x 2 places
