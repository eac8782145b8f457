"""Widgets that keep what was entered while another page is open, and in the page's address."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from afl_core.ui.shared.errors import plain

KEPT_KEY, FOLLOWED_KEY = "kept entries", "names that were followed"

LARGEST = 2**53 - 1
"""The largest whole number that a browser tells from its neighbours."""

LONGEST = 4000
"""Largest number of characters that are taken from an address."""

WORDS = {"on": True, "off": False}


def kept(
    key: str,
    default: Any,
    options: Sequence[Any] | None = None,
    *,
    name: str = "",
    within: tuple[float, float] = (0, LARGEST),
) -> str:
    """The key of a widget, whose value in this session is what was entered last, or at first the default.

    Streamlit forgets the value of a widget that a run does not draw. Its own binding to the address holds one key and
    its default; the widgets here have a key and a default for each preset or folder under one name in the address.

    Args:
        key: Key of the widget, which must have no default of its own.
        default: First value of the widget: text, a number, on or off, or a list of texts.
        options: Values that it may have; one that is no longer among them gives way to the default.
        name: Name in the address, which has a value that is not the default; a session follows it where the widget is
            drawn for the first time. "" keeps the value out of the address.
        within: Smallest and largest number that the address may give.
    """
    store: dict[str, Any] = st.session_state.setdefault(KEPT_KEY, {})
    value = st.session_state.get(key, store.get(key, default))
    if name:
        value = _linked(name, value, default, options, within)
    store[key] = st.session_state[key] = value if _fits(value, options) else default
    if name:
        _write(name, store[key], default)
    return key


def linked_once(name: str) -> list[str]:
    """The values of a name in the address, the first time that a session asks; then [], also after a change there.

    Afterwards the session tells the address: a browser that was quicker than the page brings an older address along.
    """
    followed: set[str] = st.session_state.setdefault(FOLLOWED_KEY, set())
    values = [] if name in followed else st.query_params.get_all(name)
    followed.add(name)
    return values


def _linked(name: str, value: Any, default: Any, options: Sequence[Any] | None, within: tuple[float, float]) -> Any:
    """What the address gives, or else the value; a word says where it gives what cannot be."""
    given = linked_once(name)
    if not given:
        return value
    with suppress(ValueError):
        parsed = _parse(given, default, within)
        if _fits(parsed, options):
            return parsed
    warn_left_out(name, given)
    return value


def warn_left_out(name: str, given: Sequence[str]) -> None:
    """Say that the address gives what cannot be here."""
    st.warning(plain(f"{name}={', '.join(given)[:60]} in the address does not fit here and is left out."))


def _parse(given: Sequence[str], default: Any, within: tuple[float, float]) -> Any:
    """The value that an address gives, of the default's type; raises `ValueError` where it is none."""
    if sum(map(len, given)) > LONGEST:
        raise ValueError
    if isinstance(default, list | tuple):
        return [text for text in given if text]
    text = given[0]
    if isinstance(default, bool):
        if text not in WORDS:
            raise ValueError
        return WORDS[text]
    if not isinstance(default, int | float):
        return text
    number = type(default)(text)
    if not within[0] <= number <= within[1]:  # NaN is not
        raise ValueError
    return number


def _fits(value: Any, options: Sequence[Any] | None) -> bool:
    if isinstance(value, list):
        return len(set(value)) == len(value) and (options is None or set(value) <= set(options))
    return options is None or value in options


def _write(name: str, value: Any, default: Any) -> None:
    if value == default:
        st.query_params.pop(name, None)
        return
    words = {on: word for word, on in WORDS.items()}
    write_query(
        name, value or [""] if isinstance(value, list) else words[value] if isinstance(value, bool) else f"{value}"
    )


def write_query(name: str, texts: str | list[str]) -> None:
    """Have the address give these values of a name.

    One that does so already stays as it is: a write sends the whole address as it was when the page began to be drawn,
    which would undo what the viewer wrote since, and add a step to go back.
    """
    if st.query_params.get_all(name) != ([texts] if isinstance(texts, str) else texts):
        st.query_params[name] = texts
