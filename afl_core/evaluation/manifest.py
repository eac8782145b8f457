"""`manifest.json` of a results folder: what it may hold, checked when it is read, and what follows from it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from afl_core.base.storage import read_json
from afl_core.data.layouts import MASKS_ALONE, Cohort, DataOptions
from afl_core.data.patients import Patients, recorded
from afl_core.errors import DataError
from afl_core.evaluation.pipeline import SETTINGS, Settings
from afl_core.evaluation.prediction_values import MEANINGS
from afl_core.evaluation.sources import NAME
from afl_core.model.checkpoints import Card

MANIFEST = "manifest.json"
TODO = "Delete the folder and evaluate again"

_KEPT = ConfigDict(extra="allow", allow_inf_nan=False)
"""What another version adds is kept."""


def _whole_card(card: dict[str, Any]) -> dict[str, Any]:
    return Card.model_validate(card).model_dump(mode="json")


def _name(name: str) -> str:
    if not NAME.fullmatch(name):  # it becomes a folder
        raise ValueError("this is no name of a source")
    return name


def _meaning(name: str) -> str:
    if name not in MEANINGS:
        raise ValueError(f"there is no such meaning of predicted files; there are {', '.join(MEANINGS)}")
    return name


@with_config(_KEPT)
class DataSection(TypedDict):
    """The data set: folder, layout, what was left out and why, the cases that matter where not all do, labels.

    `labels` is what they mean, `doubt` why they may be coded otherwise (`doubt_labels`).
    """

    path: str
    kind: str
    skipped: dict[str, str]
    cases: NotRequired[list[str]]
    patients: NotRequired[dict[str, Any]]
    labels: NotRequired[str]
    doubt: NotRequired[str]


@with_config(_KEPT)
class SourceSection(TypedDict):
    """A source: a checkpoint with its card, or a folder of masks."""

    kind: Literal["checkpoint", "masks"]
    path: str
    fingerprint: NotRequired[str]
    card: NotRequired[Annotated[dict[str, Any], AfterValidator(_whole_card)]]
    files: NotRequired[int]
    option: NotRequired[str]
    meaning: NotRequired[Annotated[str, AfterValidator(_meaning)]]


def _with_card(source: SourceSection) -> SourceSection:
    if source["kind"] == "checkpoint" and not {"card", "fingerprint"} <= set(source):
        raise ValueError("a checkpoint without card or fingerprint")
    if source["kind"] == "masks" and "files" not in source:
        raise ValueError("a folder of masks without the number of its files")
    return source


@with_config(_KEPT)
class SettingsSection(TypedDict, total=False):
    """The fields of `Settings`."""

    nsd_tolerance_mm: Annotated[float, Field(ge=0)]
    matcher: str
    region: str
    labels: str
    trust_voxel_order: bool
    version: int


@with_config(_KEPT)
class MetricSection(TypedDict):
    """A metric as it was when the rows were made."""

    label: str
    unit: str
    better: str
    empty_rule: str


@with_config(_KEPT)
class Manifest(TypedDict, total=False):
    """The whole file; every part may be missing from a folder in which nothing was described yet."""

    data: DataSection
    sources: dict[Annotated[str, AfterValidator(_name)], Annotated[SourceSection, AfterValidator(_with_card)]]
    settings: SettingsSection
    metrics: dict[str, MetricSection]
    versions: dict[str, str]
    problems: dict[str, dict[str, str]]
    missing: dict[str, list[str]]
    empty_masks: dict[str, dict[str, int]]
    updated: str


_MANIFEST = TypeAdapter(Manifest)


def load_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder; {} if nothing was evaluated there yet.

    Raises:
        DataError: If the file is damaged: it cannot be read, or a part of it is missing or of another kind.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        stored = read_json(path)
    except DataError as error:
        raise damaged(folder, MANIFEST, error.received) from error
    try:
        return dict(_MANIFEST.validate_python(stored))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise damaged(folder, MANIFEST, f"{where}: {first['msg']}") from error


def damaged(folder: Path, name: str, reason: object) -> DataError:
    """The error about a file of a results folder that cannot be used."""
    return DataError(f"{folder.name}/{name} is damaged", received=reason, todo=TODO)


def recorded_settings(manifest: Mapping[str, Any]) -> Settings:
    """How the rows of a manifest are measured; the defaults where nothing was recorded."""
    recorded = manifest.get("settings", {})
    return Settings(**{field.name: recorded.get(field.name, field.default) for field in fields(Settings)})


def recorded_region(manifest: Mapping[str, Any]) -> str:
    """The region that rows of a manifest are measured on."""
    return str(manifest.get("settings", {}).get("region", SETTINGS.region))


def whole_cohort(manifest: Mapping[str, Any]) -> Cohort:
    """The data set that a manifest names, with its layout, labels and region.

    Raises:
        AflError: If it is gone, or no longer follows that layout.
    """
    data, settings = manifest["data"], recorded_settings(manifest)
    labels, region, trust = settings.labels or None, settings.region, settings.trust_voxel_order
    options = DataOptions(data["kind"], labels, region, trust)
    root = Path(data["path"])
    cohort = options.references(root) if data["kind"] == MASKS_ALONE.name else options.load(root)
    if not data.get("patients"):
        return cohort
    return cohort.of_patients(recorded_patients(manifest, [case.case_id for case in cohort.cases]))


def recorded_patients(manifest: Mapping[str, Any], case_ids: Iterable[str]) -> Patients:
    """The patients of cases as a manifest has them; by the names of the cases where it says nothing."""
    return recorded(manifest.get("data", {}).get("patients") or {}, case_ids)


def counted(cohort: Cohort, manifest: Mapping[str, Any]) -> Cohort:
    """The cases of the data set that count in these results: those of the split that was recorded, or all."""
    wanted = manifest.get("data", {}).get("cases")
    return cohort.only(wanted) if wanted else cohort


def failed_predictions(manifest: Mapping[str, Any]) -> Counter[str]:
    """How many predictions of each source were there and could not be measured; those that are missing count apart."""
    missing = manifest.get("missing", {})
    return Counter(
        source
        for case_id, texts in manifest.get("problems", {}).items()
        for source in texts
        if case_id not in missing.get(source, ())
    )
