"""Imported by the process from which trainings are forked, and by no other: what each would otherwise compile anew."""

import numpy as np
import torch

import afl_core.training.run  # noqa: F401 - the forks need it
from afl_core.metrics import evaluate_masks
from afl_core.training.config import TrainConfig
from afl_core.training.estimate import step_seconds

torch.set_num_threads(1)  # threads would not survive the fork
_box = np.zeros((16, 16, 16), np.bool_)
_box[4:9, 4:9, 4:9] = True
evaluate_masks(np.roll(_box, 1, axis=0), _box, spacing_mm=(2.0, 2.0, 2.0))
step_seconds(
    TrainConfig(loss="focal", loss_settings={"gamma": 2.0}, sequences=("flair", "t1ce"), patch_size=(16, 16, 16))
)
