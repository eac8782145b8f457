"""One case of its files: which role each of them has by its name, and what they make together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from afl_core.data.layouts.layout import BY_NAME, REFERENCE, Layout
from afl_core.data.layouts.masks import composed
from afl_core.data.scan import not_followed
from afl_core.errors import DataError
from afl_core.volume import Case

_VOLUMES = "image"
"""Role of a 4-D image."""


@dataclass(frozen=True)
class Part:
    """One file of a case; its role is a sequence, `REFERENCE`, `ASIDE` or `_VOLUMES`."""

    case_id: str
    role: str
    group: str
    relative: str
    refused: bool


def match_part(
    layout: Layout, patterns: Sequence[tuple[str, re.Pattern[str]]], relative: str, *, refused: bool
) -> Part | None:
    """The part that a file is by its path below the root; None where no pattern of the layout fits."""
    for role, pattern in patterns:
        if match := pattern.fullmatch(relative):
            groups = match.groupdict()
            spelt = (groups.get("sequence") or _VOLUMES).lower() if role == BY_NAME else role
            part_role = layout.aliases.get(spelt, spelt)
            return Part(composed(groups.get("case") or ""), part_role, groups.get("group") or "", relative, refused)
    return None


def build_case(root: Path, layout: Layout, parts: Sequence[Part], *, masks_alone: bool) -> Case:
    """One case of its files; raises `DataError` where something is doubled, out of the tree, or all images missing."""
    files: dict[str, Part] = {}
    for part in parts:
        if part.refused:
            raise not_followed(root, part.relative)
        if part.role in files:
            raise DataError(
                f"{part.case_id} is left out: two files for {part.role}",
                received=f"{files[part.role].relative} and {part.relative}",
                todo="Keep one of them",
            )
        files[part.role] = part
    reference = files.pop(REFERENCE, None)
    images = {role: root / part.relative for role, part in files.items()}
    if not images and not masks_alone:
        raise DataError(
            f"{parts[0].case_id} is left out: no image",
            received="only a reference",
            todo=f"Expected {layout.example}",
        )
    channels: Mapping[str, int] = {}
    if layout.volumes and images:
        channels = {name: number for number, name in enumerate(layout.volumes)}
        images = dict.fromkeys(layout.volumes, images[_VOLUMES])
    images = dict(sorted(images.items(), key=lambda item: (place_of(layout.sequences, item[0]), item[0])))
    return Case(
        case_id=parts[0].case_id,
        sequences=images,
        reference=root / reference.relative if reference else None,
        group=next((part.group for part in parts if part.group), ""),
        grid=layout.grid if images else "",
        channels=channels,
    )


def place_of(order: Sequence[str], name: str) -> int:
    """Place of a name in an order; behind all others if it is not in it."""
    return order.index(name) if name in order else len(order)
