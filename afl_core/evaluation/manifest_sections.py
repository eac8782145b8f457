"""The sections of `manifest.json`: what a data set, a source, the settings and a metric may hold."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from afl_core.base.remote import address, stand_in
from afl_core.base.words import number_of
from afl_core.errors import UsageError
from afl_core.evaluation.prediction_values import DECIDED
from afl_core.evaluation.rows import SETTINGS, VERSION, Settings
from afl_core.evaluation.sources import NAME
from afl_core.model.checkpoints import Card


def checked_name(name: str) -> str:
    """The name, if a source may have it; raises `ValueError` else."""
    if not NAME.fullmatch(name):  # it becomes a folder
        raise ValueError("this is no name of a source")
    return name


def _meaning(name: str) -> str:
    if name and name not in DECIDED:
        raise ValueError(f"there is no such meaning of predicted files; there are {', '.join(DECIDED)}")
    return name


def _root(path: str) -> str:
    try:
        return str(stand_in(Path(path)) or path)
    except UsageError as error:
        raise ValueError(str(error)) from error


Root = Annotated[str, AfterValidator(_root), PlainSerializer(address, when_used="json")]
"""Path of a folder; in a file, the address or archive that it stands for, which never holds a password."""


class Section(BaseModel):
    """A part of the file; what another version adds is kept."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, frozen=True)

    def record(self) -> dict[str, Any]:
        """The content of the file."""
        return self.model_dump(mode="json", exclude_unset=True)


class _PatientsSection(Section):
    """What `Patients.record` gives: case to patient, and how that was decided."""

    of: dict[str, Annotated[str, Field(pattern=r"\S")]]
    how: str = ""
    table: str = ""
    declared: bool = False
    order: dict[str, float] = {}
    order_by: str = ""


def _patients(record: dict[str, Any]) -> dict[str, Any]:
    if record:
        _PatientsSection.model_validate(record)
    return record


class DataSection(Section):
    """The data set.

    Attributes:
        path: Path of the data set's folder, or of the folder of references; in the file the address of one elsewhere.
        kind: Name of its layout, or `references`, or `IMPORTED`.
        skipped: Case id to why it could not be read.
        cases: The cases that count, where not all do.
        patients: Record of the patients (`Patients.record`).
        labels: Meaning of the labels, in words.
        doubt: Why they may be coded otherwise (`doubt_cohort`).
        references: Folder of references that volume and roughness of imported tables come from, or "".
    """

    path: Root
    kind: str
    skipped: dict[str, str]
    cases: tuple[str, ...] = ()
    patients: Annotated[dict[str, Any], AfterValidator(_patients)] = {}
    labels: str = ""
    doubt: str = ""
    references: Root = ""

    @property
    def folder(self) -> Path:
        """The data set's folder."""
        return Path(self.path)

    @property
    def patients_declared(self) -> bool:
        """Whether a table or a pattern declares which cases are of one patient."""
        return bool(self.patients.get("declared"))


class SourceSection(Section):
    """A source.

    Attributes:
        kind: A checkpoint, a folder of masks, or a table of another tool.
        path: Path of the checkpoint, the weights, the folder or the table.
        fingerprint: Hash of a checkpoint's weights and card.
        card: Card of a checkpoint.
        files: Number of files in a folder of masks.
        option: Setting of the authors' checkpoint (`RELEASED`), or name in `OTHER_GRID` for a folder of masks; of a
            table the tool that measured it.
        ignored: Files in a folder of masks that are not read, in words.
        meaning: Key of `DECIDED`: what the files of a folder hold.
        doubt: Why they may hold something else, in sentences.
    """

    kind: Literal["checkpoint", "masks", "table"]
    path: str
    fingerprint: str = ""
    card: Card | None = None
    files: int | None = None
    option: str = ""
    ignored: str = ""
    meaning: Annotated[str, AfterValidator(_meaning)] = ""
    doubt: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "checkpoint" and (self.card is None or "fingerprint" not in self.model_fields_set):
            raise ValueError("a checkpoint without card or fingerprint")
        if self.kind == "masks" and self.files is None:
            raise ValueError("a folder of masks without the number of its files")
        return self

    @property
    def files_text(self) -> str:
        """How many files a folder of predictions has, and what they were read as."""
        if self.kind == "table":
            return f"measured by {self.option}, imported from {Path(self.path).name}"
        files = self.files or 0
        if not self.meaning:
            return f"{number_of(files, 'mask')} from a folder"
        return f"{number_of(files, 'file')}, read as {DECIDED[self.meaning]}"


class SettingsSection(Section):
    """The fields of `Settings`, and the `VERSION` of the rows."""

    nsd_tolerance_mm: Annotated[float, Field(ge=0)] = SETTINGS.nsd_tolerance_mm
    matcher: str = SETTINGS.matcher
    least_lesion_voxels: Annotated[int, Field(ge=0)] = 0
    region: str = SETTINGS.region
    labels: str = SETTINGS.labels
    trust_voxel_order: bool = SETTINGS.trust_voxel_order
    more_regions: tuple[str, ...] = ()
    version: int = VERSION

    def choice(self) -> Settings:
        """How the rows are measured."""
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})


class CovariatesSection(Section):
    """What a table says of the cases besides their patients (`Covariates`).

    Attributes:
        table: Name of the file.
        columns: Column to case id to value, all numbers or all texts.
        left_out: Column that is no covariate, to why, a sentence.
        warnings: What else is to be known of the table, a sentence each.
    """

    table: str = ""
    columns: dict[str, dict[str, float] | dict[str, str]] = {}
    left_out: dict[str, str] = {}
    warnings: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What is odd about the table, and what of it is no covariate, a sentence each."""
        return (*self.warnings, *self.left_out.values())


class MetricSection(Section):
    """A metric as it was when the rows were made; of an imported one, its definition."""

    label: str
    unit: str
    better: Literal["higher", "lower", "zero"]
    empty_rule: str
    definition: str = ""
