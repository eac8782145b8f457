"""Any other folder, described by a small TOML file: patterns of its sequences and reference, and its labels."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from afl_core.base.catalogue import pick
from afl_core.base.storage import read_toml
from afl_core.data.formats.files import strip_suffix
from afl_core.data.formats.values import LARGEST_LABEL
from afl_core.data.label_codes import is_cavity
from afl_core.data.labels import DECLARED, SCHEMES, SYNONYMS, WHOLE, Scheme
from afl_core.data.layouts.layout import ASIDE, BY_NAME, REFERENCE, SUFFIX, Layout
from afl_core.data.patients import template_pattern
from afl_core.errors import DataError, UsageError

LAYOUT_FILE, MAX_BYTES = "afl-layout.toml", 2**16
"""Name of the description in a data set's folder, and its largest size."""

_PLACES = re.compile(r"(\{case\}|\{group\}|\*)")


class _Description(BaseModel):
    """The content of the file; docs/data.md explains it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: str = ""
    images: dict[str, str] = Field(default_factory=dict)
    reference: str | list[str] = ""
    grid: str = ""
    patient: str = ""
    labels: str | dict[str, str] = "any"
    regions: dict[str, list[int]] = Field(default_factory=dict)


def load_layout(path: Path) -> Layout:
    """Read the description of a layout; its name is the file's full path.

    Raises:
        DataError: If the file cannot be read, holds an unknown key or a pattern without `{case}`, or names a label or
            sequence that it does not have.
        UsageError: If it names labels that are not in `SCHEMES`.
    """
    try:
        description = _Description.model_validate(read_toml(path, largest=MAX_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except DataError as error:
        raise _wrong(path, error.received) from error
    references = (
        [description.reference]
        if isinstance(description.reference, str) and description.reference
        else description.reference
    )
    patterns = [*description.images.items(), *((REFERENCE, text) for text in references)]
    if not patterns:
        raise _wrong(path, "neither images nor a reference")
    if outside := [role for role, text in patterns if text.startswith("/") or ".." in text.split("/")]:
        raise _wrong(path, f"{outside[0]}: a pattern runs down from the data set's folder, not from / or by ..")
    if taken := {REFERENCE, ASIDE, BY_NAME} & {name.lower() for name in description.images}:
        raise _wrong(path, f"images: {', '.join(taken)} is no name of a sequence")
    if description.grid and description.grid not in description.images:
        raise _wrong(path, f"grid: there is no image {description.grid}")
    return Layout(
        name=str(path.resolve()),
        label=description.label or f"described by {path.name}",
        example=" with ".join(f"{role}: {pattern}" for role, pattern in patterns),
        files=tuple((role.lower(), _pattern(pattern, path)) for role, pattern in patterns),
        scheme=_scheme(description, path),
        sequences=tuple(name.lower() for name in description.images),
        grid=description.grid.lower(),
        masks_alone=not description.images,
        patient=_patient(description.patient, path),
    )


def _patient(template: str, path: Path) -> str:
    try:
        return template and template_pattern(template) and template
    except UsageError as error:
        raise _wrong(path, f"patient: {template}") from error


def _pattern(template: str, path: Path) -> str:
    """Regular expression of a template; its ending stands for any that an image file may have.

    What `*` and names match is as short as can be. Where the next place takes up whatever is left, the first end that
    fits is right, and no other is tried: without that, each further `*` multiplies the time by the length of a name.
    """
    if "{case}" not in template:
        raise _wrong(path, f"{template} has no {{case}}")
    folders, seen, open_ends = list[str](), set[str](), 0
    for folder in strip_suffix(template).split("/"):
        start, places = _places(folder, template, seen)
        open_ends += sum(place.again or following.again for place, following in pairwise(places))
        again = [following.again for following in places[1:]]
        folders.append(
            start
            + "".join(
                f"{place.wild}{place.fixed}" if place.again or after else f"(?>{place.wild}{place.fixed})"
                for place, after in zip(places, again, strict=False)
            )
            + "".join(f"{place.wild}{place.fixed}" for place in places[-1:])
        )
    if open_ends > 1:
        raise _wrong(path, f"{template} can be read in too many ways; {{case}} and {{group}} twice, but beside others")
    return "/".join(folders) + SUFFIX


@dataclass
class _Place:
    """A place of a template: what it takes, the fixed text after it, and whether the same name stands again later."""

    wild: str
    again: bool
    fixed: str = ""


def _places(folder: str, template: str, seen: set[str]) -> tuple[str, list[_Place]]:
    """The fixed start of a folder's name, and its places; a name that was `seen` before is fixed text."""
    start, *rest = _PLACES.split(folder)
    start, places = re.escape(start), list[_Place]()
    for part, text in zip(rest[::2], rest[1::2], strict=True):
        name = part.strip("{}")
        if name in seen:
            fixed = f"(?P={name})"
        else:
            fixed = ""
            wild = "[^/]*?" if part == "*" else f"(?P<{name}>[^/]+?)"
            places.append(_Place(wild, part != "*" and template.count(part) > 1))
            seen |= {name} - {"*"}
        fixed += re.escape(text)
        if places:
            places[-1].fixed += fixed
        else:
            start += fixed
    return start, places


def _scheme(description: _Description, path: Path) -> Scheme:
    if isinstance(description.labels, str):
        if description.regions:
            raise _wrong(path, "regions need a table of labels")
        return pick(SCHEMES, description.labels, kind="label scheme")
    if not description.labels or not all(
        key.isdecimal() and 0 < int(key) <= LARGEST_LABEL for key in description.labels
    ):
        raise _wrong(path, f"labels: {', '.join(description.labels) or 'none'} where whole numbers from 1 are due")
    values = {int(key): meaning for key, meaning in description.labels.items()}
    regions = {SYNONYMS.get(n.lower(), n.lower()): tuple(labels) for n, labels in description.regions.items()}
    if len(regions) < len(description.regions):
        raise _wrong(path, f"regions: {', '.join(description.regions)} name one region twice")
    wrong = [f"{name} {label}" for name, labels in regions.items() for label in labels if label not in values]
    if wrong:
        raise _wrong(path, f"regions: {', '.join(wrong)} is no label")
    title = f"{path.name} ({', '.join(f'{value} {meaning}' for value, meaning in values.items())})"
    whole = tuple(label for label, meaning in values.items() if not is_cavity(meaning)) or tuple(values)
    return Scheme(DECLARED, title, MappingProxyType(values), MappingProxyType({WHOLE: whole} | regions), whole="whole")


def _wrong(path: Path, received: object) -> DataError:
    todo = 'Write for example [images] flair = "{case}/flair.nii.gz"; docs/data.md shows a whole file'
    return DataError(f"{path.name} describes no layout", received=received, todo=todo)
