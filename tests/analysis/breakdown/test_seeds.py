"""Which sources are seeds of one configuration: cards that differ in the seed alone, names that end in one."""

import pytest

from afl_core.analysis.breakdown.seeds import find_seeds
from afl_core.evaluation.manifest_sections import SourceSection

MASKS = SourceSection(kind="masks", path="/somewhere", files=3)

REST = {"summary": "", "spacing_mm": (1, 1, 1), "patch_size": (8, 8, 8), "command": "", "versions": {}, "limits": ""}


def checkpoint(label="FL", *, seed=0, data="cohort", **changed):
    outcome = {"best_step": 100 * seed, "best_validation_dsc": 0.8 + seed / 100, "initial_weights_sha256": str(seed)}
    card = {
        "name": f"run {seed}",
        "label": label,
        "network": "demo_unet",
        "sequences": ["flair"],
        "loss": "focal",
        "loss_settings": {"gamma": 2.0},
        "decision_rule": "argmax",
        "training": {"steps": 2000, "seed": seed} | outcome,
        "data": {"name": data},
        "scores": {"dsc": seed / 10},
        "weights_sha256": str(seed),
    }
    return SourceSection(kind="checkpoint", path="/here", fingerprint=str(seed), card=REST | card | changed)


def test_cards_that_differ_in_the_seed_alone():
    sources = {"b": checkpoint(seed=1), "x": checkpoint("A-FL", loss="adaptive_focal"), "a": checkpoint(seed=2)}
    assert find_seeds(sources) == {"FL": ("b", "a")}


@pytest.mark.parametrize(
    "changed",
    [
        {"loss_settings": {"gamma": 3.0}},
        {"loss": "dice"},
        {"network": "resnet_unet"},
        {"sequences": ["flair", "t2"]},
        {"decision_rule": "tumour_channel"},
        {"data": "other cohort"},
        {"training": {"steps": 1000, "seed": 2}},
    ],
)
def test_cards_that_differ_in_more(changed):
    assert find_seeds({"a": checkpoint(seed=1), "b": checkpoint(seed=2, **changed)}) == {}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("FL seed1", "FL seed2"), {"FL": ("FL seed1", "FL seed2")}),
        (("FL_seed_1", "FL-seed 2", "FLSEED3"), {"FL": ("FL_seed_1", "FL-seed 2", "FLSEED3")}),
        (("A-FL seed0", "FL seed0", "A-FL seed10"), {"A-FL": ("A-FL seed0", "A-FL seed10")}),
        (("FL seed1", "A-FL seed1"), {}),
        (("FL seed1",), {}),
        (("FL", "A-FL"), {}),
        (("seed1", "seed2"), {}),
        (("FL 1", "FL 2"), {}),
        (("FL seed1 late", "FL seed2 late"), {}),
        ((), {}),
    ],
)
def test_names_of_masks(names, found):
    assert find_seeds(dict.fromkeys(names, MASKS)) == found


def test_masks_without_a_seed_in_their_name_are_no_seed():
    """FL may be the ensemble of its seeds; it stays a source of its own."""
    assert find_seeds(dict.fromkeys(("FL", "FL seed1", "FL seed2"), MASKS)) == {"FL seeds": ("FL seed1", "FL seed2")}


def test_masks_and_checkpoints_are_not_mixed():
    sources = {"FL seed1": MASKS, "FL seed2": checkpoint(seed=2)}
    assert find_seeds(sources) == {}


def test_a_label_that_is_taken():
    pair = {
        f"{gamma} {seed}": checkpoint(seed=seed, loss_settings={"gamma": gamma})
        for gamma in (1, 2, 3)
        for seed in (1, 2)
    }
    assert find_seeds(pair) == {"FL": ("1 1", "1 2"), "FL seeds": ("2 1", "2 2"), "FL seeds 2": ("3 1", "3 2")}
    other = {"FL": MASKS, "a": checkpoint(seed=1), "b": checkpoint(seed=2)}
    assert find_seeds(other) == {"FL seeds": ("a", "b")}
    assert find_seeds({"FL": checkpoint(seed=1), "b": checkpoint(seed=2)}) == {"FL": ("FL", "b")}


def test_two_cards_that_say_the_same():
    assert find_seeds({"a": checkpoint(), "b": checkpoint()}) == {"FL": ("a", "b")}


def test_weights_without_a_record_of_their_training_are_seeds_by_name_alone():
    """Two files of the paper's authors, FL and A-FL, say the same of themselves."""
    bare = checkpoint(network="unet_resnet50", loss="not recorded", loss_settings={}, training={})
    assert find_seeds({"FL": bare, "A-FL": bare}) == {}
    assert find_seeds({"FL seed1": bare, "A-FL": bare, "FL seed2": bare}) == {"FL": ("FL seed1", "FL seed2")}
