"""How many images per second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up the time of what is done to images, lap by lap.

    The first lap, which also pays for what a library prepares once, counts only if it is the only one.
    """

    def __init__(self) -> None:
        self._laps: list[tuple[int, float]] = []

    @contextmanager
    def lap(self, images: int) -> Iterator[None]:
        """Time what is done inside to ``images`` images; on a GPU, until it is done."""
        start = now()
        yield
        self.add(images, now() - start)

    def add(self, images: int, seconds: float) -> None:
        """Add a lap that was timed elsewhere."""
        self._laps.append((images, seconds))

    @property
    def rate(self) -> float | None:
        """Images per second; ``None`` before the first lap."""
        laps = self._laps[1:] or self._laps
        return sum(images for images, _ in laps) / sum(seconds for _, seconds in laps) if laps else None


def now() -> float:
    """Return a time in seconds, at which everything that was started on the GPU is done."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
