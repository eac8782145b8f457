"""What every loss is given: logits of one or two channels and a target of one."""

import torch
from torch import Tensor

from afl_core.errors import UsageError


def check_pair(logits: Tensor, target: Tensor) -> None:
    """Raise unless logits are (B, 1 or 2, X, Y, Z) and the target is (B, 1, X, Y, Z).

    Raises:
        UsageError: If they are anything else; shows both shapes.
    """
    check_tensors(logits, target)
    if logits.ndim != 5 or logits.shape[1] not in (1, 2) or target.shape != (logits.shape[0], 1, *logits.shape[2:]):
        raise UsageError(
            "Logits must be (B, 1 or 2, X, Y, Z) and targets (B, 1, X, Y, Z)",
            received=f"{tuple(logits.shape)} and {tuple(target.shape)}",
        )


def check_tensors(*values: Tensor) -> None:
    """Raise unless all are tensors.

    Raises:
        UsageError: If one is something else, such as a NumPy array.
    """
    for value in values:
        if not isinstance(value, Tensor):
            raise UsageError("A loss takes tensors", received=type(value).__name__, todo="Try torch.as_tensor(array)")


def float_pair(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Logits in float32 or better, and the target of each of their channels.

    Args:
        logits: Shape (B, C, X, Y, Z) with C 1 (tumour) or 2 (background, tumour); sums in half precision overflow.
        target: Shape (B, 1, X, Y, Z), any dtype, 0 outside the tumour and any other label inside.

    Returns:
        Both of shape (B, C, X, Y, Z) and of one dtype.

    Raises:
        UsageError: If the shapes are not of these forms.
    """
    check_pair(logits, target)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    target = target.bool().to(logits.dtype)
    return logits, target if logits.shape[1] == 1 else torch.cat([1 - target, target], dim=1)


def probabilities(logits: Tensor) -> Tensor:
    """Softmax of two channels, sigmoid of one; shape (B, C, ...) in and out."""
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)
