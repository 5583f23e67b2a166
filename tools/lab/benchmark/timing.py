"""How long calls take, measured side by side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.utils.benchmark import Measurement, Timer


@dataclass(frozen=True)
class Timing:
    """Seconds of one call.

    Attributes:
        median: Over all measurements of all rounds.
        spread: Their interquartile range.
        count: How many measurements there are. A short call is repeated within each of them.
    """

    median: float
    spread: float
    count: int


def time_interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int = 5, seconds: float = 0.1
) -> dict[str, Timing]:
    """Time some calls in turns, so that a machine that slows down slows all of them down.

    Each turn warms up, and waits for CUDA. Every round starts with another call.

    Args:
        runs: What to call, by name.
        rounds: How many turns each gets.
        seconds: How long a turn lasts at least.

    Returns:
        The timings, by name.
    """
    threads = torch.get_num_threads()
    timers = {name: Timer('run()', globals={'run': run}, num_threads=threads) for name, run in runs.items()}
    measured: dict[str, list[Measurement]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            measured[name].append(timers[name].blocked_autorange(min_run_time=seconds))
    return {name: _timing(measurements) for name, measurements in measured.items()}


def _timing(measurements: list[Measurement]) -> Timing:
    (merged,) = Measurement.merge(measurements)
    return Timing(merged.median, merged.iqr, len(merged.times))
