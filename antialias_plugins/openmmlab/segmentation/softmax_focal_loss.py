"""Focal loss over the classes of a softmax."""

from collections.abc import Sequence

import torch
from mmseg.models.losses.utils import get_class_weight
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

VARIANTS = ('pixel', 'published')


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
        values = None if values is None else torch.as_tensor(values, dtype=torch.get_default_dtype())
        self.register_buffer('class_weight', values, persistent=False)

    def forward(
        self, logits: Tensor, labels: Tensor, weight: Tensor | None = None, ignore_index: int | None = 255
    ) -> Tensor:
        """Return the loss, a scalar; the arguments are those of `softmax_focal_loss`."""
        ignore_index = -100 if ignore_index is None else ignore_index
        return self.loss_weight * softmax_focal_loss(
            logits, labels, self.gamma, self.alpha, self.class_weight, ignore_index, self.variant, weight
        )

    def extra_repr(self) -> str:
        """Return what distinguishes the loss."""
        return f'gamma={self.gamma}, alpha={self.alpha}, variant={self.variant!r}, loss_weight={self.loss_weight}'
