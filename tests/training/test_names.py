"""What losses, networks, presets and sources are called."""

from afl_core.loss import LOSSES, PRESETS, build_loss
from afl_core.model.networks import MODELS
from afl_core.training import config, names


def test_every_loss_of_the_catalogue_is_on_offer_under_its_label():
    keys = [key.partition(":") for key in names.LOSS_NAMES]
    assert {loss for loss, _, _ in keys} == set(LOSSES)
    assert {preset for loss, _, preset in keys if loss == "adaptive_focal"} == set(PRESETS)
    for key, name in names.LOSS_NAMES.items():
        loss, _, preset = key.partition(":")
        assert name.split(":")[0] == LOSSES[loss].label
        build_loss(loss, **({"preset": preset} if preset else {}))


def test_every_network_and_preset_is_on_offer():
    assert set(names.NETWORK_NAMES) == set(MODELS)
    assert set(names.PRESET_NAMES) == set(config.PRESETS)


def test_names_of_sources_can_be_told_apart_and_are_allowed():
    long = {"preset": "released_code", "gamma_scale": -3.5, "alpha": "none<b>", "normalise": True}
    name = names.source_name("A-FL", long)
    assert name == "A-FL released code gamma_scale -3.5 alph"
    assert names.first_unique(["A", "a"], ["x" * 40, "x" * 40]) == ("x" * 36 + " 1", "x" * 36 + " 2")
