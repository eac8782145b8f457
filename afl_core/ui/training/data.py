"""Training page: the data set, and which of its cases train, validate and test."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from afl_core.base import paths
from afl_core.data.check.doubts import doubt_organs, known_tumour
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
from afl_core.ui.shared.folder_address import FOLDER, forget_folder, linked_options, write_folder
from afl_core.ui.shared.kept import kept, linked_once
from afl_core.ui.shared.train_on import DATA_KEY, OFFERED, offer, title_of

DEMO_TITLE, FOLDER_TITLE = "Demo cohort (synthetic)", "A folder on this machine"
SPLITS = {"declared": "Its own (splits.json)", "random": "Random, 60 / 20 / 20 %"}


def choose_data(workspace: Comparison | None) -> TrainingData:
    """The controls for data set and split.

    Raises:
        AflError: If the folder is no data set, or the split lacks training or validation cases.
    """
    _follow_address(workspace)
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
    options = places[title][1] if title in places else AS_RECOGNISED
    _write_address(title, text.strip(), options)
    if not text.strip():
        raise UsageError("Give the folder of the data set")
    root = typed_folder(text)
    options = _with_tumour(root, options) if title == FOLDER_TITLE else options
    demo = demo_to_be_drawn() if title == DEMO_TITLE else None
    data = demo or training_data(root, options, _cohort(str(root), options))
    kinds = list(SPLITS) if data.splits or data.split_problem else ["random"]
    kind = columns[2].selectbox(
        "Split",
        kinds,
        format_func=SPLITS.__getitem__,
        key=kept(f"split {root}", kinds[0], kinds, name="split"),
        help=f"{TERMS['Split']} Random: always the same. Its own: the splits.json in its folder.",
    )
    if kind == "random":
        data = with_random_split(data, None if demo else _cohort(str(root), options))
    check_splits(data)
    return data


def _with_tumour(root: Path, options: DataOptions) -> DataOptions:
    """The options of a folder that was typed in, with its tumour where an organ is labelled too."""
    cohort = _cohort(str(root), options)
    if not doubt_organs(cohort):
        return options
    if not (name := known_tumour(cohort)):
        what = "Organ and tumour are labels of this data set, and which is the tumour is not said"
        raise UsageError(what, received=root, todo="Choose the region on the page Data, then 'Train on it'")
    return replace(options, region=name)


def _follow_address(workspace: Comparison | None) -> None:
    """Choose the data set that the address names, when the session comes to the page."""
    if not (folder := linked_once(FOLDER)):
        return
    options = linked_options(AS_RECOGNISED)
    for title, (root, of_place) in _places(workspace).items():
        if str(root) == folder[0] and of_place == options:
            st.session_state[DATA_KEY] = title
            return
    if options == AS_RECOGNISED:
        st.session_state[DATA_KEY] = FOLDER_TITLE
        st.session_state[f"training folder {FOLDER_TITLE}"] = folder[0]
    else:
        offer(typed_folder(folder[0]), options)


def _write_address(title: str, folder: str, options: DataOptions) -> None:
    """Write the folder and how it is read; that of the demo is where the program has it."""
    if title == DEMO_TITLE:
        forget_folder()
    else:
        write_folder(folder, options, usual=("", AS_RECOGNISED))


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
