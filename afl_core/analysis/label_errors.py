"""Which label was taken for which: the voxels of a case by what they are in the reference and in a prediction.

A prediction is known by the masks of its regions, which are what was measured. The regions that a voxel lies in tell
its label, as far as the regions tell the labels apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.data.formats.files import load_mask
from afl_core.data.labels import Scheme
from afl_core.data.loading import load_reference_labels
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.regions import bounding_box
from afl_core.volume import Case, Mask, Volume, check_same_grid

NO_TUMOUR, OTHER = "no tumour", "other"
"""Names of the voxels in no region, and of those in regions that no label of the data set is in together."""

ANY_OTHER = "any other label"
"""Name of the labels that no region of a data set without declared labels names."""

COLUMNS = ("case_id", "patient", "source", "reference", "predicted", "voxels", "ml")


@dataclass(frozen=True)
class Parts:
    """What the regions tell apart.

    Attributes:
        regions: Names of the regions; the place of one is its bit in a code.
        names: Code of a part to what it is; `NO_TUMOUR` has the code 0.
        codes: Label of the reference to the code of its part.
        rest: Code of the labels that are not in `codes`: the regions of every label above 0.
    """

    regions: tuple[str, ...]
    names: Mapping[int, str]
    codes: Mapping[int, int]
    rest: int


def parts_of(scheme: Scheme, regions: Sequence[str]) -> Parts:
    """The parts into which regions divide the labels of a scheme; labels that no region tells apart are one part.

    A scheme without values has the labels that its regions name, and all others are one part.
    """
    inside = [scheme.region(region).inside for region in regions]
    values = scheme.values or {label: f"label {label}" for labels in inside for label in labels}
    rest = sum(1 << place for place, labels in enumerate(inside) if not labels)
    codes = {
        label: rest + sum(1 << place for place, labels in enumerate(inside) if label in labels)
        for label in sorted(values)
    }
    told = {code: [values[label] for label in codes if codes[label] == code] for code in codes.values()}
    names = {code: " or ".join(titles) for code, titles in told.items()}
    return Parts(tuple(regions), {rest: ANY_OTHER} | names | {0: NO_TUMOUR}, codes, rest)


def label_errors(opened: Mapping[str, Comparison], case_id: str, source: str) -> pd.DataFrame:
    """The voxels of a case by their part in the reference and in a prediction; none that both leave out.

    Args:
        opened: Region to the comparison of it, of every region that was measured.
        case_id: Id of the case.
        source: Name of the source.

    Returns:
        A row for each pair that occurs, with `COLUMNS`.

    Raises:
        AflError: If the source was measured in one region alone, or a file cannot be read or is not the measured one.
    """
    case, scheme = labelled_case(opened, case_id)
    parts, masks = measured_parts(opened, case_id, source, scheme)
    labels = load_reference_labels(case)
    check_same_grid(labels, masks[0], names=("the reference", f"the masks of {source}"))
    pairs = _count_pairs(labels, masks, parts)
    names = parts.names
    return pd.DataFrame(
        [
            (case_id, case.patient, source, names[now], names.get(then, OTHER), count, count * labels.voxel_ml)
            for (now, then), count in pairs.items()
        ],
        columns=list(COLUMNS),
    )


def matrix(table: pd.DataFrame, *, shares: bool = True) -> pd.DataFrame:
    """A row for each part of the reference, a column for each that was predicted: ml, or shares of the row.

    What is no tumour in the reference has no whole to be a share of, and stays in ml in both.
    """
    order = sorted({*table["reference"], *table["predicted"]}, key=lambda name: (name in (NO_TUMOUR, OTHER), name))
    counts = table.pivot_table(index="reference", columns="predicted", values="ml", aggfunc="sum", fill_value=0.0)
    counts = counts.reindex(index=[name for name in order if name != OTHER], columns=order, fill_value=0.0)
    if NO_TUMOUR in counts.index:
        counts.loc[NO_TUMOUR, NO_TUMOUR] = np.nan  # that is the rest of the image, which is not counted
    if not shares:
        return counts
    tumour = counts.index != NO_TUMOUR
    counts.loc[tumour] = counts[tumour].div(counts[tumour].sum(axis=1).replace(0, np.nan), axis=0)
    return counts


def worst_case(table: pd.DataFrame, reference: str, predicted: str) -> str:
    """The case with the largest volume of one part taken for another; "" where there is none."""
    cell = table[(table["reference"] == reference) & (table["predicted"] == predicted)]
    by_case = cell.groupby("case_id", sort=False)["ml"].sum()
    return str(by_case.idxmax()) if len(by_case) else ""


def wrong_share(table: pd.DataFrame) -> float:
    """Share of the tumour of the reference that has another label in the prediction, or none; NaN without a tumour."""
    tumour = table[table["reference"] != NO_TUMOUR]
    wrong = tumour.loc[tumour["reference"] != tumour["predicted"], "voxels"].sum()
    return float(wrong / tumour["voxels"].sum()) if len(tumour) else float("nan")


def labelled_case(opened: Mapping[str, Comparison], case_id: str) -> tuple[Case, Scheme]:
    """A case and what its labels mean; raises `DataError` where the reference cannot be read."""
    first = next(iter(opened.values()))
    cases = {case.case_id: case for case in first.cohort.cases} if first.cohort else {}
    if first.whole is None or case_id not in cases:
        raise DataError(f"The reference of {case_id} cannot be read", received=first.problem or "no such case")
    return cases[case_id], first.whole.scheme


def measured_parts(
    opened: Mapping[str, Comparison], case_id: str, source: str, scheme: Scheme
) -> tuple[Parts, list[Mask]]:
    """What the measured regions of a source tell apart, and its masks of them; errors as `label_errors`."""
    there = {region: of for region, of in opened.items() if _has_row(of, case_id, source)}
    parts = parts_of(scheme, tuple(there))
    if len(parts.names) < 3:
        what = f"{source} was measured in one region of {case_id} alone, which tells no labels apart"
        raise DataError(what, received=", ".join(there) or "no region", todo="Measure more: afl evaluate --regions")
    return parts, [load_mask(of.mask(case_id, source)) for of in there.values()]


def _has_row(of: Comparison, case_id: str, source: str) -> bool:
    return not of.rows.empty and bool(((of.rows["case_id"] == case_id) & (of.rows["source"] == source)).any())


def reference_codes(labels: NDArray[Any], parts: Parts) -> NDArray[np.int64]:
    """The code of the part of each label."""
    known = np.full(max([int(labels.max(initial=0)), *parts.codes]) + 1, parts.rest, dtype=np.int64)
    known[0] = 0
    known[list(parts.codes)] = list(parts.codes.values())
    codes: NDArray[np.int64] = known[labels]
    return codes


def predicted_codes(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """The regions that each voxel lies in as a code: a bit a mask."""
    codes = np.zeros(masks[0].shape, dtype=np.int64)
    for place, mask in enumerate(masks):
        codes |= mask.astype(np.int64) << place
    return codes


def _count_pairs(labels: Volume, masks: Sequence[Mask], parts: Parts) -> dict[tuple[int, int], int]:
    """Pair of codes, in the reference and in the prediction, to its voxels; without those that both leave out."""
    inside = labels.array != 0
    for mask in masks:
        inside |= mask.array
    if (box := bounding_box(inside)) is None:
        return {}
    known = reference_codes(labels.array[box], parts)
    predicted = predicted_codes([mask.array[box] for mask in masks])
    size = 1 << len(masks)
    counts = np.bincount((known * size + predicted).ravel())
    return {(int(pair) // size, int(pair) % size): int(counts[pair]) for pair in np.flatnonzero(counts) if pair}
