"""What differs from one kind of prediction to another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from mmengine.structures import BaseDataElement
from torch import Tensor

Predict = Callable[[Tensor], Sequence[BaseDataElement]]


class Task(Protocol):
    """How the views of one image are compared, and what there is to say in the end.

    A task is a dataclass: its fields are the options of the loop and the hook for models of its kind.

    Attributes:
        kind: What such models do, for messages.
        field: The field of a model's data samples by which they are recognised.
    """

    kind: ClassVar[str]
    field: ClassVar[str]

    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images; ``classes`` are the names of the data set's classes."""

    def add(self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict) -> None:
        """Measure one image, ``(C, H, W)``, as the test pipeline made it.

        Args:
            index: Its index in the data set.
            image: The image.
            sample: Its data sample, with the annotation if there is one.
            predict: Maps views of it, ``(V, C, h, w)``, to the model's predictions.
        """

    def merge(self, other: 'Task') -> None:
        """Add the images that another process has measured."""

    def compute(self) -> Any:
        """Return the consistency over all images, shares in [0, 1]."""

    def figures(self, result: Any) -> dict[str, tuple[float | None, float | None]]:
        """Return what `compute` found by the names of the metrics: means and half-widths of their intervals."""

    def table(self, result: Any) -> str | None:
        """Return more of it as a table, if there is more."""


def in_percent(figures: Mapping[str, tuple[float | None, float | None]]) -> dict[str, float]:
    """Return a metric for each mean and each half-width that there is, in percent as the OpenMMLab packages do.

    Example:
        >>> in_percent({'mASSC': (0.75, 0.0625), 'mASSC_labelled': (None, None)})
        {'mASSC': 75.0, 'mASSC_interval': 6.25}
    """
    metrics = {}
    for name, (mean, interval) in figures.items():
        metrics |= {name: mean, f'{name}_interval': interval}
    return {name: 100 * value for name, value in metrics.items() if value is not None}
