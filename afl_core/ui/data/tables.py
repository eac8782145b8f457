"""Data page: results from tables that another tool has computed, as `afl import` makes them."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from afl_core.base import paths
from afl_core.data.label_codes import find_scheme
from afl_core.data.labels import WHOLE
from afl_core.data.layouts import DataOptions
from afl_core.data.scan import typed_folder
from afl_core.errors import AflError, UsageError
from afl_core.evaluation.changes import NAME
from afl_core.evaluation.imported.catalogue import TABLE, TOOLS
from afl_core.evaluation.imported.importing import Request, import_tables, parse_files
from afl_core.evaluation.imported.values import SIZE_UNITS, Choice, parse_metric
from afl_core.glossary import TERMS
from afl_core.ui.shared.errors import shown_errors
from afl_core.ui.shared.workspace import OVERVIEW, leave_for

UPLOADED = "tables"
"""Folder within the results that keeps what was uploaded."""


def show_tables() -> None:
    """A form that takes tables, by upload or by path on this machine, into results of their own."""
    st.header("Tables from another tool")
    with st.expander("Import metrics that nnU-Net, AUDIT, panoptica, the BraTS package or any CSV holds"):
        st.markdown("Each metric keeps its origin in its name, such as Dice (nnU-Net), and is never mixed with ours.")
        formats = ("", *TOOLS, TABLE)
        format_ = st.selectbox("Format", formats, format_func=_format_name, key="import format")
        with st.form("import tables", border=False):
            uploads = st.file_uploader(
                "Tables, a model each or of all", ["json", "csv", "tsv"], accept_multiple_files=True
            )
            names = st.text_input("Names of the models, by commas, where a table names none", placeholder="FL, A-FL")
            typed = st.text_area("Or tables on this machine, NAME=FILE, a line each", height=80)
            left, middle, right = st.columns(3)
            region = left.text_input("Label or region, where there are several")
            voxel = middle.number_input("Volume of a voxel (mm³), for sizes in voxels", 0.0, None, None)
            references = right.text_input("Folder of references, for volume and roughness")
            covariates = left.text_input(
                "Table of covariates", placeholder="/path/to/sites.csv", help=TERMS["Covariate"]
            )
            reference_region = right.text_input("Region of the references", WHOLE)
            labels = right.text_input("Labels of the references", placeholder="et=1,ncr=2,ed=3")
            metrics, tool, columns = _choose_columns() if format_ == TABLE else ("", "", Choice())
            name = st.text_input("Name of the results", "imported")
            asked = st.form_submit_button("Import", type="primary")
        if not asked:
            return
        with shown_errors(), _new_results(name.strip()) as folder:
            files = _uploaded(uploads, names, folder / UPLOADED)
            files += parse_files([text for text in typed.splitlines() if text.strip()])
            if labels.strip():
                find_scheme(labels.strip())
            options = DataOptions(None, labels.strip() or None, reference_region.strip() or WHOLE)
            cohort = options.references(typed_folder(references)) if references.strip() else None
            choice = replace(columns, metrics=tuple(parse_metric(t) for t in metrics.splitlines() if t.strip()))
            request = Request(
                files, format_, region=region.strip(), voxel_mm3=voxel, references=cohort, tool=tool, choice=choice
            )
            table = typed_folder(covariates) if covariates.strip() else None
            import_tables(replace(request, covariates=table), folder)
            leave_for(OVERVIEW, folder.name)


@contextmanager
def _new_results(name: str) -> Generator[Path]:
    """A folder for results of that name, which goes again if they cannot be made.

    Raises:
        UsageError: If this is no name, or there are results of that name.
    """
    if not NAME.fullmatch(name):
        raise UsageError("This is no name of results", received=name, todo="Use letters, digits, . _ + and -")
    folder = paths.RESULTS / name
    if folder.exists():
        raise UsageError(f"There are results {name} already", received=folder, todo="Give another name")
    try:
        yield folder
    except (AflError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _format_name(format_: str) -> str:
    if format_ == TABLE:
        return "Any other table, whose columns are chosen"
    return TOOLS[format_].label if format_ else "Tell it from the files"


def _choose_columns() -> tuple[str, str, Choice]:
    """Of a table of no known tool: the metrics as they are typed, the tool's name, and the other columns."""
    first, second, third = st.columns(3)
    metrics = first.text_area("Metrics, a line each: COLUMN=higher or COLUMN=lower:UNIT", height=80)
    tool = first.text_input("Who measured", "table")
    case = second.text_input("Column of the case", "case_id")
    model = second.text_input("Column of the model")
    region = second.text_input("Column of the region")
    metric = third.text_input("Column of the metric's name, in a table with a row a metric")
    value = third.text_input("Column of its value", "value")
    size = third.text_input("Column of the reference's size")
    unit = third.selectbox("Unit of the size", list(SIZE_UNITS))
    return metrics, tool, Choice((), case, model, region, metric, value, size, unit)


def _uploaded(uploads: list[Any], names: str, folder: Path) -> tuple[tuple[str, Path], ...]:
    """The uploaded files, written to a folder of their own each, with the names that were typed."""
    given = [name.strip() for name in names.split(",") if name.strip()]
    if len(given) > 1 and len(given) != len(uploads):
        raise UsageError("Give one name, or one a table", received=f"{len(given)} names of {len(uploads)} tables")
    files = []
    for k, upload in enumerate(uploads):
        path = folder / str(k) / "uploaded" / Path(upload.name).name
        path.parent.mkdir(parents=True)
        path.write_bytes(upload.getvalue())
        files.append((given[min(k, len(given) - 1)] if given else path.stem if path.suffix == ".json" else "", path))
    return tuple(files)
