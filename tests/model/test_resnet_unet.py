"""The ResNet50 U-Net has the keys, shapes and outputs of the package with which the paper's weights were made."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from afl_core.errors import CheckpointError, UsageError
from afl_core.model.resnet_unet import BRATS_STRIDES, PICAI_STRIDES, ResNetUNet
from afl_core.model.resnet_weights import inflate_imagenet, load_imagenet, load_released

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "smp3d_unet_resnet50.json").read_text())
STRIDES = {"picai": PICAI_STRIDES, "brats": BRATS_STRIDES}


def shapes(in_channels):
    return {**ORACLE["shapes"], "encoder.conv1.weight": [64, in_channels, 7, 7, 7]}


def drawn(key, shape):
    """The oracle's weights, from the SHA-256 of the name; a kernel is the same for every output channel, which keeps
    files small, and the channels differ by their normalisation."""
    random = torch.Generator().manual_seed(int(hashlib.sha256(key.encode()).hexdigest()[:8], 16))
    if not shape:
        return torch.tensor(0)
    if len(shape) > 1:
        kernel = torch.randn(1, *shape[1:], generator=random)
        return (kernel * (2 / kernel.numel()) ** 0.5).expand(shape)
    return torch.rand(shape, generator=random) + (-0.5 if key.endswith(("bias", "mean")) else 0.5)


def hollow(in_channels=3):
    """Right names and shapes, one stored number a tensor: a small file."""
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes(in_channels).items()}


def refused(path, *parts, in_channels=3):
    with pytest.raises(CheckpointError) as caught:
        load_released(path, strides=PICAI_STRIDES, in_channels=in_channels)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def saved(path, state):
    torch.save(state, path)
    return path


@pytest.mark.parametrize("case", ["picai", "brats"])
def test_a_released_file_loads_and_predicts_as_the_package(tmp_path, case):
    expected = ORACLE["outputs"][case]
    state = {key: drawn(key, shape) for key, shape in shapes(expected["in_channels"]).items()}
    if case == "brats":
        state = {"epoch": 7, "state_dict": {f"module.{key}": value for key, value in state.items()}}
    path = saved(tmp_path / "weights.pth", state)
    network = load_released(path, strides=STRIDES[case], in_channels=expected["in_channels"])
    assert not network.training
    size = expected["patch"]
    image = torch.randn(1, expected["in_channels"], *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = network(image)[0]
    found = {
        "mean": logits.mean((1, 2, 3)),
        "std": logits.std((1, 2, 3)),
        "corner": logits[:, 0, 0, 0],
        "middle": logits[:, size[0] // 2, size[1] // 2, size[2] // 2],
    }
    for name, value in found.items():
        assert value.tolist() == pytest.approx(expected[name], rel=1e-3, abs=1e-3), name


@pytest.mark.parametrize("strides", STRIDES.values(), ids=STRIDES)
def test_keys_and_shapes_are_the_package_s_and_do_not_depend_on_the_strides(strides):
    for channels in (3, 4):
        with torch.device("meta"):
            network = ResNetUNet(channels, strides)
        own = {key: list(value.shape) for key, value in network.state_dict().items()}
        assert own == shapes(channels)
        assert len(own) == 380
        assert list(own) == list(ORACLE["shapes"])
    assert {key.split(".")[0] for key in own} == {"encoder", "decoder", "segmentation_head"}


def test_the_oracle_was_made_with_these_strides():
    for case, strides in STRIDES.items():
        assert [list(stride) for stride in strides] == ORACLE["outputs"][case]["strides"]


def test_missing_surplus_and_misshapen_weights_are_named(tmp_path):
    state = hollow()
    for key in ("encoder.layer2.1.bn2.bias", "decoder.blocks.3.conv1.0.weight"):
        del state[key]
    state["encoder.fc.weight"] = torch.zeros(2)
    state["segmentation_head.0.bias"] = torch.zeros(1)
    refused(
        saved(tmp_path / "net.pth", state),
        "net.pth does not hold the weights of this ResNet50 U-Net",
        "2 missing: encoder.layer2.1.bn2.bias, decoder.blocks.3.conv1.0.weight",
        "1 unexpected: encoder.fc.weight",
        "1 wrong shape: segmentation_head.0.bias is (1,) instead of (2,)",
    )


def test_another_number_of_channels_is_named(tmp_path):
    message = "encoder.conv1.weight is (64, 4, 7, 7, 7) instead of (64, 3, 7, 7, 7)"
    refused(saved(tmp_path / "net.pth", hollow(4)), message, "number of input channels")


def test_weights_of_another_network_name_the_first_keys_only(tmp_path):
    path = saved(tmp_path / "net.pth", {f"block{i}.weight": torch.zeros(1) for i in range(50)})
    refused(path, "missing: encoder.conv1.weight, encoder.bn1.weight", "50 unexpected: block0")
    with pytest.raises(CheckpointError) as caught:
        load_released(path, strides=PICAI_STRIDES, in_channels=3)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 100, b"hello", b"PK\x03\x04", pickle.dumps({"a": [1, 2]}, protocol=2), pickle.dumps(print, 2)],
    ids=["empty", "zeros", "text", "zip", "dict", "function"],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    refused(path, f"net{suffix}", "Give a file with a state dict")


class Trap:
    """Writes a file if it is ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_never_run(tmp_path):
    trap = tmp_path / "sprung"
    state = {**hollow(), "trap": Trap(trap)}
    refused(saved(tmp_path / "net.pth", state), "net.pth cannot be read as weights")
    assert not trap.exists()
    torch.load(tmp_path / "net.pth", weights_only=False)
    assert trap.exists()


