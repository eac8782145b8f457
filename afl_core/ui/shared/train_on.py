"""The data set that a page offers to the Training page."""

from pathlib import Path

import streamlit as st

from afl_core.data.labels import WHOLE, region_title
from afl_core.data.layouts import Cohort, DataOptions

DATA_KEY, OFFERED = "training data", "data set to train on"


def train_on(cohort: Cohort) -> None:
    """Offer a data set, with its layout, labels and region, as the one to train on."""
    offered = cohort.root.resolve(), cohort.options
    st.session_state[OFFERED] = offered
    st.session_state[DATA_KEY] = title_of(*offered)


def title_of(root: Path, options: DataOptions) -> str:
    """What a data set is called in the menu of the Training page."""
    return root.name if options.region == WHOLE else f"{root.name}, {region_title(options.region)}"
