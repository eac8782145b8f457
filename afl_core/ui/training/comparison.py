"""Training page: finished runs become checkpoints that Compare shows."""

import math
from collections.abc import Sequence

import streamlit as st

from afl_core.base.numbers import number
from afl_core.base.words import number_of
from afl_core.evaluation.from_runs import cards_of, measuring_job, open_published, open_runs, unique_sources
from afl_core.model.checkpoints import Card, load_card
from afl_core.training.progress import Seen
from afl_core.training.runs import RunFolder
from afl_core.ui.shared.errors import plain, shown_errors

MOST_NAMED = 3
"""Runs that a button names."""


def show_measuring(seen: Seen, batch: Sequence[RunFolder]) -> None:
    """How the measurement of the test cases of a finished run's batch goes, or how it ended before its end."""
    if seen.status.message != "Finished":
        st.warning(plain(seen.status.message))
    with shown_errors():
        job = measuring_job(batch)
        if seen.measuring:
            share = job.done / max(job.total, 1) if job and job.state == "running" else 0.0
            what = "Measuring the test cases" + seen.measuring.removeprefix("measuring").replace(" ", ": ", 1)
            st.progress(share, text=plain(f"{what}. The checkpoint is finished."))
        elif job and job.state == "stopped":
            st.info("Measuring the test cases was stopped. What is measured is kept; open it in Compare to go on.")
        elif job and job.state == "failed":
            st.warning(plain(f"Of the test cases: {job.message.rstrip('.')}. Compare says why, and tries again."))


def show_use(run: RunFolder, batch: Sequence[RunFolder]) -> None:
    """What a finished run scored, and the ways to Compare: with its batch, or published, beside other checkpoints."""
    with shown_errors():
        st.success(plain(_scores(load_card(run.path / "checkpoint"))))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if batch:
                _offer_comparison(batch, f"pair {run.name}")
            name = st.text_input(
                "Name as a checkpoint",
                run.name,
                key=f"publish {run.name}",
                width=360,
                help="Becomes the folder models/NAME, beside the shipped checkpoints; the run stays.",
            )
            if st.button(
                "Publish and open",
                key=f"use {run.name}",
                help="Open it in Compare beside the other published checkpoints of the same training cases.",
            ):
                _go(open_published(run, name.strip()))


def show_comparison(runs: Sequence[RunFolder]) -> None:
    """Offer to open the runs that are ticked together, once all are finished."""
    with shown_errors():
        waiting = [run.name for run in runs if run.checkpoint is None]
        if waiting:
            wait = "Wait for these, or untick them"
            st.caption(plain(f"The ticked runs can be compared when all are finished. {wait}: {', '.join(waiting)}."))
        else:
            _offer_comparison(runs, "compare ticked")


def _offer_comparison(runs: Sequence[RunFolder], key: str) -> None:
    names = list(unique_sources(cards_of(runs)))
    what = " and ".join(names) if len(names) <= MOST_NAMED else f"these {number_of(len(names), 'run')}"
    label = f"Compare {what}" if len(names) > 1 else f"Open {what} in Compare"
    if st.button(plain(label), key=key, type="primary", help="Opens the results on the test cases."):
        _go(open_runs(runs))


def _scores(card: Card) -> str:
    training, rules = card.training, card.scores.get("test_mean_dsc_by_decision_rule", {})
    text = f"Best validation Dice {number(training.get('best_validation_dsc', math.nan))}"
    text += f" at step {training.get('best_step', 0):,}"
    if card.decision_rule in rules:
        text += f"; {number(rules[card.decision_rule])} on the test cases ({card.data.get('cases', {}).get('test', 0)})"
    return f"{text}. The weights of that step are the checkpoint."


def _go(results: str) -> None:
    """Go to Compare, with these results open."""
    st.switch_page("pages/compare.py", query_params={"results": results})
