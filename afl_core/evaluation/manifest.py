"""`manifest.json` of a results folder: what it may hold, checked when it is read, and what follows from it."""

import shlex
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ValidationError

from afl_core.base import paths
from afl_core.base.remote import address
from afl_core.base.storage import read_json
from afl_core.data.covariates import Covariates
from afl_core.data.layouts import MASKS_ALONE, Cohort, DataOptions
from afl_core.data.layouts.labelling import with_regions
from afl_core.data.patients import Patients, recorded
from afl_core.errors import DataError
from afl_core.evaluation.manifest_sections import (
    CovariatesSection,
    DataSection,
    MetricSection,
    Section,
    SettingsSection,
    SourceSection,
    checked_name,
)

MANIFEST = "manifest.json"
TODO = "Delete the folder and evaluate again"

IMPORTED = "imported"
"""Kind of the data of results whose metrics another tool has measured."""

FORMAT: Literal[1] = 1
WITH_PARTS: Literal[2] = 2
"""Version of the folder's form; another where a reader of the form before would take it wrongly, as one that knows no
parts would."""


class Manifest(Section, BaseModel):
    """The whole file; that of a folder in which nothing was described yet is empty.

    Attributes:
        format: `FORMAT`, or `WITH_PARTS`.
        data: The data set.
        sources: Name to source, in the order in which they were given.
        settings: Settings of the measurement.
        metrics: Key of `METRICS` to the metric; of imported tables, column of the rows to the metric.
        covariates: What a table says of the cases besides their patients.
        versions: Package to its version.
        problems: Case to source, or "" for the case as a whole, to what went wrong.
        region_problems: Region to the same, for a region that could not be measured where the first one could.
        missing: Source to the cases of which it has no prediction.
        empty_masks: Source to rule to the number of cases that the rule touched; counted anew when results are opened.
        updated: Time of the last change, in UTC.
    """

    format: Literal[1, 2] = FORMAT
    data: DataSection = DataSection(path="", kind="", skipped={})
    sources: dict[Annotated[str, AfterValidator(checked_name)], SourceSection] = {}
    settings: SettingsSection = SettingsSection()
    metrics: dict[str, MetricSection] = {}
    covariates: CovariatesSection = CovariatesSection()
    versions: dict[str, str] = {}
    problems: dict[str, dict[str, str]] = {}
    region_problems: dict[str, dict[str, dict[str, str]]] = {}
    missing: dict[str, tuple[str, ...]] = {}
    empty_masks: dict[str, dict[Literal["both", "reference", "prediction"], int]] = {}
    updated: str = ""

    def with_source_renamed(self, name: str, to: str) -> "Manifest":
        """The manifest in which a source has another name, at its place."""

        def renamed(of: dict[str, Any]) -> dict[str, Any]:
            return {to if key == name else key: value for key, value in of.items()}

        return self.model_copy(
            update={
                "sources": renamed(self.sources),
                "problems": {case: renamed(texts) for case, texts in self.problems.items()},
                "region_problems": {
                    region: {case: renamed(texts) for case, texts in of.items()}
                    for region, of in self.region_problems.items()
                },
                "missing": renamed(self.missing),
                "empty_masks": renamed(self.empty_masks),
            }
        )

    @property
    def described(self) -> bool:
        """Whether it says what was evaluated: a data set and sources."""
        return {"data", "sources"} <= self.model_fields_set

    @property
    def imported(self) -> bool:
        """Whether the metrics are those of another tool's tables: there are neither masks nor images."""
        return self.data.kind == IMPORTED

    @property
    def measured(self) -> bool:
        """Whether it says how the rows are measured."""
        return "settings" in self.model_fields_set

    def patients(self, case_ids: Iterable[str]) -> Patients:
        """The patients of cases; by the names of the cases where nothing is recorded."""
        return recorded(self.data.patients, case_ids)

    def of_demo(self, case_ids: Iterable[str]) -> bool:
        """Whether the data are the drawn tumours of the demo: by its folder, or by the names of the cases in a copy."""
        names = list(case_ids)
        drawn = bool(names) and all(name.startswith(paths.DEMO_CASE) for name in names)
        return drawn or self.data.folder == paths.DEMO.resolve()

    def for_region(self, region: str, *, sources: Container[str], **changed: object) -> Self:
        """The same as it is for a region besides the first: its problems in place of those.

        Args:
            region: The region.
            sources: Those whose problems in the first region are ones in this, for what fails there is not tried again.
            changed: Other fields to replace.
        """
        problems = {
            case: {of: text for of, text in texts.items() if not of or of in sources}
            | self.region_problems.get(region, {}).get(case, {})
            for case in {**self.problems, **self.region_problems.get(region, {})}
            for texts in [self.problems.get(case, {})]
        }
        problems = {case: texts for case, texts in problems.items() if texts}
        missing = {source: cases for source, cases in self.missing.items() if source in sources}
        settings = self.settings.model_copy(update={"region": region, "more_regions": ()})
        return self.model_copy(update={"settings": settings, "problems": problems, "missing": missing} | changed)

    def with_covariates(self, of: Covariates) -> Self:
        """The same with the covariates of another table."""
        section = CovariatesSection.model_validate(asdict(of))
        return self.model_copy(update={"covariates": section})

    def with_data(self, **changed: object) -> Self:
        """The same with other values in the section of the data set."""
        return self.model_copy(update={"data": self.data.model_copy(update=changed)})


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a results folder; an empty one if nothing was evaluated there yet.

    Raises:
        DataError: If the file is damaged: it cannot be read, or a part of it is missing or of another kind.
    """
    try:
        state = (folder / MANIFEST).stat()  # first: what is written meanwhile has another one
    except (FileNotFoundError, NotADirectoryError):
        return Manifest()
    return _read(folder, (state.st_ino, state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=4)
def _read(folder: Path, state: tuple[int, ...]) -> Manifest:
    """The manifest as it is in this state of its file; that of many cases takes a while, and one opening asks often."""
    try:
        stored = read_json(folder / MANIFEST)
    except DataError as error:
        raise damaged(folder, MANIFEST, error.received) from error
    try:
        return Manifest.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise damaged(folder, MANIFEST, f"{where}: {first['msg']}") from error


def damaged(folder: Path, name: str, reason: object) -> DataError:
    """The error about a file of a results folder that cannot be used."""
    return DataError(f"{folder.name}/{name} is damaged", received=reason, todo=TODO)


def link_todo(place: Path, to: str = "NEW_PLACE") -> str:
    """What to do where a data set was moved: with a link at its old place everything goes on as before."""
    return f"put a link to its new place there: {shlex.join(['ln', '-s', to, str(place)])}"


def whole_cohort(manifest: Manifest) -> Cohort:
    """The data set that a manifest names, with its layout, labels and region.

    Raises:
        AflError: If it is gone, no longer follows that layout, or lies at an address that was never opened here.
    """
    data, settings = manifest.data, manifest.settings
    if manifest.imported:
        todo = "To see cases, measure their masks: afl evaluate --references FOLDER --source NAME=MASKS"
        raise DataError("These results are imported tables, without images and masks", todo=todo)
    if "://" in address(data.path) and not data.folder.is_dir():  # it may be somebody else's: no network is used for it
        todo = f"Open it first: afl data check --headers-only {address(data.path)}"
        raise DataError(
            "The data set of these results was not opened on this machine", received=address(data.path), todo=todo
        )
    options = DataOptions(data.kind, settings.labels or None, settings.region, settings.trust_voxel_order)
    try:
        cohort = options.references(data.folder) if data.kind == MASKS_ALONE.name else options.load(data.folder)
    except DataError as error:
        if data.folder.exists() or "://" in address(data.path):
            raise
        what, todo = "The data set is not where it was measured", f"or {link_todo(data.folder)}"
        raise DataError(what, received=data.folder, todo=f"Move it back, {todo}") from error
    if settings.more_regions:
        cohort = with_regions(cohort, settings.choice().regions)
    if not data.patients:
        return cohort
    return cohort.of_patients(manifest.patients([case.case_id for case in cohort.cases]))


def counted(cohort: Cohort, manifest: Manifest) -> Cohort:
    """The cases of the data set that count in these results: those of the split that was recorded, or all."""
    return cohort.only(manifest.data.cases) if manifest.data.cases else cohort


def failed_predictions(manifest: Manifest) -> Counter[str]:
    """How many predictions of each source were there and could not be measured; those that are missing count apart."""
    return Counter(
        source
        for case_id, texts in manifest.problems.items()
        for source in texts
        if source and case_id not in manifest.missing.get(source, ())
    )
