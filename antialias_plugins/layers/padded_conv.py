"""A convolution of a padded map, which keeps the map without its padding. Shapes: N batch, C O channels, K taps."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.kernels.maps import as_input, memory_format_of
from antialias_plugins.kernels.padding import Padding, source_of


class KaimingConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` that begins, and begins anew, with Kaiming's normal weights of its fan out, and bias 0."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.kaiming_normal_(self.weight, mode='fan_out', nonlinearity='relu')
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class PaddedConv2d(KaimingConv2d):
    """`torch.nn.Conv2d` of a map that `antialias_plugins.kernels.pad2d` has padded, without padding of its own.

    For the backward pass it keeps the map without its padding, which others keep as well.

    Shape:
        (N, C, H + K - 1, W + K - 1) to (N, O, ceil(H / S), ceil(W / S)).
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if kernels.uses_reference():
            return F.conv2d(input, weight, bias, self.stride)
        return PaddedConv.apply(input, weight, bias, self.stride, *source_of(input))


class PaddedConv(torch.autograd.Function):
    """``PaddedConv.apply(padded, weight, bias, stride, map, padding)`` is ``conv2d(padded, weight, bias, stride)``.

    ``padded`` must be ``padding.add(map)``. The map and the weight are kept, and the map is padded again in backward.
    """

    @staticmethod
    def forward(
        ctx, padded: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], map: Tensor, padding: Padding
    ) -> Tensor:
        """Convolve, in the type that autocast asks for."""
        ctx.save_for_backward(map, weight)
        ctx.stride, ctx.padding, ctx.memory_format = stride, padding, memory_format_of(padded)
        # Detached: autocast would store their casts, which have no history here, for operators that need one.
        weight, bias = (tensor if tensor is None else tensor.detach() for tensor in (weight, bias))
        return F.conv2d(padded, weight, bias, stride)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the padded map, the weight and the bias."""
        map, weight = ctx.saved_tensors
        if torch.is_grad_enabled():

            def convolve(padded: Tensor, weight: Tensor) -> Tensor:
                return F.conv2d(padded.to(grad.dtype), weight.to(grad.dtype), None, ctx.stride)

            grads = torch.func.vjp(convolve, ctx.padding.add(map), weight)[1](grad)
        else:
            grads = _gradients(grad, map, weight, ctx)
        grad_bias = grad.sum((0, 2, 3)).to(weight.dtype) if ctx.needs_input_grad[2] else None
        return *grads, grad_bias, None, None, None


def _gradients(grad: Tensor, map: Tensor, weight: Tensor, ctx) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of the padded map and of the weight; the padded map lives no longer than it is read."""
    grad_padded = grad_weight = None
    grad, laid_out = (tensor.contiguous(memory_format=ctx.memory_format) for tensor in (grad, weight.to(grad.dtype)))
    if ctx.needs_input_grad[1]:
        padded = ctx.padding.add(map).to(grad.dtype)
        options = (None, ctx.stride, (0, 0), (1, 1), False, (0, 0), 1, (False, True, False))
        grad_weight = as_input(torch.ops.aten.convolution_backward(grad, padded, laid_out, *options)[1], weight)
        del padded
    if ctx.needs_input_grad[0]:
        rest = [(side - 1) % step for side, step in zip(map.shape[2:], ctx.stride, strict=True)]
        grad_padded = F.conv_transpose2d(grad, laid_out, None, ctx.stride, 0, rest).to(map.dtype)
    return grad_padded, grad_weight
