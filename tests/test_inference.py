"""A mask lies where the tumour is: on the case's own grid, whatever the network's spacing and patch."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from afl_core.data.layouts import load_case, load_cohort
from afl_core.errors import CheckpointError
from afl_core.inference import predict, prepare, tumour_probability, window_logits
from afl_core.model.checkpoints import load_card, load_network
from afl_core.volume import Volume


class Brightness(nn.Module):
    """Says tumour where the first channel is above `level` standard deviations."""

    def __init__(self, level: float = 2.0) -> None:
        super().__init__()
        self.level = level

    def forward(self, image):
        score = 8 * (image[:, :1] - self.level)
        return torch.cat([-score, score], dim=1)


@pytest.fixture(scope="module")
def card(tmp_path_factory, make_checkpoint):
    folder = make_checkpoint(tmp_path_factory.mktemp("net"), sequences=("flair",), patch_size=(16, 16, 16))
    return load_card(folder)


def bright_blob(shape, box, affine):
    """A dim brain with a bright box in a zero background."""
    array = np.zeros(shape, np.float32)
    array[2:-2, 2:-2, 2:-2] = np.random.default_rng(0).uniform(90, 110, np.array(shape) - 4)
    blob = np.zeros(shape, np.bool_)
    blob[tuple(slice(*ends) for ends in box)] = True
    array[blob] = 500
    return Volume(array, affine), blob


def affine(spacing):
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = (-12, 7, 30)
    return matrix


def extent(mask):
    return [(int(i.min()), int(i.max())) for i in np.nonzero(mask)]


@pytest.mark.parametrize(
    ("shape", "spacing", "box"),
    [
        ((61, 47, 53), (1, 1, 1), ((6, 20), (28, 38), (9, 31))),  # finer than the network's 2 mm, odd
        ((25, 31, 23), (3, 3, 3), ((4, 10), (17, 22), (5, 16))),  # coarser
        ((70, 71, 15), (0.9, 0.9, 5), ((10, 30), (40, 52), (4, 8))),  # thick slices
        ((64, 30, 31), (1, 2, 2), ((40, 56), (4, 10), (18, 25))),  # one axis alone
    ],
)
def test_a_blob_is_found_where_it_is_at_another_spacing(card, shape, spacing, box):
    image, blob = bright_blob(shape, box, affine(spacing))
    inside = image.array[image.array > 0]
    halfway = float((300 - inside.mean()) / inside.std())  # between the brain's 100 and the blob's 500
    mask = predict(Brightness(halfway), card, {"flair": image}).mask
    assert mask.array.shape == shape
    assert np.array_equal(mask.affine, image.affine)
    for found, true in zip(extent(mask.array), extent(blob), strict=True):
        assert abs(found[0] - true[0]) <= 1
        assert abs(found[1] - true[1]) <= 1
    overlap = np.count_nonzero(mask.array & blob)
    assert 2 * overlap / (mask.array.sum() + blob.sum()) > 0.85
    for axis in range(3):
        moved = np.nonzero(mask.array)[axis].mean() - np.nonzero(blob)[axis].mean()
        assert abs(moved) * spacing[axis] <= max(spacing[axis], 2) / 2  # half a voxel of the coarser grid


@pytest.mark.parametrize("shape", [(32, 32, 32), (11, 13, 9), (50, 7, 33)])
def test_at_the_networks_own_spacing_a_pointwise_network_gives_the_blob_exactly(card, shape):
    """Also for odd shapes that are smaller than the patch of 16: padding and blending of windows leave no trace."""
    image, blob = bright_blob(shape, ((3, 7), (3, 5), (4, 6)), affine((2, 2, 2)))
    assert np.array_equal(predict(Brightness(), card, {"flair": image}).mask.array, blob)


def test_the_real_network_predicts_on_odd_shapes_smaller_than_its_patch(tmp_path, make_checkpoint):
    network, card = load_network(make_checkpoint(tmp_path / "net", sequences=("flair",), patch_size=(32, 32, 32)))
    image, _ = bright_blob((13, 9, 11), ((3, 7), (3, 5), (4, 6)), affine((2, 2, 2)))
    prediction = predict(network, card, {"flair": image})
    assert prediction.mask.array.shape == (13, 9, 11)
    assert prediction.probabilities.shape == (2, 13, 9, 11)
    assert prediction.probabilities.dtype == np.float32
    assert prediction.probabilities.min() >= 0
    assert prediction.probabilities.max() <= 1


def test_the_probabilities_are_those_of_background_and_tumour(make_checkpoint, tmp_path):
    card = load_card(make_checkpoint(tmp_path / "net", sequences=("flair",), patch_size=(32, 32, 32)))
    image, _ = bright_blob((13, 9, 11), ((3, 7), (3, 5), (4, 6)), affine((2, 2, 2)))

    class Constant(nn.Module):
        def forward(self, x):
            return torch.stack([torch.full_like(x[:, 0], -1.0), torch.full_like(x[:, 0], 2.0)], dim=1)

    background, tumour = predict(Constant(), card, {"flair": image}).probabilities
    np.testing.assert_allclose(background, 1 / (1 + np.e), rtol=1e-5)
    np.testing.assert_allclose(tumour, 1 / (1 + np.exp(-2)), rtol=1e-5)


def test_a_case_stored_in_another_order_is_predicted_on_its_own_grid(cohort, tmp_path, make_checkpoint):
    network, card = load_network(make_checkpoint(tmp_path / "net", spacing_mm=(3, 3, 3)))
    case = load_case(load_cohort(cohort).cases[1])
    mask = predict(network, card, case.images).mask
    assert mask.array.shape == case.reference.array.shape
    assert np.array_equal(mask.affine, case.images["flair"].affine)


def test_channels_come_in_the_networks_order_and_are_scaled():
    first = Volume(np.pad(np.array([1, 3], np.float32).reshape(2, 1, 1), 1), np.diag([2, 2, 2, 1.0]))
    second = Volume(np.pad(np.array([5, 1], np.float32).reshape(2, 1, 1), 1), np.diag([2, 2, 2, 1.0]))
    images = {"t1": first, "dwi": first, "flair": second}
    channels = prepare(images, sequences=("flair", "t1"), spacing_mm=(2, 2, 2))
    assert channels.dtype == torch.float32
    assert channels.shape == (2, 4, 3, 3)
    assert channels[:, 1:3, 1, 1].tolist() == [[1, -1], [-1, 1]]


def test_a_missing_sequence_names_it_and_what_there_is():
    image = Volume(np.ones((4, 4, 4), np.float32), np.eye(4))
    with pytest.raises(CheckpointError) as caught:
        prepare({"t1": image, "t2": image}, sequences=("flair", "t1", "dwi"), spacing_mm=(1, 1, 1))
    said = str(caught.value)
    assert "needs the sequence flair and dwi, which this case does not have" in said
    assert "of flair, t1, dwi it has t1" in said
    with pytest.raises(CheckpointError, match="of flair it has none"):
        prepare({}, sequences=("flair",), spacing_mm=(1, 1, 1))


@pytest.mark.parametrize(
    ("logits", "rule", "score"),
    [
        ((2, 1), "tumour_channel", 1),  # sigmoid(1): tumour
        ((2, 1), "background_complement", -2),
        ((2, 1), "argmax", -1),
        ((-1, -2), "tumour_channel", -2),
        ((-1, -2), "background_complement", 1),
        ((-1, -2), "argmax", -1),
        ((-1, -0.5), "tumour_channel", -0.5),
        ((-1, -0.5), "argmax", 0.5),
    ],
)
def test_decision_rules_on_hand_made_logits(logits, rule, score):
    tensor = torch.tensor(logits, dtype=torch.float64).reshape(1, 2, 1, 1, 1).expand(3, 2, 4, 5, 6)
    probability = tumour_probability(tensor, rule)
    assert probability.shape == (3, 4, 5, 6)
    assert torch.allclose(probability, torch.full_like(probability, 1 / (1 + math.exp(-score))))


def test_argmax_is_the_softmax_of_both_channels():
    logits = torch.randn(2, 2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(tumour_probability(logits, "argmax"), logits.softmax(dim=1)[:, 1])


def test_the_rule_of_the_card_decides(card):
    class Starved(nn.Module):
        """Both channels say no, as A-FL's released weights make them: the background's complement still sees it."""

        def forward(self, image):
            score = image[:, :1] - 2
            return torch.cat([-score, -3 + 0 * score], dim=1)

    image, blob = bright_blob((20, 20, 20), ((3, 9), (3, 8), (4, 7)), affine((2, 2, 2)))
    by_rule = {
        rule: predict(Starved(), card.model_copy(update={"decision_rule": rule}), {"flair": image}).mask.array
        for rule in ("tumour_channel", "background_complement")
    }
    assert not by_rule["tumour_channel"].any()
    assert np.array_equal(by_rule["background_complement"], blob)


def test_networks_that_take_the_same_of_a_case_share_its_preparation(card, monkeypatch):
    scored = []
    monkeypatch.setattr("afl_core.inference.z_score", lambda array: scored.append(1) or array)
    image, _ = bright_blob((20, 20, 20), ((3, 9), (3, 8), (4, 7)), affine((2, 2, 2)))
    first = predict(Brightness(), card, {"flair": image}).tumour
    other = predict(Brightness(1.0), card, {"t1": image, "flair": image}).tumour
    assert len(scored) == 1
    assert not np.array_equal(first, other)
    predict(Brightness(), card.model_copy(update={"spacing_mm": (3, 3, 3)}), {"flair": image})
    predict(Brightness(), card, {"flair": Volume(image.array * 2, image.affine)})
    assert len(scored) == 3  # another grid, another image


def test_windows_that_go_together_give_what_each_gives_alone(make_checkpoint, tmp_path):
    network, card = load_network(make_checkpoint(tmp_path / "net", sequences=("flair",), patch_size=(16, 16, 16)))
    image = torch.randn(1, 16, 16, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = [network(image[None, ..., start : start + 16]) for start in (0, 12)]
    together = window_logits(network, image, patch_size=card.patch_size)
    torch.testing.assert_close(together[..., :12], alone[0][..., :12], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together[..., 16:], alone[1][..., 4:], atol=1e-5, rtol=1e-5)


def test_windows_cover_the_image():
    seen = window_logits(Brightness(), torch.rand(1, 40, 21, 17), patch_size=(16, 16, 16))
    assert seen.shape == (1, 2, 40, 21, 17)
    assert not seen.requires_grad
