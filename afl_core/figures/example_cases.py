"""Which cases the figure of examples shows, and their images and masks."""

import math
from collections.abc import Mapping

import pandas as pd

from afl_core.analysis.case_tables import drawn_sources
from afl_core.base.catalogue import pick
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import load_background, load_reference
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.examples import Example
from afl_core.figures.palette import SOURCE_COLOURS
from afl_core.volume import check_same_grid

ROLES: Mapping[str, tuple[str, bool]] = {
    "large": ("reference_volume_ml", False),
    "small": ("reference_volume_ml", True),
    "smooth": ("roughness", True),
    "rough": ("roughness", False),
}
"""What an example stands for: the column that decides, and whether its lowest or its highest value is wanted."""


def choose_examples(rows: pd.DataFrame) -> dict[str, str]:
    """The case of every role in `ROLES`: the extreme of the cases with a tumour that no role before has taken.

    It must lie on its side of the median, or the figure would call a rough tumour smooth where there are few.

    Args:
        rows: Case rows, as a results folder holds them.

    Returns:
        Role to case id; a role for which no case is left is missing; a single case is `large`, whatever its size.
        Equal values go by case id.
    """
    if rows.empty:
        return {}
    cases = rows.drop_duplicates("case_id").sort_values("case_id")
    cases = cases[cases["reference_volume_ml"] > 0]
    chosen: dict[str, str] = {}
    for role, (column, lowest) in ROLES.items():
        middle = cases[column].median()
        side = cases[column] < middle if lowest else (cases[column] > middle) | (not chosen)
        free = cases[side & ~cases["case_id"].isin(chosen.values())]
        if len(free):
            chosen[role] = str(free.sort_values(column, ascending=lowest, kind="stable")["case_id"].iloc[0])
    return chosen


def load_examples(comparison: Comparison, chosen: Mapping[str, str]) -> list[Example]:
    """Images, masks and scores of the chosen cases.

    Args:
        comparison: The results; their first three sources are shown.
        chosen: Role to case id.

    Raises:
        UsageError: If there is no case of that name.
        DataError: If its reference is missing, or a mask cannot be read.
        GeometryError: If the masks lie on different grids.
    """
    cases, rows = {case.case_id: case for case in comparison.needed_cohort().cases}, comparison.rows
    examples = []
    for role, case_id in chosen.items():
        case = pick(cases, case_id, kind="case")
        reference = None if case.reference is None else load_reference(case)
        if reference is None:
            raise DataError("The figure needs cases with a reference", received=case_id, todo="Choose another case")
        of_case = rows[rows["case_id"] == case_id].set_index("source")["dsc"]
        names = [name for name in drawn_sources(comparison) if name in of_case.index][: len(SOURCE_COLOURS)]
        masks = {name: load_mask(comparison.mask(case_id, name)) for name in names}
        sequence = next(iter(case.sequences), None)
        image, note = (None, "") if sequence is None else load_background(case, sequence, reference)
        for name, mask in masks.items():
            check_same_grid(reference, mask, names=("the reference", name))
        rough = float(rows.loc[rows["case_id"] == case_id, "roughness"].iloc[0])
        size = f"{reference.volume_ml:.1f} ml" if reference.array.any() else "no tumour"
        title = f"{role.capitalize()}: {size}" + ("" if math.isnan(rough) else f", roughness {rough:.2f}")
        examples.append(Example(title, image, reference, masks, {name: float(of_case[name]) for name in names}, note))
    return examples
