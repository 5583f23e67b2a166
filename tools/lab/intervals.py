"""Simulated coverage of the intervals: how often they hold the true mean.

``python -m lab.intervals``, in ``tools/``, prints the table of ``docs/consistency.md``, in about ten minutes.
"""

import argparse
from collections.abc import Callable
from zlib import crc32

import numpy as np

from antialias_plugins.metrics import mean_interval
from antialias_plugins.utils import markdown_table

SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
COUNTS = (10, 30, 100, 500)

Draw = Callable[[np.random.Generator, float, int], tuple[np.ndarray, np.ndarray | None]]


def _beta(concentration: float) -> Draw:
    return lambda random, share, n: (random.beta(share * concentration, (1 - share) * concentration, n), None)


def _few_bad(random: np.random.Generator, share: float, n: int) -> tuple[np.ndarray, None]:
    """Exact ones, and a few images of any share at all."""
    bad = random.random(n) < 2 * (1 - share)
    return np.where(bad, random.random(n), 1.0), None


def _nearly_all_good(random: np.random.Generator, share: float, n: int) -> tuple[np.ndarray, None]:
    """Nine tenths of what is missing from one come from a few images at one half, the rest from all others."""
    bad = 1.8 * (1 - share)
    good = 1 - 0.1 * (1 - share) / (1 - bad)
    return np.where(random.random(n) < bad, 0.5, random.beta(200 * good, 200 * (1 - good), n)), None


def _scenes(random: np.random.Generator, share: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames, right or wrong, ten to a scene, all of which are alike."""
    return np.repeat(random.random(n) < share, 10).astype(float), np.repeat(np.arange(n), 10)


def _videos(random: np.random.Generator, share: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames, right or wrong, 1 to 19 to a video, of which some are easier than others."""
    sizes = random.integers(1, 20, n)
    easy = np.repeat(random.beta(4 * share, 4 * (1 - share), n), sizes)
    return (random.random(sizes.sum()) < easy).astype(float), np.repeat(np.arange(n), sizes)


DISTRIBUTIONS: dict[str, Draw] = {
    'shares of images': lambda random, share, n: ((random.random(n) < share).astype(float), None),
    'per-image shares, Beta, concentration 1': _beta(1),
    'per-image shares, Beta, concentration 10': _beta(10),
    'per-image shares, Beta, concentration 100': _beta(100),
    'exact ones and few bad': _few_bad,
    'near ones and few bad': _nearly_all_good,
    'n scenes of 10 equal frames': _scenes,
    'n videos of 1 to 19 frames': _videos,
}
"""What is drawn: values of a mean, and groups."""


def coverage(name: str, share: float, n: int, draws: int = 4000) -> float:
    """Return how often the interval of ``n`` images, or groups, holds the true mean."""
    hits, random = 0, np.random.default_rng([crc32(name.encode()), round(1000 * share), n])
    for _ in range(draws):
        values, groups = DISTRIBUTIONS[name](random, share, n)
        _, (low, high) = mean_interval(values, groups=groups)
        hits += low - 1e-12 <= share <= high + 1e-12
    return hits / draws


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--draws', type=int, default=4000, metavar='N', help='per cell (default: 4000)')
    draws = parser.parse_args().draws
    rows = []
    for name in DISTRIBUTIONS:
        for n in COUNTS:
            cells = [coverage(name, share, n, draws) for share in SHARES]
            rows.append([name, str(n), *(f'{100 * hits:.1f}' for hits in cells)])
    print(markdown_table(['mean of', 'n', *(f'p = {share}' for share in SHARES)], rows))


if __name__ == '__main__':
    main()
