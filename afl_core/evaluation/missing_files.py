"""Files that a results folder needs and that are gone from it: said before anything is shown of the rest."""

from pathlib import Path

from afl_core.base.words import named
from afl_core.errors import DataError
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.part_rows import SETTLED, source_folder, sources_of
from afl_core.evaluation.parts import PARTS, load_parts
from afl_core.evaluation.tables import CASES, LESIONS, OPTIONAL, TABLES


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raise `DataError` where a table of a results folder, or a part of it, is gone; one without rows yet is whole."""
    if gone := _missing_table(folder, manifest):
        raise _missing(folder, manifest, f"{gone} is missing", folder)
    places = [source_folder(folder, table, of) for table in (*TABLES, SETTLED) for of in sources_of(folder, table)]
    for part, size in load_parts(folder).items():
        files = [place / f"{part}.parquet" for place in places]
        held = sum(path.stat().st_size for path in files if path.is_file())
        if held < size and part in load_parts(folder):  # else another process has merged it meanwhile
            absent = [path.parent.relative_to(folder).as_posix() for path in files if not path.is_file()]
            received = f"{held:,} of {size:,} bytes" + (
                f"; there is none in {named(absent, shown=6)}" if absent else ""
            )
            raise _missing(folder, manifest, f"A file {part}.parquet, which {PARTS} names, is missing or cut", received)


def _missing(folder: Path, manifest: Manifest, what: str, received: object) -> DataError:
    again = "import the tables again (afl import)" if manifest.imported else "measure again (afl evaluate)"
    todo = f"Copy it into the folder again. Without a copy, delete the folder and {again}"
    return DataError(f"{what} in the results folder {folder.resolve().name}", received=received, todo=todo)


def _missing_table(folder: Path, manifest: Manifest) -> str:
    """Name of a table, or of the list of parts, that is gone; or ""."""
    there = {name for name in (CASES, LESIONS, *OPTIONAL) if (folder / name).is_file()}
    if not (folder / PARTS).is_file() and any(sources_of(folder, table) for table in TABLES):
        return PARTS
    if CASES not in there and (there or manifest.imported or (manifest.empty_masks and not load_parts(folder))):
        return CASES
    return LESIONS if CASES in there and LESIONS not in there and not manifest.imported else ""
