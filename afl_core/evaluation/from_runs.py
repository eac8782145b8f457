"""Finished trainings as results: their checkpoints become the sources of a results folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from afl_core.base import paths
from afl_core.data.layouts import Cohort
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import UsageError
from afl_core.evaluation.job import EVERY, JobStatus, job_status, start_job, stop_job
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.results import Results
from afl_core.evaluation.store import results_name
from afl_core.model.checkpoints import Card, find_checkpoints, load_card
from afl_core.training.names import first_unique, source_name
from afl_core.training.run_records import UNDER_WAY
from afl_core.training.runs import CHECKPOINT, RunFolder, list_runs, publish_run


@dataclass(frozen=True)
class BatchResults:
    """The results folder of finished runs, in which their test cases are measured.

    Attributes:
        results: Results folder; other weights have another one, so that rows never mix.
        cohort: Data set of the runs.
        cases: Cases of the test split that all runs share; () where they have none.
        sources: Checkpoints of the runs, FL first.
    """

    results: Results
    cohort: Cohort
    cases: tuple[str, ...]
    sources: tuple[CheckpointSource, ...]

    @property
    def due(self) -> bool:
        """Whether a row of a test case is missing."""
        rows = self.results.cases()
        measured = set() if rows.empty else set(zip(rows["case_id"], rows["source"], strict=True))
        return bool({(case, source) for case in self.cases for source in self.results.manifest().sources} - measured)


def open_runs(runs: Sequence[RunFolder]) -> str:
    """Name of a results folder with the checkpoints of runs as sources; missing rows are being measured then.

    Raises:
        UsageError: If they were trained on different data sets, or no case is in all their test splits.
    """
    return _start(describe_runs(runs))


def describe_runs(runs: Sequence[RunFolder]) -> BatchResults:
    """The results folder of runs, with their checkpoints as sources; nothing is measured yet.

    Raises:
        UsageError: As `open_runs`.
    """
    return _describe(results_of(runs), runs, _sources(runs))


def results_of(runs: Sequence[RunFolder]) -> str:
    """Name that the results folder of these finished runs has, or will have."""
    sources = _sources(runs)
    return _name("-vs-".join(source.name for source in sources)[:120], sources)


def ended_batch(run: RunFolder) -> list[RunFolder]:
    """The finished runs of a run's batch, in the order of their start; none while another one is under way."""
    pair = run.spec().pair
    batch = [other for other in reversed(list_runs(run.path.parent)) if pair and other.spec().pair == pair] or [run]
    if any(other.status().state in UNDER_WAY for other in batch if other.name != run.name):
        return []
    return [other for other in batch if other.checkpoint]


def measure_batch(run: RunFolder) -> str:
    """Start to measure the test cases once the last run of a batch has ended; the name of the results, or "".

    Raises:
        UsageError: As `open_runs`.
    """
    runs = ended_batch(run)
    return open_runs(runs) if runs and test_cases(runs) else ""


def measuring_job(runs: Sequence[RunFolder]) -> JobStatus | None:
    """How the measurement of these finished runs stands; None where there never was one."""
    return job_status(Results(paths.RESULTS / results_of(runs)), EVERY)


def stop_measuring(runs: Sequence[RunFolder]) -> None:
    """End the measurement of these finished runs; what was measured stays.

    Raises:
        UsageError: If its process goes on nevertheless.
    """
    stop_job(Results(paths.RESULTS / results_of(runs)), EVERY)


def _sources(runs: Sequence[RunFolder]) -> list[CheckpointSource]:
    checkpoints = {run.name: run.path / CHECKPOINT for run in runs}
    return [CheckpointSource(name, checkpoints[of].resolve()) for name, of in unique_sources(cards_of(runs)).items()]


def open_published(run: RunFolder, name: str) -> str:
    """Publish a run, and name a results folder with it beside the other checkpoints of the same training cases.

    Raises:
        UsageError: If the name is not plain, or taken.
    """
    publish_run(run, name, models=paths.MODELS)
    cards = {folder.name: card for folder, card in find_checkpoints(paths.MODELS).items()}
    same = cards[name].data.get("training_files_sha256")
    beside = {of: card for of, card in cards.items() if card.data.get("training_files_sha256") == same}
    sources = [CheckpointSource(label, paths.MODELS / of) for label, of in unique_sources(beside).items()]
    return _start(_describe(_name(name, sources), [run], sources))


def _name(name: str, sources: Sequence[CheckpointSource]) -> str:
    return results_name(name.replace(" ", "_"), [load_card(source.path).weights_sha256 for source in sources])


def _describe(name: str, runs: Sequence[RunFolder], sources: Sequence[CheckpointSource]) -> BatchResults:
    cohort, cases = _trained_on(runs), test_cases(runs)
    of = BatchResults(Results(paths.RESULTS / name), cohort, cases, tuple(sources))
    of.results.describe_cohort(cohort, sources, cases=cases)
    return of


def _start(of: BatchResults) -> str:
    """Name of the results; the test cases of which there is no row yet are being measured then."""
    if of.due:
        start_job(of.results, data=of.cohort.root, case_id=EVERY, sources=of.sources)
    return of.results.folder.name


def _trained_on(runs: Sequence[RunFolder]) -> Cohort:
    """The data set of all these runs, with its labels and region; raises `UsageError` where they differ."""
    specs = [run.spec() for run in runs]
    if len({spec.data for spec in specs}) > 1:
        raise UsageError("These runs were trained on different data sets", todo="Choose runs of one data set")
    cohorts = [options.load(specs[0].data) for options in {spec.data_options for spec in specs}]
    if len({cohort.options for cohort in cohorts}) > 1:
        regions = " and ".join(cohort.scheme.title_of(cohort.region.name) for cohort in cohorts)
        raise UsageError("These runs were trained on different regions", received=regions)
    return cohorts[0]


def test_cases(runs: Sequence[RunFolder]) -> tuple[str, ...]:
    """Cases that are in the test split of every run, in order; () where the runs have no test split.

    Raises:
        UsageError: If they have test splits without a case in common.
    """
    splits = [load_splits(run.path / SPLITS_FILE).get("test", ()) for run in runs]
    common = tuple(case_id for case_id in splits[0] if all(case_id in ids for ids in splits))
    if any(splits) and not common:
        raise UsageError("No case is in the test split of all these runs", todo="Choose runs of one split")
    return common


def cards_of(runs: Sequence[RunFolder]) -> dict[str, Card]:
    """Name of a finished run to the card of its checkpoint."""
    return {run.name: load_card(run.path / CHECKPOINT) for run in runs}


def unique_sources(cards: Mapping[str, Card]) -> dict[str, str]:
    """Name of a source to the checkpoint's folder, FL first: the shortest names that tell all apart."""
    order = sorted(cards, key=lambda of: (cards[of].loss != "focal", of))
    short = [
        source_name(card.label, card.loss_settings, card.training.get("factors_from", "patch"))
        for card in (cards[of] for of in order)
    ]
    seeded = [f"{name[:32]} seed{cards[of].training.get('seed', '')}" for name, of in zip(short, order, strict=True)]
    names = first_unique([cards[of].label for of in order], short, seeded, [of[:40] for of in order])
    return dict(zip(names, order, strict=True))
