"""Pieces of HTML. Every function takes plain text and escapes it; only what is named `html` is markup already."""

import html as escaping
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def escape(text: object) -> str:
    """Plain text as HTML, safe between tags and inside quotes.

    >>> escape("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return escaping.escape(str(text), quote=True)


def paragraph(text: object, kind: str = "") -> str:
    """One paragraph, perhaps of a kind that the style sheet knows."""
    return f"<p{_class(kind)}>{escape(text)}</p>\n"


def bullets(texts: Iterable[object], kind: str = "") -> str:
    """A list; "" without an entry."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul{_class(kind)}>{items}</ul>\n" if items else ""


def section(title: str, html: str, *, name: str) -> str:
    """A section with its heading; "" where it is empty."""
    return f'<section id="{escape(name)}"><h2>{escape(title)}</h2>\n{html}</section>\n' if html else ""


def link(title: str, *, name: str) -> str:
    """A link to the section of that name."""
    return f'<a href="#{escape(name)}">{escape(title)}</a>'


def heading(text: str) -> str:
    """A heading within a section."""
    return f"<h3>{escape(text)}</h3>\n"


def fold(summary: str, html: str) -> str:
    """A section that only some readers open; it is open on paper."""
    return f"<details><summary>{escape(summary)}</summary>\n{html}</details>\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, name: str = "", words: int = 1) -> str:
    """A table; its first columns hold words, the others numbers.

    Args:
        columns: Headings of the columns.
        rows: Cells, as they are shown; what follows a line break in a cell is set back.
        name: Name for scripts that read the table back.
        words: Number of columns that are aligned as words.
    """
    kinds = ["" if k < words else ' class="number"' for k in range(len(columns))]
    head = "".join(f'<th scope="col"{kind}>{escape(c)}</th>' for c, kind in zip(columns, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>\n"
        for row in rows
    )
    mark = f' data-name="{escape(name)}"' if name else ""
    return f'<div class="wide"><table{mark}><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n'


def facts(entries: Mapping[str, object]) -> str:
    """Names and what is known of them, side by side."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in entries.items())
    return f"<dl>{rows}</dl>\n"


def script_json(document: str) -> str:
    r"""JSON that may stand inside a script element: no name in it can end the element.

    >>> print(script_json('["</script>"]'))
    ["\u003c/script>"]
    """
    return document.replace("<", "\\u003c")


def chart(figure: Any, *, label: str, name: str) -> str:
    """A plotly figure that the page's script draws.

    Args:
        figure: A plotly figure; its own template is left out, the page has one for light and one for dark.
        label: Description of the chart, for those who do not see it.
        name: Name of the chart, unique on the page.
    """
    plain = json.loads(figure.to_json())
    plain["layout"].pop("template", None)
    for trace in plain["data"]:
        trace["type"] = trace["type"].removesuffix("gl")  # WebGL neither prints nor serves this many charts at once
    place = escape(f"chart-{name}")
    text = script_json(json.dumps(plain, allow_nan=False, separators=(",", ":")))
    shown = f'<div class="chart" id="{place}" role="img" aria-label="{escape(label)}"></div>'
    return f'{shown}<script type="application/json" data-chart="{place}">{text}</script>\n'


def side_by_side(html: Iterable[str], kind: str) -> str:
    """Charts, tables or pictures in a grid; "" without one."""
    cells = "".join(f"<div>{cell}</div>" for cell in html if cell)
    return f'<div class="{escape(kind)}">{cells}</div>\n' if cells else ""


def _class(kind: str) -> str:
    return f' class="{escape(kind)}"' if kind else ""
