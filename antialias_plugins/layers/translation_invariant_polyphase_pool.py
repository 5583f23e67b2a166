"""Learned mixtures of polyphase components as a module."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.functional import polyphase_components
from antialias_plugins.functional.arguments import (
    check_choice,
    check_count,
    check_module,
    check_odd,
    check_placement,
    one_or_many,
)
from antialias_plugins.functional.polyphase import take
from antialias_plugins.functional.polyphase_mixing import BORDERS, mixing_loss, undo_loss
from antialias_plugins.kernels.maps import as_input
from antialias_plugins.layers.padded_conv import KaimingConv2d
from antialias_plugins.layers.polyphase_pool import PolyphaseFilter


class TranslationInvariantPolyphasePool2d(PolyphaseFilter):
    """Subsamples to a mixture of the polyphase components, whose weights each channel predicts (TIPS).

    From `Improving Shift Invariance in Convolutional Neural Networks with Translation Invariant Polyphase Sampling
    <https://arxiv.org/abs/2404.07410>`_ (Saha and Gokhale, 2025), as far as the authors' code defines it: ``relu(conv(
    map))`` is averaged over S_w by S_h fields of the map, scaled per channel, and a softmax makes of it the weights of
    the components.

    The layer learns to be stable, it is not equivariant by construction: a shift moves the components of a mixture by
    different amounts, and the fields stay where they are. There is no phase to share either, so each branch of a block
    has a layer of its own, and a decoder nothing to undo.

    Training adds two losses to that of the task, see `antialias_plugins.layers.mixing_losses`.

    Args:
        channels: C; `stride`, `filt_size` and `adaptive` are those of `PolyphasePool2d`. K = 1 is the authors' layer.
        kernel_size: side of the convolution, odd.
        padding_mode: of the filter and of the convolution; ``'zeros'`` in the authors' code.
        max_shift: largest shift that `loss_undo` draws.
        border: what such a shift brings in, ``'zeros'`` or ``'circular'``.
        device, dtype: of the parameters, as in torch's layers.

    Attributes:
        conv: `torch.nn.Conv2d`, depthwise, no bias.
        scale: `torch.nn.Conv2d`, depthwise, 1 x 1, no bias.
        loss_fm: `antialias_plugins.functional.mixing_loss` of the latest forward pass in train mode, else None.
        loss_undo: `antialias_plugins.functional.undo_loss` of the latest forward pass in train mode, else None.

    Example:
        >>> layer = TranslationInvariantPolyphasePool2d(8)
        >>> layer(torch.rand(2, 8, 6, 7)).shape, layer.loss_fm.shape
        (torch.Size([2, 8, 3, 4]), torch.Size([]))
    """

    _printed = (*PolyphaseFilter._printed, 'kernel_size', 'max_shift', 'border')

    def __init__(
        self,
        channels: int,
        stride: int | tuple[int, int] = 2,
        filt_size: int = 1,
        kernel_size: int = 3,
        padding_mode: str = 'circular',
        max_shift: int = 2,
        border: str = 'zeros',
        adaptive: Mapping[str, Any] | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        placement = check_placement(device, dtype)
        super().__init__(check_count('channels', channels), stride, filt_size, padding_mode, adaptive, **placement)
        self.kernel_size = check_odd('kernel_size', kernel_size)
        self.max_shift = check_count('max_shift', max_shift, 0)
        self.border = check_choice('border', border, BORDERS)
        self.conv = KaimingConv2d(channels, channels, kernel_size, groups=channels, bias=False, **placement)
        self.scale = KaimingConv2d(channels, channels, 1, groups=channels, bias=False, **placement)
        self.loss_fm: Tensor | None = None
        self.loss_undo: Tensor | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise both convolutions as the authors' networks do (Kaiming, fan out)."""
        self.conv.reset_parameters()
        self.scale.reset_parameters()

    @one_or_many()
    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        filtered = self.low_pass(input)
        features = F.relu(self.conv(kernels.pad2d(filtered, self.kernel_size, self.padding_mode)))
        weights = self._weights(features)
        self.loss_fm = mixing_loss(weights) if self.training else None
        self.loss_undo = undo_loss(features, filtered, self.max_shift, self.border) if self.training else None
        return as_input(take(polyphase_components(filtered, self.stride), weights), input)

    def _weights(self, features: Tensor) -> Tensor:
        """The weights (N, P, C) of the components for features (N, C, H, W)."""
        rows, columns = self.stride
        # The authors number the fields by rows and the components by columns, and weights are trained for that.
        logits = self.scale(_means(features, columns, rows).transpose(2, 3)).flatten(2)
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(2).transpose(1, 2)

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without the losses, whose graphs cannot be copied."""
        return {**self.__dict__, 'loss_fm': None, 'loss_undo': None}


def _means(map: Tensor, rows: int, columns: int) -> Tensor:
    """What `torch.nn.functional.adaptive_avg_pool2d` gives, in operators that all runtimes have for any side.

    And with a gradient that is deterministic on every device.
    """
    if not kernels.is_transformed() and map.shape[2] % rows == map.shape[3] % columns == 0:
        return map.unflatten(3, (columns, -1)).unflatten(2, (rows, -1)).mean((3, 5))
    lines = [
        torch.stack([map[..., down, right].mean((2, 3)) for right in _fields(map.shape[3], columns)], 2)
        for down in _fields(map.shape[2], rows)
    ]
    return torch.stack(lines, 2)


def _fields(side: int, count: int) -> list[slice]:
    """Parts of an axis that meet, or share a position."""
    return [slice(side * index // count, (side * (index + 1) + count - 1) // count) for index in range(count)]


def mixing_losses(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Collect the two losses of every `TranslationInvariantPolyphasePool2d` that ran in train mode.

    The authors minimise ``0.65 * task + loss_fm + 0.35 * loss_undo``, and leave the last term out of the first 40 % of
    the epochs. Under `torch.nn.DataParallel` the losses stay in its replicas and are not found; use
    `torch.nn.parallel.DistributedDataParallel`.

    Args:
        model: the network, after a forward pass in train mode.

    Returns:
        ``(loss_fm, loss_undo)``, means over the layers.

    Raises:
        RuntimeError: if there is no such layer, or none ran in train mode.

    Example:
        >>> model = nn.Sequential(TranslationInvariantPolyphasePool2d(4), TranslationInvariantPolyphasePool2d(4))
        >>> output = model(torch.rand(2, 4, 8, 8))
        >>> loss_fm, loss_undo = mixing_losses(model)
        >>> 0 <= loss_fm <= 0.5
        tensor(True)
    """
    check_module('model', model)
    layers = [layer for layer in model.modules() if isinstance(layer, TranslationInvariantPolyphasePool2d)]
    ran = [layer for layer in layers if layer.loss_fm is not None]
    if not ran:
        raise RuntimeError(f'None of {len(layers)} layers that mix polyphase components has run in train mode.')
    return torch.stack([layer.loss_fm for layer in ran]).mean(), torch.stack([layer.loss_undo for layer in ran]).mean()
