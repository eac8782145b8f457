"""Breakdown page: results on validation cases, on which something is chosen for the cases that are compared."""

from collections.abc import Sequence

import streamlit as st

from afl_core.analysis.validation import fits
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison, open_comparison
from afl_core.evaluation.manifest import Manifest, load_manifest
from afl_core.evaluation.store import result_folders

NONE = "none"


def choose_validation(workspace: Comparison, sources: Sequence[str], *, what: str) -> Comparison | None:
    """Other results that hold sources of these names, as the reader chooses them; None where none is chosen.

    Where exactly one of them is of other cases of the same data set, with the same checkpoints, it is chosen at first.

    Args:
        workspace: The results that are compared.
        sources: Names of the sources.
        what: What is done with them, in words.
    """
    others = _with_sources(workspace, sources)
    fitting = [name for name, manifest in others.items() if fits(workspace.manifest, manifest, sources)]
    names = [NONE, *others]
    chosen = st.selectbox(
        "Validation results",
        names,
        index=names.index(fitting[0]) if len(fitting) == 1 else 0,
        key="validation",
        bind="query-params",
        help=f"Results of the same sources on other patients, on which {what}. "
        "Files that were swapped between sources cannot be told.",
    )
    if chosen == NONE:
        return None
    return open_comparison(workspace.results.folder.parent / str(chosen), region=workspace.region)


def _with_sources(workspace: Comparison, names: Sequence[str]) -> dict[str, Manifest]:
    """Other results that hold sources of these names, by their name."""
    found = {}
    for folder in result_folders():
        try:
            manifest = load_manifest(folder)
        except AflError:  # one damaged folder blocks no other
            continue
        if folder != workspace.results.folder and set(names) <= set(manifest.sources):
            found[folder.name] = manifest
    return found
