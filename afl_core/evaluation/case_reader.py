"""The voxels of a case in one region, read once for all sources that are measured on it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from afl_core.data.layouts import load_case
from afl_core.evaluation.sources import Source
from afl_core.metrics.probability_counts import near
from afl_core.regions import BoolArray
from afl_core.shape import Shape, describe
from afl_core.volume import Box, Case, Mask, Volume


class UnusableReferenceError(Exception):
    """Whatever made a reference unusable, which is no fault of the source for which it was read."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class CaseReader:
    """Reads a case once for all sources that need the same sequences."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._images: dict[tuple[str, ...], Mapping[str, Volume]] = {}

    @property
    def file(self) -> Path:
        """The file of the reference."""
        assert self.case.reference is not None
        return self.case.reference

    @cached_property
    def reference(self) -> tuple[Mask, Shape]:
        """The reference and its description; raises `UnusableReferenceError` where it cannot be measured on."""
        try:
            reference = load_case(self.case, sequences=()).reference
            assert reference is not None
            return reference, describe(reference.array, spacing_mm=reference.spacing_mm, within=reference.within)
        except Exception as error:
            raise UnusableReferenceError(error) from error

    @cached_property
    def near(self) -> tuple[Box, BoolArray] | None:
        """The voxels near the reference, as `probability_counts.near` gives them."""
        reference = self.reference[0]
        return near(reference.array, reference.spacing_mm)

    def images(self, source: Source) -> Mapping[str, Volume]:
        """Images that the source needs and the case has, on the grid of the reference."""
        wanted = tuple(name for name in source.sequences() if name in self.case.sequences)
        if not wanted:
            return {}
        if wanted not in self._images:
            self._images[wanted] = load_case(self.case, sequences=wanted, reference=self.reference[0]).images
        return self._images[wanted]
