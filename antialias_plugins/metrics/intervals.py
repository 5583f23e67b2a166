"""Means over images with 95 % intervals that keep their promise for few images and for shares near 0 and 1."""

import re
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import fsum, isfinite, isinf, sqrt
from statistics import fmean

import numpy as np
from torch import Tensor

from antialias_plugins.metrics.inputs import as_item, as_number, check_number

Interval = tuple[float, float]


@dataclass(frozen=True)
class MeanShare:
    """A share in [0, 1], averaged over the images that have one.

    Attributes:
        mean: Mean over these images; ``None`` if there are none.
        interval: Lower and upper limit of its 95 % interval, see `mean_interval`; ``None`` where there is none.
        images: Number of images that have one.
    """

    mean: float | None
    interval: Interval | None
    images: int

    @classmethod
    def of(
        cls, shares: Collection[float], groups: Sequence[Hashable] | None = None, bounds: Interval = (0.0, 1.0)
    ) -> 'MeanShare':
        """Average one share per image, see `mean_interval`; there may be none.

        Example:
            >>> print(MeanShare.of([1.0, 1.0, 1.0]))
            100.00 [29.24, 100.00] % (n = 3)
        """
        if not len(shares):
            return cls(None, None, 0)
        return cls(*mean_interval(shares, groups=groups, bounds=bounds), len(shares))

    def __str__(self) -> str:
        return 'in no image' if self.mean is None else f'{format_percent(self.mean, self.interval)} (n = {self.images})'


def format_percent(mean: float, interval: Interval | None, unit: str = ' %') -> str:
    """Write a share and the limits of its interval, if it has one, in percent: ``'91.29 [90.80, 91.75] %'``."""
    limits = '' if interval is None else ' [{:.2f}, {:.2f}]'.format(*(100 * limit for limit in interval))
    return f'{100 * mean:.2f}{limits}{unit}'


def mean_interval(
    values: Collection[float],
    confidence: float = 0.95,
    *,
    groups: Sequence[Hashable] | None = None,
    bounds: Interval = (0.0, 1.0),
) -> tuple[float, Interval | None]:
    """Return the mean of one value per image and the limits of its confidence interval.

    It covers the choice of images and of offsets, not the training's seed. The images are taken as drawn at random,
    those of one group together. Nothing depends on the order of the values.

    **Shares of images**, values that are all 0 or 1, have the exact interval of Clopper & Pearson, "The Use of
    Confidence or Fiducial Limits Illustrated in the Case of the Binomial", Biometrika 1934: at least 95 % for every
    share and every ``n``. Where all of ``n`` images are right, its lower limit is ``0.025^(1/n)``: 69 % for 10.

    **Means of shares**, such as a share of pixels per image, have the same interval for as many images as would spread
    the mean of zeros and ones as far (Korn & Graubard, "Confidence Intervals for Proportions with Small Expected Number
    of Positive Counts Estimated from Survey Data", Survey Methodology 1998), never for fewer than ``n``. As theirs, it
    widens the spread ``s`` of few values by Student's t. What ``s`` of a sample does not show are rare images far below
    the others, where its values are skewed. So one more image, that was not seen, counts for the lower limit: it lies
    on the mean where the values are symmetric, and goes down to 0 with their skewness ``g``, which it reaches where
    ``n < 25 g²``, Cochran's bound for the normal approximation ("Sampling Techniques", 1977), or where all values are
    equal. The upper limit mirrors that.

    **Groups** are counted instead of images: the values are replaced by one for each, its share of the mean as if all
    groups had the same size (linearised, as usual for a ratio), and ``n`` by the number of groups that one of equal
    sizes would need, ``(Σ size)² / Σ size²``.

    An unbounded value has the interval of Student's t, clipped to ``bounds``.

    Args:
        values: One finite number per image, at least one.
        confidence: Probability that the interval covers the true mean, between 0 and 1.
        groups: A group per value, of any type that can be compared: images that belong together, such as frames of one
            video or tiles of one scene. By default every image is its own.
        bounds: Least and largest value that there can be; ``(-1, 1)`` for the differences of two networks' shares on
            the same images, ``(0, math.inf)`` for errors.

    Returns:
        The mean, and the limits in the same unit; ``None`` for a single image or group, which says nothing of a spread.

    Raises:
        ValueError: If there are no values, one is outside ``bounds``, ``confidence`` is not between 0 and 1, or
            ``groups`` has another length.

    Example:
        >>> mean, (low, high) = mean_interval([1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
        >>> print(f'{mean:.3f} [{low:.3f}, {high:.3f}]')
        0.900 [0.555, 0.997]
        >>> low, high = mean_interval([1, 1, 1, 1, 1, 1, 1, 1, 1, 0], groups='aabbccddee')[1]
        >>> print(f'[{low:.3f}, {high:.3f}]')
        [0.371, 1.000]
    """
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise ValueError(f'values must hold one number per image, got {values!r}')
    numbers = [as_number(value) for value in values]
    if not numbers:
        raise ValueError('values must hold one number per image, got none')
    check_number('confidence', confidence, 'between 0 and 1', lambda share: 0 < share < 1)
    low, high = _as_limits('bounds', bounds)
    if low == high:
        raise ValueError(f'bounds must differ, got {bounds}')
    for value, number in zip(values, numbers, strict=True):
        if number is None or not (isfinite(number) and low <= number <= high):
            raise ValueError(f'values must be finite numbers from {low} to {high}, got {value!r:.200}')
    mean = fmean(numbers)
    units, count = np.array(numbers, dtype=float), float(len(numbers))
    if groups is not None:
        if not isinstance(groups, Iterable):
            raise ValueError(f'groups must hold one per value, got {groups!r:.200}')
        units, count = _by_group(numbers, list(groups), mean)
    if len(units) < 2:
        return mean, None
    units.sort()
    tail = (1 - confidence) / 2
    if isinf(low) or isinf(high):
        reach = _quantiles(len(units) - 1, tail)[0] * units.std(ddof=1) / sqrt(len(units))
        return mean, (max(float(low), float(mean - reach)), min(float(high), float(mean + reach)))
    width = high - low
    below = _lower_limit((units - low) / width, count, tail)
    above = 1 - _lower_limit((high - units[::-1]) / width, count, tail)
    return mean, (min(low + width * below, mean), max(low + width * above, mean))


