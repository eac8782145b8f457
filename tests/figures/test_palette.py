"""Colours: every mark can be seen on a light page and on a dark one, and every text on its cell."""

import itertools
import tomllib
from pathlib import Path

import pytest
from plotly.colors import sample_colorscale

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
ON_IMAGES = {*palette.ERROR_COLOURS.values(), *palette.AGREEMENT_COLOURS.values()}


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
