"""The figure of examples: which cases, which rows and columns, and its files."""

import io
import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from afl_core.errors import DataError, UsageError
from afl_core.figures.example_cases import choose_examples
from afl_core.figures.examples import Example, plot_examples
from afl_core.figures.files import figure_bytes
from afl_core.volume import Mask, Volume

SHAPE = (24, 26, 20)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def box(low: int, high: int) -> Mask:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[low:high, low:high, 5:12] = True
    return Mask(mask, AFFINE)


def example(title: str) -> Example:
    image = Volume(np.random.default_rng(0).normal(100, 10, SHAPE).astype(np.float32), AFFINE)
    return Example(title, image, box(8, 16), {"FL": box(9, 14), "A-FL": box(7, 17)}, {"FL": 0.7, "A-FL": 0.85})


def rows(**cases: tuple[float, float]) -> pd.DataFrame:
    """Case rows of two sources; volume and roughness by case."""
    columns = ("case_id", "source", "reference_volume_ml", "roughness")
    values = [(case_id, source, *facts) for case_id, facts in cases.items() for source in ("FL", "A-FL")]
    return pd.DataFrame(values, columns=columns)


def test_roles_go_to_the_extremes_and_no_case_twice():
    table = rows(a=(90, 0.5), b=(40, 0.4), c=(10, 0.3), d=(20, 0.01), e=(1, math.nan), f=(0, math.nan))
    assert choose_examples(table) == {"large": "a", "small": "e", "smooth": "d", "rough": "b"}
    assert choose_examples(table[table["case_id"].isin(["a", "f"])]) == {"large": "a"}
    assert choose_examples(pd.DataFrame()) == {}


def test_a_role_needs_a_case_on_its_side_of_the_median():
    """The three cases of BraTS 2013: the smoothest is the largest, and the next one is no smooth tumour."""
    rows = pd.DataFrame(
        {
            "case_id": ["a", "b", "c"],
            "reference_volume_ml": [190.0, 20.0, 80.7],
            "roughness": [0.066, 0.138, 0.131],
        }
    )
    assert choose_examples(rows) == {"large": "a", "small": "b"}
    assert choose_examples(rows[:1]) == {"large": "a"}


def test_rows_are_reference_and_sources_with_two_columns_a_case():
    figure = plot_examples([example("Large: 9 ml"), example("Small: 1 ml")])
    *panels, bar = figure.axes
    assert len(panels) == 2 * 2 * 3
    assert [axes.get_ylabel() for axes in panels[:6:2]] == ["Reference", "FL", "A-FL"]
    assert [text.get_text() for text in figure.texts] == ["Large: 9 ml", "Small: 1 ml"]
    assert [axes.texts[0].get_text() for axes in panels[2:6:2]] == ["Dice 0.700", "Dice 0.850"]
    for axes in panels[1::2]:
        left, right = axes.get_xlim()
        assert left > right  # radiological: x grows to the left
    low, high = bar.get_ylim()
    assert low == -high


def test_all_slices_are_of_one_size_with_one_bar_and_letters():
    """Whatever the size of the tumour, and also beside a prediction of ones everywhere."""
    whole = Mask(np.ones(SHAPE, bool), AFFINE)
    large = Example("Large", example("").image, box(2, 22), {"FL": whole, "A-FL": box(2, 22)}, {})
    panels = plot_examples([example("Small"), large]).axes[1:-1:2]
    sides = {round(abs(np.ptp(axes.get_xlim())), 6) for axes in panels}
    assert len(sides) == 1
    assert {round(abs(np.ptp(axes.get_ylim())), 6) for axes in panels} == sides
    assert {tuple(text.get_text() for text in axes.texts)[:3] for axes in panels} == {("R", "L", "10 mm")}
    assert len({tuple(axes.lines[-1].get_xdata()) for axes in panels}) == 1


def test_an_empty_reference_and_a_missing_image_are_said():
    nothing = Mask(np.zeros(SHAPE, bool), AFFINE)
    empty = Example("Empty", None, nothing, {"FL": box(9, 14)}, {"FL": 0.0})
    said = [text.get_text() for axes in plot_examples([empty]).axes[1:-1:2] for text in axes.texts]
    assert said.count("The reference is empty") == 2
    bare = Example("Bare", None, box(8, 16), {"FL": box(9, 14)}, {"FL": 0.7})
    said = [text.get_text() for axes in plot_examples([bare]).axes[1:-1:2] for text in axes.texts]
    assert said.count("No image") == 2


def test_surfaces_of_a_row_show_where_its_source_errs():
    figure = plot_examples([example("One")])
    png = np.asarray(Image.open(io.BytesIO(figure_bytes(figure, "png"))).convert("RGB")).astype(int)
    height, warmth = len(png), []
    for axes in figure.axes[4:1:-2]:  # A-FL lies outside the reference, FL inside
        frame = axes.get_position()
        rows_, columns = (np.array([1 - frame.y1, 1 - frame.y0]) * height).astype(int), (frame.x0, frame.x1)
        panel = png[slice(*rows_), slice(*(int(x * png.shape[1]) for x in columns))]
        warmth.append((panel[..., 0] - panel[..., 2])[panel.max(axis=2) > 60].mean())
    assert warmth[0] > 20
    assert warmth[1] < -20


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files_open_and_a_png_has_300_dpi(kind: str, magic: bytes):
    data = figure_bytes(plot_examples([example("One")]), kind)
    assert data.startswith(magic)
    if kind == "png":
        assert Image.open(io.BytesIO(data)).info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match="a case with a tumour"):
        plot_examples([])
    with pytest.raises(UsageError, match="Did you mean png"):
        figure_bytes(plot_examples([example("One")]), "pnj")
