"""The results store: a folder with `cases.parquet`, `lesions.parquet`, `masks/` and `manifest.json`."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from afl_core.data.layouts import MASKS_ALONE, Cohort, load_cohort, references_cohort
from afl_core.data.patients import Patients, recorded
from afl_core.errors import DataError
from afl_core.evaluation.pipeline import SETTINGS, VERSION, CaseResult, Settings, settings_for
from afl_core.evaluation.sources import Source
from afl_core.metrics import METRICS
from afl_core.metrics.matchers import find_matcher
from afl_core.storage import write_atomically
from afl_core.versions import versions

CASES, LESIONS, MANIFEST = "cases.parquet", "lesions.parquet", "manifest.json"
COLUMNS = {CASES: ("case_id", "source", "key", "empty"), LESIONS: ("case_id", "source", "lesion_id")}
"""Columns without which a table is not one of ours."""
SECTIONS = ("data", "sources", "problems", "missing")
"""Mappings of the manifest that are added to."""
PACKAGES = ("numpy", "scipy", "nibabel", "connected-components-3d", "torch", "monai")


class Results:
    """One results folder. Writers in several processes take turns; readers always see a whole file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cases(self) -> pd.DataFrame:
        """One row per (case, source), with its patient; empty if nothing was evaluated yet."""
        return self._of_patients(self._table(CASES))

    def lesions(self) -> pd.DataFrame:
        """One row per (lesion, source), with its patient: reference lesions and false positives."""
        return self._of_patients(self._table(LESIONS))

    def manifest(self) -> dict[str, Any]:
        """Settings, sources, versions, empty-mask rules, problems; {} if nothing was evaluated yet."""
        path = self.folder / MANIFEST
        if not path.is_file():
            return {}
        try:
            manifest = json.loads(path.read_bytes())
        except ValueError as error:
            raise self._damaged(MANIFEST, error) from error
        sections = {key: manifest.get(key, {}) for key in SECTIONS} if isinstance(manifest, dict) else {"": manifest}
        wrong = [key for key, section in sections.items() if not isinstance(section, dict)]
        if wrong:
            raise self._damaged(MANIFEST, f"{wrong[0] or 'the file'} is not a mapping")
        return dict(manifest)

    def settings(self) -> Settings:
        """How the rows of this folder are measured; the defaults where nothing was evaluated yet."""
        recorded = self.manifest().get("settings", {})
        return Settings(**{field.name: recorded.get(field.name, field.default) for field in fields(Settings)})

    def known_keys(self) -> frozenset[str]:
        """Keys of the rows whose mask is still there: these need no new computation."""
        table = self.cases()
        if table.empty:
            return frozenset()
        return frozenset(
            str(row.key)
            for row in table[["key", "source", "case_id"]].itertuples()
            if (self.folder / "masks" / str(row.source) / f"{row.case_id}.nii.gz").is_file()
        )

    def add(self, results: Sequence[CaseResult]) -> None:
        """Merge finished cases in: new rows replace those of the same case and source."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            done = {(row["case_id"], row["source"]) for result in results for row in result.rows}
            done |= {(result.case_id, source) for result in results for source in result.problems or {}}
            cases = _merge(self._table(CASES), [row for result in results for row in result.rows], done)
            lesions = _merge(self._table(LESIONS), [row for result in results for row in result.lesions], done)
            manifest = self.manifest()
            problems = manifest.get("problems", {})
            for result in results:
                kept = {k: v for k, v in problems.get(result.case_id, {}).items() if not _redone(k, result)}
                problems[result.case_id] = kept | dict(result.problems or {})
            manifest["problems"] = {case: said for case, said in sorted(problems.items()) if said}
            manifest["missing"] = _missing(manifest.get("missing", {}), results)
            manifest["empty_masks"] = _empty_counts(cases)
            self._write_table(LESIONS, lesions)
            self._write_table(CASES, cases)
            self._write_manifest(manifest)

    def describe_cohort(
        self,
        cohort: Cohort,
        sources: Sequence[Source],
        *,
        settings: Settings = SETTINGS,
        cases: Sequence[str] = (),
    ) -> None:
        """`describe` with the folder, layout, region, labels and problems of a cohort; and its patients.

        Patients that were declared before stay, unless the cohort's are declared too.
        """
        self.describe(
            data=cohort.root,
            kind=cohort.layout.name,
            sources=sources,
            skipped=dict(cohort.problems),
            settings=settings_for(cohort, settings),
            cases=cases,
        )
        with FileLock(self.folder / ".lock"):
            manifest = self.manifest()
            if cohort.patients.declared or not manifest["data"].get("patients", {}).get("declared"):
                manifest["data"]["patients"] = cohort.patients.record()
                self._write_manifest(manifest)

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
        """Record what is being evaluated.

        Args:
            data: The data set's folder, or the folder of references.
            kind: Name of its layout, or `references`.
            sources: What predicted the masks; added to those recorded before.
            skipped: Case id to why it could not be read.
            settings: How it is measured.
            cases: The cases that matter, such as a test split; () is all of the data set.

        Raises:
            DataError: If the folder holds rows of other data, or measured otherwise: they must not be mixed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            manifest = self.manifest()
            recorded = manifest.get("data", {}).get("path")
            if recorded not in (None, str(data.resolve())):
                raise DataError(
                    f"The results folder {self.folder.name} belongs to another data set",
                    received=f"{data} where it holds {recorded}",
                    todo="Give another --out folder",
                )
            kept = manifest.get("data", {}).get("kind", kind)
            if kept != kind:
                raise DataError(
                    f"The results folder {self.folder.name} was made with another layout",
                    received=f"{kind} where it holds {kept}",
                    todo="Give another --out folder",
                )
            if manifest.get("settings"):
                find_matcher(self.settings().matcher)
            if manifest.get("settings") and self.settings() != settings:
                raise DataError(
                    f"The results folder {self.folder.name} was measured with other settings",
                    received=_difference(asdict(settings), asdict(self.settings())),
                    todo="Give another --out folder",
                )
            said = manifest.get("data", {}).get("patients", {})
            manifest["data"] = {"path": str(data.resolve()), "kind": kind, "skipped": skipped}
            manifest["data"] |= {"patients": said} if said else {}
            if cases:
                manifest["data"]["cases"] = list(cases)
            manifest["sources"] = manifest.get("sources", {}) | {s.name: s.describe() for s in sources}
            manifest["settings"] = asdict(settings) | {"version": VERSION}
            manifest["metrics"] = {
                key: {"label": m.label, "unit": m.unit, "better": m.better, "empty_rule": m.empty_rule}
                for key, m in METRICS.items()
            }
            manifest["versions"] = versions(PACKAGES)
            self._write_manifest(manifest)

    def _of_patients(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows with a column `patient`, as the manifest has it: a later declaration needs no new measurement."""
        if table.empty:
            return table
        patients = recorded_patients(self.manifest(), set(table["case_id"]))
        return table.assign(patient=table["case_id"].map(patients.of))

    def _table(self, name: str) -> pd.DataFrame:
        path = self.folder / name
        if not path.is_file():
            return pd.DataFrame()
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise self._damaged(name, error) from error
        missing = [column for column in COLUMNS[name] if column not in table]
        if missing and not table.empty:
            raise self._damaged(name, f"no column {missing[0]}")
        return table

    def _write_table(self, name: str, table: pd.DataFrame) -> None:
        buffer = BytesIO()
        table.to_parquet(buffer, index=False)
        write_atomically(self.folder / name, buffer.getvalue())

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        manifest["updated"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_atomically(self.folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())

    def _damaged(self, name: str, reason: object) -> DataError:
        return DataError(
            f"{self.folder.name}/{name} is damaged", received=reason, todo="Delete the folder and evaluate again"
        )


def recorded_cohort(manifest: Mapping[str, Any]) -> Cohort:
    """The data set that a manifest names, with its layout, labels and region.

    Raises:
        AflError: If it is gone, or no longer follows that layout.
    """
    data, settings = manifest["data"], manifest.get("settings", {})
    labels, region = settings.get("labels") or None, recorded_region(manifest)
    if data["kind"] == MASKS_ALONE.name:
        cohort = references_cohort(Path(data["path"]), labels=labels, region=region)
    else:
        cohort = load_cohort(Path(data["path"]), layout=data["kind"], labels=labels, region=region)
    if not data.get("patients"):
        return cohort
    return cohort.of_patients(recorded_patients(manifest, [case.case_id for case in cohort.cases]))


def recorded_patients(manifest: Mapping[str, Any], case_ids: Iterable[str]) -> Patients:
    """The patients of cases as a manifest has them; by the names of the cases where it says nothing."""
    return recorded(manifest.get("data", {}).get("patients") or {}, case_ids)


def recorded_region(manifest: Mapping[str, Any]) -> str:
    """The region that rows of a manifest are measured on."""
    return str(manifest.get("settings", {}).get("region", SETTINGS.region))


def failed_predictions(manifest: Mapping[str, Any]) -> Counter[str]:
    """How many predictions of each source were there and could not be measured; those that are missing count apart."""
    missing = manifest.get("missing", {})
    return Counter(
        source
        for case_id, texts in manifest.get("problems", {}).items()
        for source in texts
        if case_id not in missing.get(source, ())
    )


def _difference(asked: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    """The settings that are not the same, in words."""
    return "; ".join(f"{key} {asked[key]} where it holds {held[key]}" for key in asked if asked[key] != held[key])


def _merge(old: pd.DataFrame, rows: list[dict[str, Any]], done: set[tuple[str, str]]) -> pd.DataFrame:
    """Rows of other cases and sources, then the new ones, in a fixed order."""
    if not old.empty:
        old = old[[pair not in done for pair in zip(old["case_id"], old["source"], strict=True)]]
    tables = [table for table in (old, pd.DataFrame(rows)) if not table.empty]
    if not tables:
        return pd.DataFrame()
    merged = pd.concat(tables, ignore_index=True)
    order = ["case_id", "source"] + (["lesion_id"] if "lesion_id" in merged else [])
    return merged.sort_values(order, kind="stable", ignore_index=True)


def _redone(source: str, result: CaseResult) -> bool:
    return source == "" or source in result.unchanged or any(row["source"] == source for row in result.rows)


def _missing(before: dict[str, list[str]], results: Sequence[CaseResult]) -> dict[str, list[str]]:
    """Per source, the cases of which it has no prediction."""
    missing = {source: set(cases) for source, cases in before.items()}
    for result in results:
        for source in (*result.unchanged, *(row["source"] for row in result.rows), *(result.problems or {})):
            missing.setdefault(source, set()).discard(result.case_id)
        for source in result.missing:
            missing[source].add(result.case_id)
    return {source: sorted(cases) for source, cases in sorted(missing.items()) if cases}


def _empty_counts(cases: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Per source, how many cases each empty-mask rule touched."""
    if cases.empty:
        return {}
    touched = cases[cases["empty"] != ""]
    counts = touched.groupby("source")["empty"].value_counts()
    return {source: {rule: int(counts[source, rule]) for rule in counts[source].index} for source in touched["source"]}
