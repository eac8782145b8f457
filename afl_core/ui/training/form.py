"""Training page: what is to be trained, how long it will take, and Start."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import streamlit as st

from afl_core.base.words import number_in_parts, number_of
from afl_core.data.demo.design import SPLITS
from afl_core.errors import AflError, UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.glossary import TERMS
from afl_core.training.config import build_config
from afl_core.training.dataset import TrainingData
from afl_core.training.launcher import Proposal, start_run
from afl_core.training.names import NETWORK_NAMES, PRESET_NAMES, duration
from afl_core.training.request import TrainingRequest
from afl_core.training.run_records import RunSpec
from afl_core.training.runs import create_run, list_runs
from afl_core.training.typed import (
    UNITS,
    command_of,
    fit_length,
    length_settings,
    parse_numbers,
    parse_seeds,
    preset_value,
)
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.kept import LARGEST, kept
from afl_core.ui.training.data import choose_data
from afl_core.ui.training.losses import choose_losses, forget_linked
from afl_core.ui.training.timing import TIMED, proposed

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "optimiser": ("sgd", "adamw"),
        "schedule": ("cosine", "constant"),
        "precision": ("fp32", "bf16", "fp16"),
        "device": ("auto", "cpu", "cuda"),
        "factors_from": ("patch", "case"),
    }
)
"""Settings with few values."""

DAY_S = 24 * 3600
STARTED = "trainings started"

COUNTS = (1, LARGEST)
"""Of steps, epochs, minutes or cases of a batch."""


@dataclass(frozen=True)
class Wish:
    """The training that the reader wishes for in the form.

    Attributes:
        request: The runs that are wanted.
        data: The data set of the runs, and its splits.
        minutes: Length of each run in minutes, from which its steps follow; None where steps or epochs were given.
    """

    request: TrainingRequest
    data: TrainingData
    minutes: float | None


def show_form(workspace: Comparison | None) -> None:
    """The form, with what is wrong in it below; nothing starts before it was timed."""
    try:
        wish = _choose(workspace)
        build_config(wish.request.preset, loss="focal", loss_settings={}, **wish.request.settings)
    except AflError as error:
        st.warning(plain(str(error)))
        return
    key = wish.request.model_dump_json()
    st.caption(plain(_what(wish)))
    for sentence in wish.data.warnings:
        st.warning(plain(sentence))
    if st.session_state.get(TIMED) != key:
        _offer_check(key)
        return
    try:
        proposal = proposed(key)
    except AflError as error:
        del st.session_state[TIMED]
        st.error(plain(str(error)))
        _offer_check(key)
        return
    specs = fit_length(wish.request, wish.minutes, proposal)
    st.info(plain(_estimate(wish, proposal, specs)))
    with shown_errors():
        if st.button(f"Start {number_of(len(specs), 'run')}" if len(specs) > 1 else "Start the run", type="primary"):
            st.query_params["run"] = _start(wish, specs)
            del st.session_state[TIMED]
            st.session_state[STARTED] = st.session_state.get(STARTED, 0) + 1
            forget_linked()
            st.rerun()


def _offer_check(key: str) -> None:
    if st.button("Check and estimate the time", type="primary"):
        st.session_state[TIMED] = key
        st.rerun()


def _what(wish: Wish) -> str:
    """How many runs, on which cases."""
    runs = len(wish.request.losses) * len(wish.request.seeds)
    cases = {name: len(wish.data.splits[name]) for name in SPLITS if wish.data.splits.get(name)}
    text = f"{number_of(runs, 'run')} on {number_in_parts(cases, 'case')}"
    if len(wish.request.losses) > 1:
        text += "; those of one seed start from the same weights and see the same batches"
    return f"{text}. {wish.data.note}"


def _estimate(wish: Wish, proposal: Proposal, specs: Mapping[str, RunSpec]) -> str:
    """How long the steps take, and what comes on top."""
    cases = len(wish.data.splits["train"])
    lengths = {name: spec.config.total_steps(cases) for name, spec in specs.items()}
    each = {name: steps * proposal.step_seconds[name] for name, steps in lengths.items()}
    name = max(each, key=each.__getitem__)
    total, steps, every = sum(each.values()), lengths[name], specs[name].config.epoch_steps(cases)
    long = f"{number_of(steps, 'step')} about {duration(each[name])}"
    slowest = " of the slowest loss" if len({proposal.step_seconds[run] for run in specs}) > 1 else ""
    text = f"A step{slowest} takes {proposal.step_seconds[name]:.2g} s here, so {long}"
    if len(specs) > 1:
        text += f", and all {number_of(len(specs), 'run')} {duration(total)}"
    if any(run.status().state == "running" for run in list_runs()):
        text += ". They wait for the run that is under way, which slowed the measurement"
    else:
        text += f": until {ends_at(total)}" if total < 1000 * DAY_S else ""
    validations = math.ceil(steps / every)
    count = number_of(validations, "validation")
    return f"{text}. Reading the cases and {count} a run come on top."


def _start(wish: Wish, specs: Mapping[str, RunSpec]) -> list[str]:
    """Make and start all runs; returns their names. Each waits for those before it."""
    begin, runs = time.time(), []
    pair = f"{begin:.3f}" if len(specs) > 1 else ""
    for k, (name, spec) in enumerate(specs.items()):
        run = create_run(name, spec.model_copy(update={"created": begin + k / 1000, "pair": pair}))
        runs.append(run)
    for run in runs:
        start_run(run)
    return [run.name for run in runs]


def _choose(workspace: Comparison | None) -> Wish:
    """All controls, also where one of them is wrong; a message after them says what."""
    data, problem = _try_data(workspace)
    columns = st.columns([6, 4])
    losses = choose_losses(columns[0])
    preset = _choose_one(columns[1], "Preset", "training preset", PRESET_NAMES, "demo", name="preset")
    columns = st.columns([4, 2, 2, 2], vertical_alignment="bottom")
    usual = preset_value(preset, "network")
    network = _choose_one(columns[0], "Network", f"{preset} network", NETWORK_NAMES, usual, name="network")
    unit, amount = _choose_length(preset, columns[1], columns[2])
    seeds = columns[3].text_input(
        "Seeds", key=kept("training seeds", "0", name="seeds"), help=f"One or more, such as 0, 1, 2. {TERMS['Seed']}"
    )
    with st.expander("Advanced settings"):
        settings = {"network": network} | _choose_advanced(preset, data)
    if data is None:
        raise problem
    if not losses:
        raise UsageError("Choose a loss, or several to compare")
    settings = {key: value for key, value in settings.items() if value != preset_value(preset, key)}
    cases = len(data.splits["train"])
    settings |= length_settings(preset, unit, amount, settings=settings, cases=cases)
    request = TrainingRequest(
        preset=preset,
        losses=losses,
        seeds=parse_seeds(seeds),
        settings=settings,
        data=data.root.resolve(),
        data_options=data.options,
        random_split=data.random,
        command="",
    )
    minutes = float(amount) if unit == "minutes" else None
    return Wish(request.model_copy(update={"command": command_of(request)}), data, minutes)


def _try_data(workspace: Comparison | None) -> tuple[TrainingData | None, AflError]:
    try:
        return choose_data(workspace), AflError("")
    except AflError as error:
        return None, error


def _choose_one(column: Any, title: str, key: str, names: Mapping[str, str], default: str, *, name: str) -> str:
    options = list(names)
    key = kept(key, default, options, name=name)
    return str(column.selectbox(title, options, format_func=names.__getitem__, key=key, help=TERMS.get(title)))


def _choose_length(preset: str, first: Any, second: Any) -> tuple[str, int]:
    epochs = preset_value(preset, "epochs")
    units = dict(zip(UNITS, UNITS, strict=True))
    unit = _choose_one(first, "Length in", f"{preset} unit", units, "epochs" if epochs else "steps", name="unit")
    default = {"steps": preset_value(preset, "steps"), "epochs": epochs or 20, "minutes": 10}[unit]
    key = kept(f"{preset} {unit}", default, name="length", within=COUNTS)
    return unit, int(second.number_input(unit.capitalize(), 1, step=1, key=key))


def _choose_advanced(preset: str, data: TrainingData | None) -> dict[str, Any]:
    """Settings that a preset fills; another preset brings its own."""
    first, second = st.columns([4, 2, 2, 2]), st.columns(len(CHOICES))
    there = data.sequences if data else ()
    usual = [name for name in preset_value(preset, "sequences") if name in there] or list(there)
    sequences = kept(f"{preset} sequences {data and data.root}", usual, there, name="sequences")
    patch = kept(f"{preset} patch", " × ".join(map(str, preset_value(preset, "patch_size"))), name="patch")
    batch = kept(f"{preset} batch_size", preset_value(preset, "batch_size"), name="batch", within=COUNTS)
    rate = kept(f"{preset} learning_rate", preset_value(preset, "learning_rate"), name="learning_rate")
    chosen: dict[str, Any] = {
        "sequences": tuple(first[0].multiselect("Sequences, in order", there, key=sequences, help=TERMS["Sequence"])),
        "patch_size": parse_numbers(first[1].text_input("Patch (voxels)", key=patch, help=TERMS["Patch"])),
        "batch_size": int(first[2].number_input("Batch", 1, step=1, key=batch, help=TERMS["Batch"])),
        "learning_rate": first[3].number_input(
            "Learning rate", format="%g", step=0.01, key=rate, help=TERMS["Learning rate"]
        ),
    }
    for column, (name, choices) in zip(second, CHOICES.items(), strict=True):
        names = dict(zip(choices, choices, strict=True))
        standard = preset_value(preset, name)
        chosen[name] = _choose_one(
            column, name.replace("_", " ").capitalize(), f"{preset} {name}", names, standard, name=name
        )
    if data and not chosen["sequences"]:
        raise UsageError("Choose a sequence, or several")
    if len(chosen["patch_size"]) != 3:
        raise UsageError("A patch has three edges, such as 64 × 64 × 64", received=chosen["patch_size"])
    return chosen


def ends_at(seconds: float) -> str:
    """When so many seconds have passed: the time, with the day where it is another one, from a week on its date."""
    now = time.time()
    then = time.localtime(now + seconds)
    if then[:3] == time.localtime(now)[:3]:
        return time.strftime("%H:%M", then)
    return time.strftime("%A %H:%M" if seconds < 6 * DAY_S else "%d %B %Y", then)
