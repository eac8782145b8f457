"""Compare page: the probabilities behind the masks, as maps with a threshold, and where two sources differ."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from afl_core.analysis.case_tables import drawn_sources
from afl_core.evaluation.case_reader import CaseReader
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import distinct
from afl_core.figures.palette import SOURCE_COLOURS
from afl_core.ui.viewers.payload import ScalarMap
from afl_core.volume import Case

Map = NDArray[np.float32]
SWITCH = "probability"
"""Name of the switch in the address."""


def offer_probabilities(workspace: Comparison) -> None:
    """The switch, where a source that is drawn has probabilities."""
    if _sources(workspace.state, workspace):
        st.toggle(
            "Probabilities",
            key=SWITCH,
            bind="query-params",
            help="Maps in place of the masks, with a threshold that moves their outlines; a checkpoint runs for it.",
        )


def shows_probabilities(workspace: Comparison) -> bool:
    """Whether the reader wants maps in place of the masks."""
    return bool(st.session_state.get(SWITCH)) and bool(_sources(workspace.state, workspace))


def probability_maps(workspace: Comparison, case: Case) -> tuple[dict[str, ScalarMap], str]:
    """The map of each source on the reference's grid, of two also their difference; and which are missing, or ""."""
    wanted = _sources(workspace.state, workspace)
    found: dict[str, Map] = {}
    for name in wanted:
        tumour = _probability(f"{workspace.state} {workspace.region}", case.case_id, name, workspace, case)
        if tumour is not None:
            found[name] = tumour
    lacking = [name for name in wanted if name not in found]
    note = f"No probabilities of this case on its own grid: {', '.join(lacking)}." if lacking else ""
    return _maps(found), note


def _maps(found: Mapping[str, Map]) -> dict[str, ScalarMap]:
    maps = {
        f"{name} probability": ScalarMap(values, "Probability", (0.0, 1.0), cut=True) for name, values in found.items()
    }
    if len(found) == 2:
        (first, one), (second, other) = found.items()
        label = f"{second} minus {first}"
        of_first, of_second = SOURCE_COLOURS[:2]
        colours = (of_first, of_first, of_second, of_second)  # of the source that is surer of tumour in a voxel
        maps[label] = ScalarMap(other - one, label, (-1.0, 1.0), colours=colours, centred=True)
    return maps


@st.cache_resource(max_entries=8, show_spinner=False)
def _sources(state: str, _workspace: Comparison) -> Sequence[str]:
    """The first two drawn sources that have counts at every threshold: these come from probabilities."""
    table = _workspace.results.curves(["key"])
    counted = distinct(table, "source")
    return [name for name in drawn_sources(_workspace) if name in counted][:2]


@st.cache_resource(max_entries=8, show_spinner="Computing the probabilities")
def _probability(state: str, case_id: str, name: str, _workspace: Comparison, _case: Case) -> Map | None:
    """The tumour's probability; None where the source has none on the grid of the reference."""
    source = next(of for of in _workspace.source_list() if of.name == name)
    reader = CaseReader(_case)
    prediction = source.predict(_case, reader.images(source), reader.reference[0])
    return prediction.tumour
