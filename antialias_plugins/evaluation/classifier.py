"""A network as it is evaluated.

Letters: images ``B``, classes ``N``.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

# The coarsest arithmetic that a dtype stands for, relative to the largest logit: float32 may be computed as TF32.
RESOLUTION = {torch.float32: 2**-10, torch.float16: 2**-10, torch.bfloat16: 2**-7}


class Classifier:
    """A network in evaluation mode that takes 8-bit images and decides the same whatever the batch size.

    The logits of one image depend, in their last bits, on the other images of its batch, because libraries choose
    another order of summation for another batch size. Where two classes are nearly tied, that decides. So an image
    whose margin is below the resolution of the arithmetic is computed once more, on its own, and that counts. The
    differences that were seen are 10 to 1000 times smaller than this bound.

    Args:
        network: Maps ``(B, 3, H, W)`` to ``(B, N)`` and keeps ``N`` as ``num_classes``, as timm's networks do. It is
            moved to ``device`` and put into evaluation mode.
        mean: Mean of the training's pixels by channel, in [0, 1].
        std: Their standard deviation.
        device: Where to compute.
        dtype: ``torch.float16`` or ``torch.bfloat16`` for mixed precision, by default ``torch.float32``.
        channels_last: Whether to compute in the memory format of that name.

    Raises:
        ValueError: If ``dtype`` is not one of the three, or there is no such device.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str = 'cpu',
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
    ) -> None:
        if dtype not in RESOLUTION:
            raise ValueError(f'dtype must be one of {", ".join(map(str, RESOLUTION))}, got {dtype}')
        try:
            self.device = torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
            raise ValueError(f'device must be one that this machine has, got {device}: {error}') from error
        self.dtype = dtype
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(self.device, memory_format=self.memory_format).eval()
        self._mean, self._std = (
            255 * torch.tensor(values, device=self.device).view(-1, 1, 1) for values in (mean, std)
        )

    @torch.inference_mode()
    def __call__(self, images: Tensor, margins: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the logits of ``images``, computed again on its own where a margin is too small to decide.

        Args:
            images: The images, 8 bits per channel.
            margins: Maps logits, ``(B, N)``, to the margins that decide, ``(B, any)``; see `top_margin`.

        Shape:
            - images: ``(B, 3, H, W)``
            - Returns: ``(B, N)``, float32, on the CPU
        """
        logits = self._forward(images)
        if len(images) > 1:
            bound = RESOLUTION[self.dtype] * logits.abs().amax(1)
            for close in (margins(logits).abs().amin(1) < bound).nonzero().flatten().tolist():
                logits[close] = self._forward(images[close : close + 1])[0]
        return logits

    def normalize(self, images: Tensor) -> Tensor:
        """Return 8-bit images as the network reads them, ``(…, 3, H, W)``, float32, where it computes."""
        return (images.to(self.device, torch.float32, non_blocking=True) - self._mean).div_(self._std)

    def _forward(self, images: Tensor) -> Tensor:
        pixels = self.normalize(images)
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, dtype=self.dtype if mixed else None, enabled=mixed):
            return self.network(pixels.contiguous(memory_format=self.memory_format)).float().cpu()