def group_of(path: str, pattern: str) -> str:
    r"""Return the name of the group of an image: the part of its path that a regular expression's first group matches.

    Without a group in it, that is all that it matches.

    Raises:
        ValueError: If the pattern is no regular expression, or the path does not match.

    Example:
        >>> group_of('leftImg8bit/val/ulm/ulm_000003_000019_leftImg8bit.png', r'(\w+_\d+)_\d+_leftImg8bit')
        'ulm_000003'
    """
    try:
        found = re.search(pattern, path)
    except (re.error, TypeError) as error:
        raise ValueError(f'groups must be a regular expression, got {pattern!r}: {error}') from error
    if found is None:
        raise ValueError(f"groups must match every image's path, got {pattern!r} for {path}")
    return found[min(1, len(found.groups()))]


def difference_interval(first: tuple[float, Interval], second: tuple[float, Interval]) -> Interval:
    """Return the limits of the difference of two means, the first less the second, from their own limits.

    By Newcombe, "Interval Estimation for the Difference between Independent Proportions", Statistics in Medicine 1998
    (method 10), as if the two were measured on different images. On the same images, `mean_interval` of the differences
    is narrower.

    Example:
        >>> difference_interval(
        ...     (0.9, (0.87, 0.92)), (0.8, (0.75, 0.84))
        ... )  # 0.1 - √(0.03² + 0.04²), 0.1 + √(0.02² + 0.05²)
        (0.05, 0.1539)
    """
    parts = []
    for name, given in {'first': first, 'second': second}.items():
        try:
            middle, limits = given
        except (TypeError, ValueError):
            raise ValueError(f'{name} must be a mean and its limits, got {given!r:.200}') from None
        if as_number(middle) is None:
            raise ValueError(f'{name} must be a mean and its limits, got {given!r:.200}')
        parts.append((middle, *_as_limits(name, limits)))
    (mean, low, high), (other, other_low, other_high) = parts
    below, above = np.hypot(mean - low, other_high - other), np.hypot(high - mean, other - other_low)
    return float(mean - other - below), float(mean - other + above)


def _as_limits(name: str, limits: Interval) -> Interval:
    """Return a lower and an upper limit; raise if they are none."""
    pair = [as_number(limit) for limit in limits] if isinstance(limits, (tuple, list)) else []
    if len(pair) != 2 or None in pair or not pair[0] <= pair[1]:
        raise ValueError(f'{name} must have a lower and an upper limit, got {limits!r:.200}')
    return pair[0], pair[1]


def _by_group(values: Sequence[float], groups: Sequence[Hashable], mean: float) -> tuple[np.ndarray, float]:
    """A value per group whose mean is that of all values, and how many groups of one size they stand for."""
    if len(groups) != len(values):
        raise ValueError(f'groups must hold one per value, got {len(groups)} for {len(values)} values')
    members: dict[Hashable, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        key = as_item(group)  # tensors are equal to themselves alone
        if not isinstance(key, Hashable) or isinstance(key, Tensor):
            raise ValueError(f'groups must hold names or numbers, got {group!r:.200}')
        members.setdefault(key, []).append(value)
    sizes = np.array([len(its) for its in members.values()], dtype=float)
    sums = np.array([fsum(its) for its in members.values()])
    return mean + (sums - mean * sizes) / sizes.mean(), float(sizes.sum() ** 2 / (sizes**2).sum())


def _lower_limit(units: np.ndarray, count: float, tail: float) -> float:
    """Lower limit of the mean of ``units`` in [0, 1], see `mean_interval`."""
    from scipy.special import betaincinv  # takes a fifth of a second to import, which not everyone needs

    mean, number = units.mean(), len(units)
    if mean <= 0:
        return 0.0
    deviations = units - mean
    variance = np.square(deviations).mean()
    binary = np.isclose(units * (1 - units), 0, atol=1e-12).all()
    unseen = 0.0  # where the image lies that was not seen
    if variance > 1e-24 and not binary:
        skewness = min(0.0, (deviations**3).mean() / variance**1.5)
        unseen = mean * (1 - min(1.0, 25 * skewness**2 / count))
    shifted = (count * mean + unseen) / (count + 1)
    squares = np.square(units - shifted).sum() + (unseen - shifted) ** 2
    student, normal = _quantiles(count - 1, tail)
    spread = (student / normal) ** 2 * squares / (number * (number - 1))
    # The Beta distribution of this mean and spread. That of zeros and ones is Clopper and Pearson's.
    size = max(count + 1, shifted * (1 - shifted) / spread - 1)
    return float(betaincinv(shifted * size, (1 - shifted) * size, tail))


def _quantiles(freedom: float, tail: float) -> tuple[float, float]:
    """What Student's t and the normal distribution exceed with this probability."""
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(freedom, 1 - tail)), float(ndtri(1 - tail))
