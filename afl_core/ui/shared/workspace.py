"""What is open: a results folder, the data set it was made on, and the sidebar in which both are chosen."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from afl_core.base import paths
from afl_core.data.labels import WHOLE, region_title
from afl_core.data.layouts import Cohort, load_cohort
from afl_core.data.scan import typed_folder
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.comparison import Comparison, build_comparison
from afl_core.evaluation.manifest import MANIFEST, Manifest, load_manifest, whole_cohort
from afl_core.evaluation.pipeline import settings_for
from afl_core.evaluation.prediction_values import MEANINGS
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import CheckpointSource, Source, parse_sources, source_text
from afl_core.glossary import TERMS
from afl_core.model.checkpoints import Card, find_checkpoints
from afl_core.ui.shared.errors import plain

RESULTS_KEY = "results"
ADDRESS_KEY = "results in the address"
ASKED_KEY = "asked page"
FOLDER_KEY = "asked folder"
OPENED_KEY = "results just opened"
PROBLEM_KEY = "why nothing is open"


@dataclass(frozen=True, eq=False)
class Workspace(Comparison):
    """The open results folder as every page sees it.

    Attributes:
        stamp: Changes whenever the folder's content does; caches go by it.
    """

    stamp: int = 0

    @property
    def is_demo(self) -> bool:
        """Whether the data are the synthetic demo cohort."""
        return self.manifest.data.folder == paths.DEMO.resolve()

    @property
    def summaries(self) -> dict[str, str]:
        """What each source is, in a line: the loss with its settings, or how many masks."""
        region = self.manifest.settings.region
        return {
            name: f"{source.card.summary}{_other_region(source.card, region)}"
            if source.card
            else f"{source.files} {MEANINGS.get(source.meaning, 'masks from a folder')}"
            for name, source in self.manifest.sources.items()
        }

    @property
    def nothing_evaluated(self) -> str:
        """What to do where there is no row yet."""
        if self.manifest.sources:
            return "No case has been evaluated yet: open one in Compare and run the checkpoints on it."
        return (
            "There is no checkpoint and no folder of masks to compare yet: the Data page shows the command that adds "
            "them. Loss X-ray needs the references alone."
        )

    def source_list(self) -> tuple[Source, ...]:
        """The sources themselves, as recorded; raises `AflError` where one is gone."""
        recorded = self.manifest.sources.items()
        return parse_sources([source_text(name, of.path, of.option, of.meaning) for name, of in recorded])


def _other_region(card: Card, region: str) -> str:
    """That a checkpoint learned another region than the one that is measured, as a part of a sentence."""
    learned = card.data.get("region", WHOLE)
    if learned == region:
        return ""
    wanted, trained = (region_title(name) for name in (region, learned))
    return f". It was trained on the {trained}, and is measured on the {wanted}"


def current_workspace(page: str, *, needed: bool = True) -> Workspace | None:
    """What is open, for a page; None where nothing is, which a page that needs it says.

    The first page that a fresh server is asked for, if it isn't the entry, Streamlit runs before app.py has said which
    pages there are. Then app.py comes first, and leads back here.
    """
    if "workspace" not in st.session_state:
        st.session_state[ASKED_KEY] = page
        st.switch_page("app.py", query_params=st.query_params.to_dict())
    workspace: Workspace | None = st.session_state["workspace"]
    if workspace is None and needed:
        if problem := st.session_state[PROBLEM_KEY]:
            st.error(plain(problem))
        else:
            st.title("A-FL workbench")
            st.info("There are no results yet. Run `afl demo` in a terminal, or open a data set in the sidebar.")
    return workspace


def select_workspace() -> Workspace | None:
    """The sidebar: choose results, or open a data set. None if nothing is open; the session knows why."""
    st.session_state[PROBLEM_KEY] = ""
    with st.sidebar:
        selector = st.container()
        found = _open_folder()
        opened = st.session_state.pop(OPENED_KEY, None) or found
        names = [folder.name for folder in result_folders()]
        if opened:
            st.session_state[RESULTS_KEY] = opened
        _follow_address(names)
        if names and st.session_state.get(RESULTS_KEY) not in names:
            st.session_state[RESULTS_KEY] = "demo" if "demo" in names else names[0]
        chosen = selector.selectbox(
            "Results",
            names,
            key=RESULTS_KEY,
            placeholder="None yet",
            help=f"{TERMS['Results']} `afl evaluate --out data/results/NAME` adds one.",
        )
    if chosen is None:
        return None
    _write_address(chosen)
    try:
        workspace = _load(paths.RESULTS / chosen)
        if (region := workspace.manifest.settings.region) != WHOLE:
            selector.caption(plain(f"Tumour is the {region_title(region)}."))
        if workspace.cohort is not None and workspace.cohort.trust_voxel_order:
            selector.caption("Files of one shape lie on one grid, whatever their headers say.")
        return workspace
    except AflError as error:
        st.session_state[PROBLEM_KEY] = str(error)
        return None


def result_folders() -> list[Path]:
    """Results folders under data/results, by name."""
    return sorted(path.parent for path in paths.RESULTS.glob(f"*/{MANIFEST}"))


def _follow_address(names: list[str]) -> None:
    """Take the results that the address asks for, when it asks for others than it did in the last run.

    Streamlit can bind a widget to the address itself, but loses the binding where a page is switched.
    """
    asked = st.query_params.get(RESULTS_KEY)
    if asked is not None and asked not in names:
        st.warning(plain(f"There are no results of the name {asked}."))
    if asked in names and asked != st.session_state.get(ADDRESS_KEY):
        st.session_state[RESULTS_KEY] = asked


def _write_address(chosen: str) -> None:
    if st.session_state.get(ADDRESS_KEY) not in (None, chosen):
        st.query_params.pop("case", None)  # it belongs to the results that were open before
    st.query_params[RESULTS_KEY] = st.session_state[ADDRESS_KEY] = chosen


def _load(folder: Path) -> Workspace:
    stamp = _stamp(folder)
    stored = _tables(str(folder), stamp)
    found = build_comparison(Results(folder), stored, load=_cohort)
    return Workspace(**vars(found), stamp=stamp)


def _stamp(folder: Path) -> int:
    """Changes whenever the folder's content does: every change ends with a new manifest."""
    return (folder / MANIFEST).stat().st_mtime_ns


