"""Where predictions come from: a network (`network_sources`), or a folder of predictions from any tool."""

import os
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from afl_core.base.catalogue import pick
from afl_core.base.storage import hash_files
from afl_core.data.background import fills_corners
from afl_core.data.layouts import Cohort
from afl_core.data.layouts.nnunet_results import (
    Declaration,
    find_models,
    is_model,
    load_declaration,
    mask_folders,
    results_doubts,
)
from afl_core.data.voxel_order import as_placed, placed_by
from afl_core.errors import UsageError
from afl_core.evaluation.grids import OTHER_GRID, onto_reference
from afl_core.evaluation.network_sources import CheckpointSource, ReleasedSource, combined_hash
from afl_core.evaluation.nnunet_probabilities import archive_of
from afl_core.evaluation.prediction_files import (
    MissingPredictionError,
    check_no_models,
    find_prediction,
    list_predictions,
    named_folders,
    predictions_of,
)
from afl_core.evaluation.prediction_reading import (
    CHANNELS,
    INVERTED,
    declared_region,
    load_declared,
    load_prediction,
)
from afl_core.evaluation.prediction_values import DECIDED, DECLARED, MEANINGS, decide_meaning, sort_by_kind
from afl_core.evaluation.source_doubts import doubt_region, doubt_source
from afl_core.model.checkpoints import CARD, load_card
from afl_core.model.released import RELEASED, released_card
from afl_core.volume import Case, Mask, Prediction, Region, Volume

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,79}")
"""Name of a source: long enough for the folders that nnU-Net makes."""


@dataclass(frozen=True)
class MaskSource:
    """Masks or maps of tumour probabilities read from a folder, named by case id as `find_prediction` says.

    Attributes:
        name: Name of the source.
        path: Path of the folder.
        option: Name in `OTHER_GRID`.
        meaning: Name in `DECIDED`: what the files hold; "" before that is decided.
        doubt: Why they may hold something else, in sentences.
    """

    name: str
    path: Path
    option: str = "refuse"
    meaning: str = ""
    doubt: str = ""

    def describe(self) -> dict[str, Any]:
        """The record of the source in the manifest."""
        files = {path for path in list_predictions(self.path).values() if isinstance(path, Path)}
        record: dict[str, Any] = {"kind": "masks", "path": str(self.path), "files": len(files)}
        archives = 0 if self.meaning == DECLARED else sum(1 for _ in self.path.glob("*.npz"))
        record |= {"ignored": f"{archives} .npz files"} if archives else {}
        record |= {key: text for key, text in (("meaning", self.meaning), ("doubt", self.doubt)) if text}
        return record | ({"option": self.option} if self.option != "refuse" else {})

    def regions(self, case: Case) -> tuple[Region, ...]:
        """The regions that its files tell apart; of a folder of masks, the first one of the case."""
        if declaration := self._declaration():
            told: Container[str] = declaration.scheme.regions
        elif self.meaning in ("labels", "labels-beside-maps"):
            return case.regions
        else:
            told = CHANNELS if self.meaning == "channels" else ()
        return tuple(region for region in case.regions if region.name in told) or (case.region,)

    def key(self, case: Case) -> str:
        """Fingerprint of the mask's bytes, of what they mean, and of what may be done to them."""
        options = [self.option] if self.option != "refuse" else []
        meaning = [self.meaning] if self.meaning else []
        if declaration := self._declaration():
            meaning += [str(declared_region(declaration, case.region).inside)]
        return combined_hash(hash_files(self.files(case)), *options, *meaning)

    def files(self, case: Case) -> list[Path]:
        """The prediction of a case, and nnU-Net's probabilities where they are read."""
        mask = self._file(case)
        archive = archive_of(mask) if self._declaration() else None
        return [mask, archive] if archive else [mask]

    def sequences(self) -> tuple[str, ...]:
        """None: images are not needed."""
        return ()

    def predict(self, case: Case, images: Mapping[str, Volume], reference: Mask | None) -> Prediction:
        """Read the file; the mask lies on the reference's grid if there is one."""
        path = self._file(case)
        if declaration := self._declaration():
            mask, tumour, note = load_declared(path, declaration, case.region)
        else:
            mask, tumour, note = load_prediction(path, case.region, self.meaning)
        notes, stored = list(filter(None, (note, INVERTED if fills_corners(mask.array) else ""))), mask.stored
        if (by := placed_by(case, path)) != path:
            if tumour is not None:
                tumour = as_placed(Volume(tumour, mask.affine, stored), by).array.astype(np.float32, copy=False)
            mask = as_placed(mask, by)
            notes.append(f"placed by {by.name}, voxel by voxel")
        if reference is not None:
            what = f"{self.name}'s mask of {case.case_id}"
            mask, moved = onto_reference(mask, reference, other_grid=self.option, what=what, stored=stored)
            notes += [moved] if moved else []
            tumour = None if moved else tumour
        both = None if tumour is None else np.stack([1 - tumour, tumour])
        return Prediction(mask, both, "; ".join(notes), tumour)

    def _declaration(self) -> Declaration | None:
        return load_declaration(self.path) if self.meaning == DECLARED else None

    def _file(self, case: Case) -> Path:
        try:
            return find_prediction(self.path, case.case_id)
        except MissingPredictionError as error:
            raise MissingPredictionError(f"{self.name} has {error.what}", received=error.received) from error


