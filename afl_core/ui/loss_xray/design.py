"""Loss X-ray page: the losses' curves on a case, and a focusing of one's own by tumour size."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, cast

import pandas as pd
import streamlit as st

from afl_core.analysis.xray.findings import bin_sentence, distance_sentence
from afl_core.analysis.xray.focusing import (
    SETTINGS,
    SIZE_FIRST,
    Alpha,
    Setting,
    Smoothness,
    case_gamma,
    gammas,
    unclipped,
)
from afl_core.analysis.xray.table import focusing_by_bin, tumours
from afl_core.base.words import number_of
from afl_core.figures.gradients import plot_curves
from afl_core.figures.xray import plot_focusing
from afl_core.glossary import TERMS, explain
from afl_core.ui.loss_xray.panels import Selection
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.kept import kept

STARTED_KEY = "loss that the controls began with"
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
RELEASED = SETTINGS["A-FL released"]

_STEPS = [step * 10.0**power for power in range(-1, 3) for step in (1, 1.5, 2, 3, 5, 7)] + [1000.0]
SCALES = tuple(
    sorted({round(sign * step, 2) for sign in (-1, 1) for step in _STEPS} | {0.0, SIZE_FIRST.gamma_volume_scale})
)
"""What the slider of the scale offers: readings of gamma differ by a factor of 1000, and so do useful scales."""


def show_design(selection: Selection) -> Setting:
    """Sliders, the curves of the chosen case, and what the sliders give tumours of each size; returns their loss."""
    st.markdown("### 2. Try it: the loss of this case, and the focus by tumour size")
    setting, alpha = _choose_setting(selection)
    curve, bins = st.columns(2, gap="large")
    settings = {**SETTINGS, YOURS: setting}
    gamma = {name: case_gamma(one, selection.row) for name, one in settings.items()}
    with curve:
        weights = {name: 1.0 if one.alpha == "none" else alpha for name, one in settings.items()}
        show_chart(plot_curves(gamma, weights), f"{selection.workspace.name} curves", key="curves")
        sentences = [distance_sentence(name, gamma[name], selection.case_id) for name in ("A-FL released", "FL", YOURS)]
        st.markdown("\n".join(f"- {plain(text)}" for text in sentences))
        st.caption("Alpha multiplies a loss and its cross-entropy alike, so it does not change how far apart they are.")
    with bins:
        _show_bins(selection, {name: settings[name] for name in ("FL", "A-FL released", YOURS)})
    _offer_training(selection, setting)
    return setting


def _choose_setting(selection: Selection) -> tuple[Setting, float]:
    """The loss that the controls describe, and the weight of its curve."""
    start = _linked_setting() or _example(selection)
    _follow(start)
    note, *places = st.columns([5, 2, 2, 2], vertical_alignment="center")
    note.caption("**yours** begins as an example: small tumours get more focus than large ones, the reverse of A-FL.")
    for place, (label, (setting, help_text)) in zip(places, _offered(selection).items(), strict=True):
        place.button(label, on_click=_set, args=(setting,), width="stretch", help=help_text)
    columns = [column for _ in range(2) for column in st.columns(3, gap="medium", vertical_alignment="bottom")]
    smoothness = columns[0].selectbox(
        "Smoothness in gamma (gamma_mSa)",
        list(SMOOTHNESS),
        list(SMOOTHNESS).index(start.gamma_smoothness),
        format_func=SMOOTHNESS.__getitem__,
        key="smoothness",
        bind="query-params",
        help=explain(*SMOOTHNESS.values()),
    )
    volume = columns[1].select_slider(
        "Scale of gamma_va",
        SCALES,
        _volume_scale(start),
        format_func=lambda value: f"{value:g}",
        key="size",
        bind="query-params",
        help=TERMS["Scale of gamma_va"],
    )
    weighting = columns[2].selectbox(
        "Weights",
        list(ALPHAS),
        list(ALPHAS).index(start.alpha),
        format_func=ALPHAS.__getitem__,
        key="weights",
        bind="query-params",
        help=explain(*ALPHAS.values()),
    )
    adaptive = bool(volume) or smoothness != "none"
    scale = columns[3].select_slider(
        "Scale of gamma",
        SCALES,
        start.gamma_scale,
        format_func=lambda value: f"{value:g}",
        key="scale",
        bind="query-params",
        disabled=not adaptive,
        help=TERMS["Scale of gamma"] if adaptive else "Without gamma_va and smoothness there is nothing to multiply.",
    )
    offset = columns[4].slider(
        "Offset of gamma",
        0.0,
        TOP_GAMMA,
        start.gamma_offset,
        0.05,
        key="offset",
        bind="query-params",
        help=TERMS["Offset of gamma"],
    )
    alpha = columns[5].slider(
        "Alpha of the curves",
        0.0,
        1.0,
        step=0.0001,
        format="%.4f",
        key=_alpha_key(selection),
        disabled=weighting == "none",
        help="Weight of a voxel in every curve but FL's; training takes each case's own. "
        f"It starts at alpha_va. {TERMS['Alpha (alpha_va)']}",
    )
    return _setting(weighting, float(volume), smoothness, float(scale) if adaptive else 1.0, offset), alpha


def _offered(selection: Selection) -> dict[str, tuple[Setting, str]]:
    """Label of a button to the loss that it puts into the controls, and what that is."""
    return {
        "As released": (RELEASED, "A-FL as the authors ran it."),
        "Size-first": (
            SIZE_FIRST,
            "Gamma falls with the tumour's size and rises with its roughness: the study's, for whole cases.",
        ),
        "The example": (_example(selection), "Gamma 2 for the smallest tumours, about 0.5 for the larger ones."),
    }


def _setting(weighting: str, volume: float, smoothness: str, scale: float, offset: float) -> Setting:
    """The loss of the controls; a scale of 0 leaves gamma_va out."""
    kept_volume = volume if volume else 1.0
    return Setting(
        cast(Alpha, weighting),
        bool(volume),
        cast(Smoothness, smoothness),
        scale,
        offset,
        gamma_volume_scale=kept_volume,
    )


def _volume_scale(setting: Setting) -> float:
    """Where the scale of gamma_va stands for a loss."""
    return _nearest(setting.gamma_volume_scale) if setting.gamma_volume else 0.0


def _nearest(scale: float) -> float:
    """The scale on the slider that is nearest to one."""
    return min(SCALES, key=lambda offered: abs(offered - scale))


def _alpha_key(selection: Selection) -> str:
    """Key of the slider of alpha, which each case begins at its own."""
    key = f"alpha {selection.case_id} {selection.preparation}"
    return kept(key, float(selection.row["alpha_va"]), name="alpha", within=(0.0, 1.0))


def _set(setting: Setting) -> None:
    """Put a loss into the controls."""
    st.session_state.update(_controls(setting))


def _controls(setting: Setting) -> dict[str, Any]:
    """Key of a control to its value."""
    return {
        "smoothness": setting.gamma_smoothness,
        "size": _volume_scale(setting),
        "weights": setting.alpha,
        "scale": setting.gamma_scale,
        "offset": setting.gamma_offset,
    }


def _follow(start: Setting) -> None:
    """Controls that still stand where the setting at first had them follow it, as when the loss sees other masks.

    A link leaves out what stands at first, so another session would see them there.
    """
    now = _controls(start)
    before = st.session_state.get(STARTED_KEY, now)
    moved = {key: value for key, value in now.items() if value != before[key] == st.session_state.get(key)}
    st.session_state.update(moved)
    st.session_state[STARTED_KEY] = now


def _linked_setting() -> Setting | None:
    """The loss in the page's address, as it stands there after a way back from Training; None without a fit one."""
    try:
        linked = {"gamma_volume_scale": 1.0} | json.loads(st.query_params.get("loss_settings", ""))
        setting = Setting(**{field.name: linked[field.name] for field in fields(Setting)})
        fits = (
            setting.alpha in ALPHAS
            and setting.gamma_smoothness in SMOOTHNESS
            and 0 <= setting.gamma_offset <= TOP_GAMMA
        )
        scale, volume_scale = _nearest(setting.gamma_scale), _nearest(setting.gamma_volume_scale)
        switches = replace(setting, gamma_scale=scale, gamma_volume_scale=volume_scale)
        return replace(switches, gamma_volume=setting.gamma_volume is True) if fits else None
    except (ValueError, TypeError, KeyError):
        return None


