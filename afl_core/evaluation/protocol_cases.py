"""Cases measured by a protocol: the label files of a data set and of its sources, a row a source and region."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from afl_core.base.isolation import attempt
from afl_core.data.background import check_predicted
from afl_core.data.loading import load_placed_labels, load_reference_labels
from afl_core.errors import AflError, UsageError
from afl_core.evaluation.detection_cases import detect
from afl_core.evaluation.sources import MaskSource, Source
from afl_core.metrics.by_protocol import ProtocolRow, check_protocol_labels, labels_in, measure_by_protocol
from afl_core.metrics.protocols import Protocol
from afl_core.volume import Case, Volume, check_right_angles, check_same_grid

LESIONS = "cspca"
"""Region of the protocol that takes maps."""


@dataclass(frozen=True)
class CaseByProtocol:
    """One case of all sources.

    Attributes:
        rows: A row a source and region: source, case_id, patient, protocol, the fields of a `ProtocolRow`; the labels
            of the predicted file and of the reference, without 0, as in "1 2 3"; and of a map how it was read, the
            confidence with which each lesion is found, 0 for none, and those of false positives, as in "0.9 0".
        problems: Name of a source to what is wrong with its file.
    """

    rows: tuple[Mapping[str, Any], ...]
    problems: Mapping[str, str]


def check_folders(sources: Sequence[Source]) -> tuple[MaskSource, ...]:
    """The sources; raises `UsageError` where one is no folder of files."""
    folders = tuple(source for source in sources if isinstance(source, MaskSource))
    if others := [source.name for source in sources if not isinstance(source, MaskSource)]:
        todo = "Write its masks with `afl predict` and give their folder"
        raise UsageError("A protocol reads folders of label files", received=", ".join(others), todo=todo)
    return folders


def measure_case(
    case: Case, *, sources: Sequence[MaskSource], rule: Protocol, kinds: Mapping[str, str] = MappingProxyType({})
) -> CaseByProtocol:
    """Measure one case of every source; a file that cannot be measured is a problem of its source alone.

    Args:
        case: A case with a reference.
        sources: Folders of label files, or of maps.
        rule: The protocol, by the labels of the data set.
        kinds: Name of each source that is a folder of maps to what they are, as `kind_of_maps` says.

    Raises:
        DataError: If the reference cannot be read or holds a label that the protocol lacks.
        GeometryError: If its axes are not at right angles.
    """
    reference = load_reference_labels(case)
    check_right_angles(reference, name=f"The reference of {case.case_id}")
    check_protocol_labels(reference.array, rule, file=f"The reference of {case.case_id}")
    rows: list[Mapping[str, Any]] = []
    problems, held = dict[str, str](), _text(labels_in(reference.array))
    for source in sources:
        measure = partial(_detect, kind=kinds[source.name]) if source.name in kinds else partial(_measure, rule=rule)
        work = partial(measure, case, source, reference)
        outcome = attempt(work, of=f"measuring {source.name} on {case.case_id}")
        if isinstance(outcome, AflError):
            problems[source.name] = str(outcome)
            continue
        of_case = {"source": source.name, "case_id": case.case_id, "patient": case.patient, "protocol": rule.name}
        rows += [of_case | {"reference_labels": held} | row for row in outcome]
    return CaseByProtocol(tuple(rows), problems)


def _measure(case: Case, source: MaskSource, reference: Volume, *, rule: Protocol) -> list[dict[str, Any]]:
    """The rows of a file of labels."""
    labels = load_placed_labels(case, path := source.files(case)[0])
    check_predicted(labels.array, file=path.name)
    check_same_grid(reference, labels, names=("the reference", f"{source.name}'s file of {case.case_id}"))
    rows = measure_by_protocol(labels.array, reference.array, reference.spacing_mm, rule)
    of_file = {"labels": _text(labels_in(labels.array)), "read_as": "", "lesions": "", "false_positives": ""}
    return [asdict(row) | of_file for row in rows]


def _detect(case: Case, source: MaskSource, reference: Volume, *, kind: str) -> list[dict[str, Any]]:
    """The row of a map, whose candidates have confidences and no Dice."""
    found = detect(case, source, reference, kind)
    hits = sum(confidence > 0 for confidence in found.lesions)
    row = ProtocolRow(LESIONS, hits, len(found.false), len(found.lesions) - hits, 0, *[math.nan] * 5)
    confidences = {"lesions": _numbers_text(found.lesions), "false_positives": _numbers_text(found.false)}
    return [asdict(row) | {"labels": "", "read_as": kind} | confidences]


def _numbers_text(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.9g}" for number in numbers)


def _text(labels: set[int]) -> str:
    return " ".join(map(str, sorted(labels)))
