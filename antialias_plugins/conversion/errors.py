"""What a conversion that cannot be done says."""

from collections.abc import Sequence


class AntialiasWarning(UserWarning):
    """A conversion that was done, but not as its caller may expect."""


class UnsupportedModelError(RuntimeError):
    """A network that cannot be converted as asked; it has been left as it was.

    Attributes:
        reasons: one line for every place that stands in the way.
    """

    def __init__(self, summary: str, reasons: Sequence[str] = ()) -> None:
        self.summary = summary
        self.reasons = tuple(reasons)
        super().__init__('\n  '.join([summary, *self.reasons]))

    def __reduce__(self) -> tuple:
        return type(self), (self.summary, self.reasons)
