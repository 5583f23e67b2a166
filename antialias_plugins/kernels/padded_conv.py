"""A convolution of a padded map, which keeps the map without its border. Shapes: N batch, C O channels, K taps."""

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.border import Border


class PaddedConv2d(torch.autograd.Function):
    """``PaddedConv2d.apply(padded, weight, bias, stride, map, border)`` is ``conv2d(padded, weight, bias, stride)``.

    ``padded`` must be ``border.add(map)``. The map and the weight are kept, and the border is added again in backward.
    """

    @staticmethod
    def forward(
        ctx, padded: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], map: Tensor, border: Border
    ) -> Tensor:
        """Convolve, in the type that autocast asks for."""
        ctx.save_for_backward(map, weight)
        ctx.stride, ctx.border = stride, border
        # Detached: autocast would store their casts, which have no history here, for operators that need one.
        weight, bias = (tensor if tensor is None else tensor.detach() for tensor in (weight, bias))
        return F.conv2d(padded, weight, bias, stride)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the padded map, the weight and the bias."""
        map, weight = ctx.saved_tensors
        padded = ctx.border.add(map)
        if torch.is_grad_enabled():
            grads = _differentiable_gradients(grad, padded, weight, ctx)
        else:
            operands = [tensor.to(grad.dtype) for tensor in (padded, weight)]
            wanted = list(ctx.needs_input_grad[:3])
            options = ([len(weight)], ctx.stride, (0, 0), (1, 1), False, (0, 0), 1, wanted)
            grads = torch.ops.aten.convolution_backward(grad, *operands, *options)
        types = (padded.dtype, weight.dtype, weight.dtype)
        return *(g if g is None else g.to(dtype) for g, dtype in zip(grads, types, strict=True)), None, None, None


def _differentiable_gradients(grad: Tensor, padded: Tensor, weight: Tensor, ctx) -> tuple[Tensor | None, ...]:
    def convolve(padded: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(padded.to(grad.dtype), weight.to(grad.dtype), None, ctx.stride)

    grads = torch.func.vjp(convolve, padded, weight)[1](grad)
    return *grads, grad.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
