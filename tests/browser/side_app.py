"""Two viewers side by side; `?apart=` gives each a crosshair of its own."""

from dataclasses import replace

import numpy as np
import streamlit as st
from viewer_app import phantom

from afl_core.ui.viewers.part_route import part_route
from afl_core.ui.viewers.payload import viewer_payload
from afl_core.ui.viewers.slices import OfPage, show_viewer
from afl_core.volume import Mask


def main() -> None:
    st.set_page_config(layout="wide")
    first = replace(phantom(), case_id="P1")
    moved = Mask(np.roll(first.reference.array, 9, axis=1), first.image.affine)
    later = replace(phantom(sequence="T2"), reference=moved, case_id="P1")
    for k, (case, column) in enumerate(zip((first, later), st.columns(2), strict=True)):
        page = OfPage(outlines=f"visit {k + 1}", group="" if "apart" in st.query_params else "both", second=k == 1)
        with column:
            show_viewer(viewer_payload(case), key=f"side {k}", page=page)


if __name__ == "__main__":
    main()
else:
    app = st.App(__file__, routes=[part_route()])
