"""A configuration is checked before anything is read or trained; a wrong setting is named."""

import pytest
from pydantic import ValidationError

from afl_core.errors import UsageError
from afl_core.training.config import PRESETS, TrainConfig, build_config

LOSS = {"loss": "focal", "loss_settings": {"gamma": 2.0}}


def test_a_preset_is_overridden_by_what_is_given_and_none_is_not_given():
    config = build_config("demo", **LOSS, steps=7, sequences=None, spacing_mm=(1, 1, 1))
    assert (config.steps, config.sequences, config.spacing_mm) == (7, ("flair", "t1", "t1ce", "t2"), (1, 1, 1))
    assert list(PRESETS) == ["demo"]


def test_an_unknown_preset_is_named():
    with pytest.raises(UsageError, match=r"no preset of that name \(received: dem\)\. Did you mean demo\?"):
        build_config("dem", **LOSS)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 0),
        ("steps", "many"),
        ("batch_size", 0),
        ("learning_rate", -0.1),
        ("learning_rate", 0),
        ("momentum", 1),
        ("seed", -1),
        ("sequences", ()),
        ("decision_rule", "coin"),
        ("spacing_mm", (2, 2)),
        ("spacing_mm", (2, 2, 0)),
        ("spacing_mm", (2, 2, -2)),
        ("patch_size", (16, 16)),
        ("patch_size", (16, 16, 0)),
        ("patch_size", (16, 16, 20)),
        ("patch_size", (8, 8, 8)),
        ("stepz", 5),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(setting, value):
    with pytest.raises(UsageError, match=f"The training setting {setting}") as caught:
        build_config("demo", **LOSS, **{setting: value})
    assert "\n" not in str(caught.value)


def test_a_configuration_cannot_be_changed():
    config = TrainConfig(**LOSS)
    with pytest.raises(ValidationError, match="frozen"):
        config.steps = 3
