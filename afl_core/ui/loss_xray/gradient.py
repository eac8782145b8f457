"""Loss X-ray page: where the gradient of each loss goes on the chosen case."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from afl_core.analysis.xray.focusing import SETTINGS, Setting, case_gamma
from afl_core.analysis.xray.gradients import (
    NEAR_MM,
    PLACES,
    Profile,
    Shares,
    gradient_map,
    logits_of,
    model_logits,
    profile,
    shares,
)
from afl_core.analysis.xray.table import PREPARATIONS, Row, measure_mask
from afl_core.base.numbers import DIGITS, number
from afl_core.data.layouts import load_background, load_reference
from afl_core.errors import AflError, DataError
from afl_core.evaluation.probabilities import case_probabilities
from afl_core.evaluation.sources import parse_sources, source_text
from afl_core.figures.gradients import plot_shares
from afl_core.glossary import TERMS, explain
from afl_core.ui.loss_xray.design import YOURS, show_design
from afl_core.ui.loss_xray.panels import Selection
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.kept import kept
from afl_core.ui.viewers.payload import ScalarMap, ViewerCase, ViewerPayload, viewer_payload
from afl_core.ui.viewers.slices import OfPage, show_viewer
from afl_core.volume import Case, Mask, Volume

MODELS: Mapping[str, float] = {
    "untrained: 0.5 everywhere": 0.5,
    "model: 0.8 sure": 0.8,
    "model: 0.95 sure": 0.95,
    "model: 0.99 sure": 0.99,
}
"""Simple models of a network's probabilities, by the probability of the right class away from the boundary."""

USUAL = "model: 0.95 sure"

CHANNELS = ("tumour channel", "background channel")
_LESION_TERMS: Mapping[str, tuple[str, ...]] = {
    "lesion": ("Lesion",),
    "volume (ml)": ("Tumour volume",),
    "FL": ("Focal loss (FL)",),
    "CE by class": ("Cross-entropy (CE)", "By class"),
    "A-FL released": ("A-FL", "As released"),
    "A-FL paper": ("A-FL", "Over the boundary"),
    "A-FL scale-free": ("A-FL", "Scale-free"),
}
"""Columns of the table of lesions to the terms that explain them; the others are losses of the reader's own."""

MAPPED = ("FL", "A-FL released", YOURS)


@dataclass(frozen=True, eq=False)
class Looked:
    """A case as the gradient sees it: mask, logits (2, X, Y, Z), its row of numbers, and the gathered logits."""

    mask: Mask
    logits: NDArray[np.float32]
    row: Row
    gathered: Profile


def run_checkpoint(selection: Selection) -> None:
    """Run the checkpoint whose probabilities are chosen, if it did not yet; a press of Stop ends it.

    It stands before the fragment, which asks for it: a press of a button of a fragment waits for what runs.
    """
    checkpoints = _checkpoints(selection)
    key = _choice(selection, checkpoints)
    chosen = str(st.session_state[key])
    if chosen not in checkpoints or (entry := _place(_stamped(selection.case), checkpoints[chosen])):
        return
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        progress = st.empty()
        st.button("Stop", key="stop probabilities", on_click=_back, args=(key,))

    def tell(spent: float) -> None:
        progress.caption(
            plain(f"Running {chosen} on {selection.case_id}, {spent:.0f} s; usually a quarter of a minute.")
        )

    try:
        entry["looked"] = _predicted(selection.case, checkpoints[chosen], tell)
    except AflError as error:
        entry["error"] = error
    place.empty()


def _back(key: str) -> None:
    """Look at a model again: every write to the page lets a press of Stop end the checkpoint."""
    st.session_state[key] = USUAL


@st.fragment
def show_losses(selection: Selection) -> None:
    """The losses on the chosen case; a slider runs this alone again."""
    setting = show_design(selection)
    show_gradient(selection, setting)


