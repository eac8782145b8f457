"""Each network of the catalogue fits its patches, learns, comes back from its weights, and is as documented."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from afl_core.errors import UsageError
from afl_core.model.checkpoints import load_network, save_checkpoint
from afl_core.model.mrrn import MRRN, ConnectionUnit
from afl_core.model.networks import MODELS, build_model, check_patch, patch_multiple
from afl_core.model.recurrent_unet import RecurrentLayer
from afl_core.model.resnet_unet import BRATS_STRIDES, PICAI_STRIDES

DOCUMENT = Path(__file__).parents[2] / "docs" / "networks.md"


NARROW = {"unet": 8, "attention_unet": 4, "reg_unet": 4, "rr_unet": 4, "mrrn": 4}
"""Widths that make the same networks quick."""


def smallest(multiple):
    return tuple(2 * edge for edge in multiple)


def quick(name, **settings):
    return build_model(name, **settings, **({"width": NARROW[name]} if name in NARROW else {}))


def shape_of(name, size, *, in_channels=2, **settings):
    """Of the output, without computing it: the meta device has shapes only."""
    with torch.device("meta"):
        return tuple(build_model(name, in_channels=in_channels, **settings)(torch.empty(1, in_channels, *size)).shape)


def documented():
    """Cells of the table of networks, by name."""
    rows = [line.strip("|").split("|") for line in DOCUMENT.read_text(encoding="utf-8").splitlines()]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in rows if len(cells) == 6}


def test_the_catalogue_has_the_demo_network_and_the_eight_of_the_paper():
    assert list(MODELS) == [
        "demo_unet", "unet", "attention_unet", "reg_unet", "rr_unet", "unet_resnet50", "seg_resnet", "vnet", "mrrn",
    ]  # fmt: skip
    with pytest.raises(TypeError):
        MODELS["new"] = MODELS["unet"]
    with pytest.raises(TypeError):
        MODELS["unet"].settings["width"] = 1


@pytest.mark.parametrize("name", MODELS)
def test_every_network_gives_two_logits_a_voxel_on_its_smallest_patch(name):
    patch = smallest(MODELS[name].multiple)
    check_patch(name, patch)
    for channels in (1, 3, 4):
        assert shape_of(name, patch, in_channels=channels) == (1, 2, *patch)


@pytest.mark.parametrize("name", MODELS)
def test_the_multiple_of_a_network_is_enough_and_needed(name):
    x, y, z = MODELS[name].multiple
    with torch.device("meta"):
        network = quick(name, in_channels=1)
        assert network(torch.empty(1, 1, x, 2 * y, 3 * z).expand(2, -1, -1, -1, -1)).shape == (2, 2, x, 2 * y, 3 * z)
        for axis in range(3):
            size = [2 * x, 2 * y, 2 * z]
            size[axis] = size[axis] * 3 // 4
            with pytest.raises(UsageError, match=f"{name} cannot take a patch of that size"):
                check_patch(name, tuple(size))
            if name != "unet":  # pads what does not fit, so that it computes; refused all the same
                with pytest.raises((RuntimeError, ValueError)):
                    network(torch.empty(1, 1, *size))


@pytest.mark.parametrize(
    ("patch", "nearest"),
    [
        ((64, 64, 20), "(64, 64, 24)"),
        ((7, 64, 64), "(8, 64, 64)"),
        ((0, 32, 32), "(8, 32, 32)"),
        ((-8, 32, 16), "(8, 32, 16)"),
        ((8, 8, 8), "(16, 16, 16)"),
        ((16, 16, 8), "(16, 16, 16)"),
        ((8, 8, 16), "(16, 16, 16)"),
        ((8, 8, 56), "(16, 8, 56)"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused_with_one_that_does(patch, nearest):
    with pytest.raises(UsageError) as caught:
        check_patch("demo_unet", patch)
    assert str(patch) in str(caught.value)
    assert str(caught.value).endswith(f"for example {nearest}.")


def test_eight_voxels_at_the_coarsest_level_are_enough_in_any_arrangement():
    for patch in ((16, 16, 16), (64, 8, 8), (8, 32, 16)):
        check_patch("demo_unet", patch)


def test_one_voxel_at_the_coarsest_level_is_indeed_too_few():
    with pytest.raises(ValueError, match="more than 1"):
        build_model("demo_unet", in_channels=1)(torch.zeros(1, 1, 8, 8, 8))


@pytest.mark.parametrize(
    ("strides", "multiple"),
    [(PICAI_STRIDES, (32, 32, 12)), (BRATS_STRIDES, (16, 16, 16)), ([[2, 2, 1]] * 5, (32, 32, 1))],
)
def test_the_multiple_follows_the_strides(strides, multiple):
    assert patch_multiple("unet_resnet50", strides=strides) == multiple
    patch = smallest(multiple)
    check_patch("unet_resnet50", patch, strides=strides)
    assert shape_of("unet_resnet50", patch, strides=strides) == (1, 2, *patch)


def test_the_paper_s_two_input_sizes_fit():
    check_patch("unet_resnet50", (160, 128, 24), strides=PICAI_STRIDES)
    check_patch("unet_resnet50", (224, 224, 144), strides=BRATS_STRIDES)


@pytest.mark.parametrize("name", MODELS)
def test_two_steps_train_every_weight_and_the_weights_come_back(name, tmp_path, make_card):
    torch.manual_seed(3)
    network = quick(name, in_channels=3)
    x, y, z = MODELS[name].multiple
    whole = name == "unet_resnet50"  # the others learn on less than the smallest accepted patch: quicker
    image = torch.randn(1, 3, *((2 * x, 2 * y, 2 * z) if whole else (2 * x, y, z)))
    label = (image[:, 0] > 0.5).long()
    before = {key: value.clone() for key, value in network.named_parameters()}
    torch.manual_seed(3)
    other = quick(name, in_channels=3)
    assert all(torch.equal(value, before[key]) for key, value in other.named_parameters())

    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    for _ in range(2):
        logits = network(image)
        assert (logits < 0).any()  # so no sigmoid, softmax or ReLU is on them
        assert (logits > 0).any()
        loss = nn.functional.cross_entropy(logits, label)
        assert math.isfinite(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert [key for key, value in network.named_parameters() if value.grad is None] == []
    weights = [key for key, value in before.items() if value.ndim == 5]
    assert [key for key in weights if torch.equal(dict(network.named_parameters())[key], before[key])] == []

    del before, optimiser, other
    network.eval()
    settings = {"width": NARROW[name]} if name in NARROW else {}
    save_checkpoint(tmp_path, network, make_card(network=name, network_settings=settings, sequences=("a", "b", "c")))
    other, _ = load_network(tmp_path)
    with torch.inference_mode():
        assert torch.equal(other(image), network(image))


@pytest.mark.parametrize("name", MODELS)
def test_the_document_says_what_is_built(name):
    title, parameters, multiple, settings, _ = documented()[name]
    with torch.device("meta"):
        built = sum(p.numel() for p in build_model(name, in_channels=4).parameters())
    assert title == MODELS[name].title
    assert int(parameters.replace(",", "")) == built
    assert multiple == ", ".join(map(str, MODELS[name].multiple))
    defaults = MODELS[name].settings
    assert settings == ", ".join(f"`{key}` {'BraTS' if key == 'strides' else defaults[key]}" for key in defaults)


def test_the_document_lists_no_other_network():
    assert set(documented()) - {"name", "---"} == set(MODELS)


@pytest.mark.parametrize("name", ["unet", "attention_unet", "reg_unet", "rr_unet", "seg_resnet", "mrrn"])
def test_the_width_scales_a_network(name):
    width = MODELS[name].settings["width"]
    with torch.device("meta"):
        sizes = [
            sum(p.numel() for p in build_model(name, in_channels=1, width=w).parameters()) for w in (width, 2 * width)
        ]
    assert 3.5 < sizes[1] / sizes[0] < 4.1


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mrnn", {}, r"no network of that name \(received: mrnn\)\. Did you mean mrrn\?"),
        ("mrrn", {"witdh": 8}, r"no setting of mrrn of that name \(received: witdh\)\. Did you mean width\?"),
        ("vnet", {"width": 8}, r"vnet has no settings \(received: width\)"),
        ("unet", {"width": 0}, r"width of unet must be a whole number of at least 1 \(received: 0\)"),
        ("unet", {"width": 8.0}, r"whole number of at least 1 \(received: 8\.0\)"),
        ("unet", {"width": True}, r"whole number of at least 1 \(received: True\)"),
        ("rr_unet", {"steps": "2"}, r"steps of rr_unet must be a whole number"),
        ("seg_resnet", {"width": 12}, r"seg_resnet cannot be built so: .*12.*received: \{'width': 12\}"),
        ("unet_resnet50", {"strides": 2}, r"five times \(X, Y, Z\).*received: 2"),
        ("unet_resnet50", {"strides": [[2, 2]] * 5}, r"five times \(X, Y, Z\)"),
        ("unet_resnet50", {"strides": [[2, 2, 0]] * 5}, r"five times \(X, Y, Z\)"),
        ("unet_resnet50", {"strides": [[2, 2, 2.0]] * 5}, r"five times \(X, Y, Z\)"),
    ],
)
def test_a_wrong_name_or_setting_is_refused(name, settings, message):
    with pytest.raises(UsageError, match=message):
        build_model(name, in_channels=1, **settings)


def test_v_net_takes_any_number_of_channels_that_fits():
    with torch.device("meta"):
        image = torch.empty(1, 5, 32, 16, 16)
        assert build_model("vnet", in_channels=5)(image).shape == (1, 2, 32, 16, 16)
        with pytest.raises(UsageError, match=r"at most 16 input channels \(received: 17\)"):
            build_model("vnet", in_channels=17)


def test_v_net_with_three_channels_is_that_of_four_with_a_channel_of_zeros():
    with torch.device("meta"):
        network = build_model("vnet", in_channels=3)
        assert network[1].in_tr.conv_block.conv.in_channels == 4
        assert not isinstance(build_model("vnet", in_channels=4), nn.Sequential)
    image = torch.randn(2, 3, 4, 3, 2)
    assert torch.equal(network[0](image), torch.cat([image, torch.zeros(2, 1, 4, 3, 2)], dim=1))


def test_a_recurrent_layer_feeds_its_state_back():
    """By hand, with feed x and recurrence x / 2: x, then x + x/2, then x + 3x/4; negative states are cut to 0."""
    layer = RecurrentLayer(1, 2).eval()
    for conv, value in ((layer.feed, 1.0), (layer.recurrent, 0.5)):
        nn.init.zeros_(conv.weight)
        conv.weight.data[0, 0, 1, 1, 1] = value
    image = torch.tensor([4.0, -4.0]).reshape(1, 1, 2, 1, 1)
    with torch.inference_mode():
        assert layer(image).flatten().tolist() == pytest.approx([7.0, 0.0], rel=1e-4)


def test_a_connection_unit_pools_the_stream_and_adds_its_result_back():
    unit = ConnectionUnit(1, 1, 1, 2).eval()
    for conv in (unit.convs[0][0], unit.convs[1][0]):
        nn.init.zeros_(conv.weight)
        conv.weight.data[:, :, 1, 1, 1] = 1  # the sum of its inputs
    nn.init.ones_(unit.back.weight)
    nn.init.zeros_(unit.back.bias)
    stream = torch.arange(8.0).reshape(1, 1, 2, 2, 2)
    with torch.inference_mode():
        coarse, updated = unit(torch.full((1, 1, 1, 1, 1), 10.0), stream)
    assert coarse.item() == pytest.approx(17, rel=1e-4)  # 10 + the largest of the stream
    assert (updated - stream).flatten().tolist() == pytest.approx([17] * 8, rel=1e-4)


def test_the_levels_of_mrrn_visit_the_finer_streams_in_the_published_order():
    with torch.device("meta"):
        network = MRRN(1, width=2)
    assert [level.order for level in network.down] == [(0, 0, 0), (0, 1, 0), (0, 2, 1, 0), (0, 3, 2, 1, 0)]
    assert [level.order for level in network.up] == [(0, 2, 1, 0), (0, 1, 0), (0, 0, 0)]
    widths = [[unit.back.in_channels for unit in level.units] for level in network.down]
    assert widths == [[4] * 3, [8] * 3, [16] * 4, [32] * 5]


def test_the_features_of_each_level_of_mrrn_go_up_to_the_next_and_to_the_head():
    network = MRRN(1, width=2).eval()
    stages = [network.down[-1], *network.up, network.head]
    outputs = []
    for stage in stages[:-1]:
        stage.register_forward_hook(lambda _module, _given, result: outputs.append(result))
    inputs = []
    for stage in stages[1:]:
        stage.register_forward_pre_hook(lambda _module, given: inputs.append(given[0]))
    with torch.inference_mode():
        network(torch.randn(1, 1, 16, 32, 16))
    assert [tuple(value.shape) for value in outputs] == [
        (1, 32, 1, 2, 1),
        (1, 16, 2, 4, 2),
        (1, 8, 4, 8, 4),
        (1, 4, 8, 16, 8),
    ]
    for below, entering in zip(outputs, inputs, strict=True):
        raised = nn.functional.interpolate(below, scale_factor=2.0, mode="trilinear", align_corners=False)
        assert torch.equal(entering[:, : below.shape[1]], raised)
