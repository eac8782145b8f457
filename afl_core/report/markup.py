"""Plain text made safe for LaTeX and for Markdown: no letter of a name is taken as a command."""

import re
from types import MappingProxyType

_LATEX = MappingProxyType(
    {
        **{c: f"\\{c}" for c in "{}$&#_%"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{
            "<": r"\textless{}",
            ">": r"\textgreater{}",
            "|": r"\textbar{}",
            '"': r"\textquotedbl{}",
            "`": r"\textasciigrave{}",
        },
        **{"–": "--", "’": "'", "±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$", "×": r"$\times$", "·": r"$\cdot$"},
        **{"\n": " ", "\t": " ", "[": "{[}", "]": "{]}"},
    }
)
"""Character to how LaTeX writes it (T1 encoding, with textcomp)."""

_LETTERS = 0x180
"""Letters below are in T1 fonts: those of the Latin alphabets of Europe."""


def latex(text: str) -> str:
    r"""The text for LaTeX; a character that T1 fonts lack is named by its number, as pdfTeX would stop there.

    >>> latex("A-FL_2 & co"), latex("50 % – {x}"), latex("é 中")
    ('A-FL\\_2 \\& co', '50 \\% -- \\{x\\}', 'é {[}U+4E2D{]}')
    """
    return "".join(map(_latex, text))


def _latex(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii() and character.isprintable():
        return character
    if ord(character) < _LETTERS and character.isalpha():
        return character
    return f"{{[}}U+{ord(character):04X}{{]}}"


def markdown(text: str) -> str:
    r"""The text for Markdown, in a line and in a cell of a table.

    >>> markdown("A-FL_2 & co|*x*"), markdown("p < 0.001")
    ('A-FL\\_2 & co\\|\\*x\\*', 'p < 0.001')
    """
    one_line = re.sub(r"&(?=#?\w+;)", "&amp;", " ".join(text.split()))
    escaped = re.sub(r"([\\`*_\[\]|#~$^@{}])", r"\\\1", one_line)
    return re.sub(r"<(?! )", "&lt;", escaped)
