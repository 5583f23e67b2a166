"""Feature affinity of dual super-resolution: the loss that ties the branches, and the transform before it.

N: batch, C: channels, H, W: height and width, P: pixels that are left after the pooling.
"""

from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, normalize
from torch.utils.checkpoint import checkpoint

# Rows of the affinity matrix that exist at a time.
_ROWS = 512


def feature_affinity_loss(
    features: Tensor, references: Tensor, stride: int = 8, normalized: bool = True, eps: float = 1e-4
) -> Tensor:
    r"""Mean absolute difference between the affinity matrices of two maps, image by image.

    With :math:`a_i`, :math:`b_i` the features of pixel i after average pooling:

    .. math:: L = \frac{1}{P^2} \sum_{i,j=1}^{P} \left| a_i^\top a_j - b_i^\top b_j \right|

    `Dual Super-Resolution Learning for Semantic Segmentation
    <https://openaccess.thecvf.com/content_CVPR_2020/html/Wang_Dual_Super-Resolution_Learning_for_Semantic_Segmentation_CVPR_2020_paper.html>`_
    scales every :math:`a_i`, :math:`b_i` to length 1 (p = 2) and takes absolute differences (q = 1). The matrices are
    P × P: they are computed in bands, forwards and backwards, so that memory grows with P. Half types are computed in
    float32, under autocast too.

    Args:
        features: A map, ``(N, C, H, W)``.
        references: The map to compare with, ``(N, C', H, W)``; it gets gradients as well.
        stride: Window and stride of the average pooling, in pixels; a rest at the right and bottom is left out.
        normalized: Scale each pixel's features to length 1.
        eps: Lengths below count as this length. It keeps the gradient finite where all features are 0, which is common
            after a ReLU.

    Returns:
        The loss of each image, ``(N,)``.

    Raises:
        ValueError: If the maps differ in batch or size, or are smaller than ``stride``.

    Example:
        >>> features = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # two pixels, orthogonal
        >>> feature_affinity_loss(features, torch.ones(1, 1, 1, 2), stride=1)  # two pixels, equal
        tensor([0.5000])
    """
    batch, size = features.shape[0], features.shape[2:]
    if (references.shape[0], references.shape[2:]) != (batch, size):
        raise ValueError(
            f'references must have the batch and size of features, {(batch, *size)}, got '
            f'{(references.shape[0], *references.shape[2:])}'
        )
    if min(size) < stride:
        raise ValueError(f'features must have at least stride = {stride} pixels on a side, got {tuple(size)}')
    with torch.autocast(features.device.type, enabled=False):
        a, b = (_pixels(maps, stride, normalized, eps) for maps in (features, references))
        bands = zip(a.split(_ROWS, dim=2), b.split(_ROWS, dim=2), strict=True)
        sums = [checkpoint(_band, rows, a, others, b, use_reentrant=False) for rows, others in bands]
        return torch.stack(sums).sum(0) / a.shape[2] ** 2


class FeatureAffinityLoss(nn.Module):
    """Feature affinity as a loss of a batch. See :func:`feature_affinity_loss`.

    Args:
        stride, normalized: As there.
        reduction: ``'mean'`` or ``'sum'`` over the images of the batch.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: If ``stride`` is not positive or ``reduction`` is another word.
    """

    def __init__(
        self, stride: int = 8, normalized: bool = True, reduction: str = 'mean', loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if stride < 1:
            raise ValueError(f'FeatureAffinityLoss: stride must be positive, got {stride}')
        if reduction not in ('mean', 'sum'):
            raise ValueError(f"FeatureAffinityLoss: reduction must be 'mean' or 'sum', got {reduction!r}")
        self.stride, self.normalized, self.reduction, self.loss_weight = stride, normalized, reduction, loss_weight

    def forward(self, features: Tensor, references: Tensor) -> Tensor:
        """Return the weighted loss, a scalar."""
        losses = feature_affinity_loss(features, references, self.stride, self.normalized)
        return self.loss_weight * (losses.mean() if self.reduction == 'mean' else losses.sum())

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f'stride={self.stride}, normalized={self.normalized}, reduction={self.reduction!r}, '
            f'loss_weight={self.loss_weight}'
        )


def _pixels(maps: Tensor, stride: int, normalized: bool, eps: float) -> Tensor:
    """Features ``(N, C, P)`` of the pixels of the pooled maps."""
    if maps.dtype in (torch.float16, torch.bfloat16):
        maps = maps.float()
    pixels = avg_pool2d(maps, stride).flatten(2)
    return normalize(pixels, dim=1, eps=eps) if normalized else pixels


def _band(rows: Tensor, a: Tensor, others: Tensor, b: Tensor) -> Tensor:
    """Sums ``(N,)`` of the absolute differences in some rows of the two matrices."""
    return (rows.mT @ a - others.mT @ b).abs().sum((1, 2))


class FeatureTransform(nn.Sequential):
    """1×1 convolution, normalization and ReLU, which bring features of the segmentation closer to those of the image.

    Args:
        in_channels: Channels of the segmentation's features.
        channels: Channels of the result.
        source: Name of the segmentor's module whose output are the segmentation's features, compared with the features
            of the super-resolution branch; such as ``'decode_head.sep_bottleneck'``. If None, the segmentation's logits
            are compared with the super-resolved image, both at full size.
        norm_cfg: Normalization, by default ``dict(type='BN')``.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, channels, H, W)``.
    """

    def __init__(
        self, in_channels: int, channels: int, source: str | None = None, norm_cfg: dict[str, Any] | None = None
    ) -> None:
        _, norm = build_norm_layer(norm_cfg or dict(type='BN'), channels)
        super().__init__(nn.Conv2d(in_channels, channels, 1), norm, nn.ReLU())
        self.source = source
