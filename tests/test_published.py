"""docs/published.md says what the published numbers give, and no number that is typed by hand alone."""

import re
from pathlib import Path

import numpy as np
import published as page
import pytest
from blocks import renewed

from afl_core.analysis.statistics.score_checks import tumour_share

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "published.md").read_text(encoding="utf-8")
GIVEN = {"2407.09828", "0.05", "0.1", "0.95", "0.5", "0.9", "1.96", "0.001", "0.2", "1.4"}
"""Decimals in the page's own words: the paper's address, what is assumed, rounding, limits, the square root of 2."""


def test_the_page_is_what_the_published_numbers_give():
    assert renewed(TEXT, page.BLOCKS) == TEXT, "run `python docs/published.py`"


def test_a_page_without_a_block_is_refused():
    with pytest.raises(ValueError, match="pairs"):
        renewed(TEXT.replace("<!-- pairs -->", ""), page.BLOCKS)


def test_computed_numbers_stand_in_the_blocks():
    words = re.sub(r"<!-- \w+ -->\n\n.*?<!-- end -->", "", TEXT, flags=re.DOTALL)
    assert len(words) < len(TEXT) / 2
    assert set(re.findall(r"\d+\.\d+", words)) == GIVEN


def test_every_row_has_a_verdict():
    lines = [line for line in TEXT.splitlines() if re.match(r"\| .* \| (PI-CAI|BraTS) \| \+?\d", line)]
    judged = [line for line in lines if re.search(r"\| (consistent|(tumour alone )?needs|cannot be)[^|]* \|$", line)]
    assert len(judged) == 50 + 48 + 18


@pytest.mark.parametrize("ml", [10, 250])
def test_the_gamma_of_spheres_is_about_volume_and_surface(ml):
    """Edges of voxels make the surface 8 % larger, and the surface is at most a fifth of gamma here."""
    volume = 1000 * ml
    surface = (36 * np.pi * volume**2) ** (1 / 3)
    assert page.sphere_gamma(ml) * 224 * 224 * 144 == pytest.approx(volume + 1.08 * surface, rel=0.01)


def test_the_soft_score_of_a_perfect_mask():
    """2,000 tumour voxels of a million, p on 998,000 others: 2 / (2 + 499 p^2), and 2 (1 - p) / (1 + (1 - p)^2)."""
    soft, released = page.soft_scores(0.05)
    assert soft == pytest.approx(2 / (2 + 499 * 0.05**2))
    assert released == pytest.approx((soft + 2 * 0.95 / (1 + 0.95**2)) / 2)


def test_unlike_cases_have_the_means_that_the_page_says():
    """5 of 100 cases all tumour, the others perfect, 0.2 % of the voxels tumour."""
    dsc = (95 + 5 * 2 * 0.002 / 1.002) / 100
    assert dsc == pytest.approx(0.95, abs=0.001)
    assert tumour_share(dsc, 1.0, 0.95) > 0.3  # like cases with these means need a third of the voxels
