"""Training page: the data set, and which of its cases train, validate and test."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from afl_core.base import paths
from afl_core.data.demo.design import SPLITS, DemoSpec
from afl_core.data.layouts import AS_RECOGNISED, Cohort, DataOptions
from afl_core.data.patients import by_names
from afl_core.data.scan import typed_folder
from afl_core.data.splits import SPLITS_FILE, load_splits, random_splits
from afl_core.errors import DataError, UsageError
from afl_core.glossary import TERMS
from afl_core.ui.shared.kept import kept
from afl_core.ui.shared.train_on import ASKED, DATA_KEY, title_of
from afl_core.ui.shared.workspace import Workspace

DEMO_SEQUENCES = ("flair", "t1", "t1ce", "t2")
DEMO_TITLE, FOLDER_TITLE = "Demo cohort (synthetic)", "A folder on this machine"
OWN, RANDOM = "Its own (splits.json)", "Random, 60 / 20 / 20 %"


@dataclass(frozen=True)
class TrainingData:
    """A data set to train on.

    Attributes:
        root: Its folder.
        options: How it is read.
        sequences: Those that every case has.
        splits: Case ids; of a random split as they would be if every case were sound.
        note: What is worth knowing before a start, or "".
        random: Whether the split is drawn at random, when the first run starts.
    """

    root: Path
    options: DataOptions
    sequences: tuple[str, ...]
    splits: Mapping[str, tuple[str, ...]]
    note: str = ""
    random: bool = False


def choose_data(workspace: Workspace | None) -> TrainingData:
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
    demo = _demo_to_be_drawn() if title == DEMO_TITLE else None
    options = places[title][1] if title in places else AS_RECOGNISED
    data = demo or _read(root, options)
    kinds = [OWN, RANDOM] if data.splits else [RANDOM]
    kind = columns[2].selectbox(
        "Split",
        kinds,
        key=kept(f"split {root}", kinds[0], kinds),
        help=f"{TERMS['Split']} Random: always the same. Its own: the splits.json in its folder.",
    )
    if kind == RANDOM:
        cohort = None if demo else _cohort(str(root), options)
        ids = _ids(cohort) if cohort else [case_id for own in data.splits.values() for case_id in own]
        patients = cohort.patients.of if cohort else by_names(ids).of
        note = f"{data.note} Cases that the check finds something against are left out of the random split.".strip()
        data = replace(data, splits=random_splits(ids, patients=patients), random=True, note=note)
    for name in ("train", "validation"):
        if not data.splits.get(name):
            todo = f"List some in its {SPLITS_FILE}, or take a random split"
            raise DataError(f"The split has no {name} cases", received=", ".join(data.splits), todo=todo)
    return data


def _places(workspace: Workspace | None) -> dict[str, tuple[Path, DataOptions]]:
    """Title on screen to a data set that needs no folder to be typed."""
    places = {DEMO_TITLE: (paths.DEMO, AS_RECOGNISED)}
    if asked := st.session_state.get(ASKED):
        places[title_of(*asked)] = asked
    if workspace and workspace.cohort and not workspace.is_demo:
        opened = workspace.cohort.root, workspace.cohort.options
        if opened not in places.values():
            places[f"The one that is open: {title_of(*opened)}"] = opened
    return places


def _demo_to_be_drawn() -> TrainingData | None:
    """The demo cohort before its training cases were drawn; None once they are there."""
    if (paths.DEMO / SPLITS_FILE).is_file() and "train" in load_splits(paths.DEMO / SPLITS_FILE):
        return None
    spec = DemoSpec()
    note = "The training cases of the demo are drawn by the first run, which takes it about a minute more."
    return TrainingData(
        paths.DEMO, AS_RECOGNISED, DEMO_SEQUENCES, {split: spec.case_ids(split) for split in SPLITS}, note
    )


def _read(root: Path, options: DataOptions) -> TrainingData:
    cohort = _cohort(str(root), options)
    ids = set(_ids(cohort))
    if not ids:
        raise DataError("No case of this folder has a reference to train on", received=root)
    common = replace(cohort, cases=tuple(case for case in cohort.cases if case.case_id in ids)).sequences
    if not common:
        raise DataError("The cases have no sequence in common", received=root, todo="Give images, not masks alone")
    given = load_splits(root / SPLITS_FILE) if (root / SPLITS_FILE).is_file() else {}
    splits = {name: tuple(case for case in own if case in ids) for name, own in given.items()}
    return TrainingData(root, options, common, splits, _note(cohort))


def _note(cohort: Cohort) -> str:
    """What counts as tumour, where that is not every label."""
    return f"Tumour is {cohort.scheme.title_of(cohort.region.name)}." if cohort.region.inside else ""


def _ids(cohort: Cohort) -> list[str]:
    return [case.case_id for case in cohort.cases if case.reference]


@st.cache_resource(max_entries=8, ttl=60, show_spinner="Listing the data set")
def _cohort(root: str, options: DataOptions) -> Cohort:
    return options.load(Path(root))
