"""A configuration is checked before anything is read or trained; a wrong setting is named; presets are as released."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from afl_core.errors import UsageError
from afl_core.model.resnet_unet import BRATS_STRIDES, PICAI_STRIDES, check_strides
from afl_core.training.config import PRESETS, TrainConfig, build_config, parse_setting
from afl_core.training.plan import check_config

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"
LOSS = {"loss": "focal", "loss_settings": {"gamma": 2.0}}


def test_a_preset_is_overridden_by_what_is_given_and_none_is_not_given():
    config = build_config("demo", **LOSS, steps=7, sequences=None, spacing_mm=(1, 1, 1))
    assert (config.steps, config.sequences, config.spacing_mm) == (7, ("flair", "t1", "t1ce", "t2"), (1, 1, 1))
    assert list(PRESETS) == ["demo", "picai_paper", "brats_paper"]
    with pytest.raises(TypeError):
        PRESETS["new"] = {}


def test_an_unknown_preset_is_named():
    with pytest.raises(UsageError, match=r"no preset of that name \(received: dem\)\. Did you mean demo\?"):
        build_config("dem", **LOSS)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 0),
        ("steps", "many"),
        ("epochs", 0),
        ("validate_every", 0),
        ("batch_size", 0),
        ("learning_rate", -0.1),
        ("learning_rate", 0),
        ("momentum", 1),
        ("weight_decay", -1),
        ("seed", -1),
        ("threads", 0),
        ("sequences", ()),
        ("decision_rule", "coin"),
        ("label_resize", "linear"),
        ("factors_from", "volume"),
        ("augmentation", "some"),
        ("optimiser", "adam"),
        ("schedule", "linear"),
        ("precision", "fp8"),
        ("device", "tpu"),
        ("spacing_mm", (2, 2)),
        ("spacing_mm", (2, 2, 0)),
        ("spacing_mm", (2, 2, -2)),
        ("spacing_mm", (2, 2, float("inf"))),
        ("grid", (16, 16)),
        ("grid", (16, 16, 0)),
        ("patch_size", (16, 16)),
        ("patch_size", (16, 16, 0)),
        ("stepz", 5),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(setting, value):
    with pytest.raises(UsageError, match=f"The training setting {setting}") as caught:
        build_config("demo", **LOSS, **{setting: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("patch", [(16, 16, 20), (8, 8, 8)])
def test_a_patch_that_the_network_cannot_take_is_named_before_a_run(patch):
    with pytest.raises(UsageError, match="network demo_unet cannot take a patch of that size") as caught:
        check_config(build_config("demo", **LOSS, patch_size=patch))
    assert str(patch) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": "unest"}, "no network of that name"),
        ({"network": "unet", "network_settings": {"widht": 8}}, "Did you mean width?"),
        ({"network": "unet_resnet50", "network_settings": {"strides": [[2, 2, 2]]}}, "strides must be five times"),
        ({"network": "vnet", "sequences": [str(n) for n in range(17)]}, "at most 16 input channels"),
        ({"device": "cuda"}, "no CUDA device here"),
    ],
)
def test_a_network_or_device_that_is_not_possible_is_named_before_a_run(settings, said, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError) as caught:
        check_config(build_config("demo", **LOSS, **settings))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_cannot_be_changed():
    config = TrainConfig(**LOSS)
    with pytest.raises(ValidationError, match="frozen"):
        config.steps = 3


def test_a_configuration_comes_back_from_json():
    for preset in PRESETS:
        config = build_config(preset, **LOSS)
        assert TrainConfig.model_validate_json(config.model_dump_json()) == config


def test_epochs_are_passes_over_the_cases():
    config = build_config("demo", **LOSS, epochs=3, batch_size=2)
    assert (config.epoch_steps(5), config.total_steps(5)) == (250, 9)
    each = config.model_copy(update={"validate_every": None})
    assert (each.epoch_steps(5), each.total_steps(5)) == (3, 9)
    assert (each.epoch_steps(4), each.total_steps(4)) == (2, 6)
    assert build_config("demo", **LOSS, steps=7).total_steps(5) == 7


PAPER = {
    "network": "unet_resnet50",
    "encoder_weights": None,
    "batch_size": 1,
    "epochs": 200,
    "validate_every": None,
    "optimiser": "sgd",
    "schedule": "constant",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-5,
    "precision": "fp32",
    "seed": 0,
    "decision_rule": "tumour_channel",
    "label_resize": "nearest",
}


@pytest.mark.parametrize(
    ("preset", "strides", "own"),
    [
        (
            "picai_paper",
            PICAI_STRIDES,
            {
                "sequences": ("t2w", "adc", "hbv"),
                "grid": (160, 128, 24),
                "patch_size": (160, 128, 24),
                "augmentation": "picai_paper",
            },
        ),
        (
            "brats_paper",
            BRATS_STRIDES,
            {
                "sequences": ("flair", "t1", "t1ce", "t2"),
                "grid": None,
                "spacing_mm": (1.0, 1.0, 1.0),
                "patch_size": (224, 224, 144),
                "augmentation": "brats_paper",
            },
        ),
    ],
)
def test_the_presets_of_the_paper_train_as_released(preset, strides, own):
    """Values written out from the released code; the deviations are those that the document lists."""
    config = build_config(preset, **LOSS)
    for name, value in (PAPER | own).items():
        assert getattr(config, name) == value, name
    assert check_strides(config.network_settings["strides"]) == strides
    assert config.total_steps(300) == 200 * 300
    check_config(config)


def test_the_document_names_every_setting():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in TrainConfig.model_fields if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps=5", 5),
        ("grid=[16,16,16]", [16, 16, 16]),
        ("encoder_weights=a=b.pth", "a=b.pth"),
        ("network=unet", "unet"),
        ("epochs=null", None),
        ("network=", ""),
    ],
)
def test_a_setting_is_read_as_json_where_it_is_json(text, value):
    assert parse_setting(text) == (text.partition("=")[0], value)
