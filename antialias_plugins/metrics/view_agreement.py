"""How the classifications of several views of one image agree.

Letters: views ``V``, classes ``N``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ViewAgreement:
    """What the views of one image are classified as.

    Attributes:
        agree: Whether all views have the same top class.
        any_correct: Whether at least one view has the label's class on top; ``None`` without a label.
        all_correct: Whether all views have; ``None`` without a label.
        probability_change: Mean absolute change of the top class's probability, see `mean_absolute_change`.
    """

    agree: bool
    any_correct: bool | None
    all_correct: bool | None
    probability_change: float


def classification_agreement(logits: Tensor, label: int | None = None) -> ViewAgreement:
    """Compare the classifications of the views of one image.

    Args:
        logits: Logits of all views.
        label: The image's class.

    Shape:
        - logits: ``(V, N)``, with at least two views

    Returns:
        Whether the views agree, and whether they are right.

    Raises:
        ValueError: If ``logits`` has another shape or is not finite, or ``label`` is not one of its classes.

    Example:
        >>> classification_agreement(torch.tensor([[0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]), label=2).any_correct
        True
    """
    _check_logits(logits)
    top = logits.argmax(1)
    agree, change = bool((top == top[0]).all()), float(mean_absolute_change(logits.double().softmax(1)))
    if label is None:
        return ViewAgreement(agree, None, None, change)
    if not 0 <= label < logits.shape[1]:
        raise ValueError(f'label must be one of {logits.shape[1]} classes, got {label}')
    correct = top == label
    return ViewAgreement(agree, bool(correct.any()), bool(correct.all()), change)


def mean_absolute_change(probabilities: Tensor, label: int | None = None) -> Tensor:
    """Return the mean absolute change (MAC) of one class's probability from view to view.

    The change ``|p_v - p_w|`` is averaged over all pairs of views. With two views it is the measure of Azulay & Weiss,
    "Why do deep convolutional networks generalize so poorly to small image transformations?", JMLR 2019.

    Args:
        probabilities: Class probabilities of all views.
        label: The class; by default the top class of the first view.

    Shape:
        - probabilities: ``(V, N)``, with at least two views
        - Returns: ``()``

    Raises:
        ValueError: If ``probabilities`` has another shape or is not finite.

    Example:
        >>> mean_absolute_change(torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]])).item()  # 1/4, 1/2 and 1/4
        0.3333
    """
    _check_logits(probabilities, 'probabilities')
    watched = probabilities[0].argmax() if label is None else label
    return torch.pdist(probabilities[:, watched, None], p=1).mean()


def _check_logits(logits: Tensor, name: str = 'logits') -> None:
    if logits.ndim != 2 or len(logits) < 2:
        raise ValueError(f'{name} must have shape (V, N) with at least two views, got {tuple(logits.shape)}')
    if not logits.isfinite().all():
        raise ValueError(f'{name} must be finite, got {int((~logits.isfinite()).sum())} that are not')
