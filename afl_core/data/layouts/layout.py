"""What a layout is: how a data set names its files, and what its labels are."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from afl_core.data.labels import SCHEMES, Scheme

SUFFIX = r"(?i:\.nii|\.nii\.gz|\.mha|\.mhd|\.nrrd|\.seg\.nrrd|\.dcm)"
"""Pattern of every image file's ending."""

REFERENCE, ASIDE, BY_NAME = "reference", "aside", ""
"""Roles of files besides the names of sequences: the reference, a file that is known and not used, and an image whose
sequence its name says."""


@dataclass(frozen=True)
class Layout:
    """How a data set names its files.

    Patterns are matched against the whole path below the root, with `/` between folders.

    Attributes:
        name: Key in `LAYOUTS`.
        label: Title for people.
        example: Example of its paths, for messages.
        files: (role, pattern): the role is a sequence, `REFERENCE`, `ASIDE`, or `BY_NAME`. A pattern has the group
            `case`, with `BY_NAME` also `sequence`, and perhaps `group`, by which cases are sorted.
        scheme: Scheme of its labels; `any` where the layout does not say.
        sequences: Sequences of a complete case; () where the layout prescribes none.
        aliases: Sequence as spelt in file names, in lower case, to the name used here.
        grid: Sequence onto whose grid the others are resampled; "" where all must lie on one grid.
        volumes: Sequences of the volumes of a 4-D image; () where every file holds one.
        masks_alone: Whether references without any image are a data set too.
        beside: Pattern of a file that must be there too, where images and references alone do not tell the layout.
        names_tumour: Whether a lesion that is named beside an organ is the tumour, as its publishers say.
        patient: Pattern of a case id that says its patient, as `template_pattern` takes it; "" where none does.
        declare: Completes the layout by what files in the root declare; raises `DataError` where they are wrong.
    """

    name: str
    label: str
    example: str
    files: tuple[tuple[str, str], ...]
    scheme: Scheme = SCHEMES["any"]
    sequences: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    grid: str = ""
    volumes: tuple[str, ...] = ()
    masks_alone: bool = False
    beside: str = ""
    names_tumour: bool = False
    patient: str = ""
    declare: "Callable[[Path, Layout], Layout] | None" = None

    def is_whole(self, names: Iterable[str]) -> bool:
        """Whether the file that must be there too is among these paths below the root."""
        return not self.beside or any(re.fullmatch(self.beside, name) for name in names)
