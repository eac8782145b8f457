"""The one formula behind every focal loss here: -w (1 - p_t)^gamma log(p_t), fused on the CPU, compilable elsewhere."""

import shutil
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812 - PyTorch's own convention

from afl_core.base.catalogue import pick
from afl_core.loss.kernel import Work

Reduction = Literal["mean", "sum", "none"]


def focal(logits: Tensor, target: Tensor, weights: Tensor, gamma: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Focal loss with weights and exponents given for each sample.

    Args:
        logits: Shape (B, C, X, Y, Z), C being 1 (tumour) or 2 (background and tumour).
        target: Shape (B, 1, X, Y, Z), 0 outside the tumour and anything else inside.
        weights: Shape (B, K, 2): weight of a background and of a tumour voxel, in each channel. K = C takes each
            channel as a sigmoid with a one-hot target; C = 2 and K = 1 takes both as a softmax, with one loss
            per voxel.
        gamma: Exponent of each sample, shape (B,), at least 0.
        reduction: `mean` over all B x K x X x Y x Z elements, `sum`, or `none`.

    Returns:
        A scalar, or shape (B, K, X, Y, Z); float32, or float64 for such logits. It can be differentiated once.
    """
    pick(dict.fromkeys(get_args(Reduction)), reduction, kind="reduction")
    shape = (logits.shape[0], weights.shape[1], *logits.shape[2:])
    x = (logits if logits.dtype == torch.float64 else logits.float()).flatten(2)  # (B, C, N)
    tumour = target.bool().flatten(1)  # (B, N)
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        losses: Tensor = _Fused.apply(x, tumour, weights, gamma, reduction)  # type: ignore[no-untyped-call]
        return losses.view(shape) if reduction == "none" else losses
    losses = (_device_formula() if x.is_cuda else _formula)(x, tumour, weights, gamma)
    return losses.view(shape) if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def _formula(x: Tensor, tumour: Tensor, weights: Tensor, gamma: Tensor) -> Tensor:
    """Loss of each element, shape (B, K, N), written plainly; PyTorch differentiates it."""
    side = torch.where(tumour, 1, -1).to(x.dtype)[:, None]  # (B, 1, N)
    if weights.shape[1] < x.shape[1]:
        x = x[:, 1:] - x[:, :1]
    elif x.shape[1] == 2:
        side = torch.cat([-side, side], dim=1)
    signed = side * x  # p_t = sigmoid(signed)
    log_p = F.logsigmoid(signed)
    log_q = log_p - signed  # log(1 - p_t) without a second logarithm
    weight = torch.where(tumour[:, None], weights[..., 1:], weights[..., :1]).to(x.dtype)
    return -weight * torch.exp(gamma.to(x.dtype)[:, None, None] * log_q) * log_p


@lru_cache(maxsize=1)
def _device_formula() -> Callable[..., Tensor]:
    """The formula as one fused kernel, where Triton and the C compiler that it needs are installed."""
    able = find_spec("triton") and (shutil.which("cc") or shutil.which("gcc"))
    return torch.compile(_formula, dynamic=True) if able else _formula


class _Fused(torch.autograd.Function):
    """The loss on the CPU; its gradient is made in the same pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tumour: Tensor, weights: Tensor, gamma: Tensor, reduction: Reduction) -> Tensor:
        ctx.save_for_backward(x, tumour, weights, gamma)
        ctx.reduction = reduction
        losses, ctx.gradient = _run(x, tumour, weights, gamma, reduction=reduction)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        saved, gradient = ctx.saved_tensors, ctx.gradient
        if gradient is None:  # an earlier backward of this retained graph gave it away
            gradient = _run(*saved, reduction=ctx.reduction)[1]
        ctx.gradient = None
        if grad_output.ndim or grad_output.item() != 1:  # most often it is 1, and a pass over the volume is saved
            gradient.mul_(grad_output)
        return gradient, None, None, None, None


def _run(x: Tensor, tumour: Tensor, weights: Tensor, gamma: Tensor, *, reduction: Reduction) -> tuple[Tensor, Tensor]:
    """Loss under the reduction, and the gradient of the scaled sum (empty where x needs none)."""
    b, k, n = len(x), weights.shape[1], x.shape[2]
    logits = x.detach().contiguous().numpy()
    # Memory from NumPy comes in huge pages where the system has them: writing it first costs a fifth of PyTorch's.
    gradient = np.empty(logits.shape if x.requires_grad else 0, logits.dtype)
    losses = np.empty((b, k, n) if reduction == "none" else 0, logits.dtype)
    work = Work(
        logits=logits,
        tumour=tumour.view(torch.uint8).numpy(),
        weights=weights.double().numpy(),
        gamma=gamma.double().numpy(),
        gradient=gradient,
        losses=losses,
        scale=1 / (b * k * n) if reduction == "mean" else 1.0,
    )
    total = work.run(threads=torch.get_num_threads())
    return torch.from_numpy(losses) if reduction == "none" else x.new_tensor(total), torch.from_numpy(gradient)
