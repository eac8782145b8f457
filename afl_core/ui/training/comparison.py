"""Training page: finished runs become checkpoints that Compare shows."""

import math
from collections.abc import Sequence

import streamlit as st

from afl_core.base.numbers import number
from afl_core.evaluation.from_runs import cards_of, open_published, open_runs, unique_sources
from afl_core.model.checkpoints import Card, load_card
from afl_core.training.runs import RunFolder
from afl_core.ui.shared.errors import plain, shown_errors


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
    """Offer to open the runs that are ticked together, once all are finished."""
    with shown_errors():
        waiting = [run.name for run in runs if run.checkpoint is None]
        if waiting:
            st.caption(plain(f"To compare the ticked runs, wait until these are finished: {', '.join(waiting)}."))
        else:
            _offer_comparison(runs, "compare ticked")


def _offer_comparison(runs: Sequence[RunFolder], key: str) -> None:
    names = " and ".join(unique_sources(cards_of(runs)))
    if st.button(plain(f"Compare {names}"), key=key, type="primary", help="Open them on their test cases."):
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
