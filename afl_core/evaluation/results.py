"""The results store: a folder with `cases.parquet`, `lesions.parquet`, parts of them, `masks/` and `manifest.json`."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from afl_core.base.storage import write_atomically, write_table
from afl_core.base.versions import versions
from afl_core.data.check.doubts import doubt_cohort
from afl_core.data.covariates import Covariates, participants_covariates
from afl_core.data.layouts import Cohort
from afl_core.data.patient_table import PARTICIPANTS
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.contrast_rows import CONTRAST
from afl_core.evaluation.manifest import FORMAT, MANIFEST, WITH_PARTS, Manifest, load_manifest
from afl_core.evaluation.manifest_sections import DataSection, MetricSection, SettingsSection
from afl_core.evaluation.merging import check_fits, still_missing, with_problems, without_source
from afl_core.evaluation.part_rows import Where
from afl_core.evaluation.parts import load_parts
from afl_core.evaluation.pipeline import CaseResult, shard_masks
from afl_core.evaluation.replaced import described, replaced
from afl_core.evaluation.rows import SETTINGS, VERSION, Known, Settings, settings_for
from afl_core.evaluation.sources import Source
from afl_core.evaluation.stored_masks import measured_rows
from afl_core.evaluation.stored_rows import forget_rows, rename_rows, store_rows
from afl_core.evaluation.tables import CASES, CONFIDENCE, CURVES, LESIONS, NOWHERE, load_table
from afl_core.metrics import metrics_of

TURN_SECONDS = 120
"""Seconds that a writer waits for its turn; writing takes a second or two."""

PACKAGES = ("numpy", "scipy", "nibabel", "connected-components-3d", "torch", "monai")


class Results:
    """One results folder. Writers in several processes take turns; readers always see a whole file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cases(self, columns: Sequence[str] = (), where: Where = NOWHERE, *, ordered: bool = True) -> pd.DataFrame:
        """One row per (case, source, region), with its patient; empty if nothing was evaluated yet.

        Of columns and rows those that are named, in the order that is asked for, as `load_table`.
        """
        return self._of_patients(self._table(CASES, columns, where, ordered=ordered))

    def lesions(self, columns: Sequence[str] = (), where: Where = NOWHERE, *, ordered: bool = True) -> pd.DataFrame:
        """One row per (lesion, source, region), with its patient: reference lesions and false positives; likewise."""
        return self._of_patients(self._table(LESIONS, columns, where, ordered=ordered))

    def measured(self) -> pd.DataFrame:
        """Source, region and volume of the reference of every case row, in no order."""
        first = self.settings().region
        return load_table(self.folder, CASES, first, columns=("reference_volume_ml",), ordered=False)

    @property
    def has_parts(self) -> bool:
        """Whether there are so many rows that they lie in parts."""
        return bool(load_parts(self.folder))

    def curves(self, columns: Sequence[str] = (), where: Where = NOWHERE) -> pd.DataFrame:
        """The counts at every threshold, a row a case and source with probabilities, chosen as by `load_table`."""
        return self._of_patients(self._table(CURVES, columns, where))

    def confidence(self, columns: Sequence[str], where: Where) -> pd.DataFrame:
        """Voxels by their probability, likewise; of columns and rows those that are named, as `load_table`."""
        return self._of_patients(self._table(CONFIDENCE, columns, where))

    def manifest(self) -> Manifest:
        """Settings, sources, versions, empty-mask rules, problems; an empty one if nothing was evaluated yet."""
        return load_manifest(self.folder)

    def stamp(self) -> int:
        """Changes whenever the folder's content does: every change ends with a new manifest."""
        return (self.folder / MANIFEST).stat().st_mtime_ns

    def settings(self) -> Settings:
        """How the rows of this folder are measured; the defaults where nothing was evaluated yet."""
        manifest = self.manifest()
        return manifest.settings.choice() if manifest.measured else SETTINGS

    def known_keys(self, cases: Sequence[str] = ()) -> frozenset[Known]:
        """`known_by_case` of all these cases together."""
        return frozenset(known for of_case in self.known_by_case(cases).values() for known in of_case)

    def known_by_case(self, cases: Sequence[str] = ()) -> dict[str, set[Known]]:
        """Case id to source, region and key of its rows that stay as they are, as `measured_rows` gives them.

        Args:
            cases: The cases that are looked at; () is all.
        """
        first = self.settings().region
        where = {"case_id": cases} if cases else {}
        table = load_table(self.folder, CASES, first, columns=("key", "mask_sha256"), where=where)
        return measured_rows(self.folder, table, first=first)

    def add(self, results: Sequence[CaseResult]) -> None:
        """Merge finished cases in: new rows replace those of the same case, source and region."""
        with self._turn():
            manifest = self.manifest()
            regions = manifest.settings.choice().regions
            of_regions = {
                region: with_problems(manifest.region_problems.get(region, {}), results, region)
                for region in regions[1:]
            }
            empty = store_rows(self.folder, results, regions)
            self._write_manifest(
                manifest,
                problems=with_problems(manifest.problems, results),
                region_problems={region: problems for region, problems in of_regions.items() if problems},
                missing=still_missing(manifest.missing, results),
                empty_masks=empty,
            )

    def describe_cohort(
        self,
        cohort: Cohort,
        sources: Sequence[Source],
        *,
        settings: Settings | None = None,
        cases: Sequence[str] = (),
    ) -> None:
        """`describe` with what a cohort says: folder, layout, region, labels and doubt of them, problems and patients.

        Patients that were declared before stay, unless the cohort's are declared too; settings likewise where None.
        Further columns of a participants.tsv that gives the patients are covariates, unless another table gave some.
        """
        self.describe(
            data=cohort.root,
            kind=cohort.layout.name,
            sources=sources,
            skipped=dict(cohort.problems),
            settings=settings_for(cohort, settings or self.settings()),
            cases=cases,
        )
        shard_masks(self.folder, len(cohort.cases))
        doubt = " ".join(doubt_cohort(cohort))
        with self._turn():
            manifest = self.manifest()
            changed: dict[str, object] = {"doubt": doubt} if doubt else {}
            if cohort.patients.declared or not manifest.data.patients_declared:
                changed["patients"] = cohort.patients.record()
            changed["labels"] = cohort.scheme.mapping(cohort.region.name)
            found = participants_covariates(cohort.root, cohort.patients)
            if found != Covariates() and manifest.covariates.table in ("", PARTICIPANTS):
                manifest = manifest.with_covariates(found)
            self._write_manifest(manifest.with_data(**changed))

    def keep_contrast(self, table: pd.DataFrame) -> None:
        """Replace `contrast.parquet`."""
        with self._turn():
            write_table(self.folder / CONTRAST, table)
            self._write_manifest(self.manifest())

    def keep_covariates(self, covariates: Covariates) -> None:
        """Record the covariates of the cases; those of another table before go."""
        with self._turn():
            self._write_manifest(self.manifest().with_covariates(covariates))

    def describe(
        self,
        *,
        data: Path,
        kind: str,
        sources: Sequence[Source],
        skipped: dict[str, str],
        settings: Settings = SETTINGS,
        cases: Sequence[str] = (),
    ) -> None:
        """Record what is being evaluated; if another checkpoint or folder took a source's name, its rows are dropped.

        Args:
            data: The data set's folder, or the folder of references.
            kind: Name of its layout, or `references`.
            sources: Sources of the predicted masks; added to those recorded before.
            skipped: Case id to why it could not be read.
            settings: Settings of the measurement.
            cases: The cases that matter, such as a test split; () leaves those that were recorded before, or all.

        Raises:
            DataError: If the folder holds rows of other data, or measured otherwise: they must not be mixed.
            UsageError: If `replaced` raises it.
        """
        with self._turn():
            manifest = self.manifest()
            path = str(data.resolve())
            check_fits(self.folder.name, manifest, (path, kind), settings)
            before, more = manifest.sources, manifest.settings.more_regions
            now = described(sources)
            for name in replaced(before, now):
                manifest = self._forget(manifest, name)
            settings = replace(settings, more_regions=more).with_more(settings.more_regions)
            kept, patients = tuple(cases) or manifest.data.cases, manifest.data.patients
            told: dict[str, Any] = ({"cases": kept} if kept else {}) | ({"patients": patients} if patients else {})
            self._write_manifest(
                manifest,
                data=DataSection(path=path, kind=kind, skipped=skipped, **told),
                sources=before | now,
                settings=SettingsSection(**asdict(settings), version=VERSION),
                metrics={
                    key: MetricSection(label=m.label, unit=m.unit, better=m.better, empty_rule=m.empty_rule)
                    for key, m in metrics_of(settings.matcher).items()
                },
                versions=versions(PACKAGES),
            )

    def keep_sources(self, names: Sequence[str]) -> None:
        """Put the sources in this order; one that is not named goes, with its rows and masks.

        Raises:
            UsageError: If a name is no source's.
        """
        with self._turn():
            manifest = self.manifest()
            if set(names) - set(manifest.sources) or len(set(names)) < len(names):
                received = ", ".join(names)
                raise UsageError("These are not the sources of the results", received=received, todo="Reload the page")
            gone = [name for name in manifest.sources if name not in names]
            for name in gone:
                manifest = self._forget(manifest, name)
            self._write_manifest(manifest, sources={name: manifest.sources[name] for name in names})
            for name in gone:
                shutil.rmtree(self.folder / "masks" / name, ignore_errors=True)

    def rename_source(self, name: str, to: str) -> None:
        """Give a source another name, in manifest, rows and masks; it keeps its place.

        Raises:
            UsageError: If there is no such source, or another one has the new name.
            DataError: If a table is damaged; then nothing has changed.
        """
        with self._turn():
            manifest = self.manifest()
            others = {other.lower() for other in manifest.sources if other != name}
            if name not in manifest.sources or to.lower() in others:
                what = "Another source has that name" if name in manifest.sources else "There is no such source"
                raise UsageError(what, received=f"{name} as {to}", todo="Choose another name, or reload the page")
            rename_rows(self.folder, name, to)  # the first, since it reads what may be damaged
            if (masks := self.folder / "masks" / name).is_dir():
                shutil.rmtree(self.folder / "masks" / to, ignore_errors=True)  # left by a source that is gone
                masks.rename(self.folder / "masks" / to)
            self._write_manifest(manifest.with_source_renamed(name, to))

    def _table(self, name: str, columns: Sequence[str], where: Where, *, ordered: bool = True) -> pd.DataFrame:
        """A table as stored; rows of an earlier version, which measured one region, are of that."""
        first = self.settings().region
        return load_table(self.folder, name, first, columns=columns, where=where, ordered=ordered)

    def _of_patients(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows with a column `patient`, as the manifest has it: a later declaration needs no new measurement."""
        if table.empty:
            return table
        places, names = pd.factorize(table["case_id"])
        of = self.manifest().patients(names).of
        return table.assign(patient=pd.Series([of[name] for name in names.tolist()], dtype=names.dtype).array[places])

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The right to write, held by one process at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=TURN_SECONDS):
                yield
        except Timeout as error:
            raise DataError(
                f"Another process has been writing to {self.folder.name} for long",
                received=f"{TURN_SECONDS} s",
                todo="End it, then give the command again",
            ) from error

    def _forget(self, manifest: Manifest, source: str) -> Manifest:
        """Drop the rows of a source; the manifest without what it says of it."""
        forget_rows(self.folder, source)
        of_regions = {region: without_source(of, source) for region, of in manifest.region_problems.items()}
        return manifest.model_copy(
            update={
                "problems": without_source(manifest.problems, source),
                "region_problems": {region: problems for region, problems in of_regions.items() if problems},
                "missing": {name: cases for name, cases in manifest.missing.items() if name != source},
            }
        )

    def _write_manifest(self, manifest: Manifest, **changed: object) -> None:
        form = WITH_PARTS if load_parts(self.folder) else FORMAT
        now = {"format": form, "updated": datetime.now(UTC).isoformat(timespec="seconds")}
        record = manifest.model_copy(update=changed | now).record()
        write_atomically(self.folder / MANIFEST, (json.dumps(record, indent=1) + "\n").encode())
