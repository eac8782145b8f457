"""What is said of each published row, for rows worked out by hand."""

import pytest

from afl_core.analysis.breakdown.published_checks import (
    abstract_claims,
    below_iou,
    find_row,
    gain_rows,
    gain_verdict,
    least_cases,
    order_breaks,
    pair_verdict,
    published_rows,
    rate_verdict,
    rated_rows,
    repeat_rows,
)


def test_every_published_row_is_looked_at():
    assert len(published_rows()) == len(set(published_rows())) == 8 * 2 + 8 * 4 + 2
    assert len(rated_rows()) == 48
    assert len(list(gain_rows())) == 9 * 2
    assert len(repeat_rows()) == 4


@pytest.mark.parametrize(
    ("place", "verdict"),
    [
        (("losses", "A-FL", "PI-CAI"), "consistent"),
        (("networks", "UNet-R50, A-FL", "BraTS"), "cannot be means over the same cases and classes"),
        (("losses", "Tversky", "PI-CAI"), "needs 69 % or more of the scores below 0.1 or above 0.95"),
        (("networks", "RegUNet, FL", "PI-CAI"), "needs the tumour alone, or a background below 1"),
    ],
)
def test_iou_and_dsc_of_a_row(place, verdict):
    """0.654 - 0.641 + 0.001 over 0.95 * 0.05 / 1.05 = 0.045 is 0.31; 2 * 0.562 - 1 = 0.124 < 0.244 / 1.756 = 0.139."""
    assert pair_verdict(find_row(*place)) == verdict


def test_sensitivities_below_iou():
    low, lower = (
        {(row.name, row.data_set) for row in rated_rows() if below_iou(row, background=background)}
        for background in (False, True)
    )
    assert lower == {("Tversky", "BraTS"), ("IoU", "BraTS"), ("Dice", "BraTS")}  # 0.522 < 0.750 and so on
    assert lower < low
    assert ("VNet, FL", "PI-CAI") in low  # 0.570 < 0.593
    assert ("MRRN, FL", "BraTS") not in low  # 0.827 and 0.827
    assert rate_verdict(find_row("losses", "Dice", "BraTS")).startswith("needs soft scores")
    assert rate_verdict(find_row("networks", "VNet, FL", "PI-CAI")).startswith("needs the background counted in, or")
    assert rate_verdict(find_row("losses", "A-FL", "PI-CAI")) == "needs such a share, or one of the other ways"
    assert "counted in and unlike cases" in rate_verdict(find_row("losses", "CE", "BraTS"))  # no share with background


def test_a_gain_that_the_public_set_is_too_small_for():
    """0.005 on BraTS: with an SD of 0.1 and r = 0.5, 1.96 squared times 0.1 squared over 0.005 squared is 1,537."""
    found = {(name, second.data_set): (first, second) for name, first, second in gain_rows()}
    assert least_cases(*found["table of losses", "BraTS"], background=False)[0] > 1537
    assert gain_verdict(*found["table of losses", "BraTS"]) == "needs r above 0.5: the set has 285 cases"
    assert gain_verdict(*found["VNet", "BraTS"]).startswith("tumour alone needs r above 0.5")
    assert gain_verdict(*found["UNet-R50", "PI-CAI"]) == "cannot be checked"
    assert least_cases(*found["UNet-R50", "BraTS"], background=False) is None


def test_what_the_abstract_says_and_no_row_gives():
    missing = [said for said, rows in abstract_claims() if not rows]
    assert missing == ["BraTS, A-FL: IoU 0.883, DSC 0.931", "PI-CAI, A-FL over the best baseline: IoU +2.0 points"]


def test_an_order_that_pooled_counts_cannot_give():
    names = {(first.name, second.name, first.data_set) for first, second in order_breaks()}
    assert ("Tversky", "FL", "PI-CAI") in names  # 0.917 > 0.715, 0.948 > 0.924, 0.654 < 0.726
    assert ("A-FL", "DiceFocal", "BraTS") not in names  # equal DSC: rounding can hide the order
    assert ("FL", "Tversky", "PI-CAI") not in names