Source = CheckpointSource | ReleasedSource | MaskSource


def decide_meanings(sources: Sequence[Source], cohort: Cohort) -> tuple[Source, ...]:
    """The sources, each folder of predictions with what its files mean, unless that was given, and what is doubtful.

    A dataset.json that a model left with its masks says it, else their values do (`decide_meaning`).

    Raises:
        DataError: If `list_predictions` or `load_declaration` raises it.
    """
    ids = [case.case_id for case in cohort.cases]
    decided = list[Source]()
    for source in sources:
        decided.append(_decided(source, ids, cohort.regions) if isinstance(source, MaskSource) else source)
    return tuple(decided)


def _decided(source: MaskSource, ids: Sequence[str], regions: Sequence[Region]) -> MaskSource:
    meaning, doubts = source.meaning, list(results_doubts(source.path))
    if not meaning and (declaration := load_declaration(source.path)):
        meaning = DECLARED
        doubts += [doubt_region(source.name, declaration, region) for region in regions]
    elif not meaning:
        files = sort_by_kind(predictions_of(source.path, ids))
        parts = [region for region in regions if region.key]  # a file must tell more for a part than for the whole
        meaning = decide_meaning(files, parts[0] if parts else regions[0])
        doubts.append(doubt_source(source.name, files, meaning, regions[0]))
    return replace(source, meaning=meaning, doubt=" ".join(filter(None, doubts)))


def source_text(name: str, path: Path | str, option: str = "", meaning: str = "") -> str:
    """What `parse_sources` reads back.

    >>> source_text("FL", "weights.pth", "picai"), source_text("FL", "masks", "refuse", "labels")
    ('FL=weights.pth@picai', 'FL=masks@labels')
    """
    return f"{name}={path}" + "".join(f"@{suffix}" for suffix in (option, meaning) if suffix not in ("", "refuse"))


def parse_sources(texts: Sequence[str], *, other_grid: str = "refuse", meaning: str = "") -> tuple[Source, ...]:
    """Sources from `NAME=PATH` texts; what a path is, is read from what it holds.

    Args:
        texts: `NAME=PATH`, or `NAME=PATH@OPTION`: one of `RELEASED` for a weights file, of `OTHER_GRID` or `DECIDED`,
            or of both, for a folder of masks. `PATH` alone is a model of nnU-Net, or a folder of several.
        other_grid: Option of the folders of masks that name none.
        meaning: Meaning of the folders of masks that name none; "" lets `decide_meanings` tell.

    Raises:
        UsageError: If a text is not of that form or a name is used twice.
        CheckpointError: If the path is neither a checkpoint nor weights of the authors nor a folder of masks.
        DataError: If no fold of a model was validated.
    """
    pick(OTHER_GRID, other_grid, kind="way with another grid")
    if meaning:
        pick(MEANINGS, meaning, kind="meaning of predicted files")
    sources = tuple(_parse(text, other_grid, meaning) for given in texts for text in _named(given))
    names = [source.name.lower() for source in sources]
    if len(set(names)) < len(names):
        todo = "Give each once, and a name of its own: NAME=PATH"
        raise UsageError("Two sources have the same name", received=", ".join(s.name for s in sources), todo=todo)
    return sources


def _named(text: str) -> tuple[str, ...]:
    """The text itself, or NAME=PATH of every model of nnU-Net in the folder that it is."""
    if not os.path.isdir(text):  # noqa: PTH112 - a Path's own raises where the text is too long
        return (text,)
    folder = Path(text)
    models = (folder,) if is_model(folder) else find_models(folder)
    if not models:
        for place in (folder, *folder.glob("*__*__*")):
            mask_folders(place)  # raises for a model of which no fold was validated
        check_no_models(folder)
        return (text,)
    return tuple(source_text(name, path) for name, path in named_folders(models).items())


def _parse(text: str, other_grid: str, meaning: str) -> Source:
    name, equals, path_text = text.partition("=")
    if not equals or not path_text or not NAME.fullmatch(name):
        raise UsageError(
            "A source is written NAME=PATH, NAME of at most 80 letters, digits, space and . _ + -",
            received=text,
            todo="For example --source FL=models/demo_fl; a folder of nnU-Net's results needs no name",
        )
    path, option, named_meaning = Path(path_text).expanduser(), "", ""
    before, at, after = path_text.rpartition("@")
    if at and after in DECIDED and not path.exists():
        path, path_text, named_meaning = Path(before).expanduser(), before, after
        before, at, after = path_text.rpartition("@")
    if at and after in {*RELEASED, *OTHER_GRID} and not path.exists():
        path, option = Path(before).expanduser(), after
    if not path.exists():
        raise UsageError(f"The source {name} does not exist", received=path, todo="Check the path")
    if path.is_file():
        if option:
            pick(RELEASED, option, kind="setting of the released weights")
        released_card(path, option)  # raises if it holds no such weights
        return ReleasedSource(name, path, option)
    if (path / CARD).is_file() or not list_predictions(path):
        check_no_models(path)
        load_card(path)  # raises if it is no checkpoint
        return CheckpointSource(name, path)
    if option:
        pick(OTHER_GRID, option, kind="way with another grid")
    return MaskSource(name, path, option or other_grid, named_meaning or meaning)
