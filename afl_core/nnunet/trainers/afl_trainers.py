"""The trainers, in the folder that `nnUNet_extTrainer` names; `afl nnunet` lists them and says how to use them.

nnU-Net imports every file of that folder and asks it for the class of a name. The classes are made when they are asked
for, since a name may have endings: `nnUNetTrainerAFL_paper_case_100epochs`. A trainer is nnU-Net's default one, with
its learning rate, schedule, augmentation and sampling, and with another loss.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor

from afl_core.nnunet.catalogue import TrainerSpec, find_trainer
from afl_core.nnunet.loss import Heads, LevelLoss

VALIDATION_SHARE = 5
"""Training steps for one of validation: nnU-Net's 250 and 50 an epoch."""


class _Trainer(nnUNetTrainer):  # type: ignore[misc]
    """nnU-Net's trainer with a loss of ours."""

    spec: ClassVar[TrainerSpec]

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's own default
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        if self.spec.epochs:
            self.num_epochs = self.spec.epochs
        if self.spec.iterations:
            self.num_iterations_per_epoch = self.spec.iterations
            self.num_val_iterations_per_epoch = -(-self.spec.iterations // VALIDATION_SHARE)

    def _build_loss(self) -> LevelLoss:
        """Our loss under the weights that nnU-Net gives the levels of deep supervision."""
        theirs = super()._build_loss()
        weights = theirs.weight_factors if isinstance(theirs, DeepSupervisionWrapper) else (1.0,)
        heads = Heads(
            channels=self.label_manager.num_segmentation_heads,
            regions=self.label_manager.has_regions,
            spacing_mm=tuple(map(float, self.configuration_manager.spacing)),
            weights=tuple(map(float, weights)),
            ignore_label=self.label_manager.ignore_label,
        )
        loss = LevelLoss(self.spec, heads, reference=self._reference)
        self.print_to_log_file(f"{self.spec.line} {loss}")
        return loss

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A step, after the loss was told whose patches these are."""
        self.loss.cases = tuple(map(str, batch["keys"]))
        step: dict[str, Any] = super().train_step(batch)
        return step

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A step of validation, after the same."""
        self.loss.cases = tuple(map(str, batch["keys"]))
        step: dict[str, Any] = super().validation_step(batch)
        return step

    def _reference(self, name: str) -> Tensor:
        """The reference of a whole case as it was preprocessed, in the form of a target: (1, 1 or R, X, Y, Z).

        Its axes and its spacing are those of the patches: nnU-Net has transposed both.
        """
        _, labels, _, _ = self.dataset_class(self.preprocessed_dataset_folder, [name]).load_case(name)
        labels = np.asarray(labels[:])[:1]  # -1 is outside the image
        manager = self.label_manager
        if not manager.has_regions:
            return torch.from_numpy(np.maximum(labels, 0))[None]
        masks = [np.isin(labels[0], region) for region in manager.foreground_regions]
        if manager.has_ignore_label:
            masks.append(labels[0] == manager.ignore_label)
        return torch.from_numpy(np.stack(masks))[None]


def __getattr__(name: str) -> type[nnUNetTrainer]:
    """The trainer of a name, for nnU-Net, which asks whether a file has it."""
    if (spec := find_trainer(name)) is None:
        raise AttributeError(name)
    trainer = type(name, (_Trainer,), {"spec": spec, "__module__": __name__, "__doc__": spec.line})
    globals()[name] = trainer  # the same class every time
    return trainer
