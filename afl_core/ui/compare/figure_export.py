"""Compare page: the figure of examples, made and downloaded by one click."""

import shlex

import streamlit as st

from afl_core.base.numbers import number, volume
from afl_core.base.paths import from_here
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.errors import shown_errors


def show_figure_export(workspace: Comparison) -> None:
    """Choose the four examples and the format; the figure itself is made when the button is clicked."""
    cohort = workspace.cohort
    if workspace.rows.empty or cohort is None:
        return
    with st.expander("Figure: large, small, smooth and rough tumours as surfaces and slices"), shown_errors():
        from afl_core.figures.example_cases import choose_examples  # noqa: PLC0415 - PyVista takes a second to import
        from afl_core.figures.files import FORMATS  # noqa: PLC0415

        defaults = choose_examples(workspace.rows)
        if not defaults:
            st.info("No case has a tumour in the reference.")
            return
        chosen = _choose_cases(workspace, defaults)
        kind, button = st.columns([2, 3], vertical_alignment="bottom", width=520)
        suffix = str(
            kind.segmented_control("Format", list(FORMATS), default="png", required=True, format_func=str.upper)
        )
        button.download_button(
            "Make and download the figure",
            data=lambda: _figure(workspace, chosen, suffix),
            file_name=f"examples.{suffix}",
            mime=FORMATS[suffix],
            on_click="ignore",
            type="primary",
        )
        st.caption(
            "Rows: the reference and each source. Colours: signed distance to the reference surface, with one range. "
            "PNG, and pixels in SVG and PDF, have 300 dpi. The same from a terminal:"
        )
        folder = from_here(workspace.results.folder)
        cases = [part for role, case_id in chosen.items() for part in ("--case", f"{role}={case_id}")]
        st.code(
            shlex.join(["afl", "figure", str(folder), *cases, *workspace.arguments, "--out", f"examples.{suffix}"]),
            language="bash",
        )


def _choose_cases(workspace: Comparison, defaults: dict[str, str]) -> dict[str, str]:
    """A case for every role, by default the extreme one; the menu shows size and roughness."""
    facts = workspace.rows.drop_duplicates("case_id").set_index("case_id").sort_index()
    facts = facts[facts["reference_volume_ml"] > 0]

    def label(case_id: str) -> str:
        ml, rough = facts.loc[case_id, ["reference_volume_ml", "roughness"]].to_numpy(dtype=float)
        return f"{case_id} · {volume(float(ml))} · roughness {number(float(rough), 2)}"

    chosen = {}
    for column, (role, default) in zip(st.columns(len(defaults)), defaults.items(), strict=True):
        ids = [str(case_id) for case_id in facts.index]
        key = f"example {workspace.name} {role}"
        picked = column.selectbox(role.capitalize(), ids, index=ids.index(default), format_func=label, key=key)
        chosen[role] = str(picked)
    return chosen


def _figure(workspace: Comparison, chosen: dict[str, str], kind: str) -> bytes:
    from afl_core.figures.example_cases import load_examples  # noqa: PLC0415 - as above
    from afl_core.figures.examples import plot_examples  # noqa: PLC0415 - as above
    from afl_core.figures.files import figure_bytes  # noqa: PLC0415

    return figure_bytes(plot_examples(load_examples(workspace, chosen)), kind)
