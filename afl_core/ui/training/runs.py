"""Training page: the list of runs, and everything of the one that is chosen."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from afl_core.base.words import number_of
from afl_core.data.labels import WHOLE, region_title
from afl_core.errors import AflError
from afl_core.evaluation.from_runs import stop_measuring
from afl_core.glossary import TERMS
from afl_core.training.launcher import start_run, stop_run
from afl_core.training.names import duration, network_name, short_loss
from afl_core.training.progress import Seen, in_order, partners_of, runs_table, titles_of
from afl_core.training.run_records import UNDER_WAY
from afl_core.training.runs import SPEC, RunFolder, delete_run, list_runs, runs_folder
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.training.comparison import show_comparison, show_measuring, show_use
from afl_core.ui.training.curves import show_curves
from afl_core.ui.training.seen import look

RUN_KEY = "run"
REFRESH_SECONDS = 2.0
DELETE_KEY = "run that is perhaps to be deleted"
COLOURS: dict[str, Any] = {
    "running": "blue",
    "finished": "green",
    "failed": "red",
    "waiting": "gray",
    "starting": "blue",
    "measuring": "blue",
}
"""Colours of the badge of a state; the others, which can go on, are orange."""


def show_runs() -> None:
    """Every run, the newest first, and the chosen one; read again every two seconds while one is under way."""
    for problem in _unread():
        st.warning(plain(problem))
    if not list_runs():
        st.info(
            "There are no training runs yet. Start one, or a pair of losses, in the form above; a first look at the "
            "demo cohort takes minutes. A run goes on when this page is closed, and shows here when it is opened again."
        )
        return
    live = any(seen.busy for seen in look())
    st.fragment(_panel, run_every=REFRESH_SECONDS if live else None)(live)


def _unread() -> list[str]:
    """Why folders among the runs are not in the list."""
    problems = []
    for path in sorted(runs_folder().glob(f"*/{SPEC}")):
        try:
            RunFolder(path.parent).spec()
        except AflError as error:
            problems.append(str(error))
    return problems


def _panel(live: bool) -> None:
    everything = look()
    if not everything or live != any(seen.busy for seen in everything):
        st.rerun()  # the whole page: refreshing begins or ends
    ticked = _choose(everything)
    if len(ticked) > 1:
        show_comparison([seen.run for seen in ticked])
    chosen = _linked_run(everything)
    batch = [seen.run for seen in everything if seen.batch == chosen.batch and seen.status.state == "finished"]
    together = ticked if len(ticked) > 1 and chosen in ticked else []
    _show(chosen, together or partners_of(chosen, everything), batch=batch, open_batch=not together)


def _linked_run(everything: Sequence[Seen]) -> Seen:
    """The first run that the address names, or else the newest, which it then names."""
    names, linked = [seen.run.name for seen in everything], st.query_params.get_all(RUN_KEY)
    there = [name for name in linked if name in names] or names[:1]
    if gone := [name for name in linked if name not in names]:
        instead = "" if set(linked) & set(names) else "; this is the newest"
        st.warning(plain(f"There is no run {', '.join(gone)}{instead}."))
    if there != linked:
        st.query_params[RUN_KEY] = there
    return everything[names.index(there[0])]


def _choose(everything: Sequence[Seen]) -> list[Seen]:
    """The table; the run that was ticked last is shown below it, several are drawn together and can be compared.

    The address names the ticked runs, the one that is shown first.
    """
    names, linked = [seen.run.name for seen in everything], st.query_params.get_all(RUN_KEY)
    key = f"runs {hash(tuple(names))}"
    rows = [names.index(name) for name in linked if name in names] or [0]
    at_first: list[int] = st.session_state.setdefault(f"first {key}", rows)
    before: list[str] = st.session_state.setdefault(f"ticked {key}", [names[row] for row in sorted(at_first)])
    number = st.column_config.NumberColumn
    event = st.dataframe(
        runs_table(everything),
        hide_index=True,
        height=min(36 * (len(names) + 1), 288),
        column_config={
            "run": st.column_config.TextColumn(width=285),
            "progress": st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100, width="small"),
            "validation Dice": number(format="%.3f", help=f"The best so far. {TERMS['Validation Dice']}"),
            "loss": st.column_config.TextColumn(width="medium"),
            "seed": number(width="small"),
        },
        placeholder="–",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": at_first}},
        key=key,
    )
    st.caption("Tick a run to see it, or several to see their curves in one chart and to compare them.")
    ticked = [everything[row] for row in sorted(event["selection"]["rows"]) if row < len(everything)]
    now = [seen.run.name for seen in ticked]
    new = [name for name in now if name not in before]
    if now and now != before:
        shown = new[-1] if new else linked[0] if linked and linked[0] in now else now[-1]
        st.query_params[RUN_KEY] = [shown, *(name for name in now if name != shown)]
    st.session_state[f"ticked {key}"] = now
    return ticked


def _show(seen: Seen, beside: Sequence[Seen], *, batch: Sequence[RunFolder], open_batch: bool) -> None:
    """The chosen run: what it is, what can be done with it, and how it goes.

    Args:
        seen: The run.
        beside: Runs whose curves are drawn together, itself among them.
        batch: Finished runs that were started together with it, itself among them if it is finished.
        open_batch: Whether the batch is offered to Compare here; else the ticked ones are, above.
    """
    run, status, config = seen.run, seen.status, seen.spec.config
    with st.container(horizontal=True, vertical_alignment="center"):
        word = "running" if status.state == "running" else "measuring" if seen.measuring else seen.phase
        badge = f":{COLOURS.get(word, 'orange')}-badge[{plain(word)}]"
        st.markdown(f"## {plain(run.name)} &nbsp; {badge}", width="stretch")
        _show_actions(seen, batch)
    _show_question(run)
    length = (
        number_of(status.steps, "step") if status.steps else number_of(config.epochs, "epoch") if config.epochs else ""
    )
    took = f"took {duration(status.seconds)}" if status.seconds and status.state != "running" else ""
    chosen = seen.spec.data_options.region
    region = "" if chosen == WHOLE else region_title(chosen)
    facts = [short_loss(config), network_name(config), f"seed {config.seed}", length, seen.spec.data.name, region, took]
    st.caption(plain(" · ".join(fact for fact in facts if fact)))
    _show_state(seen)
    if status.state == "finished":
        show_measuring(seen, batch)
        show_use(run, batch if open_batch else [])
    together = in_order(beside)
    titles = titles_of(together)
    curves = {title: other.rows for title, other in zip(titles, together, strict=True)}
    steps = max(other.status.steps for other in together)
    show_curves(curves, chosen=titles[together.index(seen)], steps=steps, key=run.name)
    with st.expander("Log", expanded=status.state in ("failed", "interrupted")):
        st.code(run.log_tail() or "Nothing yet", language=None, wrap_lines=True)
    with st.expander("Settings"):
        st.code(config.model_dump_json(indent=1), language="json")
        st.caption(plain(f"The same on the command line: {seen.spec.command}"))


def _show_state(seen: Seen) -> None:
    """What the run does or why it ended, and what to do next."""
    status = seen.status
    if status.state == "running":
        left = seen.seconds_left
        facts = [status.message, f"step {seen.steps}" * bool(seen.steps)]
        facts += [f"{duration(left)} left"] if left is not None else []
        st.progress(min(seen.progress, 1.0), text=plain(" · ".join(fact for fact in facts if fact)))
    elif seen.phase == "starting":
        st.info("Starting: its process has not reported yet. On a busy machine this takes up to a minute.")
    elif status.state == "waiting":
        st.info(plain(f"{status.message}. Runs go one at a time; this one starts by itself."))
    elif status.state == "failed":
        st.error(plain(status.message))
        st.caption("Resume tries again from the last state that was saved. With other settings, start a new run above.")
    elif status.state == "interrupted":
        st.warning(
            plain(
                f"{status.message}. Perhaps the machine was switched off or had no memory left. "
                "Resume goes on from the last state that was saved, to the same weights."
            )
        )
    elif status.state == "stopped":
        at = f" at step {seen.steps}" if seen.steps and "step" not in status.message else ""
        on = "goes on from there, to the same weights" if seen.steps else "begins with the first step"
        st.info(plain(f"{status.message}{at}. Resume {on}."))


def _show_actions(seen: Seen, batch: Sequence[RunFolder]) -> None:
    run, state = seen.run, seen.status.state
    if seen.measuring:
        if st.button("Stop", key=f"stop measuring {run.name}", help="What is measured is kept; Compare goes on."):
            with shown_errors():
                stop_measuring(batch)
                st.rerun()
        return
    if state in UNDER_WAY:
        if st.button("Stop", key=f"stop {run.name}", help="It saves its state and ends; it can be resumed."):
            with shown_errors():
                with st.spinner("Saving and stopping"):
                    stop_run(run)
                st.rerun()
        return
    if state != "finished" and st.button("Resume", key=f"resume {run.name}", type="primary"):
        with shown_errors():
            start_run(run)
            st.rerun()
    if st.button("Delete", key=f"delete {run.name}"):
        st.session_state[DELETE_KEY] = run.name


def _show_question(run: RunFolder) -> None:
    """Whether a run is really to be deleted."""
    if st.session_state.get(DELETE_KEY) != run.name:
        return
    st.warning(
        plain(
            f"Delete {run.name} with its weights, curves and log? This cannot be undone. A checkpoint that was "
            "published from it stays; a comparison that was opened straight from it keeps its numbers, but cannot "
            "measure further cases."
        )
    )
    with st.container(horizontal=True):
        sure = st.button("Delete for good", key=f"surely {run.name}", type="primary")
        if sure or st.button("Keep it", key=f"keep {run.name}"):
            del st.session_state[DELETE_KEY]
            with shown_errors():
                if sure:
                    delete_run(run)
                    st.query_params.pop(RUN_KEY, None)
                st.rerun()
