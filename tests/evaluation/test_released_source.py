"""The authors' weights as a source: recognised, fed as their code feeds them, and nothing but weights is loaded."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import NormalizeIntensity, Resize

from afl_core.errors import CheckpointError, UsageError
from afl_core.evaluation.network_sources import ReleasedSource
from afl_core.evaluation.sources import parse_sources
from afl_core.inference import predict, prepare
from afl_core.model.released import released_card
from afl_core.model.resnet_unet import BRATS_STRIDES, PICAI_STRIDES
from afl_core.volume import Volume

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "smp3d_unet_resnet50.json").read_text())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files with right names and shapes and one stored number a tensor, by number of channels."""
    folder = tmp_path_factory.mktemp("weights")

    def write(channels):
        shapes = {**ORACLE["shapes"], "encoder.conv1.weight": [64, channels, 7, 7, 7]}
        path = folder / f"best_{channels}.pth"
        torch.save({key: torch.full((), 0.01).expand(shape) for key, shape in shapes.items()}, path)
        return path

    return {channels: write(channels) for channels in (2, 3, 4)}


@pytest.mark.parametrize(
    ("channels", "strides", "grid"), [(3, PICAI_STRIDES, (160, 128, 24)), (4, BRATS_STRIDES, None)]
)
def test_the_setting_is_told_by_the_channels(weights, channels, strides, grid):
    (source,) = parse_sources([f"A-FL={weights[channels]}"])
    assert source == ReleasedSource("A-FL", weights[channels])
    card = released_card(source.path)
    assert (card.network_settings["strides"], card.grid) == (strides, grid)
    assert card.decision_rule == "tumour_channel"
    assert source.sequences() == (("t2w", "adc", "hbv") if channels == 3 else ("flair", "t1", "t1ce", "t2"))
    said = source.describe()
    assert said["kind"] == "checkpoint"
    assert said["card"]["preprocessing"] == "released"
    json.dumps(said)


def test_a_setting_that_is_named_must_fit_and_what_tells_none_is_asked_about(weights):
    (named,) = parse_sources([f"A={weights[3]}@picai"])
    assert named.option == "picai"
    with pytest.raises(CheckpointError, match=r"does not fit the setting brats.*3 input channels"):
        parse_sources([f"A={weights[3]}@brats"])
    with pytest.raises(CheckpointError, match=r"neither 3 input channels \(PI-CAI\) nor 4"):
        parse_sources([f"A={weights[2]}"])
    with pytest.raises(UsageError, match="stretch"):
        parse_sources([f"A={weights[3]}@stretch"])


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", ["torch", "pickle"])
@pytest.mark.parametrize("name", ["best.pth", "best.pt"])
def test_a_pickle_that_is_no_weights_is_one_clear_message_and_is_not_run(tmp_path, write, name):
    content = {"encoder.conv1.weight": Trap(tmp_path / "sprung")}
    if write == "torch":
        torch.save(content, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(content))
    with pytest.raises(
        CheckpointError, match=rf"{name} cannot be read as weights.*Pickled weights are not loaded"
    ) as caught:
        parse_sources([f"A={tmp_path / name}"])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network_are_named_before_a_case_is_read(tmp_path):
    torch.save({"model.0.weight": torch.zeros(3)}, tmp_path / "unet.pth")
    with pytest.raises(CheckpointError, match=r"unet\.pth does not hold the weights of this ResNet50 U-Net"):
        parse_sources([f"A={tmp_path / 'unet.pth'}"])


def images(shape=(40, 36, 20)):
    rng = np.random.default_rng(0)
    array = rng.normal(100, 20, shape).astype(np.float32)
    array[:5] = 0
    return {name: Volume(array + i * (array > 0), np.eye(4)) for i, name in enumerate(("t2w", "adc", "hbv"))}


def test_images_are_prepared_as_by_the_transforms_of_the_released_code():
    """MONAI's own, with its defaults: Resized, then NormalizeIntensityd(nonzero, channel_wise)."""
    found = prepare(
        images(), sequences=("t2w", "adc", "hbv"), spacing_mm=(1, 1, 1), grid=(16, 12, 8), preprocessing="released"
    )
    stacked = torch.from_numpy(np.stack([image.array for image in images().values()]))
    wanted = NormalizeIntensity(nonzero=True, channel_wise=True)(Resize((16, 12, 8))(stacked))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    ours = prepare(images(), sequences=("t2w", "adc", "hbv"), spacing_mm=(1, 1, 1), grid=(16, 12, 8))
    assert (found - ours).abs().max() > 0.1


def test_the_network_predicts_on_the_cases_own_grid(weights):
    """With a network that answers from the image, so that its place can be told: the tumour is where T2W is bright."""

    class Bright(torch.nn.Module):
        def forward(self, x):
            return torch.stack([-x[:, 0] - 9, x[:, 0] - 1.5], dim=1)  # argmax would find a tumour nearly everywhere

    card = released_card(weights[3]).model_copy(update={"grid": (20, 18, 10), "patch_size": (20, 18, 10)})
    array = np.full((40, 36, 20), 100, np.float32)
    array[8:20, 10:22, 4:12] = 300
    affine = np.diag([0.5, 0.5, 3.0, 1.0])
    case = {name: Volume(array, affine) for name in ("t2w", "adc", "hbv")}
    found = predict(Bright().eval(), card, case)
    np.testing.assert_array_equal(found.mask.affine, affine)
    truth = array > 200
    overlap = 2 * (found.mask.array & truth).sum() / (found.mask.array.sum() + truth.sum())
    assert overlap > 0.9
    assert found.probabilities.shape == (2, 40, 36, 20)


def test_the_key_depends_on_the_weights_and_not_on_their_name(weights, tmp_path):
    from afl_core.volume import Case

    case = Case("a", {})
    copy = tmp_path / "renamed.pth"
    copy.write_bytes(weights[3].read_bytes())
    assert ReleasedSource("A", copy).key(case) == ReleasedSource("A", weights[3]).key(case)
    assert ReleasedSource("A", weights[4]).key(case) != ReleasedSource("A", weights[3]).key(case)
