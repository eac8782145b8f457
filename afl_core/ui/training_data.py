"""Training page: the data set, and which of its cases train, validate and test."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from afl_core import paths
from afl_core.data.demo_design import SPLITS, DemoSpec
from afl_core.data.layouts import Cohort, load_cohort
from afl_core.data.splits import SPLITS_FILE, load_splits, random_splits
from afl_core.errors import DataError, UsageError
from afl_core.ui.kept import kept
from afl_core.ui.workspace import Workspace

DEMO_SEQUENCES = ("flair", "t1", "t1ce", "t2")
DEMO_TITLE, FOLDER_TITLE = "Demo cohort (synthetic)", "A folder on this machine"
OWN, RANDOM = "Its own (splits.json)", "Random, 60 / 20 / 20 %"


@dataclass(frozen=True)
class TrainingData:
    """A data set to train on.

    Attributes:
        root: Its folder.
        sequences: Those that every case has.
        splits: Case ids.
        note: What is worth knowing before a start, or "".
    """

    root: Path
    sequences: tuple[str, ...]
    splits: Mapping[str, tuple[str, ...]]
    note: str = ""


def choose_data(workspace: Workspace | None) -> TrainingData:
    """The controls for data set and split.

    Raises:
        AflError: If the folder is no data set, or the split lacks training or validation cases.
    """
    opened = workspace.cohort.root if workspace and workspace.cohort and not workspace.is_demo else None
    places = {DEMO_TITLE: paths.DEMO} | ({f"The one that is open: {opened.name}": opened} if opened else {})
    columns = st.columns([3, 4, 3], vertical_alignment="bottom")
    titles = [*places, FOLDER_TITLE]
    title = columns[0].selectbox("Data set", titles, key=kept("training data", DEMO_TITLE, titles))
    text = columns[1].text_input(
        "Folder",
        key=kept(f"training folder {title}", str(places.get(title, ""))),
        placeholder="/path/to/BraTS2018",
        disabled=title != FOLDER_TITLE,
        help="BraTS 2018 layout, or images/CASE_SEQUENCE.nii.gz and references/CASE.nii.gz. Nothing is copied.",
    )
    if not text.strip():
        raise UsageError("Give the folder of the data set")
    root = Path(text.strip()).expanduser()
    demo = _demo_to_be_drawn() if title == DEMO_TITLE else None
    data = demo or _read(root)
    kinds = [OWN, RANDOM] if data.splits else [RANDOM]
    kind = columns[2].selectbox(
        "Split",
        kinds,
        key=kept(f"split {root}", kinds[0], kinds),
        help="Random: by patient, and always the same. Its own: the splits.json in its folder.",
    )
    if kind == RANDOM:
        ids = [case_id for ids in data.splits.values() for case_id in ids] if demo else _ids(_cohort(str(root)))
        data = TrainingData(data.root, data.sequences, random_splits(ids), data.note)
    for name in ("train", "validation"):
        if not data.splits.get(name):
            todo = f"List some in its {SPLITS_FILE}, or take a random split"
            raise DataError(f"The split has no {name} cases", received=", ".join(data.splits), todo=todo)
    return data


def _demo_to_be_drawn() -> TrainingData | None:
    """The demo cohort before its training cases were drawn; None once they are there."""
    if (paths.DEMO / SPLITS_FILE).is_file() and "train" in load_splits(paths.DEMO / SPLITS_FILE):
        return None
    spec = DemoSpec()
    note = "The training cases of the demo are drawn by the first run, which takes it about a minute more."
    return TrainingData(paths.DEMO, DEMO_SEQUENCES, {split: spec.case_ids(split) for split in SPLITS}, note)


def _read(root: Path) -> TrainingData:
    cohort = _cohort(str(root))
    ids = set(_ids(cohort))
    if not ids:
        raise DataError("No case of this folder has a reference to train on", received=root)
    common = replace(cohort, cases=tuple(case for case in cohort.cases if case.case_id in ids)).sequences
    if not common:
        raise DataError("The cases have no sequence in common", received=root, todo="Give images, not masks alone")
    given = load_splits(root / SPLITS_FILE) if (root / SPLITS_FILE).is_file() else {}
    return TrainingData(root, common, {name: tuple(case for case in own if case in ids) for name, own in given.items()})


def _ids(cohort: Cohort) -> list[str]:
    return [case.case_id for case in cohort.cases if case.reference]


@st.cache_resource(max_entries=8, ttl=60, show_spinner="Listing the data set")
def _cohort(root: str) -> Cohort:
    return load_cohort(Path(root))
