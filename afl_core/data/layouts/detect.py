"""Which layout a folder follows: recognised from the names of its files, described in it, or named."""

import re
from collections.abc import Sequence
from pathlib import Path

from afl_core.catalogue import pick
from afl_core.data.files import SUFFIXES
from afl_core.data.layouts.catalogue import LAYOUTS
from afl_core.data.layouts.generic import LAYOUT_FILE, load_layout
from afl_core.data.layouts.layout import ASIDE, REFERENCE, Layout
from afl_core.data.scan import Found, scan_folder
from afl_core.errors import DataError

KNOWN = "Accepted are"
"""Beginning of the advice where a folder follows no layout: the list of those there are."""


def detect_layout(root: Path) -> Layout:
    """The one layout that a folder follows, or the one that its `afl-layout.toml` describes.

    Raises:
        DataError: If the root is missing or a file, or its files match no layout, or more than one.
    """
    return choose_layout(root, scan_folder(root), None)


def choose_layout(root: Path, found: Found, name: str | None) -> Layout:
    """The layout named, described in the root or detected; its image pattern fits a file.

    Args:
        root: The folder.
        found: What is in it.
        name: Name in `LAYOUTS`, or path of a file that describes one; None detects it.

    Raises:
        DataError: If no file fits, or more than one layout does.
        UsageError: If there is no layout of that name.
    """
    if name and name.lower().endswith(".toml"):
        return _detect(root, found, [load_layout(Path(name).expanduser())])
    if name:
        return _detect(root, found, [pick(LAYOUTS, name, kind="layout")])
    if (root / LAYOUT_FILE).is_file():
        return _detect(root, found, [load_layout(root / LAYOUT_FILE)])
    return _detect(root, found, tuple(LAYOUTS.values()))


def _detect(root: Path, found: Found, accepted: Sequence[Layout]) -> Layout:
    """The only accepted layout whose files are there, or a `DataError`."""
    names = (*found.files, *found.refused)
    counts = [(_count(layout, names), layout) for layout in accepted]
    fitting = [(count, layout) for count, layout in counts if count]
    if len(fitting) == 1:
        return fitting[0][1]
    if fitting:
        raise DataError(
            f"The folder {root} follows more than one layout",
            received=", ".join(f"{layout.name} ({count} images)" for count, layout in fitting),
            todo="Name the layout, or keep the data sets in folders of their own",
        )
    seen = f"no {', '.join(SUFFIXES)} file"
    if names:
        links = f"only links that leave the folder, such as {names[0]}"
        seen = f"{len(found.files)} image files such as {names[0]}" if found.files else links
    known = "; ".join(f"{layout.label}: {layout.example}" for layout in accepted)
    masks = "masks alone: --references, or afl data check --masks"
    todo = f"{KNOWN} {known}; {masks}; or describe the folder in {LAYOUT_FILE} (docs/data.md)"
    raise DataError(f"No cases were found in {root}", received=seen, todo=todo)


def _count(layout: Layout, names: Sequence[str]) -> int:
    """Files that are images of the layout, or references where those are a data set too."""
    wanted = {ASIDE} if layout.masks_alone else {ASIDE, REFERENCE}
    patterns = [re.compile(pattern) for role, pattern in layout.files if role not in wanted]
    return sum(any(pattern.fullmatch(name) for pattern in patterns) for name in names)
