"""Loss X-ray page: the losses' curves on a case, and a focusing of one's own by tumour size."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from afl_core.analysis.bins import AXES
from afl_core.analysis.focusing import SETTINGS, Alpha, Setting, Smoothness, gammas
from afl_core.analysis.gradients import case_gammas
from afl_core.analysis.sentences import edges_text
from afl_core.analysis.xray import focusing_by_bin, tumours
from afl_core.analysis.xray_findings import bin_sentence, distance_sentence
from afl_core.figures.xray import plot_curves, plot_focusing
from afl_core.ui.breakdown import chart_config
from afl_core.ui.errors import plain
from afl_core.ui.xray import Asked

SMOOTHNESS: Mapping[str, str] = {
    "released": "As released",
    "surface": "Over the boundary",
    "scale_free": "Scale-free",
    "none": "None",
}
ALPHAS: Mapping[str, str] = {
    "balanced": "By class",
    "scalar": "Same for all",
    "released": "By channel",
    "none": "None",
}
YOURS = "yours"
TOP_GAMMA = 5.0


def show_design(asked: Asked) -> Setting:
    """Sliders, the curves of the chosen case, and what the sliders give tumours of each size; returns their loss."""
    st.markdown("##### Try it: the loss of this case, and the focus by tumour size")
    setting, alpha = _choose_setting(asked)
    curve, bins = st.columns(2, gap="large")
    settings = {**SETTINGS, YOURS: setting}
    found = case_gammas(asked.row, settings)
    with curve:
        st.plotly_chart(plot_curves(found, alpha), key="curves", config=chart_config(f"{asked.workspace.name} curves"))
        said = [distance_sentence(name, found[name], asked.case_id) for name in ("A-FL released", "FL", YOURS)]
        st.markdown("\n".join(f"- {plain(text)}" for text in said))
        st.caption("Weights multiply A-FL and weighted cross-entropy alike, so alpha never changes their distance.")
    with bins:
        _show_bins(asked, {name: settings[name] for name in ("FL", "A-FL released", YOURS)})
    _offer_training(asked, setting)
    return setting


def _choose_setting(asked: Asked) -> tuple[Setting, float]:
    """The loss that the controls describe, and the weight of its curve."""
    columns = [column for _ in range(2) for column in st.columns(3, gap="medium", vertical_alignment="bottom")]
    smoothness = columns[0].selectbox(
        "Smoothness in gamma", list(SMOOTHNESS), format_func=SMOOTHNESS.__getitem__, key="design smoothness"
    )
    volume = columns[1].toggle(
        "With gamma_va",
        True,
        key="design volume",
        help="Whether gamma_va, the tumour's share of the volume, is part of gamma.",
    )
    reading = Setting("balanced", bool(volume), cast(Smoothness, smoothness))
    scale = _choose_scale(asked, reading, columns[3])
    offset = columns[4].slider("Offset of gamma", 0.0, TOP_GAMMA, 2.0, 0.05, key="design offset", help="Added to it.")
    own = float(asked.row["alpha_va"])
    alpha = columns[5].slider(
        "Alpha of the curve",
        0.0,
        1.0,
        own,
        0.0001,
        format="%.4f",
        key=f"alpha {asked.case_id} {asked.preparation}",
        help="Weight of a voxel in the curves. It starts at alpha_va of this case; training takes it from each case.",
    )
    weighting = columns[2].selectbox(
        "Weights",
        list(ALPHAS),
        format_func=ALPHAS.__getitem__,
        key="design alpha",
        help="What alpha_va weighs: tumour voxels, every voxel (as printed), or the background channel (as released).",
    )
    return replace(reading, alpha=cast(Alpha, weighting), gamma_scale=round(scale, 6), gamma_offset=offset), alpha


def _choose_scale(asked: Asked, reading: Setting, column: DeltaGenerator) -> float:
    """A slider whose ends suit the reading; it starts as an example in which small tumours get more focus."""
    reach = _reach(reading, asked.table)
    return float(
        column.slider(
            "Scale of gamma",
            -reach,
            reach,
            -0.3 * reach,
            reach / 100,
            key=f"scale {asked.workspace.name} {asked.preparation} {reading}",
            help="Multiplies gamma_adaptive. Below 0, with an offset, small tumours get more focus.",
        )
    )


def _reach(reading: Setting, table: pd.DataFrame) -> float:
    """A round scale that takes the larger tumours' gamma_adaptive to TOP_GAMMA."""
    top = float(pd.Series(gammas(reading, tumours(table))).quantile(0.95))
    if not top > 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(TOP_GAMMA / top))
    return float(step * math.ceil(TOP_GAMMA / top / step))


def _show_bins(asked: Asked, settings: Mapping[str, Setting]) -> None:
    if asked.size is None:
        st.info("Three tumours are needed for bins by size.")
        return
    there = tumours(asked.table)
    medians = focusing_by_bin(there, settings, asked.size.assign(there["size"]))
    labels = [
        f"{name}<br>{edges_text(*asked.size.bounds(k), AXES['size'].unit)}"
        for k, name in enumerate(asked.size.names[:3])
    ]
    st.plotly_chart(
        plot_focusing(medians, labels), key="focusing", config=chart_config(f"{asked.workspace.name} focusing")
    )
    said = {"A-FL released": medians["A-FL released"], YOURS: medians[YOURS]}
    st.markdown("\n".join(f"- {plain(f'{name}: {bin_sentence(of, asked.size.names)}')}" for name, of in said.items()))
    st.caption("The higher gamma, the more the loss looks away from voxels that it already gets right (focusing).")


def _offer_training(asked: Asked, setting: Setting) -> None:
    """What the setting is to the loss, and one click that takes it to the Training page."""
    settings = setting.loss_settings() | {"normalise": True}
    button, said = st.columns([3, 8], vertical_alignment="center")
    if button.button("Train with this setting", type="primary"):
        address = {"results": asked.workspace.name, "loss": "adaptive_focal", "loss_settings": json.dumps(settings)}
        st.switch_page("pages/training.py", query_params=address)
    text = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    said.caption(plain(f"build_loss('adaptive_focal', {text}). Normalised weights let one learning rate serve all."))
