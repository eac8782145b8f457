"""Training page: the data set, and which of its cases train, validate and test."""

from pathlib import Path

import streamlit as st

from afl_core.base import paths
from afl_core.data.layouts import AS_RECOGNISED, Cohort, DataOptions
from afl_core.data.scan import typed_folder
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.glossary import TERMS
from afl_core.training.dataset import (
    TrainingData,
    check_splits,
    demo_to_be_drawn,
    training_data,
    with_random_split,
)
from afl_core.ui.shared.kept import kept
from afl_core.ui.shared.train_on import DATA_KEY, OFFERED, title_of

DEMO_TITLE, FOLDER_TITLE = "Demo cohort (synthetic)", "A folder on this machine"
DECLARED, RANDOM = "Its own (splits.json)", "Random, 60 / 20 / 20 %"


def choose_data(workspace: Comparison | None) -> TrainingData:
    """The controls for data set and split.

    Raises:
        AflError: If the folder is no data set, or the split lacks training or validation cases.
    """
    places = _places(workspace)
    columns = st.columns([3, 4, 3], vertical_alignment="bottom")
    titles = [*places, FOLDER_TITLE]
    title = columns[0].selectbox("Data set", titles, key=kept(DATA_KEY, DEMO_TITLE, titles))
    text = columns[1].text_input(
        "Folder",
        key=kept(f"training folder {title}", str(places[title][0]) if title in places else ""),
        placeholder="/path/to/BraTS2018",
        disabled=title != FOLDER_TITLE,
        help="Its layout is recognised, and every label is tumour. Other layouts, labels, regions and "
        "patients are chosen on the page Data, where 'Train on it' leads back here. Nothing is copied.",
    )
    if not text.strip():
        raise UsageError("Give the folder of the data set")
    root = typed_folder(text)
    demo = demo_to_be_drawn() if title == DEMO_TITLE else None
    options = places[title][1] if title in places else AS_RECOGNISED
    data = demo or training_data(root, options, _cohort(str(root), options))
    kinds = [DECLARED, RANDOM] if data.splits else [RANDOM]
    kind = columns[2].selectbox(
        "Split",
        kinds,
        key=kept(f"split {root}", kinds[0], kinds),
        help=f"{TERMS['Split']} Random: always the same. Its own: the splits.json in its folder.",
    )
    if kind == RANDOM:
        data = with_random_split(data, None if demo else _cohort(str(root), options))
    check_splits(data)
    return data


def _places(workspace: Comparison | None) -> dict[str, tuple[Path, DataOptions]]:
    """Title on screen to a data set that needs no folder to be typed."""
    places = {DEMO_TITLE: (paths.DEMO, AS_RECOGNISED)}
    if offered := st.session_state.get(OFFERED):
        places[title_of(*offered)] = offered
    if workspace and workspace.cohort and not workspace.is_demo:
        opened = workspace.cohort.root, workspace.cohort.options
        if opened not in places.values():
            places[f"The one that is open: {title_of(*opened)}"] = opened
    return places


@st.cache_resource(max_entries=8, ttl=60, show_spinner="Listing the data set")
def _cohort(root: str, options: DataOptions) -> Cohort:
    return options.load(Path(root))
