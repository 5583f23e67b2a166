"""The mean over images and how far it can be trusted."""

from collections.abc import Collection
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev


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
    """Write a share and the half-width of its interval, if it has one, in percent.

    Example:
        >>> format_percent(0.9129, 0.0025)
        '91.29 ± 0.25 %'
    """
    spread = '' if half_width is None else f' ± {100 * half_width:.2f}'
    return f'{100 * mean:.2f}{spread} %'
