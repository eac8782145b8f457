"""Which layout a folder follows: recognised from the names of its files, described in it, or named."""

import re
from collections.abc import Sequence
from pathlib import Path

from afl_core.base.catalogue import find_key
from afl_core.base.words import named, number_of
from afl_core.data.layouts.brats import BRATS2018, BRATS2021, BRATS_MIXED
from afl_core.data.layouts.catalogue import LAYOUTS
from afl_core.data.layouts.generic import LAYOUT_FILE, load_layout
from afl_core.data.layouts.hints import nearest
from afl_core.data.layouts.layout import ASIDE, REFERENCE, Layout
from afl_core.data.scan import FolderScan, scan_folder, typed_folder
from afl_core.errors import DataError

NOTHING = "No cases were found"
"""Beginning of the message where a folder follows no layout."""


def detect_layout(root: Path) -> Layout:
    """The one layout that a folder follows, or the one that its `afl-layout.toml` describes.

    Raises:
        DataError: If the root is missing or a file, or its files match no layout, or more than one.
    """
    return choose_layout(root, scan_folder(root), None)


def choose_layout(root: Path, scan: FolderScan, name: str | None) -> Layout:
    """The layout named, described in the root or detected; its image pattern fits a file.

    Args:
        root: Folder of the data set.
        scan: Image files of the folder.
        name: Name in `LAYOUTS`, or path of a file that describes one; None detects it.

    Raises:
        DataError: If no file fits, or more than one layout does.
        UsageError: If there is no layout of that name.
    """
    if name and name.lower().endswith(".toml"):
        return _detect(root, scan, [load_layout(typed_folder(name))])
    if name:
        return _detect(root, scan, [LAYOUTS[find_key(LAYOUTS, name, kind="layout")]])
    if (root / LAYOUT_FILE).is_file():
        return _detect(root, scan, [load_layout(root / LAYOUT_FILE)])
    return _detect(root, scan, [layout for layout in LAYOUTS.values() if layout != BRATS_MIXED])


def _detect(root: Path, scan: FolderScan, accepted: Sequence[Layout]) -> Layout:
    """The only accepted layout whose files are there, or a `DataError`."""
    names = (*scan.files, *scan.refused)
    counts = [(_count(layout, names), layout) for layout in accepted if len(accepted) == 1 or layout.is_whole(names)]
    fitting = [(count, layout) for count, layout in counts if count]
    if [layout for _, layout in fitting] == [BRATS2018, BRATS2021]:  # their files and labels are alike
        return BRATS_MIXED
    if len(fitting) == 1:
        return fitting[0][1]
    if fitting:
        raise DataError(
            f"The folder {root} follows more than one layout",
            received=", ".join(
                f"{layout.name} ({number_of(count, 'image')}){_places(layout, names)}" for count, layout in fitting
            ),
            todo="Open the folder of one of them, or name the layout: --layout NAME",
        )
    if names and (
        others := [layout.name for layout in LAYOUTS.values() if layout.is_whole(names) and _count(layout, names)]
    ):
        files = number_of(len(names), "image file")
        seen = f"{files} such as {names[0]}: they follow {others[0]}, not {accepted[0].label}"
        raise DataError(f"{NOTHING} in {root}", received=seen, todo=f"Expected {accepted[0].example}")
    seen, todo = nearest(root, scan, accepted)
    raise DataError(f"{NOTHING} in {root}", received=seen, todo=todo)


def _count(layout: Layout, names: Sequence[str]) -> int:
    """Files that are images of the layout, or references where those are a data set too."""
    return len(_of_layout(layout, names))


def _of_layout(layout: Layout, names: Sequence[str]) -> list[str]:
    wanted = {ASIDE} if layout.masks_alone else {ASIDE, REFERENCE}
    patterns = [re.compile(pattern) for role, pattern in layout.files if role not in wanted]
    return [name for name in names if any(pattern.fullmatch(name) for pattern in patterns)]


def _places(layout: Layout, names: Sequence[str]) -> str:
    """The folders in the root in which the images of a layout lie."""
    return f" in {named(sorted({name.partition('/')[0] for name in _of_layout(layout, names)}))}"
