"""Means of the rows of a protocol, as a challenge's table has them: over cases, by source and region."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from afl_core.base.numbers import COUNT, RATIO, number
from afl_core.base.words import number_of
from afl_core.evaluation.detection_cases import READ_AS
from afl_core.metrics.detection import CaseDetection, DetectionScores, detection_scores, sensitivity_at
from afl_core.metrics.protocols import Protocol

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "lesion_dsc": "lesion Dice",
        "lesion_hd95_mm": "lesion HD95",
        "lesion_nsd": "lesion NSD",
        "tp": "found",
        "fn": "missed",
        "fp": "false",
        "ignored": "ignored",
        "dsc": "Dice",
        "hd95_mm": "HD95",
        "large_tp": "large found",
        "large_fn": "large missed",
        "small_tp": "small found",
        "small_fn": "small missed",
    }
)
"""Column of the rows to its title in a table."""

BASIS = (
    'Means over cases, as the challenge has them, of numbers of lesions too; "of 3": over the 3 cases in which the '
    "value is defined. Distances are in mm."
)


RATES = (0.5, 1, 2)
"""False positives a case at which sensitivity is said."""


@dataclass(frozen=True)
class Means:
    """One source and region.

    Attributes:
        source: Name of the source.
        region: Name of the region.
        cases: Number of cases.
        means: Column to its mean over the cases in which it is defined; NaN where it is in none.
        defined_in: Column to their number.
    """

    source: str
    region: str
    cases: int
    means: Mapping[str, float]
    defined_in: Mapping[str, int]

    def cell(self, key: str) -> str:
        """The mean of a column as text, with the number of cases where not all have a value."""
        digits = RATIO if key in ("dsc", "lesion_dsc", "lesion_nsd") else COUNT
        defined = self.defined_in[key]
        return number(self.means[key], digits) + (f" of {defined}" if 0 < defined < self.cases else "")


def protocol_means(table: pd.DataFrame) -> list[Means]:
    """The means of every source and region, in their order."""
    keys = defined_columns(table, tuple(TITLES))
    return [
        Means(
            str(source),
            str(region),
            len(rows),
            {key: float(rows[key].mean()) if rows[key].notna().any() else math.nan for key in keys},
            {key: int(rows[key].notna().sum()) for key in keys},
        )
        for (source, region), rows in table.groupby(["source", "region"], sort=False)
    ]


def defined_columns(table: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """The columns of which there is a value at all."""
    return [key for key in keys if table[key].notna().any()]


def challenge_table(table: pd.DataFrame) -> pd.DataFrame:
    """The means that a challenge's table has, as text: a row a source and region."""
    keys = defined_columns(table, tuple(TITLES))
    return pd.DataFrame(
        {"Source": of.source, "Region": region_name(of.region), "Cases": str(of.cases)}
        | {TITLES[key][:1].upper() + TITLES[key][1:]: of.cell(key) for key in keys}
        for of in protocol_means(table)
    )


def region_name(region: str) -> str:
    """A region of a protocol for people.

    >>> region_name("wt"), region_name("cspca")
    ('WT', 'csPCa')
    """
    return {"cspca": "csPCa"}.get(region, region.upper())


def rule_text(protocol: Protocol) -> str:
    """How a protocol measures, and whose code it follows."""
    return f"{protocol.definition} It follows {protocol.source}."


def detections_of_maps(table: pd.DataFrame) -> dict[str, list[CaseDetection]]:
    """What the maps of each source find, case by case; no source of label files, which have no confidences."""
    of_maps = table[table["read_as"] != ""]
    return {
        str(source): [_detection(*row) for row in zip(rows["lesions"], rows["false_positives"], strict=True)]
        for source, rows in of_maps.groupby("source", sort=False)
    }


def scores_of_maps(table: pd.DataFrame) -> dict[str, DetectionScores]:
    """AP, AUROC and the score of PI-CAI of every source with maps."""
    return {source: detection_scores(cases) for source, cases in detections_of_maps(table).items()}


def detection_sentences(table: pd.DataFrame) -> list[str]:
    """The scores of each source with maps, what they are of, and how the maps were read."""
    kinds = dict(zip(table["source"], table["read_as"], strict=True))
    sentences = []
    for source, cases in detections_of_maps(table).items():
        of = detection_scores(cases)
        at = ", ".join(f"{number(sensitivity_at(cases, rate))} at {rate:g}" for rate in RATES)
        sentences.append(
            f"{source}: score {number(of.score)}, the mean of AP {number(of.ap)} and AUROC {number(of.auroc)}; "
            f"sensitivity {at} false positives a case. {number_of(of.lesions, 'lesion')} in "
            f"{number_of(of.cases, 'case')}, {of.with_lesion} with a lesion. Read as {READ_AS[kinds[source]]}."
        )
    return sentences


def _detection(lesions: str, false: str) -> CaseDetection:
    found, wrong = (tuple(map(float, text.split())) for text in (lesions, false))
    return CaseDetection(found, wrong, max((*found, *wrong), default=0.0))


def lacking_sentence(lacking: int) -> str:
    """That predictions have no row that holds; "" where all have."""
    are = number_of(lacking, "prediction has", "predictions have")
    return f"{are} no row: not measured yet, changed since, or not measurable." if lacking else ""
