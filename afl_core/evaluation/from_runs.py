"""Finished trainings as results: their checkpoints become the sources of a results folder."""

from collections.abc import Mapping, Sequence

from afl_core.base import paths
from afl_core.data.layouts import Cohort
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import UsageError
from afl_core.evaluation.job import EVERY, start_job
from afl_core.evaluation.network_sources import CheckpointSource
from afl_core.evaluation.results import Results
from afl_core.evaluation.store import results_name
from afl_core.model.checkpoints import Card, find_checkpoints, load_card
from afl_core.training.names import first_unique, source_name
from afl_core.training.runs import CHECKPOINT, RunFolder, publish_run


def open_runs(runs: Sequence[RunFolder]) -> str:
    """Name of a results folder with the checkpoints of runs as sources, FL first; its cases are their test split.

    Raises:
        UsageError: If they were trained on different data sets, or no case is in all their test splits.
    """
    cards = cards_of(runs)
    checkpoints = {run.name: run.path / CHECKPOINT for run in runs}
    names = unique_sources(cards)
    sources = [CheckpointSource(name, checkpoints[of].resolve()) for name, of in names.items()]
    return _open("-vs-".join(names.values())[:120], runs, sources)


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
    return _open(name, [run], sources)


def _open(name: str, runs: Sequence[RunFolder], sources: Sequence[CheckpointSource]) -> str:
    """Name of the results folder; other weights make another one, so that rows never mix.

    Its test cases are being measured then, those of which there is no row yet.
    """
    cohort, cases = _trained_on(runs), test_cases(runs)
    name = results_name(name.replace(" ", "_"), [load_card(source.path).weights_sha256 for source in sources])
    results = Results(paths.RESULTS / name)
    results.describe_cohort(cohort, sources, cases=cases)
    rows = results.cases()
    measured = set() if rows.empty else set(zip(rows["case_id"], rows["source"], strict=True))
    if {(case, source) for case in cases for source in results.manifest().sources} - measured:
        start_job(results, data=cohort.root, case_id=EVERY, sources=sources)
    return name


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
    short = [source_name(cards[of].label, cards[of].loss_settings) for of in order]
    seeded = [f"{name[:32]} seed{cards[of].training.get('seed', '')}" for name, of in zip(short, order, strict=True)]
    names = first_unique([cards[of].label for of in order], short, seeded, [of[:40] for of in order])
    return dict(zip(names, order, strict=True))
