"""Loss X-ray page: what A-FL's gamma is made of, and why it is what it is on the chosen case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from afl_core.analysis.xray.findings import figure
from afl_core.analysis.xray.focusing import SETTINGS, Setting, case_gamma, kept_at
from afl_core.base.words import number_of
from afl_core.figures.xray import plot_volume
from afl_core.glossary import explain
from afl_core.ui.shared.errors import plain

FORMULA = (
    r"Both losses are $-\,\alpha\,(1-p_t)^{\gamma}\,\log p_t$ in a voxel; $p_t$ is the probability of "
    r"the right class. **Gamma** ($\gamma$) says how far a loss looks away from voxels that are right already. The "
    r"focal loss (FL) takes 2 for every case. The adaptive focal loss (A-FL) takes it from each case: "
    r"$\gamma = \gamma_{va} + \gamma_{mSa}$, the tumour's share of all voxels plus the smoothness of its surface, "
    r"which can be read in three ways."
)
FORMULA_HELP = explain("A-FL", "Focal loss (FL)", "Alpha (alpha_va)", "gamma_va", "gamma_mSa")


@dataclass(frozen=True)
class Reading:
    """One reading of gamma_mSa: its name on screen, which the glossary explains, and the loss that has it."""

    name: str
    setting: Setting


READINGS: Mapping[str, Reading] = {
    "released": Reading("As released", SETTINGS["A-FL released"]),
    "surface": Reading("Over the boundary", SETTINGS["A-FL paper"]),
    "scale_free": Reading("Scale-free", SETTINGS["A-FL scale-free"]),
}

_BECAUSE: Mapping[str, str] = {
    "released": "Both parts are divided by **all** voxels. Nearly all of these are background, so both are nearly 0, "
    "and **the smaller the tumour, the smaller they are**. Even a tumour that filled half of the volume would get "
    "about 0.5, not FL's 2.",
    "surface": "Divided by the boundary's own voxels, gamma_mSa is much the same for every tumour, large or small, "
    "smooth or rough: {low} to {high} here (5th to 95th percentile). gamma_va stays a share of all voxels, nearly 0.",
    "scale_free": "Roughness does not grow with the tumour, so gamma follows the shape: {low} to {high} here (5th to "
    "95th percentile). gamma_va stays a share of all voxels, nearly 0.",
}
"""Why gamma has the size that it has, by reading."""


def show_why(row: "pd.Series[Any]", key: str, there: pd.DataFrame) -> None:
    """The calculation of gamma on a case, under one reading, and what it does.

    Args:
        row: The row of the case in the X-ray table.
        key: Key of the reading in READINGS.
        there: The rows of every case with a tumour.
    """
    reading = READINGS[key]
    gamma = case_gamma(reading.setting, row)
    voxels, tumour = int(row["voxels"]), int(row["tumour_voxels"])
    st.markdown(
        f"### 1. Why gamma is {figure(gamma)} on {plain(row['case_id'])} ({row['size']:.2g}\N{NO-BREAK SPACE}ml)"
    )
    st.plotly_chart(plot_volume(float(row["gamma_va"])), key="volume", config={"displayModeBar": False})
    st.markdown(
        f"""
| A-FL, {reading.name.lower()} | |
|:--|--:|
| $\\gamma_{{va}}$: {number_of(tumour, "tumour voxel")} ÷ {number_of(voxels, "voxel")} | {figure(row["gamma_va"])} |
| $\\gamma_{{mSa}}$: {_counted(row, key)} | {figure(row[key])} |
| **gamma of A-FL**, their sum | **{figure(gamma)}** |
| **gamma of FL**, the same for every case | **2** |
"""
    )
    if row["grid_ml"] < 0.9 * row["size"]:
        st.caption(
            f"The loss sees {row['grid_ml']:.2g} of the tumour's {row['size']:.2g} ml: the rest is cropped away."
        )
    low, high = (figure(float(there[key].quantile(q))) for q in (0.05, 0.95))
    st.markdown(_BECAUSE[key].format(low=low, high=high))
    kept = float(kept_at(0.9, gamma))
    so = "That is between cross-entropy and FL."
    if kept > 0.9:
        so = (
            "It is cross-entropy, in effect, least focused where the tumour is smallest: "
            f"{voxels - tumour:,} background voxels keep pulling, even where they are right already, against "
            f"{tumour:,} of the tumour."
        )
    st.markdown(
        "Gamma decides how far a loss looks away from voxels that are right already: it multiplies their cross-entropy "
        f"by $(1-p_t)^{{\\gamma}}$. At $p_t = 0.9$ **FL keeps 0.1² = 1\N{NO-BREAK SPACE}%**, and "
        f"**A-FL here keeps 0.1^{figure(gamma)} = {100 * kept:.1f}\N{NO-BREAK SPACE}%**. {so}"
    )


def _counted(row: "pd.Series[Any]", key: str) -> str:
    """The calculation of gamma_mSa in words."""
    faces = f"about {number_of(round(row['boundary']), 'boundary face')}"
    if key == "released":
        return f"{faces} ÷ {number_of(int(row['voxels']), 'voxel')}"
    if key == "surface":
        return f"{faces} ÷ {number_of(round(row['boundary'] / row['surface']), 'boundary voxel')}"
    return "roughness on the grid of the loss" if row["scale_free"] else "too small to carry a roughness, so 0"
