"""Where predictions come from: a checkpoint, or a folder of predicted masks from any tool."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afl_core.data.files import load_mask
from afl_core.data.layouts import load_references
from afl_core.data.scan import scan_folder
from afl_core.errors import CheckpointError, DataError, UsageError
from afl_core.model.checkpoints import CARD, fingerprint, load_card
from afl_core.storage import hash_files
from afl_core.volume import Case, Mask, Prediction, Volume, check_same_grid

if TYPE_CHECKING:
    from torch import nn

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}")


@dataclass(frozen=True)
class CheckpointSource:
    """Masks predicted by one of our checkpoints."""

    name: str
    path: Path

    def describe(self) -> dict[str, Any]:
        """What the manifest records of it."""
        return {"kind": "checkpoint", "path": str(self.path), "fingerprint": fingerprint(self.path)} | {
            "card": load_card(self.path).model_dump(mode="json")
        }

    def key(self, case: Case) -> str:
        """Fingerprint of the inputs of this prediction: checkpoint and image bytes."""
        sequences = load_card(self.path).sequences
        files = [case.sequences[name] for name in sequences if name in case.sequences]
        return _hash(fingerprint(self.path), hash_files(files))

    def sequences(self) -> tuple[str, ...]:
        """The sequences that must be read for it."""
        return load_card(self.path).sequences

    def predict(self, case: Case, images: Mapping[str, Volume], reference: Mask | None) -> Prediction:
        """Run the network; the mask lies on the grid of the images."""
        from afl_core.inference import predict  # noqa: PLC0415 - imports torch and MONAI

        network, card = _network(self.path, fingerprint(self.path))
        return predict(network, card, images)


@dataclass(frozen=True)
class MaskSource:
    """Masks read from a folder, one file a case, named by case id."""

    name: str
    path: Path

    def describe(self) -> dict[str, Any]:
        """What the manifest records of it."""
        return {"kind": "masks", "path": str(self.path), "files": len(_mask_files(self.path))}

    def key(self, case: Case) -> str:
        """Fingerprint of the mask's bytes."""
        return _hash(hash_files([self._file(case)]))

    def sequences(self) -> tuple[str, ...]:
        """None: images are not needed."""
        return ()

    def predict(self, case: Case, images: Mapping[str, Volume], reference: Mask | None) -> Prediction:
        """Read the mask and check that it lies on the reference's grid."""
        mask = load_mask(self._file(case))
        if reference is not None:
            check_same_grid(reference, mask, names=("the reference", f"{self.name}'s mask of {case.case_id}"))
        return Prediction(mask)

    def _file(self, case: Case) -> Path:
        files = _mask_files(self.path)
        if case.case_id not in files:
            raise DataError(f"{self.name} has no mask of {case.case_id}", received=self.path.name)
        return files[case.case_id]


Source = CheckpointSource | MaskSource


def parse_sources(texts: Sequence[str]) -> tuple[Source, ...]:
    """Sources from `NAME=PATH` texts; what a path is, is read from what it holds.

    Raises:
        UsageError: If a text is not of that form or a name is used twice.
        CheckpointError: If the path is neither a checkpoint of ours nor a folder of masks.
        DataError: If a folder of masks has two of one case, or a link out of it.
    """
    sources = tuple(_parse(text) for text in texts)
    names = [source.name.lower() for source in sources]
    if len(set(names)) < len(names):
        raise UsageError("Two sources have the same name", received=", ".join(s.name for s in sources))
    return sources


def _parse(text: str) -> Source:
    name, equals, path_text = text.partition("=")
    if not equals or not path_text or not NAME.fullmatch(name):
        raise UsageError(
            "A source is written NAME=PATH, NAME of letters, digits, space and . _ + -",
            received=text,
            todo="For example --source FL=models/demo_fl",
        )
    path = Path(path_text).expanduser()
    if not path.exists():
        raise UsageError(f"The source {name} does not exist", received=path, todo="Check the path")
    if path.is_file():
        raise CheckpointError(
            f"The source {name} is a file, not a checkpoint folder",
            received=path.name,
            todo=f"Pickled weights are not loaded, for safety; give a folder with {CARD} and safetensors weights, "
            "or a folder of predicted masks",
        )
    found = scan_folder(path, depth=0)
    if (path / CARD).is_file() or not (found.files or found.refused):
        load_card(path)  # raises if it is no checkpoint
        return CheckpointSource(name, path)
    _mask_files(path)  # raises if a case has two masks
    return MaskSource(name, path)


def _mask_files(folder: Path) -> Mapping[str, Path]:
    return _list_masks(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _list_masks(folder: Path, _changed_ns: int) -> Mapping[str, Path]:
    return load_references(folder)  # asked for once a case: kept until a file comes or goes


@lru_cache(maxsize=8)
def _network(folder: Path, _fingerprint: str) -> tuple["nn.Module", Any]:
    import torch  # noqa: PLC0415

    from afl_core.model.checkpoints import load_network  # noqa: PLC0415

    torch.set_num_threads(1)  # the pool fills the cores, and one thread gives the same bits everywhere
    return load_network(folder)


def _hash(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
