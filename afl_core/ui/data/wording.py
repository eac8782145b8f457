"""Advice that is written for the command line, as the Data page has it: an option is one of its controls."""

import re
from collections.abc import Callable
from types import MappingProxyType

from afl_core.base.words import number_of
from afl_core.data.labels import SCHEMES
from afl_core.data.layouts import LAYOUTS, Cohort
from afl_core.data.layouts.hints import MASKS
from afl_core.data.loading import is_undrawn
from afl_core.data.patients import TABLE_ON_PAGE

_VALUE = r"(?!with\b|and\b|or\b|in\b|for\b)('[^']*'|[A-Za-z0-9_=-]+(?:,[A-Za-z0-9_-]+=[0-9]+)*)"


def _labels(match: re.Match[str]) -> str:
    name = match[1].strip("'")
    return f'Labels: "{SCHEMES[name].title}"' if name in SCHEMES else f'Labels: "Own codes", {name}'


def _layout(match: re.Match[str]) -> str:
    return f'Layout: "{LAYOUTS[match[1]].label}"' if match[1] in LAYOUTS else '"Layout"'


_CONTROLS: MappingProxyType[str, str | Callable[[re.Match[str]], str]] = MappingProxyType(
    {
        re.escape(MASKS): 'choose Layout: "Masks alone"',
        r"afl data check --masks ('[^']*'|[^\s]*[^\s.;,])": r'Folder: \1 with Layout: "Masks alone"',
        r"--data ('[^']*'|[^\s]*[^\s.;,])": r'Folder: \1 with Layout: "Recognise it"',
        r"afl data split": "Split, below",
        rf"--labels {_VALUE} --region {_VALUE}": r'Labels: "Own codes", \1, and Region: \2',
        rf"--labels {_VALUE}": _labels,
        r"--labels": '"Labels"',
        rf"--region {_VALUE}": r"Region: \1",
        r"--region": '"Region"',
        r"--layout ([A-Za-z0-9_]+)": _layout,
        re.escape(f" {TABLE_ON_PAGE}"): "",  # this is the page
        r"give --patients(?: TABLE)?": 'fill in "Table of patients"',
        r"--patients": '"Table of patients"',
        r"give --trust-voxel-order": 'tick "Trust the order of voxels"',
        r"(?<!evaluate )--source": "afl evaluate --source",
        r"--trust-voxel-order": '"Trust the order of voxels"',
    }
)
"""What advice says of options and commands, to what the page has in their place; the longest first."""


def read_sentence(cohort: Cohort) -> str:
    """What is read of a folder, and how much of it is not; the findings name each file."""
    images = sum(len(case.sequences) for case in cohort.cases)
    references = sum(case.reference is not None for case in cohort.cases)
    undrawn = sum(is_undrawn(path) for case in cohort.cases for path in case.sequences.values())
    yet = f" ({undrawn} not drawn yet)" if undrawn else ""
    read = f"{number_of(len(cohort.cases), 'case')} with {number_of(images, 'image')}{yet} and "
    read += number_of(references, "reference")
    left = [
        (cohort.problems, "case or file that cannot be used", "cases or files that cannot be used"),
        (cohort.strays, "image file that belongs to no case", "image files that belong to no case"),
        (cohort.aside, "image file that is not needed", "image files that are not needed"),
    ]
    not_read = "; ".join(number_of(len(files), one, many) for files, one, many in left if files)
    rest = f"Not read: {not_read}. The findings below name them" if not_read else "No image file is left aside"
    return f"Read: {read}. {rest}."


def on_page(text: str) -> str:
    """Advice with the page's controls in place of options.

    >>> on_page("If they are masks alone, give --references FOLDER, or afl data check --masks.")
    'If they are masks alone, choose Layout: "Masks alone".'
    >>> on_page("Such as --labels et=1,ncr=2,ed=3, or take the whole.")
    'Such as Labels: "Own codes", et=1,ncr=2,ed=3, or take the whole.'
    """
    for pattern, control in _CONTROLS.items():
        text = re.sub(pattern, control, text)
    return text
