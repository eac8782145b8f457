"""The paper's tables as the paper prints them, complete and apart from ours."""

import numpy as np
import pytest

from afl_core.analysis.breakdown.published import (
    DATA_SETS,
    DISCREPANCIES,
    MEASURES,
    PUBLISHED_LOSSES,
    PUBLISHED_NETWORKS,
    SOURCE,
    published_losses,
    published_networks,
)


def test_the_tables_are_complete():
    losses, networks = published_losses(), published_networks()
    assert losses.shape == (8 * 2, 2 + 4)
    assert networks.shape == (8 * 4, 3 + 4)
    assert not losses.duplicated(["loss", "data_set"]).any()
    assert not networks.duplicated(["network", "data_set", "loss"]).any()
    for table in (losses, networks):
        assert set(table["data_set"]) == set(DATA_SETS)
        values = table[list(MEASURES)].to_numpy()
        assert np.isfinite(values).all()
        assert ((values > 0.5) & (values < 1)).all()


@pytest.mark.parametrize(
    ("loss", "data_set", "measure", "value"),
    [
        ("A-FL", "PI-CAI", "specificity", 0.9501),
        ("Tversky", "BraTS", "sensitivity", 0.5221),
        ("FL", "BraTS", "DSC", 0.922),
    ],
)
def test_a_loss_has_the_printed_value(loss, data_set, measure, value):
    table = published_losses().set_index(["loss", "data_set"])
    assert table.loc[(loss, data_set), measure] == value


@pytest.mark.parametrize(
    ("network", "data_set", "loss", "scores"),
    [
        ("UNet-R50", "BraTS", "A-FL", [0.898, 0.951, 0.962, 0.949]),
        ("UNet", "PI-CAI", "A-FL", [0.669, 0.740, 0.792, 0.825]),
        ("MRRN", "BraTS", "FL", [0.827, 0.889, 0.827, 0.931]),
    ],
)
def test_a_network_has_the_printed_values(network, data_set, loss, scores):
    table = published_networks().set_index(["network", "data_set", "loss"])
    assert table.loc[(network, data_set, loss), list(MEASURES)].tolist() == scores


def test_the_gains_of_the_abstract_are_those_of_the_table_of_networks():
    """+5.5 and +5.4 points of IoU and DSC on PI-CAI."""
    fl, afl = PUBLISHED_NETWORKS["UNet-R50"][:2]
    assert [round(100 * (b - a), 1) for a, b in zip(fl[:2], afl[:2], strict=True)] == [5.5, 5.4]
    best = max(scores[0][1] for loss, scores in PUBLISHED_LOSSES.items() if loss != "A-FL")
    assert round(100 * (PUBLISHED_LOSSES["A-FL"][0][1] - best), 1) == 1.2


def test_a_mean_dsc_of_951_forces_the_iou_that_is_said():
    """IoU = DSC / (2 - DSC) is convex, so a mean IoU is at least that of the mean DSC."""
    assert round(0.951 / (2 - 0.951), 3) == 0.907
    assert any("0.907" in said for said in DISCREPANCIES)


def test_what_is_said_of_the_disagreements_is_in_the_tables():
    losses, networks = PUBLISHED_LOSSES, PUBLISHED_NETWORKS["UNet-R50"]
    assert losses["A-FL"][1][:2] != networks[3][:2]
    assert losses["FL"][0][:2] != networks[0][:2]
    assert losses["A-FL"][0][2:] != networks[1][2:]
    assert losses["DiceFocal"][1][:2] == losses["A-FL"][1][:2]
    assert min(losses["IoU"][1][1], losses["Dice"][1][1]) > losses["A-FL"][1][1]


def test_they_are_labelled_and_cannot_be_changed():
    assert "2407.09828" in SOURCE
    assert "soft" in SOURCE
    with pytest.raises(TypeError):
        PUBLISHED_LOSSES["ours"] = ()
    table = published_losses()
    table["DSC"] = 0
    assert published_losses()["DSC"].min() > 0.6
