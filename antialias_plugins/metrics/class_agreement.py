"""How two predictions for one image agree on each class.

Letters: map ``h w``.
"""

from dataclasses import dataclass

from torch import Tensor

from antialias_plugins.metrics.agreement import check_label, check_pair


@dataclass(frozen=True)
class ClassAgreement:
    """Where two class maps agree, counted in pixels of each class; see `class_agreement`.

    Attributes:
        agreeing: Pixels of each class that have the same class in both maps.
        pixels: All pixels of each class.
    """

    agreeing: tuple[int, ...]
    pixels: tuple[int, ...]

    @property
    def shares(self) -> dict[int, float]:
        """Share of agreeing pixels, in [0, 1], of each class that occurs."""
        counts = zip(self.agreeing, self.pixels, strict=True)
        return {index: agreeing / pixels for index, (agreeing, pixels) in enumerate(counts) if pixels}


def class_agreement(
    pred_a: Tensor, pred_b: Tensor, num_classes: int, label: Tensor | None = None, ignore_index: int = 255
) -> ClassAgreement:
    """Compare two class maps of the same place, class by class.

    With a label map the pixels of class ``c`` are those labelled so, whatever is predicted there. As in the accuracy of
    a class, its share says how stable the predictions on such objects are, and every labelled pixel belongs to one
    class:

        #{label = c, a = b} / #{label = c}

    Without one they are those predicted so, and those of both maps count. That is the coefficient of Dice, "Measures of
    the Amount of Ecologic Association Between Species", Ecology 1945, of the two masks of the class, so it does not
    matter which map is the first:

        2 · #{a = b = c} / (#{a = c} + #{b = c})

    Args:
        pred_a: One class map.
        pred_b: The other.
        num_classes: Number of classes.
        label: Label map of the same place.
        ignore_index: Label of the pixels that belong to no class.

    Shape:
        - pred_a, pred_b, label: ``(h, w)``

    Returns:
        The numbers of agreeing and of all pixels of every class; without a label map those of both maps together.

    Raises:
        ValueError: If the shapes differ, or a map holds something that is no class.

    Example:
        >>> import torch
        >>> pred_a, pred_b = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 1]])
        >>> class_agreement(pred_a, pred_b, num_classes=3).shares  # 2 · 1 / (2 + 1) and 2 · 2 / (2 + 3)
        {0: 0.6667, 1: 0.8}
        >>> class_agreement(pred_a, pred_b, num_classes=3, label=torch.tensor([[2, 2, 2, 255]])).shares
        {2: 0.6667}
    """
    if num_classes < 1:
        raise ValueError(f'num_classes must be at least 1, got {num_classes}')
    check_pair(pred_a, pred_b)
    same = pred_a == pred_b
    if label is not None:
        check_label(label, pred_a)
        label = label.to(same.device)
        labelled = label != ignore_index
        agreeing = _count(label[labelled & same], num_classes, 'label')
        return ClassAgreement(agreeing, _count(label[labelled], num_classes, 'label'))
    pixels = zip(_count(pred_a, num_classes, 'pred_a'), _count(pred_b, num_classes, 'pred_b'), strict=True)
    return ClassAgreement(
        tuple(2 * count for count in _count(pred_a[same], num_classes, 'pred_a')), tuple(map(sum, pixels))
    )


def _count(classes: Tensor, num_classes: int, name: str) -> tuple[int, ...]:
    """Count the pixels of each class."""
    classes = classes.flatten().long()
    if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
        raise ValueError(
            f'{name} must hold classes from 0 to {num_classes - 1}, got {int(classes.min())} to {int(classes.max())}'
        )
    return tuple(classes.bincount(minlength=num_classes).tolist())
