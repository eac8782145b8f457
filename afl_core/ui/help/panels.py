"""Panels of the Help page: where to begin, the keys of the viewers, the metrics and every word of the pages."""

import html
import re

import pandas as pd
import streamlit as st

from afl_core.glossary import SECTIONS, explain
from afl_core.metrics import METRICS
from afl_core.ui.shared.errors import plain
from afl_core.ui.viewers.component import page_of

_PAIR = re.compile(r"<dt>(.*?)</dt><dd>(.*?)</dd>", re.DOTALL)

PAPER = "https://arxiv.org/abs/2407.09828"

START = """
- **Overview** says what the losses differ in, and whether more than chance shows it.
- **Compare** shows one case after another, the worst first: slices (labels in colours too), surfaces, numbers.
- **Breakdown** asks where the difference lies: by tumour size, by smoothness, or by both.
- **Follow-up** shows a patient's tumour volumes over time, the response by volume of reference and sources, and two
  time points side by side.
- **Loss X-ray** looks at a loss before any training: its alpha and gamma on each case, and where its gradient goes.
- **Training** trains losses on the same data from the same weights, and opens the results in Compare.
- **Data** tells what a folder holds and what is wrong with it, and takes folders of predictions into a comparison.
"""


def show_start() -> None:
    """What the pages are for, and where more is written."""
    st.markdown(
        "The adaptive focal loss (A-FL) takes its two parameters from each case's tumour: how large it is, and how "
        f"smooth. The focal loss (FL) has the same for every case. A-FL is from [a paper]({PAPER}); whether it helps "
        "is what this workbench measures. **Research use only, not a medical device.**"
    )
    st.markdown(START)
    st.markdown(
        "More is in the folder `docs`: the layouts of data sets (data.md), sources of predictions (sources.md), "
        "statistics (statistics.md), rankings (ranking.md), patients over time (follow-up.md), roughness (shape.md), "
        "training (training.md), what a paper takes (paper.md), a case in 3D Slicer or ITK-SNAP (elsewhere.md), "
        "security (security.md)."
    )


def show_keys() -> None:
    """The mouse and the keys of the viewers, as the viewers' own help has them."""
    st.header("Mouse and keys in the slices")
    pairs = [(html.unescape(keys), html.unescape(text)) for keys, text in _PAIR.findall(page_of("viewer"))]
    st.table(pd.DataFrame({"Does": dict(pairs)}))
    st.caption("On the Compare page, j and k go to the next case and to the one before.")


def show_metrics() -> None:
    """Each metric with its unit, its definition, and what it gives for an empty mask."""
    st.header("Metrics", help=explain("Metrics", "Empty mask", "Undefined"))
    rows = {
        plain(metric.titled_direction): {
            "Definition": plain(metric.definition),
            "With an empty mask": plain(metric.empty_rule),
        }
        for metric in METRICS.values()
    }
    st.table(pd.DataFrame.from_dict(rows, orient="index"))


def show_words() -> None:
    """The glossary by subject; the metrics stand above."""
    st.header("Words")
    wanted = st.text_input("Find a word", key="word", bind="query-params", placeholder="roughness").strip().lower()
    found = False
    for title, terms in SECTIONS.items():
        shown = {term: text for term, text in terms.items() if wanted in f"{term} {text}".lower()}
        if not shown or title == "Metrics":
            continue
        found = True
        with st.expander(title, expanded=bool(wanted)):
            st.markdown("\n".join(f"- **{plain(term)}**: {plain(text)}" for term, text in shown.items()))
    if not found:
        st.info(plain(f"No word of the pages has “{wanted}” in it."))
