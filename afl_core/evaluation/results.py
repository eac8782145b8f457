"""The results store: a folder with `cases.parquet`, `lesions.parquet`, `masks/` and `manifest.json`."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from afl_core.base.storage import read_bounded, write_atomically
from afl_core.base.versions import versions
from afl_core.data.check.anatomy import doubt_labels
from afl_core.data.layouts import Cohort
from afl_core.errors import DataError
from afl_core.evaluation.manifest import (
    FORMAT,
    MANIFEST,
    DataSection,
    Manifest,
    MetricSection,
    SettingsSection,
    SourceSection,
    load_manifest,
)
from afl_core.evaluation.pipeline import SETTINGS, VERSION, CaseResult, Settings, mask_path, settings_for
from afl_core.evaluation.sources import Source
from afl_core.evaluation.tables import CASES, LESIONS, TEXTS, load_table
from afl_core.metrics import METRICS
from afl_core.metrics.matchers import find_matcher

TURN_SECONDS = 120
"""How long a writer waits for its turn; writing takes a second or two."""

MAX_MASK = 2**30
"""Bytes of a stored mask, which is compressed; one that is larger, or is no regular file, is not one of ours."""

PACKAGES = ("numpy", "scipy", "nibabel", "connected-components-3d", "torch", "monai")


class Results:
    """One results folder. Writers in several processes take turns; readers always see a whole file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cases(self) -> pd.DataFrame:
        """One row per (case, source), with its patient; empty if nothing was evaluated yet."""
        return self._of_patients(load_table(self.folder, CASES))

    def lesions(self) -> pd.DataFrame:
        """One row per (lesion, source), with its patient: reference lesions and false positives."""
        return self._of_patients(load_table(self.folder, LESIONS))

    def manifest(self) -> Manifest:
        """Settings, sources, versions, empty-mask rules, problems; an empty one if nothing was evaluated yet."""
        return load_manifest(self.folder)

    def settings(self) -> Settings:
        """How the rows of this folder are measured; the defaults where nothing was evaluated yet."""
        return self.manifest().settings.choice()

    def known_keys(self) -> frozenset[str]:
        """Keys of the rows whose mask is still the one that was measured: these need no new computation."""
        table = self.cases()
        if not {"key", "mask_sha256"} <= set(table):
            return frozenset()
        return frozenset(str(row["key"]) for row in table.to_dict("records") if is_measured_mask(self.folder, row))

    def add(self, results: Sequence[CaseResult]) -> None:
        """Merge finished cases in: new rows replace those of the same case and source."""
        with self._turn():
            done = {(row["case_id"], row["source"]) for result in results for row in result.rows}
            done |= {(result.case_id, source) for result in results for source in result.problems or {}}
            cases, lesions = load_table(self.folder, CASES), load_table(self.folder, LESIONS)
            cases = _merge(cases, [row for result in results for row in result.rows], done)
            lesions = _merge(lesions, [row for result in results for row in result.lesions], done)
            manifest = self.manifest()
            problems = dict(manifest.problems)
            for result in results:
                kept = {k: v for k, v in problems.get(result.case_id, {}).items() if not _redone(k, result)}
                problems[result.case_id] = kept | dict(result.problems or {})
            self._write_table(LESIONS, lesions)
            self._write_table(CASES, cases)
            self._write_manifest(
                manifest,
                problems={case: texts for case, texts in sorted(problems.items()) if texts},
                missing=_missing(manifest.missing, results),
                empty_masks=_empty_counts(cases),
            )

    def describe_cohort(
        self,
        cohort: Cohort,
        sources: Sequence[Source],
        *,
        settings: Settings = SETTINGS,
        cases: Sequence[str] = (),
    ) -> None:
        """`describe` with what a cohort says: folder, layout, region, labels and doubt of them, problems and patients.

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
        doubt = doubt_labels(cohort.cases, cohort.scheme)
        with self._turn():
            manifest = self.manifest()
            changed: dict[str, object] = {"doubt": doubt} if doubt else {}
            if cohort.patients.declared or not manifest.data.patients.get("declared"):
                changed["patients"] = cohort.patients.record()
            if cohort.scheme.values:
                changed["labels"] = cohort.scheme.mapping(cohort.region.name)
            self._write_manifest(manifest.with_data(**changed))

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
            sources: What predicted the masks; added to those recorded before.
            skipped: Case id to why it could not be read.
            settings: How it is measured.
            cases: The cases that matter, such as a test split; () leaves those that were recorded before, or all.

        Raises:
            DataError: If the folder holds rows of other data, or measured otherwise: they must not be mixed.
        """
        with self._turn():
            manifest = self.manifest()
            place = {"path": str(data.resolve()), "kind": kind}
            _check_fits(self.folder.name, manifest, place, settings)
            before = manifest.sources
            now = {source.name: SourceSection(**source.describe()) for source in sources}
            for name, source in now.items():
                if name in before and _identity(before[name]) != _identity(source):
                    manifest = self._forget(manifest, name)
            kept, patients = tuple(cases) or manifest.data.cases, manifest.data.patients
            section = place | {"skipped": skipped} | ({"cases": kept} if kept else {})
            self._write_manifest(
                manifest,
                data=DataSection(**section | ({"patients": patients} if patients else {})),
                sources=before | now,
                settings=SettingsSection(**asdict(settings), version=VERSION),
                metrics={
                    key: MetricSection(label=m.label, unit=m.unit, better=m.better, empty_rule=m.empty_rule)
                    for key, m in METRICS.items()
                },
                versions=versions(PACKAGES),
            )

    def _of_patients(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows with a column `patient`, as the manifest has it: a later declaration needs no new measurement."""
        if table.empty:
            return table
        patients = self.manifest().patients(set(table["case_id"]))
        return table.assign(patient=table["case_id"].map(patients.of))

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
        for name in (CASES, LESIONS):
            table = load_table(self.folder, name)
            if not table.empty:
                self._write_table(name, table[table["source"] != source])
        problems = {case: {k: v for k, v in texts.items() if k != source} for case, texts in manifest.problems.items()}
        return manifest.model_copy(
            update={
                "problems": {case: texts for case, texts in problems.items() if texts},
                "missing": {name: cases for name, cases in manifest.missing.items() if name != source},
            }
        )

    def _write_table(self, name: str, table: pd.DataFrame) -> None:
        buffer = BytesIO()
        table.to_parquet(buffer, index=False)
        write_atomically(self.folder / name, buffer.getvalue())

    def _write_manifest(self, manifest: Manifest, **changed: object) -> None:
        now = {"format": FORMAT, "updated": datetime.now(UTC).isoformat(timespec="seconds")}
        record = manifest.model_copy(update=changed | now).record()
        write_atomically(self.folder / MANIFEST, (json.dumps(record, indent=1) + "\n").encode())


def is_measured_mask(folder: Path, row: Mapping[Any, Any]) -> bool:
    """Whether the stored mask of a case row is the one that was measured, byte for byte."""
    try:
        stored = read_bounded(mask_path(folder, str(row["source"]), str(row["case_id"])), MAX_MASK)
    except (DataError, OSError, ValueError):
        return False
    return hashlib.sha256(stored).hexdigest() == str(row["mask_sha256"])


def _identity(source: SourceSection) -> tuple[str, ...]:
    """What tells one source from another of the same name; a checkpoint that was moved is the same."""
    if source.kind == "checkpoint":
        return source.kind, source.fingerprint
    return source.kind, source.path, source.option, source.meaning


def _check_fits(name: str, manifest: Manifest, data: Mapping[str, str], settings: Settings) -> None:
    """Raise unless a results folder is of this data set, read in this layout, and measured in this way."""
    held = manifest.data.record()
    for key, what in (("path", "belongs to another data set"), ("kind", "was made with another layout")):
        if (held.get(key) or data[key]) != data[key]:
            raise DataError(
                f"The results folder {name} {what}",
                received=f"{data[key]} where it holds {held[key]}",
                todo="Give another --out folder",
            )
    if "settings" not in manifest.model_fields_set:
        return
    recorded = manifest.settings.choice()
    find_matcher(recorded.matcher)  # one of an earlier version says so
    if recorded != settings:
        raise DataError(
            f"The results folder {name} was measured with other settings",
            received=_difference(asdict(settings), asdict(recorded)),
            todo="Give another --out folder",
        )


def _difference(asked: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    """The settings that are not the same, in words."""
    return "; ".join(f"{key} {asked[key]} where it holds {held[key]}" for key in asked if asked[key] != held[key])


def _merge(old: pd.DataFrame, rows: list[dict[str, Any]], done: set[tuple[str, str]]) -> pd.DataFrame:
    """Rows of other cases and sources, then the new ones, in a fixed order; the source "" stands for all of a case."""
    if not old.empty:
        pairs = zip(old["case_id"], old["source"], strict=True)
        old = old[[(case_id, source) not in done and (case_id, "") not in done for case_id, source in pairs]]
    tables = [table for table in (old, pd.DataFrame(rows)) if not table.empty]
    if not tables:
        return pd.DataFrame()
    merged = pd.concat(tables, ignore_index=True)
    texts = sorted(TEXTS & set(merged))
    merged[texts] = merged[texts].fillna("")  # rows of an earlier version lack some
    order = ["case_id", "source"] + (["lesion_id"] if "lesion_id" in merged else [])
    return merged.sort_values(order, kind="stable", ignore_index=True)


def _redone(source: str, result: CaseResult) -> bool:
    return source == "" or source in result.unchanged or any(row["source"] == source for row in result.rows)


def _missing(before: Mapping[str, Sequence[str]], results: Sequence[CaseResult]) -> dict[str, tuple[str, ...]]:
    """Per source, the cases of which it has no prediction."""
    missing = {source: set(cases) for source, cases in before.items()}
    for result in results:
        for source in (*result.unchanged, *(row["source"] for row in result.rows), *(result.problems or {})):
            missing.setdefault(source, set()).discard(result.case_id)
        for source in result.missing:
            missing[source].add(result.case_id)
    return {source: tuple(sorted(cases)) for source, cases in sorted(missing.items()) if cases}


def _empty_counts(cases: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Per source, how many cases each empty-mask rule touched."""
    if cases.empty:
        return {}
    touched = cases[cases["empty"] != ""]
    counts = touched.groupby("source")["empty"].value_counts()
    return {source: {rule: int(counts[source, rule]) for rule in counts[source].index} for source in touched["source"]}
