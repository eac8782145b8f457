"""What looks wrong about a source: its folder of predictions before one is measured, and its rows after."""

from collections import defaultdict

import pandas as pd

from afl_core.base.words import named, number_of
from afl_core.data.layouts.nnunet_results import Declaration
from afl_core.data.organs import doubt_segments
from afl_core.evaluation.prediction_reading import INVERTED
from afl_core.evaluation.prediction_values import DECIDED, FileKinds, describe_mixture
from afl_core.volume import Region

MANY_EMPTY = 0.25
"""Share of the cases with a tumour from which on it is said that a source predicts nothing there."""


def doubt_rows(rows: pd.DataFrame) -> list[str]:
    """Every sentence on sources whose masks are hardly a network's, by their case rows."""
    return [*perfect_sources(rows), *equal_sources(rows), *silent_sources(rows), *inverted_sources(rows)]


def silent_sources(rows: pd.DataFrame) -> list[str]:
    """Sources that predict nothing in many of the cases with a tumour: whatever they gain, they do not find it."""
    there = rows[rows["reference_volume_ml"] > 0]
    shares = (there["empty"] == "prediction").groupby(there["source"], sort=False).agg(["sum", "count"])
    return [
        f"{source} predicts nothing in {of['sum']} of {number_of(int(of['count']), 'case')} with a tumour."
        for source, of in shares.iterrows()
        if of["sum"] >= MANY_EMPTY * of["count"]
    ]


def perfect_sources(rows: pd.DataFrame) -> list[str]:
    """Sources whose masks are the reference, voxel by voxel, in every case with a tumour."""
    there = rows[rows["reference_volume_ml"] > 0]
    perfect = there.groupby("source", sort=False)["dsc"].min()
    return [
        f"The masks of {source} equal the reference in every case: are the references given as a source?"
        for source in perfect[perfect == 1].index
    ]


def equal_sources(rows: pd.DataFrame) -> list[str]:
    """Sources that predict something, and the same in every case as far as volume and Dice tell."""
    names = defaultdict[int, list[str]](list)
    for source, of in rows.groupby("source", sort=False):
        if (of["predicted_volume_ml"] > 0).any():
            same = pd.util.hash_pandas_object(of[["case_id", "dsc", "predicted_volume_ml"]], index=False)
            names[int(same.sum())].append(str(source))
    return [
        f"{named(equal)} have the same volume and the same Dice in every case: is one source given under "
        f"{'two' if len(equal) == 2 else 'several'} names?"
        for equal in names.values()
        if len(equal) > 1
    ]


def inverted_sources(rows: pd.DataFrame) -> list[str]:
    """Sources with masks that fill all corners of the grid."""
    if "note" not in rows:
        return []
    inverted = rows["note"].str.contains(INVERTED, regex=False)
    counts = inverted.groupby(rows["source"], sort=False).agg(["sum", "count"])
    return [
        f"The masks of {source} fill all eight corners of the grid in {of['sum']} of "
        f"{number_of(int(of['count']), 'case')}: are tumour and background exchanged?"
        for source, of in counts[counts["sum"] > 0].iterrows()
    ]


def doubt_source(name: str, files: FileKinds, meaning: str, region: Region) -> str:
    """Sentences on files of several kinds, and on organs that are counted with lesions; "" where there is nothing.

    Args:
        name: Name of the source.
        files: Its files by kind.
        meaning: Name in `DECIDED`: what they were read as.
        region: Region that is taken of labels.
    """
    mixture = describe_mixture(files)
    paths = [path for of_kind in files.of.values() for path in of_kind]
    sentences = [
        f"The folder of {name} holds files of several kinds: {mixture}. It was read as {DECIDED[meaning]}; what does "
        "not fit is refused. Put each kind into a folder of its own, or say by --prediction-labels what all are."
    ] * bool(mixture)
    return " ".join(
        filter(None, (*sentences, doubt_segments(paths, region, of=f"The files of {name}", is_source=True)))
    )


def doubt_region(name: str, declaration: Declaration, region: Region) -> str:
    """A sentence where model and data set have the same labels, and make the region of others; "" where they do not.

    Args:
        name: Name of the source.
        declaration: Labels and regions of the model.
        region: The region of the data set.
    """
    taken = declaration.scheme.regions.get(region.name, ())
    if set(declaration.scheme.values) != set(region.known) or set(taken) in (set(), set(region.inside)):
        return ""
    of_model, of_data = ("+".join(map(str, sorted(labels))) for labels in (taken, region.inside))
    return (
        f"The region {region.name} of {name} was made of its labels {of_model}, as its dataset.json declares, and that "
        f"of the references of {of_data}. If the labels mean the same, give --prediction-labels labels."
    )