@pytest.mark.parametrize(
    "state", [{}, [torch.zeros(1)], {"a": 1}, torch.zeros(3)], ids=["none", "list", "number", "one"]
)
def test_a_torch_file_without_named_tensors_is_refused(tmp_path, state):
    refused(saved(tmp_path / "net.pth", state), "net.pth holds no weights")


def test_a_safetensors_file_is_read_as_well(tmp_path):
    save_file({"encoder.conv1.weight": torch.zeros(64, 2, 7, 7, 7)}, tmp_path / "net.safetensors")
    refused(tmp_path / "net.safetensors", "missing: encoder.bn1.weight", "(64, 2, 7, 7, 7) instead of")


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "gone.pth", "gone.pth cannot be read as weights", "No such file")
    refused(tmp_path / "gone.safetensors", "gone.safetensors cannot be read as weights")


def test_wrong_strides_are_refused():
    with pytest.raises(UsageError, match="five times"):
        ResNetUNet(1, PICAI_STRIDES[:4])


def test_inflated_weights_give_the_2d_response_on_an_image_constant_along_z():
    torch.manual_seed(0)
    flat = nn.Conv2d(3, 4, (5, 5), stride=2, bias=False)
    deep = inflate_imagenet({"conv1.weight": flat.weight.detach()})["conv1.weight"]
    assert deep.shape == (4, 3, 5, 5, 5)
    image = torch.randn(1, 3, 15, 11)
    with torch.no_grad():
        response = nn.functional.conv3d(image[..., None].expand(-1, -1, -1, -1, 9), deep, stride=2)
        torch.testing.assert_close(response, flat(image)[..., None].expand_as(response))


def test_channels_other_than_three_are_made_of_the_three():
    """One: their sum. More: taken in turn, scaled so that an image equal in all channels gives the same response."""
    state = {"conv1.weight": torch.tensor([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1)}
    for channels, weights in {
        1: [7.0],
        2: [1.5, 3.0],
        3: [1.0, 2.0, 4.0],
        4: [0.75, 1.5, 3.0, 0.75],
        5: [0.6, 1.2, 2.4, 0.6, 1.2],
    }.items():
        inflated = inflate_imagenet(state, in_channels=channels)["conv1.weight"]
        assert inflated.shape == (1, channels, 1, 1, 1)
        assert inflated.flatten().tolist() == pytest.approx(weights)


def imagenet():
    """A 2-D ResNet50's state with torchvision's names, drawn by name; without the counters, as its old files."""
    state = {}
    for key, shape in ORACLE["shapes"].items():
        if key.startswith("encoder.") and shape:
            name = key.removeprefix("encoder.")
            state[name] = drawn(name, shape[:4] if len(shape) == 5 else shape)
    return state | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def network():
    return ResNetUNet(4)


def test_imagenet_weights_start_the_encoder_and_nothing_else(tmp_path, network):
    state = imagenet()
    nn.init.zeros_(network.encoder.layer4[2].conv2.weight)
    head = network.segmentation_head[0].weight.clone()
    load_imagenet(network, saved(tmp_path / "resnet50.pth", state))
    for name in ("layer1.0.downsample.0.weight", "layer4.2.conv2.weight"):
        expected = torch.stack([state[name]] * state[name].shape[-1], dim=-1) / state[name].shape[-1]
        assert torch.equal(network.encoder.state_dict()[name], expected)
    assert torch.equal(network.encoder.bn1.running_var, state["bn1.running_var"])
    assert network.encoder.conv1.weight.shape == (64, 4, 7, 7, 7)
    assert torch.equal(network.segmentation_head[0].weight, head)


def test_imagenet_weights_of_another_network_are_refused(tmp_path, network):
    state = imagenet()
    del state["layer3.5.conv3.weight"]
    path = saved(tmp_path / "resnet50.pth", state)
    with pytest.raises(CheckpointError, match=r"resnet50\.pth does not hold .* ResNet50 .*1 missing: layer3\.5\.conv3"):
        load_imagenet(network, path)
    path = saved(tmp_path / "other.pth", {"features.0.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"missing: conv1\.weight"):
        load_imagenet(network, path)
