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
from afl_core.evaluation.manifest import MANIFEST, load_manifest, recorded_patients, recorded_settings
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

    def manifest(self) -> dict[str, Any]:
        """Settings, sources, versions, empty-mask rules, problems; {} if nothing was evaluated yet."""
        return load_manifest(self.folder)

    def settings(self) -> Settings:
        """How the rows of this folder are measured; the defaults where nothing was evaluated yet."""
        return recorded_settings(self.manifest())

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
            manifest["data"] |= {"doubt": doubt} if doubt else {}
            if cohort.patients.declared or not manifest["data"].get("patients", {}).get("declared"):
                manifest["data"]["patients"] = cohort.patients.record()
            if cohort.scheme.values:
                manifest["data"]["labels"] = cohort.scheme.mapping(cohort.region.name)
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
            _check_fits(self.folder.name, manifest, {"path": str(data.resolve()), "kind": kind}, settings)
            before, now = manifest.get("sources", {}), {source.name: source.describe() for source in sources}
            for name, said in now.items():
                if name in before and _identity(before[name]) != _identity(said):
                    self._forget(manifest, name)
            held = manifest.get("data", {})
            manifest["data"] = {"path": str(data.resolve()), "kind": kind, "skipped": skipped}
            manifest["data"] |= {"cases": kept} if (kept := list(cases) or held.get("cases")) else {}
            manifest["data"] |= {"patients": held["patients"]} if held.get("patients") else {}
            manifest["sources"] = before | now
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

    def _forget(self, manifest: dict[str, Any], source: str) -> None:
        """Drop the rows of a source, and what the manifest says of it."""
        for name in (CASES, LESIONS):
            table = load_table(self.folder, name)
            if not table.empty:
                self._write_table(name, table[table["source"] != source])
        before = manifest.get("problems", {})
        problems = {case: {k: v for k, v in said.items() if k != source} for case, said in before.items()}
        manifest["problems"] = {case: said for case, said in problems.items() if said}
        manifest.setdefault("missing", {}).pop(source, None)

    def _write_table(self, name: str, table: pd.DataFrame) -> None:
        buffer = BytesIO()
        table.to_parquet(buffer, index=False)
        write_atomically(self.folder / name, buffer.getvalue())

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        manifest["updated"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_atomically(self.folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def is_measured_mask(folder: Path, row: Mapping[Any, Any]) -> bool:
    """Whether the stored mask of a case row is the one that was measured, byte for byte."""
    try:
        stored = read_bounded(mask_path(folder, str(row["source"]), str(row["case_id"])), MAX_MASK)
    except (DataError, OSError, ValueError):
        return False
    return hashlib.sha256(stored).hexdigest() == str(row["mask_sha256"])


def _identity(described: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells one source from another of the same name; a checkpoint that was moved is the same."""
    if described["kind"] == "checkpoint":
        return "checkpoint", described["fingerprint"]
    return described["kind"], described["path"], described.get("option", ""), described.get("meaning", "")


def _check_fits(name: str, manifest: Mapping[str, Any], data: Mapping[str, str], settings: Settings) -> None:
    """Raise unless a results folder is of this data set, read in this layout, and measured in this way."""
    held = manifest.get("data", {})
    for key, what in (("path", "belongs to another data set"), ("kind", "was made with another layout")):
        if held.get(key, data[key]) != data[key]:
            raise DataError(
                f"The results folder {name} {what}",
                received=f"{data[key]} where it holds {held[key]}",
                todo="Give another --out folder",
            )
    recorded = recorded_settings(manifest)
    if manifest.get("settings"):
        find_matcher(recorded.matcher)  # one of an earlier version says so
    if manifest.get("settings") and recorded != settings:
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
