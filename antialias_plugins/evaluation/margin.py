"""By how much a classifier decides.

Letters: images ``B``, classes ``N``.
"""

import torch
from torch import Tensor


def top_margin(logits: Tensor) -> Tensor:
    """Return by how much the largest logit exceeds the second, ``(B, N)`` → ``(B, 1)``."""
    first, second = logits.topk(2).values.unbind(1)
    return (first - second)[:, None]


def label_margins(logits: Tensor, labels: Tensor, ranks: tuple[int, ...] = (1, 5)) -> Tensor:
    """Return by how much the label's logit exceeds the largest of the others, the fifth largest, and so on.

    A margin for rank ``k`` that is above zero says that the label is among the top ``k``.

    Args:
        logits: Logits of the images.
        labels: Class of each image.
        ranks: The ranks, each below ``N``.

    Shape:
        - logits: ``(B, N)``
        - labels: ``(B,)``
        - Returns: ``(B, len(ranks))``

    Example:
        >>> label_margins(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([2]), ranks=(1, 2))
        tensor([[-1.,  1.]])
    """
    others = logits.scatter(1, labels[:, None], -torch.inf).topk(max(ranks)).values
    return logits.gather(1, labels[:, None]) - others[:, [rank - 1 for rank in ranks]]
