"""Training page: the losses to choose from, also one that was designed in Loss X-ray and came by the address."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from afl_core.errors import UsageError
from afl_core.training.names import LOSS_NAMES, settings_words
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.kept import kept

LOSS_KEY, SETTINGS_KEY = "loss", "loss_settings"
"""Names in the page's address of a loss, and of its settings as JSON."""

LOSSES_KEY = "losses"
"""Name there of the losses that are chosen, where they are not those with which the page begins."""

CHOSEN_KEY, DESIGNED_KEY, FOLLOWED_KEY = "training losses", "designed losses", "loss that was followed"
DEFAULT_LOSSES = ("focal", "adaptive_focal:released_code")
LONGEST = 1000
"""Largest number of characters of settings in an address; the longest that Loss X-ray makes have some 200."""


def choose_losses(column: DeltaGenerator) -> tuple[str, ...]:
    """The losses of a training, as `afl train --loss` takes them; one in the page's address is chosen beside FL.

    A designed one stays on offer as long as the browser's tab is open.
    """
    designed: dict[str, str] = st.session_state.setdefault(DESIGNED_KEY, {})
    try:
        linked = linked_loss(st.query_params.to_dict())
    except UsageError as error:
        st.warning(plain(f"The loss in the address is left out. {error}"))
        linked = {}
    designed |= {text: name for text, name in linked.items() if text not in LOSS_NAMES} | _designed()
    if linked and st.session_state.get(FOLLOWED_KEY) != linked:
        st.session_state[FOLLOWED_KEY] = linked
        st.session_state[CHOSEN_KEY] = list(dict.fromkeys(["focal", *linked]))
    names = {**LOSS_NAMES, **designed}
    usual = list(dict.fromkeys(["focal", *linked])) if linked else list(DEFAULT_LOSSES)
    key = kept(CHOSEN_KEY, usual, list(names), name=LOSSES_KEY)
    return tuple(
        column.multiselect("Losses, each a run of its own", list(names), format_func=names.__getitem__, key=key)
    )


def _designed() -> dict[str, str]:
    """The designed losses among those that the address names as chosen."""
    found: dict[str, str] = {}
    for text in st.query_params.get_all(LOSSES_KEY):
        loss, _, settings = text.partition(":")
        if settings.startswith("{"):
            with suppress(UsageError):  # then it is no choice, and the page says so
                found |= linked_loss({LOSS_KEY: loss, SETTINGS_KEY: settings})
    return found


def forget_linked() -> None:
    """Take the loss out of the address: it is being trained."""
    for key in (LOSS_KEY, SETTINGS_KEY):
        st.query_params.pop(key, None)


def linked_loss(address: Mapping[str, str]) -> dict[str, str]:
    """The loss of an address, as `afl train --loss` takes it, with its name on screen; {} where there is none.

    The values of the settings are checked later, by the process that times them: that needs torch.

    Raises:
        UsageError: If there is no such loss, or the settings are no JSON object of plain values.

    >>> linked_loss({"loss": "adaptive_focal", "loss_settings": '{"gamma_scale": 4}'})
    {'adaptive_focal:{"gamma_scale": 4}': 'A-FL: as designed in Loss X-ray (gamma_scale 4)'}
    """
    loss = address.get(LOSS_KEY)
    if loss is None:
        return {}
    settings = _parse_settings(address.get(SETTINGS_KEY, "{}"))
    offered = [key for key in LOSS_NAMES if loss in (key, key.split(":")[0])]
    if not offered:
        known = ", ".join(dict.fromkeys(key.split(":")[0] for key in LOSS_NAMES))
        raise UsageError("There is no loss of that name", received=loss[:60], todo=f"There are: {known}")
    name = LOSS_NAMES[offered[0]]
    if not settings:
        return {offered[0]: name}
    title = f"{name.split(':')[0]}: as designed in Loss X-ray ({settings_words(settings, ', ')})"
    return {f"{loss.split(':')[0]}:{json.dumps(settings)}": title}


def _parse_settings(text: str) -> dict[str, Any]:
    wanted = 'Such as loss_settings={"gamma_scale": 4}'
    try:
        settings = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise UsageError(f"{SETTINGS_KEY} must be a short JSON object", received=text[:60], todo=wanted)
    for key, value in settings.items():
        if not isinstance(value, str | int | float):
            raise UsageError(f"The setting {key[:60]} must be a word, a number, true or false", received=value)
    return settings
