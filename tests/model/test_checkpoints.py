"""A checkpoint comes back as it was written, and what is not ours, damaged or unfit is named."""

import hashlib
import json

import pytest
import torch

from afl_core.errors import CheckpointError, UsageError
from afl_core.model.checkpoints import (
    CARD,
    WEIGHTS,
    add_scores,
    find_checkpoints,
    fingerprint,
    load_card,
    load_network,
    verify_weights,
)
from afl_core.model.networks import build_model


@pytest.fixture
def checkpoint(tmp_path, make_checkpoint):
    return make_checkpoint(tmp_path / "net")


def edit_card(folder, **changed):
    path = folder / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def replace_weights(folder, data):
    """With a card that agrees, so that only the content can be wrong."""
    (folder / WEIGHTS).write_bytes(data)
    edit_card(folder, weights_sha256=hashlib.sha256(data).hexdigest())


def refused(folder, *parts):
    with pytest.raises(CheckpointError) as caught:
        load_network(folder)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_round_trip_gives_identical_logits(tmp_path, make_checkpoint):
    folder = make_checkpoint(tmp_path / "net", seed=5, sequences=("flair", "t1ce"))
    torch.manual_seed(5)
    original = build_model("demo_unet", in_channels=2).eval()
    network, card = load_network(folder)
    assert not network.training
    image = torch.randn(1, 2, 16, 16, 16)
    with torch.inference_mode():
        assert torch.equal(network(image), original(image))
    assert card == load_card(folder)
    assert card.sequences == ("flair", "t1ce")
    assert card.weights_sha256 == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def test_the_demo_network_gives_two_logits_and_half_a_million_parameters():
    network = build_model("demo_unet", in_channels=4)
    assert network(torch.zeros(1, 4, 16, 16, 16)).shape == (1, 2, 16, 16, 16)
    assert 0.4e6 < sum(p.numel() for p in network.parameters()) < 0.6e6


def test_an_unknown_network_suggests_the_nearest():
    with pytest.raises(UsageError, match=r"no network of that name \(received: demo_unte\)\. Did you mean demo_unet\?"):
        build_model("demo_unte", in_channels=1)


@pytest.mark.parametrize("position", [20, -1])
def test_one_changed_byte_of_the_weights_is_refused(checkpoint, position):
    data = bytearray((checkpoint / WEIGHTS).read_bytes())
    data[position] ^= 1
    (checkpoint / WEIGHTS).write_bytes(data)
    refused(checkpoint, "net/weights.safetensors is not the file that its card describes", "SHA-256")


@pytest.mark.parametrize("length", [0, 4, 200, -4])
def test_truncated_weights_are_refused_also_if_the_card_agrees(checkpoint, length):
    replace_weights(checkpoint, (checkpoint / WEIGHTS).read_bytes()[:length])
    refused(checkpoint, "The weights in net do not fit the network demo_unet with 2 channels")


def test_channels_that_do_not_match_are_refused(checkpoint):
    edit_card(checkpoint, sequences=["flair", "t1", "t1ce"])
    refused(checkpoint, "do not fit the network demo_unet with 3 channels", "size mismatch")


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_weights_of_another_network_are_refused(checkpoint, change):
    from safetensors.torch import load, save

    tensors = load((checkpoint / WEIGHTS).read_bytes())
    if change == "missing":
        name = sorted(tensors)[0]
        del tensors[name]
    else:
        name = "surplus.weight"
        tensors[name] = torch.zeros(3)
    replace_weights(checkpoint, save(tensors))
    refused(checkpoint, "do not fit the network demo_unet", name)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(checkpoint, value):
    from safetensors.torch import load, save

    tensors = load((checkpoint / WEIGHTS).read_bytes())
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] = value
    replace_weights(checkpoint, save(tensors))
    refused(checkpoint, "net/weights.safetensors holds weights that are NaN or infinite", name)


