"""Baseline of an untrained network: its random weights, and its outputs before it is converted."""

from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

SIDES = (96, 97, 128, 160, 192)
DTYPES = (torch.float64, torch.float32)

Norm = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class Baseline:
    """Square images, and the tensors that the network returned for each.

    Attributes:
        inputs: one or two images (1, C, S, S), the second one with an odd side if the network takes any.
        outputs: all tensors of the result, for each image.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[list[Tensor], ...]


def run_baseline(model: nn.Module, channels: int, side: int) -> Baseline:
    """Put a network into eval mode, make it random, and run it on the first two sizes that it takes.

    In float64 if it runs in that, in float32 otherwise.

    Args:
        model: the network; changed in place.
        channels: channels of the images that it is made for.
        side: their side, which is tried last.

    Raises:
        Exception: what the network itself raises, if it runs on no size.
    """
    model.eval()  # not chained: mmseg's return None
    for dtype in DTYPES:
        model.to(dtype)
        baseline, failure = _run(model, channels, dict.fromkeys((*SIDES, side)), dtype)
        if baseline.inputs:
            return baseline
    raise failure


def outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    """All tensors that the network returns, computed without gradients."""
    with torch.no_grad():
        return [leaf for leaf in tree_leaves(model(x)) if isinstance(leaf, Tensor)]


def randomize(model: nn.Module, x: Tensor) -> None:
    """Leave no parameter or statistic as it is in a new network, where it would hide errors.

    A new network has heads, residual branches and layer scales that are zero or nearly so: constant parameters become
    random. Its batch norms do nothing: they get random weights, and random statistics of the scale of their input. One
    scale for all channels: channel by channel, those that hardly vary would be blown up, and their rounding errors too.

    Args:
        model: a network in eval mode; changed in place.
        x: what it runs on, once.
    """
    norms = [m for m in model.modules() if isinstance(m, Norm) and m.affine and m.track_running_stats]
    with ExitStack() as hooks, torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point() and parameter.numel() and parameter.eq(parameter.flatten()[0]).all():
                _vary(parameter)
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.uniform_(-0.5, 0.5)
            hooks.callback(norm.register_forward_pre_hook(_adapt).remove)
        model(x)


def _vary(constant: Tensor) -> None:
    """Zero: a gain or bias, or, with more than one dimension, a layer's weight. Not zero: a scale."""
    if constant.any():
        constant.uniform_(0.5, 1.5)
    elif constant.numel() == max(constant.shape, default=1):
        constant.uniform_(0.1, 0.5)
    else:
        constant.normal_(std=0.02)


def _adapt(norm: Norm, args: tuple[Tensor, ...]) -> None:
    scale = float(args[0].std(correction=0)) or 1.0
    norm.running_mean.uniform_(-0.5, 0.5).mul_(scale).add_(args[0].mean())
    norm.running_var.uniform_(0.5, 1.5).mul_(scale**2)


def _run(model: nn.Module, channels: int, sides: dict[int, None], dtype: torch.dtype) -> tuple[Baseline, Exception]:
    runs, failure = [], None
    for side in sides:
        x = torch.rand(1, channels, side, side, dtype=dtype, generator=torch.Generator().manual_seed(side))
        try:
            if not runs:
                randomize(model, x)
            runs.append((x, outputs(model, x)))
        except Exception as error:  # the network's own way to say that it does not take this size
            failure = error
        if len(runs) == 2:
            break
    return Baseline(tuple(x for x, _ in runs), tuple(y for _, y in runs)), failure
