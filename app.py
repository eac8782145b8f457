"""Entry point of the workbench: page setup, navigation and the line on top that every page shares.

Streamlit's server imports this file once, for `app`, and then runs it as a script at every visit.
"""

import streamlit as st

from afl_core.ui.server import server_options, wait_until_ready

STYLE = """
.stMainBlockContainer {padding: 4rem 2rem 3rem}
[data-testid="stCaptionContainer"] {opacity: 0.8}  /* 0.6 is a contrast of 3.9 */
/* Text in the primary colour: lighter than that colour itself on a dark page, for a contrast above 4.5. */
[data-variant][data-selected="true"] p, [data-testid="stSliderThumbValue"] p {color: light-dark(#0068A3, #7CC4F0)}
/* Letters beside the axes of a chart: Streamlit's grey is a contrast of 3.7 on white. */
.stPlotlyChart :is([class$="tick"] text, text[class$="title"]) {
    fill: light-dark(#5B5F6B, #C8C6C2) !important;
}
@media (max-width: 1100px) {  /* columns wrap before a choice is cut or the names of bins overlap */
    .stMainBlockContainer {padding-inline: 1rem}
    .stHorizontalBlock {flex-wrap: wrap}
    .stColumn {min-width: min(100%, 9.5rem)}
    .stColumn:has(.stPlotlyChart, .stDataFrame, .stTable) {min-width: 100%}
}
@media (max-width: 900px) {  /* a choice shows its longest word */
    .stColumn:has(.stSelectbox, .stMultiSelect) {min-width: min(100%, 13rem)}
}
"""


def show() -> None:
    """The page that the address names."""
    st.set_page_config(page_title="A-FL workbench", page_icon="🎯", layout="wide")
    overview = st.Page("pages/overview.py", title="Overview", default=True)
    compare = st.Page("pages/compare.py", title="Compare")
    more = {"breakdown": "Breakdown", "follow_up": "Follow-up", "loss_xray": "Loss X-ray"}
    more |= {"training": "Training", "data": "Data", "help": "Help"}
    others = [st.Page(f"pages/{name}.py", title=title) for name, title in more.items()]
    page = st.navigation([overview, compare, *others], position="top")
    st.html(f"<style>{STYLE}</style>")
    wait_until_ready()
    from afl_core.ui.shared.bar import show_bar  # noqa: PLC0415 - caches need a server
    from afl_core.ui.shared.workspace import FOLDER_KEY, PAGE_KEY, follow, query, was_followed  # noqa: PLC0415 - as above

    st.session_state["workspace"] = show_bar("A-FL workbench" if page == overview else page.title)
    if target := st.session_state.pop(PAGE_KEY, None):
        # A folder that was opened from the line on top does not take along what the page before had in its address.
        st.switch_page(target, query_params={} if FOLDER_KEY in st.session_state else query())
    case = st.query_params.get("case")
    if page == overview and case is not None and not was_followed(case):  # a case is a link: /?case=ID
        follow([case])  # once, so that the browser's Back does not bounce
        st.switch_page(compare, query_params=query())
    page.run()


if __name__ == "__main__":
    show()
else:
    app = st.App(__file__, **server_options())
