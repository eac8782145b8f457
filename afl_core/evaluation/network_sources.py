"""Sources whose masks a network predicts: one of our checkpoints, or the authors' weights."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from afl_core.base.storage import hash_files
from afl_core.data.loading import draw_if_undrawn
from afl_core.model.checkpoints import Card, fingerprint, load_card
from afl_core.model.released import load_released_network, released_card
from afl_core.volume import WHOLE, Case, Mask, Prediction, Region, Volume

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class CheckpointSource:
    """Masks predicted by one of our checkpoints."""

    name: str
    path: Path
    option: ClassVar[str] = ""
    meaning: ClassVar[str] = ""

    def describe(self) -> dict[str, Any]:
        """The record of the source in the manifest."""
        return {"kind": "checkpoint", "path": str(self.path), "fingerprint": fingerprint(self.path)} | {
            "card": load_card(self.path).model_dump(mode="json")
        }

    def regions(self, case: Case) -> tuple[Region, ...]:
        """The region that it learned, or the first one of the case where that is measured otherwise."""
        return _learned(load_card(self.path), case)

    def key(self, case: Case) -> str:
        """Fingerprint of the inputs of this prediction: checkpoint and image bytes."""
        return combined_hash(fingerprint(self.path), hash_files(self.files(case)))

    def files(self, case: Case) -> list[Path]:
        """The images that it reads of a case; those of the demo are there from now on."""
        draw_if_undrawn(case)
        return [case.sequences[name] for name in self.sequences() if name in case.sequences]

    def sequences(self) -> tuple[str, ...]:
        """The sequences that must be read for it."""
        return load_card(self.path).sequences

    def predict(self, case: Case, images: Mapping[str, Volume], reference: Mask | None) -> Prediction:
        """Run the network; the mask lies on the grid of the images."""
        from afl_core.inference import predict  # noqa: PLC0415 - imports torch and MONAI

        network, card = _network(self.path, fingerprint(self.path))
        return predict(network, card, images)


@dataclass(frozen=True)
class ReleasedSource:
    """Masks predicted by weights that the paper's authors saved.

    Attributes:
        name: Name of the source.
        path: Path of the weights file.
        option: Name in `RELEASED`; "" tells it by the channels.
    """

    name: str
    path: Path
    option: str = ""
    meaning: ClassVar[str] = ""

    def describe(self) -> dict[str, Any]:
        """The record of the source in the manifest."""
        card = released_card(self.path, self.option)
        return {
            "kind": "checkpoint",
            "path": str(self.path),
            "option": self.option,
            "fingerprint": _released_fingerprint(card),
            "card": card.model_dump(mode="json"),
        }

    def regions(self, case: Case) -> tuple[Region, ...]:
        """The region that it learned, or the first one of the case where that is measured otherwise."""
        return _learned(released_card(self.path, self.option), case)

    def key(self, case: Case) -> str:
        """Fingerprint of the inputs of this prediction: weights, setting and image bytes."""
        return combined_hash(_released_fingerprint(released_card(self.path, self.option)), hash_files(self.files(case)))

    def files(self, case: Case) -> list[Path]:
        """The images that it reads of a case; those of the demo are there from now on."""
        draw_if_undrawn(case)
        return [case.sequences[name] for name in self.sequences() if name in case.sequences]

    def sequences(self) -> tuple[str, ...]:
        """The sequences that must be read for it."""
        return released_card(self.path, self.option).sequences

    def predict(self, case: Case, images: Mapping[str, Volume], reference: Mask | None) -> Prediction:
        """Run the network as the released code does; the mask lies on the grid of the images."""
        from afl_core.inference import predict  # noqa: PLC0415 - imports torch and MONAI

        network, card = _released_network(self.path, self.option, self.path.stat().st_mtime_ns)
        return predict(network, card, images)


def _learned(card: Card, case: Case) -> tuple[Region, ...]:
    name = card.data.get("region", WHOLE.name)
    return tuple(region for region in case.regions if region.name == name) or (case.region,)


@lru_cache(maxsize=8)
def _network(folder: Path, _fingerprint: str) -> tuple["nn.Module", Any]:
    import torch  # noqa: PLC0415

    from afl_core.model.checkpoints import load_network  # noqa: PLC0415

    torch.set_num_threads(1)  # the pool fills the cores, and one thread gives the same bits everywhere
    return load_network(folder)


@lru_cache(maxsize=2)
def _released_network(path: Path, option: str, _changed_ns: int) -> tuple["nn.Module", Any]:
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    return load_released_network(path, option)


def _released_fingerprint(card: Card) -> str:
    return combined_hash(card.weights_sha256, str(card.network_settings), str(card.sequences))


def combined_hash(*parts: str) -> str:
    """SHA-256 of several texts, as hexadecimal digits."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
