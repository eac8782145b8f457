"""Colours: every mark can be seen on a light page and on a dark one, and every text on its cell."""

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest
from plotly.colors import sample_colorscale
from skimage.color import deltaE_ciede2000, rgb2lab

from afl_core.figures import palette
from afl_core.figures.chart_style import GREY
from afl_core.figures.gradients import CHANNEL_COLOURS, PLACE_COLOURS
from afl_core.figures.palette import ROUGHNESS_SCALE, WORSE_TO_BETTER, contrast, ink, rgb
from afl_core.figures.spread import DARK
from afl_core.figures.xray import ORDER, colour_of

THEME = tomllib.loads((Path(__file__).parents[2] / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
SHADES = sample_colorscale(list(ROUGHNESS_SCALE), 21)
MARKS = {
    palette.REFERENCE_COLOUR,
    *palette.SOURCE_COLOURS,
    *palette.FURTHER_COLOURS,
    *(palette.WORSE_COLOUR, palette.EQUAL_COLOUR, palette.BETTER_COLOUR),
    *(GREY, DARK),
    *CHANNEL_COLOURS,
    *PLACE_COLOURS,
    *map(colour_of, ORDER),
    *SHADES,
}
ON_IMAGES = {
    *palette.LABEL_COLOURS,
    palette.WRONG_LABEL_COLOUR,
    *palette.ERROR_COLOURS.values(),
    *palette.AGREEMENT_COLOURS.values(),
}


@pytest.mark.parametrize("colour", sorted(MARKS))
def test_mark_can_be_seen_on_light_pages_and_on_dark_ones(colour):
    assert contrast(colour, THEME["light"]["backgroundColor"]) >= 3
    assert contrast(colour, THEME["dark"]["backgroundColor"]) >= 3


@pytest.mark.parametrize("colour", sorted(ON_IMAGES))
def test_colour_on_an_image_can_be_seen_on_its_black(colour):
    assert contrast(colour, "#000000") >= 3


def test_every_colour_of_the_palette_is_tested():
    named = [value for name, value in vars(palette).items() if name.isupper() and "SYMBOLS" not in name]
    listed = {
        one
        for value in named
        for one in ([value] if isinstance(value, str) else dict(value).values() if hasattr(value, "values") else value)
    }
    cells = {*WORSE_TO_BETTER, palette.TOO_FEW}
    assert listed - MARKS - ON_IMAGES - cells - set(ROUGHNESS_SCALE) == set()


@pytest.mark.parametrize("cell", [*WORSE_TO_BETTER, palette.TOO_FEW, *CHANNEL_COLOURS, *PLACE_COLOURS])
def test_text_reads_on_its_cell(cell):
    assert contrast(ink(cell), cell) >= 4.5


def test_roughness_grows_lighter_so_that_it_reads_in_grey():
    light = [contrast(shade, "#000000") for shade in SHADES]
    assert light == sorted(light)
    assert light[-1] > 1.5 * light[0]


def test_no_two_sources_look_alike():
    colours = [palette.source_style(k)[0] for k in range(8)]
    nearest = min(
        sum(abs(a - b) for a, b in zip(rgb(p), rgb(q), strict=True)) for p, q in itertools.combinations(colours, 2)
    )
    assert nearest > 60
    assert len({palette.source_style(k) for k in range(64)}) == 64


# Machado et al. 2009, severity 1: linear RGB as protanopes and deuteranopes see it
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


@pytest.mark.parametrize("vision", [np.eye(3), np.array(PROTAN), np.array(DEUTAN)], ids=["all", "protan", "deutan"])
def test_the_first_labels_differ_for_any_colour_vision(vision):
    seen = np.array([rgb(colour) for colour in palette.LABEL_COLOURS[:5]]) / 255
    linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4) @ vision.T
    back = np.clip(linear, 0, 1)
    lab = rgb2lab(np.where(back <= 0.0031308, 12.92 * back, 1.055 * back ** (1 / 2.4) - 0.055))
    assert min(deltaE_ciede2000(p, q) for p, q in itertools.combinations(lab, 2)) > 12
