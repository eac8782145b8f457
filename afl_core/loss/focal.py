"""The one formula behind every focal loss here: -w (1 - p_t)^gamma log(p_t), fused on the CPU, compilable elsewhere."""

import shutil
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812 - PyTorch's own convention

from afl_core.base.catalogue import pick
from afl_core.loss.counting import IGNORED
from afl_core.loss.fused import Work
from afl_core.loss.targets import Target

Activation = Literal["sigmoid", "softmax"]
Reduction = Literal["mean", "sum", "none"]


class How(NamedTuple):
    """What the fused pass is told beside its tensors."""

    reduction: Reduction
    ignoring: bool


def focal(logits: Tensor, target: Target, weights: Tensor, gamma: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Focal loss with weights and exponents given for each sample.

    Args:
        logits: Shape (B, C, X, Y, Z).
        target: The classes or regions of the voxels, for so many channels.
        weights: Shape (B, K, classes): weight of a voxel of each class, in each channel. K = C takes each channel as a
            sigmoid: of one channel or a region against its inside, of more against the class of its number. K = 1 takes
            C > 1 channels as a softmax, with one loss per voxel.
        gamma: Exponent, at least 0: shape (B, 1), (B, C) for the channels or, under softmax, the class of the voxel.
        reduction: `mean` over the elements (B, K, X, Y, Z) that are not ignored, of all samples together, or 0 where
            all are; `sum`; or `none`.

    Returns:
        A scalar, or shape (B, K, X, Y, Z), 0 where ignored; float32, or float64 for such logits. It can be
        differentiated once.
    """
    pick(dict.fromkeys(get_args(Reduction)), reduction, kind="reduction")
    shape = (logits.shape[0], weights.shape[1], *logits.shape[2:])
    x = (logits if logits.dtype == torch.float64 else logits.float()).flatten(2)  # (B, C, N)
    codes = target.codes.flatten(2)  # (B, 1 or R, N)
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        how = How(reduction, target.ignoring)
        losses: Tensor = _Fused.apply(x, codes, weights, gamma, how)  # type: ignore[no-untyped-call]
        return losses.view(shape) if reduction == "none" else losses
    losses = (_device_formula() if x.is_cuda else _formula)(x, codes, weights, gamma, target.ignoring)
    if reduction == "none":
        return losses.view(shape)
    if reduction == "mean" and target.ignoring:
        return losses.sum() / (weights.shape[1] * (codes[:, 0] != IGNORED).sum()).clamp(min=1)
    return losses.mean() if reduction == "mean" else losses.sum()


def _formula(x: Tensor, codes: Tensor, weights: Tensor, gamma: Tensor, ignoring: bool = False) -> Tensor:
    """Loss of each element, shape (B, K, N), written plainly; PyTorch differentiates it."""
    channels, softmax = x.shape[1], weights.shape[1] < x.shape[1]
    if ignoring:
        ignored = codes[:, :1] == IGNORED
        x = x.masked_fill(ignored, 0)
    classes = torch.arange(channels, device=x.device)[:, None]
    own = codes == (1 if channels == 1 or codes.shape[1] > 1 else classes)  # (B, C, N)
    if softmax and channels == 2:
        signed = torch.where(own[:, 1:], 1, -1).to(x.dtype) * (x[:, 1:] - x[:, :1])
    elif softmax:
        x = x - x.detach().amax(dim=1, keepdim=True)  # sums of exponentials of large logits would round more
        signed = (x.where(own, 0).sum(dim=1) - x.masked_fill(own, -torch.inf).logsumexp(dim=1))[:, None]
    else:
        signed = torch.where(own, 1, -1).to(x.dtype) * x
    log_p = F.logsigmoid(signed)  # p_t = sigmoid(signed)
    log_q = log_p - signed  # log(1 - p_t) without a second logarithm
    weight = _of_class(weights, codes).to(x.dtype)
    exponent = _of_class(gamma[:, None], codes) if softmax else gamma[:, :, None]
    losses = -weight * torch.exp(exponent.to(x.dtype) * log_q) * log_p
    return losses.masked_fill(ignored, 0) if ignoring else losses


def _of_class(table: Tensor, codes: Tensor) -> Tensor:
    """The entry (B, K, classes) of the class of each voxel (B, 1 or K, N); one entry goes for all."""
    value = table[..., :1]
    for label in range(1, table.shape[-1]):
        value = torch.where(codes == label, table[..., label : label + 1], value)
    return value


@lru_cache(maxsize=1)
def _device_formula() -> Callable[..., Tensor]:
    """The formula as one fused kernel, where Triton and the C compiler that it needs are installed."""
    able = find_spec("triton") and (shutil.which("cc") or shutil.which("gcc"))
    return torch.compile(_formula, dynamic=True) if able else _formula


class _Fused(torch.autograd.Function):
    """The loss on the CPU; its gradient is made in the same pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor, weights: Tensor, gamma: Tensor, how: How) -> Tensor:
        ctx.save_for_backward(x, codes, weights, gamma)
        ctx.how = how
        losses, ctx.gradient = _run(x, codes, weights, gamma, how)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        gradient = ctx.gradient
        if gradient is None:  # an earlier backward of this retained graph gave it away
            x, codes, weights, gamma = ctx.saved_tensors
            gradient = _run(x, codes, weights, gamma, ctx.how)[1]
        ctx.gradient = None
        if grad_output.ndim or grad_output.item() != 1:  # most often it is 1, and a pass over the volume is saved
            gradient.mul_(grad_output)
        return gradient, None, None, None, None


def _run(x: Tensor, codes: Tensor, weights: Tensor, gamma: Tensor, how: How) -> tuple[Tensor, Tensor]:
    """Loss under the reduction, and the gradient of the scaled sum (empty where x needs none)."""
    b, k, n = len(x), weights.shape[1], x.shape[2]
    logits = x.detach().contiguous().numpy()
    counted = b * n
    if how.reduction == "mean" and how.ignoring:
        counted = max(1, int(torch.count_nonzero(codes[:, 0] != IGNORED)))
    # Memory from NumPy comes in huge pages where the system has them: writing it first costs a fifth of PyTorch's.
    gradient = np.empty(logits.shape if x.requires_grad else 0, logits.dtype)
    losses = np.empty((b, k, n) if how.reduction == "none" else 0, logits.dtype)
    work = Work(
        logits=logits,
        codes=codes.numpy(),
        weights=weights.double().numpy(),
        gamma=gamma.double().numpy(),
        gradient=gradient,
        losses=losses,
        scale=1 / (k * counted) if how.reduction == "mean" else 1.0,
    )
    total = work.run(threads=torch.get_num_threads())
    return torch.from_numpy(losses) if how.reduction == "none" else x.new_tensor(total), torch.from_numpy(gradient)