def show_gradient(selection: Selection, setting: Setting) -> None:
    """Shares of every loss's gradient by channel and place and lesion, and maps of it."""
    st.markdown(f"### 3. Where the gradient goes on {plain(selection.case_id)}")
    checkpoints = _checkpoints(selection)
    columns = st.columns([4, 8], gap="medium", vertical_alignment="bottom")
    chosen = str(
        columns[0].selectbox(
            "Probabilities of",
            [*MODELS, *checkpoints],
            format_func=lambda key: key if key in MODELS else f"checkpoint {key}",
            key=_choice(selection, checkpoints),
            help="A simple model: so sure of the right class from 3 mm off the boundary on, unsure at it. "
            f"{TERMS['p_t']} {TERMS['Checkpoint']}",
        )
    )
    with shown_errors():
        looked = _look(selection, chosen, checkpoints)
        settings: dict[str, Setting] = {**SETTINGS, YOURS: setting}
        gamma = {name: case_gamma(one, looked.row) for name, one in settings.items()}
        loss_shares = {
            name: shares(looked.gathered, each, gamma[name], looked.row["gamma_va"]) for name, each in settings.items()
        }
        columns[1].markdown(_shares_sentence(loss_shares))
        if chosen not in MODELS and selection.preparation != "own":
            st.info(f"A checkpoint runs on the case's own grid, not on {PREPARATIONS[selection.preparation].title}.")
        show_chart(plot_shares(loss_shares), f"{selection.workspace.name} gradient", key="shares")
        if looked.gathered.lesion_ml:
            st.markdown("#### Share of each lesion in the gradient, both channels")
            table = _lesion_table(looked, loss_shares)
            config = {str(name): st.column_config.TextColumn(help=lesion_help(str(name))) for name in table}
            st.dataframe(table, hide_index=True, height="content", column_config=config)
        st.caption(
            "Bars: how strongly a loss pulls at each part of the network's output. The mask is read from the tumour "
            f"channel alone. Boundary: the voxels on its two sides. Near: up to {NEAR_MM:g} mm away. CE by class: "
            "cross-entropy, with tumour and background of equal weight in total."
        )
        if st.toggle("Show it as a map in the slices", key="xray map", bind="query-params", help=TERMS["Gradient"]):
            _show_map(selection, looked, {name: settings[name] for name in MAPPED}, gamma)


def _shares_sentence(loss_shares: Mapping[str, Shares]) -> str:
    """What the bars show of A-FL as released beside FL, in words."""
    released, focal = loss_shares["A-FL released"], loss_shares["FL"]
    far = [100 * float(one.parts[:, PLACES.index("far background")].sum()) for one in (released, focal)]
    return (
        f"The tumour channel, from which the mask is read, gets **{100 * released.tumour_channel:.2g} %** of the "
        f"gradient with A-FL as released, and {100 * focal.tumour_channel:.2g} % with FL. Far background gets "
        f"**{far[0]:.0f} %** with A-FL, and {far[1]:.0f} % with FL."
    )


def _lesion_table(looked: Looked, loss_shares: Mapping[str, Shares]) -> pd.DataFrame:
    """Share of each lesion in every loss's gradient."""
    lesions = {
        "lesion": [str(k + 1) for k in range(len(looked.gathered.lesion_ml))],
        "volume (ml)": [number(ml, DIGITS["ml"]) for ml in looked.gathered.lesion_ml],
    }
    share = {name: [f"{100 * s:.3g} %" for s in one.lesions] for name, one in loss_shares.items()}
    return pd.DataFrame(lesions | share)


def lesion_help(column: str) -> str:
    """What the glossary says of a column of the table of lesions."""
    return explain(*_LESION_TERMS.get(column, ("A-FL", "Scale of gamma", "Offset of gamma")))


