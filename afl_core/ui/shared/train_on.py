"""The data set that a page offers to the Training page."""

from pathlib import Path

import streamlit as st

from afl_core.data.labels import WHOLE, region_title
from afl_core.data.layouts import Cohort, DataOptions

DATA_KEY, OFFERED, BROUGHT = "training data", "data set to train on", "data set that was brought"


def train_on(cohort: Cohort) -> None:
    """Offer a data set, with its layout, labels and region, as the one to train on."""
    offer(cohort.root.resolve(), cohort.options)
    st.session_state[BROUGHT] = str(cohort.root)


def offer(root: Path, options: DataOptions) -> None:
    """Choose a folder, read by these options, on the Training page."""
    st.session_state[OFFERED] = root, options
    st.session_state[DATA_KEY] = title_of(root, options)


def title_of(root: Path, options: DataOptions) -> str:
    """What a data set is called in the menu of the Training page."""
    return root.name if options.region == WHOLE else f"{root.name}, {region_title(options.region)}"
