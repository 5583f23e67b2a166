"""The peak signal-to-noise ratio of images that a network has rebuilt."""

from collections.abc import Sequence
from math import inf, log10
from statistics import fmean
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS
from torch import Tensor

from antialias_plugins.metrics.inputs import check_number


def peak_signal_noise_ratio(image: Tensor, target: Tensor, data_range: float = 255.0) -> float:
    """Return ``10 log10(data_range² / mean squared error)`` in decibels; infinity for equal images.

    Args:
        image: An image, ``(C, H, W)``.
        target: The image to compare with, of the same shape.
        data_range: Difference between the largest and the smallest value that an image can have.

    Raises:
        ValueError: If the shapes differ, an image is empty or no tensor, or `data_range` is not positive.

    Example:
        >>> import torch
        >>> peak_signal_noise_ratio(torch.full((3, 2, 2), 25.5), torch.zeros(3, 2, 2))
        20.0
    """
    _check_positive('data_range', data_range)
    for name, value in (('image', image), ('target', target)):
        if not isinstance(value, Tensor) or not value.numel():
            raise ValueError(f'{name} must be a tensor with values, got {value!r:.200}')
    if image.shape != target.shape:
        raise ValueError(f'image must have the shape of target, {tuple(target.shape)}, got {tuple(image.shape)}')
    error = (image.cpu().double() - target.cpu().double()).square().mean().item()  # devices may lack float64
    return 10 * log10(data_range**2 / error) if error else inf


def _check_positive(name: str, value: float) -> None:
    check_number(name, value, 'positive', lambda number: number > 0)


@METRICS.register_module()
class PeakSignalNoiseRatio(BaseMetric):
    """Mean over images of the PSNR between ``pred_image`` and ``gt_image`` of the samples, as ``PSNR`` in decibels.

    The segmentor `DualSuperResolution` puts the two into its samples with ``test_cfg=dict(super_resolution=True)``. The
    ratio is taken over all channels, without the padding of the batch; images are counted once under distributed
    sampling.

    Args:
        data_range: As of `peak_signal_noise_ratio`.
        maximum: What an image counts at most, in decibels, so that one that is rebuilt exactly, whose own ratio is
            infinite, does not make the mean infinite.
        **kwargs: Arguments of mmengine's ``BaseMetric``.

    Raises:
        ValueError: If ``data_range`` or ``maximum`` is not positive, or a sample has no ``pred_image``.
    """

    default_prefix = ''

    def __init__(self, data_range: float = 255.0, maximum: float = 100.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (('data_range', data_range), ('maximum', maximum)):
            _check_positive(f'PeakSignalNoiseRatio: {name}', value)
        self.data_range, self.maximum = data_range, maximum

    def process(self, data_batch: dict[str, Any], data_samples: Sequence[dict[str, Any]]) -> None:
        """Add the ratios of a batch."""
        for sample in data_samples:
            if not {'pred_image', 'gt_image'} <= sample.keys():
                raise ValueError(
                    'PeakSignalNoiseRatio: samples must have pred_image and gt_image, as DualSuperResolution gives '
                    f'them with test_cfg.super_resolution=True, got {sorted(sample)}'
                )
            images = (sample[name]['data'] for name in ('pred_image', 'gt_image'))
            self.results.append(min(peak_signal_noise_ratio(*images, self.data_range), self.maximum))

    def compute_metrics(self, results: Sequence[float]) -> dict[str, float]:
        """Return the mean over images."""
        return {'PSNR': fmean(results)}
