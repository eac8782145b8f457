"""The cases that gained and lost most, as pictures."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from afl_core.analysis.breakdown.options import list_sources
from afl_core.base.numbers import number, volume
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import load_background, load_reference
from afl_core.errors import AflError, DataError
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.figures.slices import SOURCE_STYLES, shown_slice, slice_picture
from afl_core.report.findings import Findings
from afl_core.report.parts import escape, heading, paragraph
from afl_core.volume import Case, Mask, check_same_grid

SHOWN = 3
"""Number of the largest gains that are shown, and of the largest losses."""

KEY_WIDTH = 2.6
"""Width of a source's line in the key of the outlines."""


@dataclass(frozen=True)
class Change:
    """A case or lesion on which the second source differs from the first.

    Attributes:
        case_id: Id of the case.
        lesion_id: Number of the lesion; 0 for a whole case.
        size_ml: Volume of the reference in ml.
        first: Value of the first source.
        second: Value of the second source.
    """

    case_id: str
    lesion_id: int
    size_ml: float
    first: float
    second: float

    @property
    def name(self) -> str:
        """The case, and the lesion where it is one."""
        return f"{self.case_id}, lesion {self.lesion_id}" if self.lesion_id else self.case_id


def largest_changes(findings: Findings) -> tuple[list[Change], list[Change]]:
    """The largest gains and the largest losses of the second source, both from the largest on."""
    if findings.pair is None:
        return [], []
    units, (first, second) = findings.units, findings.pair
    table = units.table.assign(first=units.values[first], second=units.values[second])
    better = 1 if units.measure.better == "higher" else -1
    table = table.assign(gain=better * (table["second"] - table["first"])).sort_values(
        ["gain", "case_id", "lesion_id"], ascending=[False, True, True], kind="stable"
    )
    return _changes(table[table["gain"] > 0][:SHOWN]), _changes(table[table["gain"] < 0][-SHOWN:][::-1])


def show_changes(findings: Findings) -> str:
    """Slices of the largest gains and losses of the first pair."""
    if findings.pair is None:
        return ""
    gains, losses = largest_changes(findings)
    first, second = findings.pair
    html = _keys(findings)
    for title, changes in ((f"Where {second} gains most", gains), (f"Where {second} loses most", losses)):
        shown = "".join(_figure(change, findings) for change in changes)
        nothing = paragraph(f"None: {second} is nowhere {'better' if changes is gains else 'worse'} than {first}.")
        html += heading(title) + (f'<div class="pictures">{shown}</div>\n' if changes else nothing)
    return html + paragraph(
        "Each picture is an axial slice: of those through much of the reference the one with the most wrong voxels, "
        "or that through the centre of the lesion. The patient's left is on the right (R and L). "
        "Outlines run along voxel edges. These are extremes: they show what happens, not how often.",
        "note",
    )


def _changes(table: pd.DataFrame) -> list[Change]:
    columns = ("case_id", "lesion_id", "size", "first", "second")
    return [Change(str(a), int(b), float(c), float(d), float(e)) for a, b, c, d, e in table[list(columns)].to_numpy()]


def _figure(change: Change, findings: Findings) -> str:
    """A picture with its caption, or a sentence where a file is missing."""
    try:
        png, note = _picture(change, findings)
        data = base64.b64encode(png).decode()
        shown = f'<img alt="Slice of {escape(change.name)}" src="data:image/png;base64,{data}">'
    except AflError as error:
        shown, note = f'<div class="missing">No picture: {escape(error)}</div>', ""
    except OSError as error:
        shown, note = f'<div class="missing">No picture: a file cannot be read ({escape(error)})</div>', ""
    first, second = findings.pair or ("", "")
    measure = findings.units.measure
    values = f"{first} {number(change.first, measure.digits)}, {second} {number(change.second, measure.digits)}"
    gain = number(change.second - change.first, measure.digits, sign=True)
    caption = f"{volume(change.size_ml)}; {measure.title}: {values} ({gain}){note}"
    text = f"<strong>{escape(change.name)}</strong><br>{escape(caption)}"
    return f"<figure>{shown}<figcaption>{text}</figcaption></figure>\n"


def _picture(change: Change, findings: Findings) -> tuple[bytes, str]:
    """The PNG, and what to add to its caption."""
    case = _case(change.case_id, findings)
    if case.reference is None:
        raise DataError("the reference is no longer there")
    reference = load_reference(case)
    predictions = {name: _prediction(name, case, findings) for name in findings.pair or ()}
    at = _centre(change, findings)
    for name, mask in predictions.items():
        check_same_grid(reference, mask, names=("the reference", name))
    z = shown_slice(reference, predictions) if at is None else at[2]
    sequence = next(iter(case.sequences), "")
    image, note = load_background(case, sequence, reference) if sequence else (None, "")
    png = slice_picture(image, reference, predictions, at=at)
    behind = sequence if image is not None else "masks alone"
    return png, f"; slice {z + 1} of {reference.array.shape[2]}, {behind}{'. ' if note else ''}{note}"


def _case(case_id: str, findings: Findings) -> Case:
    comparison = findings.comparison
    if comparison.cohort is None:
        raise DataError(f"the data set cannot be opened: {comparison.problem.rstrip('.')}")
    for case in comparison.cohort.cases:
        if case.case_id == case_id:
            return case
    raise DataError(f"{case_id} is no longer in the data set")


def _prediction(source: str, case: Case, findings: Findings) -> Mask:
    """The mask of a source; of its first seed where it is a mean over seeds."""
    return load_mask(findings.comparison.mask(case.case_id, _members(source, findings)[0]))


def _members(source: str, findings: Findings) -> Sequence[str]:
    seeds: Mapping[str, Sequence[str]] = list_sources(
        findings.comparison.manifest, pool_seeds=findings.options.pool_seeds
    )[1]
    return seeds.get(source, (source,))


def _centre(change: Change, findings: Findings) -> tuple[int, int, int] | None:
    """Voxel at the centre of a lesion; None for a case."""
    if not change.lesion_id:
        return None
    rows = findings.comparison.lesions
    rows = rows[(rows["case_id"] == change.case_id) & (rows["lesion_id"] == change.lesion_id)]
    row = rows[rows["kind"] == "reference"].iloc[0]
    return round(row["x"]), round(row["y"]), round(row["z"])


def _keys(findings: Findings) -> str:
    """The key of the outlines."""
    entries = [("reference", REFERENCE_COLOUR, "", 4.0)]
    for name, colour, dashes in zip(findings.pair or (), SOURCE_COLOURS, SOURCE_STYLES, strict=False):
        members = _members(name, findings)
        shown = name if len(members) == 1 else f"{name} (its first seed, {members[0]})"
        entries.append((shown, colour, " ".join(f"{KEY_WIDTH * length:.3g}" for length in dashes), KEY_WIDTH))
    keys = (
        f'<span><svg width="38" height="8" aria-hidden="true"><line x1="1" x2="37" y1="4" y2="4" stroke="{colour}" '
        f'stroke-width="{width}" stroke-dasharray="{lengths}"/></svg>{escape(name)}</span>'
        for name, colour, lengths, width in entries
    )
    return f'<div class="keys">{"".join(keys)}</div>\n'
