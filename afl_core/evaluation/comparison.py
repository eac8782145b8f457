"""An opened results folder: its rows as far as they are of the data set that it names, for page, command and report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from afl_core.base.words import named
from afl_core.data.labels import WHOLE, region_title
from afl_core.data.layouts import Cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.caveats import nowhere_sentence, uncounted_sentences
from afl_core.evaluation.manifest import MANIFEST, Manifest, counted, failed_predictions, whole_cohort
from afl_core.evaluation.merging import empty_counts
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import Source, parse_sources, source_text
from afl_core.evaluation.stored import Lesions, Stored, read_stored
from afl_core.evaluation.stored_masks import is_measured_mask
from afl_core.evaluation.tables import distinct
from afl_core.model.checkpoints import Card


@dataclass(frozen=True, eq=False)
class Comparison:
    """A results folder as everything that reads results sees it.

    Attributes:
        results: The results folder.
        manifest: Manifest of the folder, with a data set and sources, as it is for the region that is looked at.
        rows: Case rows of the region, one per (case, source), of the cases that count; of a case in the order of the
            sources.
        given_lesions: `lesions`, or what reads them when they are asked for.
        whole: The data set, or None where it cannot be opened.
        cohort: The same, narrowed to the cases that count.
        problem: Why there is no cohort, or "".
        left_out: Cases that have rows which do not count: they are no longer in the data set, or not of its test split.
        stamp: Changes whenever the folder's content does.
        regions: Every region that was measured, first the one that is opened where none is named.
        nowhere: Those that no reference holds.
    """

    results: Results
    manifest: Manifest
    rows: pd.DataFrame
    given_lesions: Lesions
    whole: Cohort | None
    cohort: Cohort | None
    problem: str
    left_out: tuple[str, ...] = ()
    stamp: int = 0
    regions: tuple[str, ...] = (WHOLE,)
    nowhere: tuple[str, ...] = ()

    @cached_property
    def lesions(self) -> pd.DataFrame:
        """Lesion rows of the same region, cases and sources; many are read when they are first asked for."""
        return self.given_lesions if isinstance(self.given_lesions, pd.DataFrame) else self.given_lesions()

    @property
    def region(self) -> str:
        """Name of the region that is looked at."""
        return self.manifest.settings.region

    @property
    def state(self) -> str:
        """Changes whenever what is shown of these results does; caches go by it."""
        return repr((str(self.results.folder), self.stamp, self.region, self.sources))

    @property
    def arguments(self) -> tuple[str, ...]:
        """The option by which a command looks at the same region; () at the first."""
        return () if self.region == self.regions[0] else ("--region", self.region)

    @property
    def name(self) -> str:
        """Name of the results folder."""
        return self.results.folder.resolve().name

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in the order in which they were given."""
        return tuple(self.manifest.sources)

    @property
    def left_out_sentences(self) -> tuple[str, ...]:
        """Sentences on sources without a result here, cases that are left out, and other regions that are nowhere."""
        nowhere = (nowhere_sentence(region) for region in self.nowhere if region != self.region)
        return (*self._absent_sentences(), *uncounted_sentences(self.left_out), *nowhere)

    @property
    def absent(self) -> tuple[str, ...]:
        """Sources without a result in this region."""
        here = distinct(self.rows, "source")
        return tuple(source for source in self.sources if source not in here)

    @property
    def of_other_regions(self) -> tuple[str, ...]:
        """The sources of `absent` that predict other regions, and this one not."""
        failed = failed_predictions(self.manifest)
        return tuple(
            source
            for source in self.absent
            if not failed[source] and source not in self.manifest.missing
            if len(self.regions) > 1 and (self.region != self.regions[0] or self.manifest.sources[source].card)
        )

    def _absent_sentences(self) -> tuple[str, ...]:
        sentences = list[str]()
        if self.rows.empty:
            return ()
        if failed := [source for source in self.absent if failed_predictions(self.manifest)[source]]:
            have, their = ("has", "its") if len(failed) == 1 else ("have", "their")
            sentences.append(
                f"{named(failed)} {have} no result, since none of {their} files could be used. afl evaluate and the "
                "end of the Overview page say why."
            )
        if absent := self.of_other_regions:
            have = "has" if len(absent) == 1 else "have"
            sentences.append(
                f"{named(absent)} {have} no result in the region {region_title(self.region)}: masks and maps are of "
                f"the region {region_title(self.regions[0])} alone, and a checkpoint of the one that it learned."
            )
        return tuple(sentences)

    @property
    def is_demo(self) -> bool:
        """Whether the data are the synthetic demo cohort."""
        return self.manifest.of_demo(self.rows.get("case_id", ()))

    @property
    def summaries(self) -> dict[str, str]:
        """What each source is, in a line: the loss with its settings, or how many masks."""
        return {
            name: f"{source.card.summary}{_other_region(source.card, self.region)}"
            if source.card
            else source.files_text
            for name, source in self.manifest.sources.items()
        }

    def of_sources(self, names: Sequence[str]) -> "Comparison":
        """The same results as if these were the only sources, in this order."""
        manifest = self.manifest.model_copy(update={"sources": {name: self.manifest.sources[name] for name in names}})

        def chosen(table: pd.DataFrame) -> pd.DataFrame:
            return _rows_of(table, distinct(table, "case_id"), tuple(names))

        return replace(self, manifest=manifest, rows=chosen(self.rows), given_lesions=lambda: chosen(self.lesions))

    def source_list(self) -> tuple[Source, ...]:
        """The sources themselves, as recorded; raises `AflError` where one is gone."""
        recorded = self.manifest.sources.items()
        return parse_sources([source_text(name, of.path, of.option, of.meaning) for name, of in recorded])

    def needed_cohort(self) -> Cohort:
        """The data set; raises `DataError` where it cannot be opened."""
        if self.cohort is None:
            raise DataError(f"The data set of these results cannot be opened. {self.problem}")
        return self.cohort

    def mask_file(self, case_id: str, source: str) -> Path:
        """Where the mask of a case and source is stored; raises `DataError` where a name is a path."""
        return mask_path(self.results.folder, source, case_id, "" if self.region == self.regions[0] else self.region)

    def mask(self, case_id: str, source: str) -> Path:
        """The stored mask that the row of a case and source was measured on.

        Raises:
            DataError: If there is no such row, or the file is gone or another one.
        """
        rows = self.rows
        measured = rows[(rows["case_id"] == case_id) & (rows["source"] == source)] if not rows.empty else rows
        if measured.empty:
            raise DataError(f"{source} has no result on {case_id}", todo="Evaluate the case")
        path = self.mask_file(case_id, source)
        row, todo = measured.iloc[0].to_dict(), "Evaluate again: it is made anew"
        if "mask_sha256" not in row and self.results.has_parts:
            where = {"case_id": [case_id], "source": [source], "region": [self.region]}
            if (found := self.results.cases(["mask_sha256"], where)).empty:
                raise DataError(f"{source} has no result on {case_id} any more", todo="Open the results again")
            row |= found.iloc[0].to_dict()
        if not path.is_file():
            raise DataError(f"The stored mask of {source} on {case_id} is gone", received=path, todo=todo)
        if row.get("mask_sha256") and not is_measured_mask(self.results.folder, row, first=self.regions[0]):
            what = f"The stored mask of {source} on {case_id} is not the one that was measured"
            raise DataError(what, received=path, todo=todo)
        return path


