"""Images that a network sees at a lower resolution than that of its labels."""

from typing import Any

from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor
from torch import Tensor
from torch.nn.functional import interpolate


class LowResolutionPreProcessor(SegDataPreProcessor):
    """mmseg's data preprocessor; then the images, and not the labels, are reduced.

    The batch is normalized and padded as usual, then interpolated bilinearly, aligned at the corners, to
    ``(H // factor, W // factor)``. The metadata keep describing the full size, so that mmseg's heads resize their
    logits to the full size of the labels, in the loss and in whole-image tests. Of an odd side, nothing is cut off:
    the corners of both images meet, and the sampling is slightly coarser than ``factor``.

    Args:
        factor: How much smaller the network's input is, on each side.
        keep_target: Whether each sample keeps its image at full size, normalized, as ``gt_image`` (`PixelData`, RGB if
            ``bgr_to_rgb``): the target of a super-resolution branch. Test images keep it without their padding.
        **kwargs: Arguments of mmseg's ``SegDataPreProcessor``. ``size`` and ``size_divisor`` are those of full size.

    Raises:
        ValueError: If ``factor`` is not a positive integer.
    """

    def __init__(self, factor: int = 2, keep_target: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(factor, int) or factor < 1:
            raise ValueError(f'LowResolutionPreProcessor: factor must be a positive integer, got {factor!r}')
        self.factor, self.keep_target = factor, keep_target

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return ``inputs``, ``(N, 3, H // factor, W // factor)``, and ``data_samples`` at full size."""
        sizes = [image.shape[-2:] for image in data['inputs']]
        data = super().forward(data, training)
        images, samples = data['inputs'], data['data_samples']
        if self.keep_target and samples is not None:
            for image, sample, (height, width) in zip(images, samples, sizes, strict=True):
                sample.gt_image = PixelData(data=image if training else image[:, :height, :width])
        return dict(inputs=self.reduce(images), data_samples=samples)

    def reduce(self, images: Tensor) -> Tensor:
        """Interpolate images ``(N, C, H, W)`` to ``(N, C, H // factor, W // factor)``."""
        if self.factor == 1:
            return images
        size = [side // self.factor for side in images.shape[-2:]]
        return interpolate(images, size, mode='bilinear', align_corners=True)

    def denormalize(self, images: Tensor) -> Tensor:
        """Return normalized images ``(..., 3, H, W)`` in the units of the files, 0 to 255."""
        if not self._enable_normalize:
            return images
        return images * self.std + self.mean