def _checkpoints(selection: Selection) -> dict[str, str]:
    """Sources of the results that are checkpoints whose sequences the case has, as `parse_sources` reads them."""
    return {
        name: source_text(name, source.path, source.option)
        for name, source in selection.workspace.manifest.sources.items()
        if source.card and set(source.card.sequences) <= set(selection.case.sequences)
    }


def _look(selection: Selection, chosen: str, checkpoints: Mapping[str, str]) -> Looked:
    case = selection.case
    if case.reference is None:
        raise DataError(f"{case.case_id} has no reference segmentation")
    if chosen in MODELS:
        return _modelled(_stamped(case), case, selection.preparation, MODELS[chosen])
    entry = _place(_stamped(case), checkpoints[chosen])
    if not entry:
        st.rerun()  # the whole page: it runs the checkpoint first
    if "error" in entry:
        raise entry.pop("error")  # it is tried again when the page is run again
    looked: Looked = entry["looked"]
    return looked


def _choice(selection: Selection, checkpoints: Mapping[str, str]) -> str:
    """Key under which the session keeps whose probabilities are chosen."""
    options = [*MODELS, *checkpoints]
    return kept(f"probabilities {selection.workspace.name}", USUAL, options, name="probabilities")


def _stamped(case: Case) -> str:
    """A text that changes with the mask of a case, for a cache."""
    stamp = case.reference.stat().st_mtime_ns if case.reference else 0
    return f"{case.reference} {case.region} {case.trust_voxel_order} {stamp}"


@st.cache_resource(max_entries=4, show_spinner=False)
def _place(what: str, checkpoint: str) -> dict[str, Any]:
    """The store of a case on which a checkpoint ran: its `looked`, or the `error` that ended the run."""
    return {}


@st.cache_resource(max_entries=4, show_spinner="Looking at the case")
def _modelled(what: str, _case: Case, preparation: str, confidence: float) -> Looked:
    mask = PREPARATIONS[preparation].apply(load_reference(_case))
    logits = model_logits(mask, confidence)
    return Looked(mask, logits, measure_mask(mask), profile(logits, mask))


def _predicted(case: Case, checkpoint: str, waiting: Callable[[float], None]) -> Looked:
    mask = load_reference(case)
    (source,) = parse_sources([checkpoint])
    logits = logits_of(case_probabilities(source, case, waiting=waiting))
    return Looked(mask, logits, measure_mask(mask), profile(logits, mask))


def _show_map(
    selection: Selection, looked: Looked, settings: Mapping[str, Setting], gamma: Mapping[str, float]
) -> None:
    channel = str(
        st.segmented_control(
            "Gradient of the",
            CHANNELS,
            default=CHANNELS[0],
            required=True,
            key="xray channel",
            bind="query-params",
            help=explain("Tumour channel", "Background channel"),
        )
    )
    maps = {}
    for name, setting in settings.items():
        gradient = gradient_map(looked.logits, looked.mask, setting, gamma[name])
        of_channel = gradient[1 - CHANNELS.index(channel)]
        maps[name] = ScalarMap(of_channel, f"gradient of the {channel}, the loss's largest is 1", (0.0, 1.0))
    show_viewer(_payload(selection, looked, maps), key="xray viewer", page=OfPage())
    st.caption(
        "Each loss is scaled by the largest gradient of its two channels: where nothing is coloured, its gradient is "
        "almost 0. A checkpoint's own grid of voxels can show as a pattern."
    )


def _payload(selection: Selection, looked: Looked, maps: Mapping[str, ScalarMap]) -> ViewerPayload:
    """The image where the map lies on its grid, else empty space."""
    names: Any = tuple(selection.case.sequences)
    image = load_background(selection.case, names[0], looked.mask)[0] if names else None
    if image is None:
        names, image = ("masks",), Volume(np.zeros(looked.mask.array.shape, np.float32), looked.mask.affine)
    case = ViewerCase(image, looked.mask, maps=maps, case_id=selection.case_id, sequence=names[0])
    return viewer_payload(case)
