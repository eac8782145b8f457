"""Training page: finished runs become checkpoints that Compare shows."""

import hashlib
import math
from collections.abc import Mapping, Sequence

import streamlit as st

from afl_core.base import paths
from afl_core.data.layouts import Cohort
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import UsageError
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import CheckpointSource
from afl_core.model.checkpoints import Card, find_checkpoints, load_card
from afl_core.training.runs import RunFolder, publish_run
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.training.names import first_unique, source_name


def show_use(run: RunFolder, partners: Sequence[RunFolder]) -> None:
    """What a finished run scored, and the ways to Compare."""
    with shown_errors():
        st.success(plain(_scores(load_card(run.path / "checkpoint"))))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if len(partners) > 1:
                _offer_comparison(partners, f"pair {run.name}")
            name = st.text_input(
                "Name as a checkpoint",
                run.name,
                key=f"publish {run.name}",
                width=360,
                help="Becomes the folder models/NAME, beside the shipped checkpoints; the run stays.",
            )
            if st.button("Use in Compare", key=f"use {run.name}", help="Publish it, and open it in Compare."):
                _go(open_published(run, name.strip()))


def show_comparison(runs: Sequence[RunFolder]) -> None:
    """For the runs that are ticked: open them together, once all are finished."""
    with shown_errors():
        waiting = [run.name for run in runs if run.checkpoint is None]
        if waiting:
            st.caption(plain(f"To compare the ticked runs, wait until these are finished: {', '.join(waiting)}."))
        else:
            _offer_comparison(runs, "compare ticked")


def _offer_comparison(runs: Sequence[RunFolder], key: str) -> None:
    names = " and ".join(_sources(_cards(runs)))
    if st.button(plain(f"Compare {names}"), key=key, type="primary", help="Open them on their test cases."):
        _go(open_runs(runs))


def open_runs(runs: Sequence[RunFolder]) -> str:
    """Name of a results folder with the checkpoints of runs as sources, FL first; its cases are their test split.

    Raises:
        UsageError: If they were trained on different data sets, or no case is in all their test splits.
    """
    cards = _cards(runs)
    checkpoints = {run.name: run.path / "checkpoint" for run in runs}
    names = _sources(cards)
    sources = [CheckpointSource(name, checkpoints[of].resolve()) for name, of in names.items()]
    return _open("-vs-".join(names.values())[:120], runs, sources)


def open_published(run: RunFolder, name: str) -> str:
    """Publish a run, and name a results folder with it beside the other checkpoints of the same training cases.

    Raises:
        UsageError: If the name is not plain, or taken.
    """
    publish_run(run, name, models=paths.MODELS)
    cards = find_checkpoints(paths.MODELS)
    same = cards[name].data.get("training_files_sha256")
    beside = {of: card for of, card in cards.items() if card.data.get("training_files_sha256") == same}
    sources = [CheckpointSource(label, paths.MODELS / of) for label, of in _sources(beside).items()]
    return _open(name, [run], sources)


def _open(name: str, runs: Sequence[RunFolder], sources: Sequence[CheckpointSource]) -> str:
    """Name of the results folder; other weights make another one, so that rows never mix."""
    cohort = _trained_on(runs)
    weights = [load_card(source.path).weights_sha256 for source in sources]
    digest = hashlib.sha256("|".join(weights).encode()).hexdigest()[:6]
    name = f"{name.replace(' ', '_')}-{digest}"
    Results(paths.RESULTS / name).describe_cohort(cohort, sources, cases=test_cases(runs))
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


def _cards(runs: Sequence[RunFolder]) -> dict[str, Card]:
    return {run.name: load_card(run.path / "checkpoint") for run in runs}


def _sources(cards: Mapping[str, Card]) -> dict[str, str]:
    """Name of a source to the checkpoint's folder, FL first: the shortest names that tell all apart."""
    order = sorted(cards, key=lambda of: (cards[of].loss != "focal", of))
    short = [source_name(cards[of].label, cards[of].loss_settings) for of in order]
    seeded = [f"{name[:32]} seed{cards[of].training.get('seed', '')}" for name, of in zip(short, order, strict=True)]
    names = first_unique([cards[of].label for of in order], short, seeded, [of[:40] for of in order])
    return dict(zip(names, order, strict=True))


def _scores(card: Card) -> str:
    training, rules = card.training, card.scores.get("test_mean_dsc_by_decision_rule", {})
    said = f"Best validation Dice {training.get('best_validation_dsc', math.nan):.3f}"
    said += f" at step {training.get('best_step', 0):,}"
    if card.decision_rule in rules:
        said += f"; {rules[card.decision_rule]:.3f} on the {card.data.get('cases', {}).get('test', 0)} test cases"
    return f"{said}. The weights of that step are the checkpoint."


def _go(results: str) -> None:
    """To Compare, with these results open."""
    st.switch_page("pages/compare.py", query_params={"results": results})