def _example(selection: Selection) -> Setting:
    """Gamma 2 for the smallest tumours and about 0.5 for the larger ones."""
    top = float(pd.Series(gammas(RELEASED, tumours(selection.table))).quantile(0.95))
    wanted = -1.5 / top if top > 0 else -1.0
    return replace(RELEASED, alpha="balanced", gamma_scale=_nearest(wanted), gamma_offset=2.0)


def _show_bins(selection: Selection, settings: Mapping[str, Setting]) -> None:
    if selection.size is None:
        st.info("Three tumours are needed for bins by size.")
        return
    there = tumours(selection.table)
    medians = focusing_by_bin(there, settings, selection.size.assign(there["size"]))
    labels = [f"{name}<br>{selection.size.ends_text(k)}" for k, name in enumerate(selection.size.names[:3])]
    show_chart(plot_focusing(medians, labels), f"{selection.workspace.name} focusing", key="focusing")
    of_loss = {"A-FL released": medians["A-FL released"], YOURS: medians[YOURS]}
    st.markdown(
        "\n".join(f"- {plain(f'{name}: {bin_sentence(of, selection.size.names)}')}" for name, of in of_loss.items())
    )
    cut = int((unclipped(settings[YOURS], there) < 0).sum())
    below = f" Yours would be below 0 on {cut} of {number_of(len(there), 'tumour')}; there it is 0." if cut else ""
    st.caption(
        f"The higher gamma, the more the loss looks away from voxels that it already gets right (focusing).{below}"
    )


def _offer_training(selection: Selection, setting: Setting) -> None:
    """What the setting is to the loss, and one click that takes it to the Training page."""
    settings = setting.loss_settings() | {"normalise": True}
    button, caption = st.columns([3, 8], vertical_alignment="center")
    if button.button("Train with this setting", type="primary"):
        address = {"results": selection.workspace.name, "loss": "adaptive_focal", "loss_settings": json.dumps(settings)}
        st.switch_page("pages/training.py", query_params=address)
    text = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    caption.caption(plain(f"build_loss('adaptive_focal', {text}). Normalised weights let one learning rate serve all."))
