"""Figures as files for papers: PNG of 300 dpi, SVG and PDF."""

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from afl_core.base.catalogue import pick

DPI = 300

FORMATS: Mapping[str, str] = MappingProxyType({"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"})
"""Format to its media type."""

FONTS: Any = MappingProxyType({"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "afl"})
"""Letters look the same on every machine: TrueType inside a PDF, which journals ask for, and shapes in an SVG."""


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """A figure as PNG (300 dpi), SVG or PDF; surfaces and images inside the latter two are pixels of 300 dpi."""
    pick(FORMATS, kind, kind="format")
    buffer = BytesIO()
    FigureCanvasAgg(figure)
    nothing: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with rc_context(dict(FONTS)):
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=nothing)
    return buffer.getvalue()
