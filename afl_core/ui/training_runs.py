"""Training page: the list of runs, and everything of the one that is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from afl_core.errors import AflError
from afl_core.figures.training import Rows, best_row
from afl_core.training.launcher import start_run, stop_run
from afl_core.training.runs import METRICS, RunFolder, RunSpec, RunStatus, delete_run, list_runs
from afl_core.ui.errors import plain, shown_errors
from afl_core.ui.training_compare import show_comparison, show_use
from afl_core.ui.training_curves import show_curves
from afl_core.ui.training_names import duration, network_name, short_loss

RUN_KEY = "run"
REFRESH_SECONDS = 2.0
UNDER_WAY = ("waiting", "running")
COLOURS: dict[str, Any] = {"running": "blue", "finished": "green", "failed": "red", "waiting": "gray"}
"""Of the badge of a state; the others, which can go on, are orange."""


@dataclass(frozen=True)
class Seen:
    """A run as it was just read.

    Attributes:
        run: Its folder.
        spec: What was asked.
        status: How far it is.
        rows: Its metrics.
    """

    run: RunFolder
    spec: RunSpec
    status: RunStatus
    rows: Rows

    @property
    def best(self) -> float:
        """Best validation DSC so far; NaN before the first."""
        scored = [row for row in self.rows if row["validation_dsc"] is not None]
        return float(best_row(scored)["validation_dsc"]) if scored else np.nan

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step; None where that is not known yet."""
        return seconds_left(self.status, self.rows)


def show_runs() -> None:
    """Every run, the newest first, and the chosen one; read again every two seconds while one is under way."""
    if not list_runs():
        st.info(
            "There are no training runs yet. The form above trains FL and A-FL as a pair on the demo cohort; a first "
            "look takes minutes. A run goes on when this page is closed, and shows here when it is opened again."
        )
        return
    live = any(run.status().state in UNDER_WAY for run in list_runs())
    st.fragment(_panel, run_every=REFRESH_SECONDS if live else None)(live)


def _panel(live: bool) -> None:
    everything = [seen for run in list_runs() if (seen := _look(run))]
    under_way = any(seen.status.state in UNDER_WAY for seen in everything)
    if not everything or live != under_way:
        st.rerun()  # the whole page: refreshing begins or ends
    ticked = _choose(everything)
    if len(ticked) > 1:
        show_comparison([seen.run for seen in ticked])
    names = [seen.run.name for seen in everything]
    asked = str(st.query_params.get(RUN_KEY, ""))
    if asked and asked not in names:
        st.warning(plain(f"There is no run {asked}; this is the newest."))
    chosen = everything[names.index(asked) if asked in names else 0]
    st.query_params[RUN_KEY] = chosen.run.name
    _show(chosen, [seen for seen in everything if _is_partner(seen, chosen)])


def _look(run: RunFolder) -> Seen | None:
    """A run, or None where it was just deleted."""
    try:
        return Seen(run, run.spec(), run.status(), _rows(str(run.path), _stamp(run)))
    except AflError:
        return None


def _stamp(run: RunFolder) -> tuple[int, int]:
    try:
        found = (run.path / METRICS).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@st.cache_data(max_entries=64, show_spinner=False)
def _rows(path: str, stamp: tuple[int, int]) -> list[dict[str, Any]]:
    return RunFolder(Path(path)).metrics()


def _is_partner(seen: Seen, chosen: Seen) -> bool:
    """Whether two runs differ in the loss alone; a run is its own partner."""
    paired = bool(chosen.spec.pair) and seen.spec.pair == chosen.spec.pair
    return seen.run == chosen.run or (paired and seen.spec.config.seed == chosen.spec.config.seed)


def seconds_left(status: RunStatus, rows: Rows) -> float | None:
    """Time to the last step at the pace of the reports so far, validations included."""
    if status.state != "running" or not rows or status.step < 1 or status.steps < 1:
        return None
    first, last = rows[0], rows[-1]
    steps, seconds = last["step"] - first["step"], last["seconds"] - first["seconds"]
    pace = seconds / steps if steps > 0 else status.seconds / status.step
    return float(pace * (status.steps - status.step))


def runs_table(everything: Sequence[Seen]) -> pd.DataFrame:
    """One row a run."""
    return pd.DataFrame(
        {
            "run": [seen.run.name for seen in everything],
            "state": [seen.status.state for seen in everything],
            "loss": [short_loss(seen.spec.config) for seen in everything],
            "network": [network_name(seen.spec.config) for seen in everything],
            "seed": [seen.spec.config.seed for seen in everything],
            "progress": [seen.status.step / seen.status.steps if seen.status.steps else 0 for seen in everything],
            "step": [_steps(seen.status) for seen in everything],
            "time left": [duration(left) if (left := seen.seconds_left) is not None else "" for seen in everything],
            "best validation Dice": [seen.best for seen in everything],
        }
    )


def _steps(status: RunStatus) -> str:
    return f"{status.step:,} of {status.steps:,}" if status.steps else ""


