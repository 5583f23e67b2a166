"""Losses of the reference systems: focal loss over the classes of a softmax, and dual super-resolution's affinity.

N: batch, C: channels, H, W: height and width, P: pixels that are left after the pooling.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, normalize
from torch.utils.checkpoint import checkpoint

VARIANTS = ('pixel', 'published')
# Rows of the affinity matrix that exist at a time.
_ROWS = 512


def softmax_focal_loss(
    logits: Tensor,
    labels: Tensor,
    gamma: float = 2.0,
    alpha: float = 0.5,
    class_weight: Tensor | None = None,
    ignore_index: int = 255,
    variant: str = 'pixel',
    weight: Tensor | None = None,
) -> Tensor:
    """Mean over pixels of ``-alpha * (1 - p) ** gamma * log(p)``, where p is the probability of a pixel's own class.

    It is the focal loss of `Focal Loss for Dense Object Detection <https://arxiv.org/abs/1708.02002>`_ (Lin et al.,
    2017) for exclusive classes. The mean is weighted by the classes' weights, as torch's cross entropy is; with
    ``gamma=0, alpha=1`` it is that cross entropy. Without a labelled pixel it is 0, and so is its gradient.

    pytorch-deeplab-xception takes the mean cross entropy of a batch and focuses that, with ``p = exp(-mean)``, which
    tells no easy pixel from a hard one. That is the variant ``'published'``.

    Args:
        logits: Scores.
        labels: Classes, integers.
        gamma: Exponent, at least 0: the larger it is, the less count pixels that are classified well.
        alpha: Factor.
        class_weight: Weight of each class, (C,).
        ignore_index: Label of pixels that do not count.
        variant: ``'pixel'`` or ``'published'``.
        weight: Factor for each pixel's loss, such as a sampler's choice, (N, H, W); it does not change what the mean
            divides by. For ``'pixel'`` only.

    Shape:
        logits (N, C, H, W), labels (N, H, W), to a scalar.

    Raises:
        ValueError: If `gamma`, `variant` or the number of class weights is wrong, or `weight` is given for
            ``'published'``.

    Example:
        >>> logits = torch.tensor([0.25, 0.75]).log().reshape(1, 2, 1, 1)
        >>> loss = softmax_focal_loss(logits, torch.tensor([[[0]]]), gamma=1.0, alpha=1.0)
        >>> bool(torch.isclose(loss, -(1 - 0.25) * torch.tensor(0.25).log()))
        True
    """
    _check(gamma, variant)
    if variant == 'published' and weight is not None:
        raise ValueError("weight must be None for variant='published', which has no loss of single pixels")
    if class_weight is not None and class_weight.shape != logits.shape[1:2]:
        raise ValueError(f'class_weight must have {logits.shape[1]} values, got shape {tuple(class_weight.shape)}')
    entropy = cross_entropy(logits, labels, reduction='none', ignore_index=ignore_index)
    counts = labels != ignore_index
    share = counts.to(entropy.dtype)
    if class_weight is not None:
        share = share * class_weight.to(entropy)[labels.where(counts, 0)]
    total = share.sum().clamp_min(torch.finfo(entropy.dtype).tiny)
    if variant == 'published':
        return _focus((share * entropy).sum() / total, gamma, alpha)
    loss = share * _focus(entropy, gamma, alpha)
    return (loss if weight is None else loss * weight).sum() / total


def _focus(entropy: Tensor, gamma: float, alpha: float) -> Tensor:
    # where p is 1, a power below 1 has an infinite derivative
    doubt = (-torch.expm1(-entropy)).clamp_min(torch.finfo(entropy.dtype).tiny)
    return alpha * doubt**gamma * entropy


def _check(gamma: float, variant: str) -> None:
    if not gamma >= 0:
        raise ValueError(f'gamma must be at least 0, got {gamma}')
    if variant not in VARIANTS:
        raise ValueError(f'variant must be one of {", ".join(VARIANTS)}, got {variant!r}')


class SoftmaxFocalLoss(nn.Module):
    """`softmax_focal_loss` as a loss of mmseg's heads.

    With ``gamma=0, alpha=1`` it is cross entropy with class weights, which mmseg's ``CrossEntropyLoss`` cannot compute
    where labels are ignored: mmseg 1.2 fails on every such pixel, and mmseg 1.4 with ``avg_non_ignore=True``.

    Args:
        gamma, alpha, variant: As in `softmax_focal_loss`.
        class_weight: Weight of each class, or a file of them (``.npy``, ``.json``) by ``tools/class_weights.py``.
        loss_weight: Factor of the whole loss.
        loss_name: Its name in the log; what starts with ``loss`` is trained on.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float = 0.5,
        class_weight: Sequence[float] | str | None = None,
        variant: str = 'pixel',
        loss_weight: float = 1.0,
        loss_name: str = 'loss_focal',
    ) -> None:
        super().__init__()
        _check(gamma, variant)
        self.gamma, self.alpha, self.variant, self.loss_weight = gamma, alpha, variant, loss_weight
        self.loss_name = loss_name
        values = get_class_weight(class_weight)
        # Numbers, not a buffer that no checkpoint holds: it would be lost with the meta device.
        self.class_weight = None if values is None else tuple(map(float, values))

    def forward(
        self, logits: Tensor, labels: Tensor, weight: Tensor | None = None, ignore_index: int | None = 255
    ) -> Tensor:
        """Return the loss, a scalar; the arguments are those of `softmax_focal_loss`."""
        ignore_index = -100 if ignore_index is None else ignore_index
        dtype, weights = torch.promote_types(logits.dtype, torch.float32), self.class_weight
        weights = None if weights is None else torch.tensor(weights, dtype=dtype, device=logits.device)
        return self.loss_weight * softmax_focal_loss(
            logits, labels, self.gamma, self.alpha, weights, ignore_index, self.variant, weight
        )

    def extra_repr(self) -> str:
        """Return what distinguishes the loss."""
        return f'gamma={self.gamma}, alpha={self.alpha}, variant={self.variant!r}, loss_weight={self.loss_weight}'


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
