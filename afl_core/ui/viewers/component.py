"""A viewer as a Streamlit component: the files of `static/` that draw it, and the bytes that it is given."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import streamlit as st
from isal import isal_zlib
from streamlit.components.v2.types import ComponentRenderer

from afl_core.base.storage import GZIP

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@cache
def component(name: str) -> ComponentRenderer:
    """The component that the page, the style and the module of that name in `static/` draw."""
    css = _read("theme.css") + _read(f"{name}.css")
    return st.components.v2.component(f"afl_{name}", html=_read(f"{name}.html"), css=css, js=linked(f"{name}.js"))


def linked(module: str) -> str:
    """A JavaScript module and all that it imports as one: Streamlit takes no second file.

    Each module stands behind those that it imports; no two may use one name at their top level.
    """
    texts = dict[str, str]()

    def add(file: str) -> None:
        text = _read(file)
        for imported in _IMPORT.findall(text):
            if imported not in texts:
                add(imported)
        texts[file] = _EXPORT.sub("", _IMPORT.sub("", text))

    add(module)
    return "\n".join(texts.values())


def page_of(name: str) -> str:
    """The HTML of the component of that name."""
    return _read(f"{name}.html")


def _read(file: str) -> str:
    return (resources.files(__package__) / "static" / file).read_text(encoding="utf-8")


def framed(content: Mapping[str, Any]) -> bytes:
    """JSON behind its own length, four bytes with the lowest first, so that raw bytes may follow it."""
    text = json.dumps(content, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + text


def zipped(content: bytes) -> bytes:
    """A gzip for the browser, the same of equal bytes; zlib's takes six times as long for as many bytes."""
    return isal_zlib.compress(content, level=1, wbits=GZIP)


def ignore() -> None:
    """A callback that does nothing: Streamlit returns a state only where a callback names it."""
