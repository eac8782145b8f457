"""Masks of many cases by one source: while the network is at a case, the next is read and the last one written."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from afl_core.base.ahead import done_ahead
from afl_core.base.isolation import attempt
from afl_core.base.workers import finished
from afl_core.data.formats.files import save_mask
from afl_core.data.layouts import load_case
from afl_core.data.voxel_order import placed_by
from afl_core.errors import AflError
from afl_core.evaluation.sources import Source
from afl_core.volume import Case, Mask, Volume

IN_A_ROW = 4
"""Cases that a process of a pool takes at a time, at most: all but the first are read ahead."""


def predict_cases(
    cases: Sequence[Case], source: Source, out: Path, *, executor: Executor | None = None, in_a_row: int = 1
) -> Iterator[tuple[Case, AflError | None]]:
    """Write the mask of each case to `CASE.nii.gz`; each case with the error that it ended with, as it is finished.

    Args:
        cases: The cases; their references are not looked at.
        source: A checkpoint.
        out: Folder of the masks.
        executor: Executor of the cases; without one they run here, in their order.
        in_a_row: Cases that the executor gets at a time.
    """
    if executor is None:
        yield from predict_masks(cases, source, out)
        return
    rows = [tuple(cases[n : n + in_a_row]) for n in range(0, len(cases), in_a_row)]
    work = partial(_predict_row, source=source, out=out)
    for row, outcomes in finished(work, rows, of=lambda row: _work(row[0]), executor=executor):
        failed = [outcomes] * len(row) if isinstance(outcomes, AflError) else outcomes
        yield from zip(row, failed, strict=True)


def _predict_row(row: Sequence[Case], source: Source, out: Path) -> list[AflError | None]:
    return [error for _, error in predict_masks(row, source, out)]


def predict_masks(cases: Sequence[Case], source: Source, out: Path) -> Iterator[tuple[Case, AflError | None]]:
    """The same in this process: read in a thread, written in another, and the network in this one.

    Three cases are in memory at most: the images of two, and a mask.
    """
    with ThreadPoolExecutor(1) as writer:
        before: tuple[Case, Future[AflError | None]] | None = None
        for case, images in zip(cases, done_ahead(partial(_read, source), cases), strict=True):
            writing = writer.submit(_write, case, _predict(source, case, images), source, out)
            if before:
                yield before[0], before[1].result()
            before = case, writing
        if before:
            yield before[0], before[1].result()


def predict_mask(case: Case, source: Source, path: Path) -> None:
    """Predict a case, whose reference is not looked at, and write the mask on the grid of the images.

    Raises:
        AflError: If an image is missing or cannot be read, or if the source cannot predict it.
    """
    _save(case, source.predict(case, _images(case, source), None).mask, source, path)


def _read(source: Source, case: Case) -> Mapping[str, Volume] | AflError:
    return attempt(partial(_images, case, source), of=_work(case))


def _predict(source: Source, case: Case, images: Mapping[str, Volume] | AflError) -> Mask | AflError:
    if isinstance(images, AflError):
        return images
    return attempt(lambda: source.predict(case, images, None).mask, of=_work(case))


def _write(case: Case, mask: Mask | AflError, source: Source, out: Path) -> AflError | None:
    if isinstance(mask, AflError):
        return mask
    return attempt(partial(_save, case, mask, source, out / f"{case.case_id}.nii.gz"), of=_work(case))


def _work(case: Case) -> str:
    return f"predicting {case.case_id}"


def _images(case: Case, source: Source) -> Mapping[str, Volume]:
    present = [name for name in source.sequences() if name in case.sequences]
    return load_case(replace(case, reference=None), sequences=present).images


def _save(case: Case, mask: Mask, source: Source, path: Path) -> None:
    like = case.sequences.get(case.grid, case.sequences[source.sequences()[0]])
    save_mask(path, mask, like=placed_by(case, like))