def _choose(everything: Sequence[Seen]) -> list[Seen]:
    """The table; a tick chooses a run for the panels below, several choose what to compare."""
    names = [seen.run.name for seen in everything]
    key = f"runs {hash(tuple(names))}"
    ticked_at_first = f"first {key}"
    if ticked_at_first not in st.session_state:
        asked = st.query_params.get(RUN_KEY)
        st.session_state[ticked_at_first] = [names.index(asked)] if asked in names else [0]
    number = st.column_config.NumberColumn
    event = st.dataframe(
        runs_table(everything),
        hide_index=True,
        height=min(36 * (len(names) + 1), 288),
        column_config={
            "run": st.column_config.TextColumn(width="medium"),
            "seed": number(width="small"),
            "progress": st.column_config.ProgressColumn(format="percent", width="small"),
            "best validation Dice": number(format="%.3f", help="On the validation cases, never on the test cases."),
        },
        placeholder="–",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": st.session_state[ticked_at_first]}},
        key=key,
    )
    ticked = [everything[row] for row in event["selection"]["rows"] if row < len(everything)]
    if len(ticked) == 1:
        st.query_params[RUN_KEY] = ticked[0].run.name
    return ticked


def _show(seen: Seen, partners: Sequence[Seen]) -> None:
    """The chosen run: what it is, what can be done with it, and how it goes."""
    status, config = seen.status, seen.spec.config
    colour = COLOURS.get(status.state, "orange")
    st.markdown(f"#### {plain(seen.run.name)} &nbsp; :{colour}-badge[{status.state}]")
    length = f"{status.steps:,} steps" if status.steps else f"{config.epochs} epochs" if config.epochs else ""
    facts = [short_loss(config), network_name(config), f"seed {config.seed}", length, seen.spec.data.name]
    st.caption(plain(" · ".join(fact for fact in facts if fact)))
    _show_state(seen)
    _show_actions(seen)
    if status.state == "finished":
        show_use(seen.run, [partner.run for partner in partners if partner.status.state == "finished"])
    ordered = sorted(partners, key=lambda partner: partner.run != seen.run)
    show_curves(seen.run.name, seen.rows, {short_loss(p.spec.config): p.rows for p in ordered})
    with st.expander("Log", expanded=status.state in ("failed", "interrupted")):
        st.code(seen.run.log_tail() or "Nothing yet", language=None)
    with st.expander("Settings"):
        st.code(config.model_dump_json(indent=1), language="json")
        st.caption(plain(f"The same on the command line: {seen.spec.command}"))


def _show_state(seen: Seen) -> None:
    """What the run does or why it ended, and what to do next."""
    status = seen.status
    if status.state == "running":
        left = seen.seconds_left
        facts = [status.message, f"step {_steps(status)}" if status.steps else ""]
        facts += [f"{duration(left)} left" if left is not None else ""]
        st.progress(
            status.step / status.steps if status.steps else 0.0, text=plain(" · ".join(fact for fact in facts if fact))
        )
    elif status.state == "waiting":
        st.info(plain(f"{status.message}. Runs go one at a time; this one starts by itself."))
    elif status.state == "failed":
        st.error(plain(status.message))
        st.caption("Resume tries again from the last state that was saved. With other settings, start a new run above.")
    elif status.state == "interrupted":
        st.warning(
            plain(
                f"{status.message}, perhaps because the machine was switched off or had no memory left. "
                "Resume goes on from the last state that was saved, to the same weights."
            )
        )
    elif status.state == "stopped":
        st.info(plain(f"{status.message} at step {_steps(status)}. Resume goes on from there, to the same weights."))


def _show_actions(seen: Seen) -> None:
    run, state = seen.run, seen.status.state
    columns = st.columns([1.2, 1.2, 8])
    if state in UNDER_WAY:
        if columns[0].button("Stop", key=f"stop {run.name}", width="stretch"):
            with st.spinner("Saving and stopping"):
                stop_run(run)
            st.rerun()
        return
    if state != "finished" and columns[0].button("Resume", key=f"resume {run.name}", type="primary", width="stretch"):
        with shown_errors():
            start_run(run)
            st.rerun()
    asked = f"asked to delete {run.name}"
    if columns[1 if state != "finished" else 0].button("Delete", key=f"delete {run.name}", width="stretch"):
        st.session_state[asked] = True
    if st.session_state.get(asked):
        _ask_again(run, asked)


def _ask_again(run: RunFolder, asked: str) -> None:
    st.warning(plain(f"Delete {run.name} with its weights, curves and log? This cannot be undone."))
    yes, no, _ = st.columns([2, 1.2, 7])
    if yes.button("Delete for good", key=f"surely {run.name}", type="primary", width="stretch"):
        del st.session_state[asked]
        with shown_errors():
            delete_run(run)
            st.query_params.pop(RUN_KEY, None)
            st.rerun()
    if no.button("Keep it", key=f"keep {run.name}", width="stretch"):
        del st.session_state[asked]
        st.rerun()
