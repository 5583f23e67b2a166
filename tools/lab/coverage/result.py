"""What came out of checking one architecture."""

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Outcome(str, Enum):
    """What the conversion made of an architecture."""

    CONVERTED = 'converted'
    REFUSED = 'refused'
    WRONG = 'wrong'
    NOT_APPLICABLE = 'not applicable'
    NOT_RUN = 'not run'


@dataclass(frozen=True)
class Result:
    """One row of the coverage table.

    Attributes:
        library: ``'timm'``, ``'torchvision'``, ``'mmseg'`` or ``'mmpretrain'``.
        module: the library's module that defines the architecture.
        name: the network that was checked.
        members: number of networks that it represents.
        outcome: ``WRONG`` if a promise is broken, ``NOT_APPLICABLE`` if there is nothing to filter, ``NOT_RUN`` if the
            network itself could not be built or run.
        reason: why it was not converted, or which promise is broken.
        sites: number of filters.
        kinds: what they filter.
        left: places left as they are: number of places by reason.
        sides: sides of the images that it was checked on.
        dtype: floating type that it was checked in.
        error: largest difference between ``lpf1`` and the original, relative to the largest value; None where
            statistics of the denser map forbid the comparison.
        seconds: duration of one conversion.
    """

    library: str
    module: str
    name: str
    members: int
    outcome: Outcome
    reason: str = ''
    sites: int = 0
    kinds: tuple[str, ...] = ()
    left: tuple[tuple[str, int], ...] = ()
    sides: tuple[int, ...] = ()
    dtype: str = ''
    error: float | None = None
    seconds: float | None = None

    @property
    def key(self) -> str:
        """``library/module/name``, which is unique."""
        return f'{self.library}/{self.module}/{self.name}'

    def to_json(self) -> dict[str, Any]:
        """The row in JSON's types."""
        return asdict(self) | {'outcome': self.outcome.value}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> 'Result':
        """The row that :meth:`to_json` wrote."""
        tuples = {'kinds': tuple(row['kinds']), 'left': tuple(map(tuple, row['left'])), 'sides': tuple(row['sides'])}
        return cls(**row | tuples | {'outcome': Outcome(row['outcome'])})