def test_an_unknown_network_on_the_card_is_refused(checkpoint):
    edit_card(checkpoint, network="resnet_900")
    refused(checkpoint, "resnet_900", "demo_unet")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"surprise": 1}, "surprise"),
        ({"decision_rule": "coin"}, "decision_rule"),
        ({"spacing_mm": [2, 2]}, "spacing_mm"),
        ({"sequences": []}, "sequences"),
        ({"patch_size": "large"}, "patch_size"),
        ({"weights_sha256": None}, "weights_sha256"),
        ({"training": {"parameters": "many"}}, "training.parameters"),
        ({"data": {"cases": {"test": []}}}, "data.cases.test"),
        ({"scores": {"test_mean_dsc_by_decision_rule": {"argmax": "high"}}}, "scores.test_mean_dsc"),
        ({"versions": {"torch": 2}}, "versions.torch"),
    ],
)
def test_a_card_with_a_wrong_field_names_it(checkpoint, changed, named):
    edit_card(checkpoint, **changed)
    refused(checkpoint, f"net/card.json is damaged: {named}")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"name": ' + b"9" * 5000])
def test_a_card_that_is_no_card_is_refused(checkpoint, data):
    (checkpoint / CARD).write_bytes(data)
    refused(checkpoint, "net/card.json is damaged")


def test_a_missing_field_is_named(checkpoint):
    card = json.loads((checkpoint / CARD).read_text())
    del card["limits"]
    (checkpoint / CARD).write_text(json.dumps(card))
    refused(checkpoint, "net/card.json is damaged: limits")


@pytest.mark.parametrize("missing", [CARD, WEIGHTS])
def test_a_folder_that_lacks_a_file_is_no_checkpoint(checkpoint, missing):
    (checkpoint / missing).unlink()
    refused(checkpoint, "not a checkpoint of the workbench", "afl train")
    refused(checkpoint / CARD, "not a checkpoint of the workbench")


def test_scores_are_added_and_nothing_else_changes(checkpoint):
    add_scores(checkpoint, {"validation": {"dsc": 0.5}})
    before = load_card(checkpoint)
    add_scores(checkpoint, {"test": {"dsc": 0.25}})
    after = load_card(checkpoint)
    assert after.scores == {"validation": {"dsc": 0.5}, "test": {"dsc": 0.25}}
    assert after.model_copy(update={"scores": before.scores}) == before
    assert verify_weights(checkpoint, after) == (checkpoint / WEIGHTS).read_bytes()


def test_finding_checkpoints_leaves_out_damaged_ones(tmp_path, make_checkpoint):
    make_checkpoint(tmp_path / "good")
    make_checkpoint(tmp_path / "bad")
    (tmp_path / "bad" / CARD).write_text("{}")
    (tmp_path / "other").mkdir()
    assert list(find_checkpoints(tmp_path)) == [tmp_path / "good"]
    assert find_checkpoints(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"summary": "new"}, True),
        ({"scores": {"dsc": 1}}, True),
        ({"decision_rule": "tumour_channel"}, False),
        ({"spacing_mm": [1, 2, 2]}, False),
        ({"patch_size": [64, 32, 32]}, False),
        ({"sequences": ["t1ce", "flair"]}, False),
        ({"weights_sha256": "0" * 64}, False),
    ],
)
def test_the_fingerprint_changes_with_whatever_changes_a_prediction(checkpoint, changed, same):
    before = fingerprint(checkpoint)
    edit_card(checkpoint, **changed)
    assert (fingerprint(checkpoint) == before) == same


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing_mm": [0, 1, 1]},
        {"spacing_mm": [-1, 1, 1]},
        {"patch_size": [0, 16, 16]},
        {"patch_size": [16, 16, 10**9]},
        {"grid": [0, 1, 1]},
    ],
)
def test_a_card_with_impossible_sizes_is_damaged_before_it_is_used(checkpoint, wrong):
    edit_card(checkpoint, **wrong)
    refused(checkpoint, "card.json is damaged", next(iter(wrong)))
