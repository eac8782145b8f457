"""Images of the demo that are drawn when a case is opened: until then their files are there, and empty."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from afl_core.base.storage import read_json
from afl_core.data.demo.case import RECORD
from afl_core.data.demo.design import DemoSpec, Scan, generator, plan_patient
from afl_core.data.demo.phantom import SEQUENCES, draw_anatomy, grid, render
from afl_core.data.formats.files import load_volume, save_volume
from afl_core.errors import DataError


def leave_undrawn(folder: Path) -> None:
    """Make the empty files of a case whose reference and record are there."""
    for name in SEQUENCES:
        image = folder / f"{folder.name}_{name}.nii.gz"
        if not image.exists():  # thumbnails go by the time of a file
            image.touch()


def draw_images(folder: Path) -> None:
    """Draw the images of a case of the demo, of which the reference and the record are there; it takes a second.

    Raises:
        DataError: If its record is missing or damaged.
    """
    spec, scan = _recorded(folder)
    labels = load_volume(folder / f"{folder.name}_seg.nii.gz").array.astype(np.uint8)
    anatomy = draw_anatomy(generator(spec, scan.split, 5, scan.patient), spacing_mm=spec.spacing_mm)
    rng, look = (
        generator(spec, scan.split, 7, scan.patient, scan.visit),
        plan_patient(spec, scan.split, scan.patient).look,
    )
    images = render(rng, anatomy, labels, look=look, spacing_mm=spec.spacing_mm)

    def save(name: str) -> None:
        save_volume(folder / f"{folder.name}_{name}.nii.gz", images[name], grid(spec.spacing_mm)[1])

    with ThreadPoolExecutor() as threads:  # zipping is a third of the time
        list(threads.map(save, images))


def _recorded(folder: Path) -> tuple[DemoSpec, Scan]:
    record: Any = read_json(folder / RECORD)
    try:
        spec = DemoSpec(seed=record["seed"], spacing_mm=record["spacing_mm"])
        return spec, Scan.of(folder.name)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"The record of {folder.name} is damaged",
            received=error,
            todo="Delete the folder; `afl demo` makes it anew",
        ) from error
