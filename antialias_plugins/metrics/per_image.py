"""What all metrics over images have in common."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Generic, TypeVar

Record = TypeVar('Record')
Result = TypeVar('Result')


class PerImageMetric(ABC, Generic[Record, Result]):
    """Keeps what was measured on each image, by the image's index, until `compute` is called.

    So an image that is seen twice counts once, on one process or, after `merge`, on several, and the order of the
    images does not matter. Public attributes are the settings; only metrics with the same settings merge.
    """

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}

    @abstractmethod
    def compute(self) -> Result:
        """Return the figures over all images so far.

        Raises:
            ValueError: If there are none.
        """

    def reset(self) -> None:
        """Forget all images."""
        self._records = {}

    def merge(self, other: 'PerImageMetric[Record, Result]') -> None:
        """Add the images of ``other`` that are not here yet.

        Raises:
            ValueError: If ``other`` measures something else, or with other settings.
        """
        if type(other) is not type(self):
            raise ValueError(f'other must be a {type(self).__name__}, got a {type(other).__name__}')
        if other._settings != self._settings:
            raise ValueError(f'other must have the same settings {self._settings}, got {other._settings}')
        self._records = other._records | self._records

    @property
    def _settings(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if not name.startswith('_')}

    def _measured(self) -> Collection[Record]:
        """Return what was measured, one record per image."""
        if not self._records:
            raise ValueError('images must hold at least one image, got none')
        return self._records.values()