def open_comparison(folder: Path, *, load: Callable[[Manifest], Cohort] = whole_cohort, region: str = "") -> Comparison:
    """Open a results folder.

    Args:
        folder: The results folder.
        load: Opens the data set that a manifest names; a page keeps what it opened.
        region: Region to look at; "" is the first that was measured.

    Raises:
        UsageError: If it is no results folder, or the region was not measured.
        DataError: If it is damaged, or nothing was described in it yet.
    """
    if not (folder / MANIFEST).is_file():
        todo = (
            f"It has no {MANIFEST}; run afl evaluate" if folder.is_dir() else "There is no such folder; check the path"
        )
        raise UsageError("This is not a results folder", received=folder, todo=todo)
    results = Results(folder)
    return build_comparison(results, read_stored(results, region), load=load)


def build_comparison(
    results: Results, stored: Stored, *, load: Callable[[Manifest], Cohort] = whole_cohort
) -> Comparison:
    """The comparison of what a folder stores of a region.

    Rows count if their case is in the data set, with a reference, and in the split that matters, and if their source is
    named. Arguments and errors as `open_comparison`.
    """
    manifest, rows, regions, region = stored.manifest, stored.rows, stored.regions, stored.region
    measured = distinct(rows, "case_id")
    whole, cohort, problem = None, None, ""
    try:
        whole = load(manifest)
        cohort = counted(whole, manifest)
        wanted = {case.case_id for case in cohort.cases if case.reference}
    except AflError as error:
        problem, wanted = str(error), set(manifest.data.cases) or measured
    left_out = tuple(sorted(measured - wanted))
    sources = tuple(manifest.sources)
    rows, lesions = _rows_of(rows, wanted, sources), stored.lesions
    given = (
        _rows_of(lesions, wanted, sources)
        if isinstance(lesions, pd.DataFrame)
        else lambda: _rows_of(lesions(), wanted, sources)
    )
    manifest = manifest.model_copy(update={"empty_masks": empty_counts(rows)})
    if region != regions[0]:
        here = distinct(rows, "source") | (set(manifest.sources) - stored.somewhere)
        manifest = manifest.for_region(region, sources=here)
        whole, cohort = (of and with_regions(of, (region,)) for of in (whole, cohort))
        if whole:
            manifest = manifest.with_data(labels=whole.scheme.mapping(region))
    return Comparison(
        results, manifest, rows, given, whole, cohort, problem, left_out, stored.stamp, regions, stored.nowhere
    )


def _rows_of(table: pd.DataFrame, cases: set[str], sources: tuple[str, ...]) -> pd.DataFrame:
    if table.empty:
        return table
    counts = table["case_id"].isin(cases) & table["source"].isin(sources)
    selected = table if counts.all() else table[counts]
    by_source = pd.Categorical(selected["source"], categories=sources).codes  # stored by name
    places = np.lexsort([by_source, pd.factorize(selected["case_id"], sort=True)[0]])
    is_in_order = (places[1:] > places[:-1]).all()
    return (selected if is_in_order else selected.iloc[places]).reset_index(drop=True)


def _other_region(card: Card, region: str) -> str:
    """A part of a sentence where a checkpoint learned another region than the one that is measured; else ""."""
    learned = card.data.get("region", WHOLE)
    if learned == region:
        return ""
    wanted, trained = (region_title(name) for name in (region, learned))
    return f". It was trained on the {trained}, and is measured on the {wanted}"
