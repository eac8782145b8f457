"""The one place where an error becomes something on a page."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from afl_core.errors import AflError, DataError

_MARKUP = re.compile(r"(?<![^\W_])[_-]|[_-](?![^\W_])|(?<=\d)\.(?=\s)|[\\`*{}\[\]<>()#+!|~$:]")


@contextmanager
def shown_errors(wording: Callable[[str], str] = str) -> Iterator[None]:
    """Show an `AflError`, or a file that fails, as one sentence in place of the panel; the rest of the page goes on.

    Args:
        wording: Function that turns the sentence into the page's own terms.
    """
    try:
        yield
    except AflError as error:
        st.error(plain(wording(str(error))))
    except OSError as error:
        todo = "Check the free space and the permissions"
        st.error(plain(str(DataError("A file could not be read or written", received=error, todo=todo))))


def plain(text: str) -> str:
    r"""Text from files and folders as Markdown shows it literally: no formatting, links, HTML or formulas.

    Screen readers read a widget's label as it is written here, so `_` and `-` within a word, which are harmless, stay.

    >>> plain("a_b-c _d_ <i>*e*</i>")
    'a_b-c \\_d\\_ \\<i\\>\\*e\\*\\</i\\>'
    """
    return _MARKUP.sub(r"\\\g<0>", text)
