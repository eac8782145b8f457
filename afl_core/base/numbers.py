"""Numbers as text, one rule for pages, figures, reports and the command line."""

import math

NOTHING = "–"
"""Text in place of a number that there is not."""

RATIO, COUNT = 3, 2
"""Decimals of values between 0 and 1, and of means of counts."""

DIGITS = {"": RATIO, "mm": 1, "ml": 2}
"""Decimals by unit: fewer than a voxel or a contour can bear would only look exact."""


def number(value: float, digits: int = RATIO, *, sign: bool = False) -> str:
    """A number with so many decimals; never -0.000.

    Args:
        value: The number; NaN and infinity give `NOTHING`.
        digits: Decimals.
        sign: Whether numbers above 0 get a +; one that rounds to 0 has no sign.

    >>> number(0.03421), number(-12.345, 1, sign=True), number(0.5, sign=True), number(-0.0001), number(math.nan)
    ('0.034', '-12.3', '+0.500', '0.000', '–')
    >>> number(0.04, 1, sign=True), number(-0.04, 1, sign=True), number(0, sign=True)
    ('0.0', '0.0', '0.000')
    """
    if not math.isfinite(value):
        return NOTHING
    rounded = round(float(value), digits) + 0.0
    return f"{rounded:{'+' if sign and rounded else ''},.{digits}f}"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many digits that count, and with all before the point: no exponent where nobody writes one.

    >>> significant(8.888), significant(0.5), significant(2006.33), significant(100069.7), significant(1e20)
    ('8.89', '0.5', '2006', '100070', '1e+20')
    """
    text = f"{value + 0.0:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e15 else text


def told_apart(*values: float, digits: int = 3) -> tuple[str, ...]:
    """Numbers with so many digits that count, or as many more as different ones need to look different.

    >>> told_apart(1.643, 8.888), told_apart(36.61, 36.64), told_apart(2006.33, 2012.67), told_apart(2, 2)
    (('1.64', '8.89'), ('36.61', '36.64'), ('2006', '2013'), ('2', '2'))
    """
    texts = tuple(significant(value, digits) for value in values)
    if digits > 16 or len(set(texts)) == len(set(values)):
        return texts
    return told_apart(*values, digits=digits + 1)


def interval(low: float, high: float, digits: int = RATIO, *, sign: bool = False) -> str:
    """Both ends of an interval, or `NOTHING` where there is none.

    An end beside 0 has up to two decimals more, so that it does not read as 0: it decides what the interval shows.

    >>> interval(0.0304, 0.1711), interval(-1, 0.5, 1, sign=True), interval(math.nan, math.nan)
    ('0.030 to 0.171', '-1.0 to +0.5', '–')
    >>> interval(-13.12, -0.02, 1, sign=True), interval(0, 0.045, sign=True)
    ('-13.1 to -0.02', '0.000 to +0.045')
    """
    if math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"{_end(low, digits, sign=sign)} to {_end(high, digits, sign=sign)}"


def _end(value: float, digits: int, *, sign: bool) -> str:
    for finer in range(digits, digits + 3):
        if value and round(float(value), finer):
            return number(value, finer, sign=sign)
    return number(value, digits, sign=sign)


def p_number(p: float) -> str:
    """A p-value for a column of p-values: three decimals, and never 0.000.

    >>> p_number(0.0312), p_number(0.00002), p_number(math.nan)
    ('0.031', '< 0.001', '–')
    """
    return "< 0.001" if p < 0.001 else number(p)


def p_text(p: float) -> str:
    """A p-value within a sentence.

    >>> p_text(0.0312), p_text(0.00002)
    ('p = 0.031', 'p < 0.001')
    """
    return f"p {p_number(p)}" if p < 0.001 else f"p = {p_number(p)}"


def volume(ml: float) -> str:
    """A volume with its unit.

    >>> volume(0.3412), volume(1234.5), volume(math.nan)
    ('0.34 ml', '1,234.50 ml', '–')
    """
    return NOTHING if math.isnan(ml) else f"{number(ml, DIGITS['ml'])} ml"


def file_size(count: int) -> str:
    """A number of bytes, in kB below a MB.

    >>> file_size(400), file_size(41_000), file_size(4_130_000)
    ('1 kB', '41 kB', '4.1 MB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def with_unit(text: str, unit: str) -> str:
    """A number's text with its unit, where it has one.

    >>> with_unit("1.2", "mm"), with_unit("0.500", "")
    ('1.2 mm', '0.500')
    """
    return f"{text} {unit}" if unit else text


def log_ticks(low: float, high: float) -> list[float]:
    """Values 1, 2, 5 times a power of ten from low to high, for an axis that people read; 1 alone beyond 4 decades.

    >>> log_ticks(0.3, 12), log_ticks(0.01, 1000)
    ([0.5, 1.0, 2.0, 5.0, 10.0], [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0])
    """
    if not 0 < low <= high < math.inf:
        return []
    steps = (1, 2, 5) if high / low <= 1e4 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{power}") for power in powers for step in steps]
    return [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
