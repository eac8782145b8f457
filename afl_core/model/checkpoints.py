"""Checkpoints: a folder with `weights.safetensors` and `card.json`, which says everything about how they came to be."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from afl_core.base.storage import read_as, write_atomically
from afl_core.base.words import number_of
from afl_core.errors import AflError, CheckpointError, DataError

if TYPE_CHECKING:
    from torch import nn

WEIGHTS, CARD = "weights.safetensors", "card.json"
_Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Voxels = Annotated[int, Field(ge=1, le=1024)]
DecisionRule = Literal["tumour_channel", "background_complement", "argmax"]


MAX_CARD = 2**22
"""Largest card that is read, in bytes."""

_OPEN = ConfigDict(extra="allow", allow_inf_nan=False)


@with_config(_OPEN)
class TrainingFacts(TypedDict, total=False):
    """Facts of a training that pages show, beside its configuration; empty where nothing is recorded."""

    seed: int
    steps: int | None
    batch_size: int
    factors_from: str
    processes: int
    parameters: int
    best_step: int
    best_validation_dsc: float


@with_config(_OPEN)
class DataFacts(TypedDict, total=False):
    """The data on which a checkpoint was trained."""

    name: str
    region: str
    cases: dict[str, int]
    training_files_sha256: str


@with_config(_OPEN)
class Scores(TypedDict, total=False):
    """The scores of a checkpoint on its test split."""

    test_mean_dsc_by_decision_rule: dict[DecisionRule, float]


class Card(BaseModel):
    """What a checkpoint is, how it was made, how it scored and what it must not be used for.

    The image is resampled to `spacing_mm`, or resized to `grid` voxels where that is given. `preprocessing` is
    `released` where both are to be done as in the paper's code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    summary: str
    network: str
    network_settings: dict[str, Any] = Field(default_factory=dict)
    sequences: tuple[str, ...] = Field(min_length=1)
    spacing_mm: tuple[_Length, _Length, _Length]
    grid: tuple[_Voxels, _Voxels, _Voxels] | None = None
    patch_size: tuple[_Voxels, _Voxels, _Voxels]
    preprocessing: Literal["workbench", "released"] = "workbench"
    decision_rule: DecisionRule
    loss: str
    loss_settings: dict[str, Any]
    training: TrainingFacts
    data: DataFacts
    scores: Scores
    command: str
    versions: dict[str, str]
    weights_sha256: str
    licence: str = "Apache-2.0"
    limits: str


def save_checkpoint(folder: Path, network: "nn.Module", card: Card) -> Card:
    """Write weights and card atomically.

    Returns:
        The card with the SHA-256 of the weights as written.
    """
    from safetensors.torch import save  # noqa: PLC0415 - imports torch

    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
    card = card.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / CARD, (card.model_dump_json(indent=2) + "\n").encode())
    return card


def load_card(folder: Path) -> Card:
    """Read the card alone; needs no torch.

    Raises:
        CheckpointError: If the folder is not a checkpoint of this project or its card is damaged.
    """
    if not (folder / CARD).is_file() or not (folder / WEIGHTS).is_file():
        raise CheckpointError(
            "This is not a checkpoint of the workbench",
            received=folder,
            todo=f"Give a folder with {CARD} and {WEIGHTS}, as `afl train` writes it, or a folder of predicted masks",
        )
    try:
        return read_as(Card, folder / CARD, largest=MAX_CARD)
    except DataError as error:
        raise CheckpointError(f"{folder.name}/{CARD} is damaged: {error.received}") from error


def load_network(folder: Path) -> tuple["nn.Module", Card]:
    """Read a checkpoint for inference.

    Returns:
        The network in evaluation mode, on the CPU, and its card.

    Raises:
        CheckpointError: If the weights are not those that the card names, do not fit the network it names, or are NaN
            or infinite.
    """
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load  # noqa: PLC0415 - imports torch

    from afl_core.model.networks import build_model  # noqa: PLC0415 - imports torch
    from afl_core.model.weights import check_finite  # noqa: PLC0415

    card = load_card(folder)
    raw = verify_weights(folder, card)
    try:
        network = build_model(card.network, in_channels=len(card.sequences), **card.network_settings)
        state = load(raw)
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError, AflError) as error:
        reason = str(error).splitlines()[1:2] or [str(error)]
        raise CheckpointError(
            f"The weights in {folder.name} do not fit the network {card.network} with "
            f"{number_of(len(card.sequences), 'channel')}",
            received=reason[0].strip(),
        ) from error
    check_finite(state, f"{folder.name}/{WEIGHTS}")
    return network.eval(), card


def verify_weights(folder: Path, card: Card) -> bytes:
    """Bytes of the weights file.

    Raises:
        CheckpointError: If they are not those that the card describes.
    """
    raw = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(raw).hexdigest() != card.weights_sha256:
        raise CheckpointError(
            f"{folder.name}/{WEIGHTS} is not the file that its card describes",
            received="another SHA-256",
            todo="Copy the whole checkpoint folder again",
        )
    return raw


def add_scores(folder: Path, scores: Mapping[str, Any]) -> None:
    """Write scores into a checkpoint's card."""
    card = load_card(folder)
    card = card.model_copy(update={"scores": card.scores | dict(scores)})
    write_atomically(folder / CARD, (card.model_dump_json(indent=2) + "\n").encode())


def find_checkpoints(*roots: Path) -> dict[Path, Card]:
    """Cards of the checkpoints directly under some folders, by their own folder; damaged ones are left out."""
    cards = {}
    for path in (found for root in roots for found in sorted(root.glob(f"*/{CARD}"))):
        try:
            cards[path.parent] = load_card(path.parent)
        except CheckpointError:
            continue
    return cards


def fingerprint(folder: Path) -> str:
    """What a result made with this checkpoint depends on: weights, network, input and decision rule."""
    card = load_card(folder)
    parts: list[Any] = [
        card.weights_sha256,
        card.network,
        card.sequences,
        card.spacing_mm,
        card.patch_size,
        card.decision_rule,
    ]
    parts += [extra for extra in (card.network_settings, card.grid) if extra]  # cards before there were any keep theirs
    parts += [card.preprocessing] if card.preprocessing != "workbench" else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
