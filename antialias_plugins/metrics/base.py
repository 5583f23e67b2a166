"""Base of all metrics: a record per image, means with their intervals, and results with named figures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

Predict = Callable[[Tensor], Tensor]
Record = TypeVar('Record')
Outcome = TypeVar('Outcome', bound='Result')


@dataclass(frozen=True)
class MeanShare:
    """A share in [0, 1], averaged over the images that have one.

    Attributes:
        mean: Mean over these images; ``None`` if there are none.
        interval: Half-width of its 95 % interval; ``None`` for fewer than two images.
        images: Number of images that have one.
    """

    mean: float | None
    interval: float | None
    images: int

    @classmethod
    def of(cls, shares: Collection[float]) -> 'MeanShare':
        """Average one share per image; there may be none.

        Example:
            >>> print(MeanShare.of([1.0, 1.0, 1.0]))
            100.00 ± 0.00 % (n = 3)
        """
        return cls(*mean_interval(shares), len(shares)) if shares else cls(None, None, 0)

    def __str__(self) -> str:
        return 'in no image' if self.mean is None else f'{format_percent(self.mean, self.interval)} (n = {self.images})'


def mean_interval(values: Collection[float], confidence: float = 0.95) -> tuple[float, float | None]:
    """Return the mean of one value per image and the half-width of its confidence interval.

    The half-width is ``z · s / √n`` with the standard deviation ``s`` of the values over the ``n`` images (divisor
    ``n - 1``) and the quantile ``z`` of the normal distribution, 1.96 for 95 %. The mean of some thirty images or more
    is close enough to normal; with fewer the interval comes out too narrow. It covers the choice of images and of
    offsets, not the training's seed. Neither number depends on the order of the values.

    Args:
        values: One finite number per image, at least one.
        confidence: Probability that the interval covers the true mean, between 0 and 1.

    Returns:
        The mean, and the half-width in the same unit; ``None`` for a single value, which says nothing about a spread.

    Raises:
        ValueError: If there are no values or ``confidence`` is not between 0 and 1.

    Example:
        >>> mean, half_width = mean_interval([0.8, 0.9, 1.0])
        >>> print(f'{mean:.3f} ± {half_width:.3f}')
        0.900 ± 0.113
    """
    if not values:
        raise ValueError('values must hold one number per image, got none')
    if not 0 < confidence < 1:
        raise ValueError(f'confidence must be between 0 and 1, got {confidence}')
    if len(values) == 1:
        return fmean(values), None
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    return fmean(values), quantile * stdev(values) / sqrt(len(values))


def format_percent(mean: float, half_width: float | None) -> str:
    """Write a share and the half-width of its interval, if it has one, in percent: ``'91.29 ± 0.25 %'``."""
    spread = '' if half_width is None else f' ± {100 * half_width:.2f}'
    return f'{100 * mean:.2f}{spread} %'


class Result:
    """What a metric has found over all images, or a report over all layers: named figures. Prints as text.

    Attributes:
        parts: Fields of each figure by its name: mean, half-width and number of images, or one `MeanShare`.
        titles: What the main figures are called in print, by their names.
    """

    parts: ClassVar[Mapping[str, Sequence[str]]] = {}
    titles: ClassVar[Mapping[str, str]] = {}

    @property
    def figures(self) -> dict[str, MeanShare]:
        """All that was measured, by the names under which it is logged: mean, half-width and number of images."""
        values = {name: [getattr(self, part) for part in parts] for name, parts in self.parts.items()}
        found = {name: given for name, given in values.items() if given[0] is not None}
        return {name: given[0] if len(given) == 1 else MeanShare(*given) for name, given in found.items()}

    def table(self, names: Sequence[str] = ()) -> str | None:
        """Write further figures as a table in Markdown, by names of classes; ``None`` if there are none."""
        return None


@dataclass(frozen=True)
class MeanResult(Result):
    """Mean over images, and perhaps further figures; shares in [0, 1], intervals as half-widths at 95 %.

    Attributes:
        mean: Mean over images of the main figure.
        interval: Half-width of its interval, see `mean_interval`; ``None`` for a single image.
        images: Number of images.
    """

    mean: float
    interval: float | None
    images: int

    def __str__(self) -> str:
        first, second, *_ = self.parts
        text, further = f'{self.titles[first]} {self.figures[first]}', self.figures.get(second)
        if further is None:
            return text
        return f'{text}, {self.titles[second]} {format_percent(further.mean, further.interval)}'


@dataclass(eq=False)
class PerImageMetric(ABC, Generic[Record, Outcome]):
    """Keeps what was measured on each image, by the image's index, until `compute` is called.

    So an image that is seen twice counts once, on one process or, after `merge`, on several, and the order of the
    images does not matter. A metric is a dataclass of its options. Only metrics with the same options merge, but for
    those that change nothing of the result, which are fields with ``compare=False``. Its
    ``update(index, image, predict, label)`` takes the image's index in its data set, the image, ``(C, H, W)``, what
    maps a batch of its views to predictions, and perhaps its label, as the function does whose name the metric has.
    """

    _records: dict[int, Record] = field(default_factory=dict, init=False, repr=False)

    @abstractmethod
    def compute(self) -> Outcome:
        """Return the figures over all images so far; raise `ValueError` if there are none."""

    @torch.no_grad()
    def measure(
        self, predict: Callable[[Tensor], Any], images: Iterable[Tensor], labels: Iterable | None = None
    ) -> Outcome:
        """Update with all images, numbered from 0, and compute; there must be as many labels, if any, as images."""
        for index, (image, label) in enumerate(zip_longest(images, () if labels is None else labels)):
            if labels is not None and (image is None or label is None):
                raise ValueError(f'labels must hold one per image, got too {"many" if image is None else "few"}')
            self.update(index, image, predict, *([] if labels is None else [label]))
        return self.compute()

    def reset(self) -> None:
        """Forget all images."""
        self._records = {}

    def merge(self, other: 'PerImageMetric[Record, Outcome]') -> None:
        """Add the images of ``other`` that are not here yet; raise `ValueError` if its class or settings differ."""
        if type(other) is not type(self):
            raise ValueError(f'other must be a {type(self).__name__}, got a {type(other).__name__}')
        if other._settings != self._settings:
            raise ValueError(f'other must have the same settings {self._settings}, got {other._settings}')
        self._records = other._records | self._records

    @property
    def _settings(self) -> dict[str, object]:
        return {option.name: getattr(self, option.name) for option in fields(self) if option.init and option.compare}

    def _measured(self) -> Collection[Record]:
        if not self._records:
            raise ValueError('images must hold at least one image, got none')
        return self._records.values()


def options_of(owner: type) -> dict[str, Any]:
    """Return the options of a metric, or of what it is made from, with their defaults."""
    return {option.name: option.default for option in fields(owner) if option.init}


def check_least(**values: tuple[int, int]) -> None:
    """Raise unless each value is at least the number beside it."""
    for name, (value, least) in values.items():
        if value < least:
            raise ValueError(f'{name} must be at least {least}, got {value}')