@st.cache_data(max_entries=8, show_spinner="Reading results")
def _tables(folder: str, stamp: int) -> tuple[Manifest, pd.DataFrame, pd.DataFrame]:
    results = Results(Path(folder))
    return results.manifest(), results.cases(), results.lesions()


@st.cache_resource(
    max_entries=8,
    ttl=60,
    show_spinner="Listing the data set",
    hash_funcs={Manifest: lambda manifest: (manifest.data.model_dump_json(), manifest.settings.model_dump_json())},
)
def _cohort(manifest: Manifest) -> Cohort:
    return whole_cohort(manifest)


def _open_folder() -> str | None:
    """A form that opens a data set: its results where there are some, else the Data page; returns the results' name."""
    with st.expander("Open a data set"), st.form("open", border=False):
        text = st.text_input(
            "Folder on this machine",
            placeholder="/path/to/BraTS2021",
            help="BraTS, PI-CAI, Decathlon, nnU-Net and more; docs/data.md lists the layouts. Nothing is copied.",
        )
        if not st.form_submit_button("Open folder") or not text.strip():
            return None
        try:
            root = typed_folder(text)
            if name := find_results(load_cohort(root)):
                return name
        except AflError as error:
            st.error(plain(str(error)))
            return None
        st.session_state[FOLDER_KEY], st.session_state[ASKED_KEY] = str(root), "pages/data.py"
        return None


def find_results(cohort: Cohort, *, compared: bool = False) -> str | None:
    """Name of the results of a data set by its layout, labels and region; None where there are none.

    Args:
        cohort: The data set.
        compared: Only results that have a source.
    """
    wanted = (str(cohort.root.resolve()), cohort.layout.name)
    for folder in result_folders():
        try:
            manifest = load_manifest(folder)
        except AflError:  # one damaged folder blocks no other
            continue
        data, settings = manifest.data, manifest.settings.choice()
        if compared and not manifest.sources:
            continue
        if (data.path, data.kind) == wanted and settings_for(cohort, settings) == settings:
            return folder.name
    return None


def open_case(workspace: Workspace, case_id: str, **more: str) -> None:
    """Leave for a case in Compare; `more` goes into the address, such as a lesion."""
    st.session_state["followed"] = case_id
    st.switch_page("pages/compare.py", query_params={"results": workspace.name, "case": case_id, **more})


def register(cohort: Cohort, *, references_alone: bool = False) -> str:
    """Name of a new results folder of a data set, with the checkpoints that fit its sequences as sources.

    Args:
        cohort: The data set.
        references_alone: Make it also where no checkpoint fits, for what needs no source.

    Raises:
        AflError: If no case is complete, or no checkpoint fits.
    """
    if not cohort.cases:
        said = cohort.problems[0][1] if cohort.problems else cohort.root
        raise DataError("No case in this folder is complete", received=said)
    try:
        sources = fitting_checkpoints(set(cohort.sequences))
    except UsageError:
        if not references_alone:
            raise
        sources = ()
    wanted = [str(cohort.root.resolve()), cohort.layout.name, cohort.labels, cohort.region.name]
    wanted += ["trusted"] if cohort.trust_voxel_order else []
    digest = hashlib.sha256("|".join(wanted).encode()).hexdigest()[:6]
    name = f"{re.sub(r'[^A-Za-z0-9._-]+', '_', cohort.root.resolve().name)}-{digest}"
    Results(paths.RESULTS / name).describe_cohort(cohort, sources)
    return name


def fitting_checkpoints(sequences: set[str]) -> tuple[CheckpointSource, ...]:
    """The shipped checkpoints that use most of these sequences and no other.

    Raises:
        UsageError: If there is none; says which sequences the checkpoints need.
    """
    cards = find_checkpoints(paths.MODELS)
    fitting = {name: card for name, card in cards.items() if set(card.sequences) <= sequences}
    if not fitting:
        needed = "; ".join(sorted({", ".join(card.sequences) for card in cards.values()})) or "no checkpoint in models/"
        raise UsageError(
            "No checkpoint fits these sequences",
            received=", ".join(sorted(sequences)),
            todo=f"The checkpoints need: {needed}. Train one with afl train --sequences",
        )
    most = max(len(card.sequences) for card in fitting.values())
    chosen = {name: card for name, card in fitting.items() if len(card.sequences) == most}
    labels = [card.label for card in chosen.values()]
    return tuple(
        CheckpointSource(card.label if labels.count(card.label) == 1 else name, paths.MODELS / name)
        for name, card in sorted(chosen.items(), key=lambda item: (item[1].loss != "focal", item[0]))
    )
