"""The convolution that predicts taps."""

from torch import Tensor, nn

from antialias_plugins import kernels


class PaddedConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` of a map that `antialias_plugins.kernels.pad2d` has padded, without padding of its own.

    For the backward pass it keeps the map without its border, which others keep as well.

    Shape:
        (N, C, H + K - 1, W + K - 1) to (N, O, ceil(H / S), ceil(W / S)).
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return kernels.padded_conv2d(input, weight, bias, self.stride)
