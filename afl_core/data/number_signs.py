"""Points and commas of the numbers of a column: decimal, or between thousands. Decided once a column, never guessed."""

import re
from collections.abc import Sequence

_DECIMAL_COMMA = re.compile(r"[-+]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+")
"""A number with a decimal comma."""

_THOUSANDS_COMMA = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
"""A number with commas between its thousands; some, such as 1,100, can be read either way."""

_THOUSANDS_POINT = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+")
"""A number that may have points between its thousands; with one point, such as 1.001, it can be read either way."""

_SMALL = frozenset({"", "mm", "%", "own unit"})
"""Units of values that do not go into the thousands; "" is of values between 0 and 1."""

_WHOLE = frozenset({"count", "voxels", "mm3"})
"""Units of numbers that are whole, or so large that three decimals of all of them are not to be expected."""


def signs_fault(texts: Sequence[str], unit: str | None = None) -> str:
    """Why the points and commas of a column's numbers are no decimal points, and what to write; "" where they are.

    Args:
        texts: The values of the column that are not missing.
        unit: Unit of the column; None where it is not known.

    >>> signs_fault(["850", "1.001.000"])
    'its numbers have points between thousands, such as 1.001.000; write 1001000'
    >>> signs_fault(["850", "1.001", "0.5"]), signs_fault(["1.414", "2"], "mm")
    ('', '')
    """
    odd = [text for text in texts if not _is_number(text)]
    if not all(map(_has_signs, odd)):
        return ""  # text, of which the callers have a rule of their own
    if commas := [text for text in odd if "," in text]:
        return _with_commas(commas)
    if odd:
        return f"its numbers have points between thousands, such as {odd[0]}; write {odd[0].replace('.', '')}"
    pointed = [text for text in texts if "." in text]
    if not pointed or unit in _SMALL or not all(map(_THOUSANDS_POINT.fullmatch, pointed)):
        return ""
    below = [text for text in texts if "." not in text]
    if unit not in _WHOLE and (not below or any(abs(float(text)) >= 1000 for text in below)):
        return ""
    text = pointed[0]
    readings = f"write {text}0 where it is decimal, {text.replace('.', '')} where it stands between thousands"
    return f"its numbers have a point before three digits, such as {text}, which can be read in two ways; {readings}"


def _has_signs(text: str) -> bool:
    return any(form.fullmatch(text) for form in (_DECIMAL_COMMA, _THOUSANDS_COMMA, _THOUSANDS_POINT))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_commas(texts: Sequence[str]) -> str:
    """What is wrong with numbers that hold commas, by what these can be in all of them."""
    decimal = [text for text in texts if not _THOUSANDS_COMMA.fullmatch(text)]
    thousands = [text for text in texts if not _DECIMAL_COMMA.fullmatch(text)]
    text = (decimal or thousands or texts)[0]
    with_point, without = text.replace(".", "").replace(",", "."), text.replace(",", "")
    if decimal and not thousands:
        return f"its numbers have a decimal comma, such as {text}; write {with_point}"
    if thousands and not decimal:
        return f"its numbers have commas between thousands, such as {text}; write {without}"
    readings = f"write {with_point} where it is decimal, {without} where it stands between thousands"
    return f"its numbers have a comma, such as {text}, which can be read in two ways; {readings}"
