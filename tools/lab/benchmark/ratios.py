"""How implementations compare with ours, case by case and over a group."""

import fnmatch
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from lab.benchmark.case import OURS
from lab.benchmark.measure import Result

TIMES = ('forward', 'training')
QUANTITIES = (*TIMES, 'saved', 'activations', 'forward_peak', 'training_peak')


def quantity(result: Result, name: str) -> float | None:
    """Return a figure of a result, or None if it was not measured.

    Args:
        result: Of one implementation.
        name: ``'forward'`` or ``'training'``: median in seconds; ``'saved'``: bytes saved for backward, parameters
            apart; ``'activations'``: those of them that are not the input's; ``'forward_peak'`` or
            ``'training_peak'``: bytes.

    Raises:
        ValueError: If `name` is none of them.
    """
    if name not in QUANTITIES:
        raise ValueError(f'name must be one of {", ".join(map(repr, QUANTITIES))}, got {name!r}')
    if result.measurements is None:
        return None
    saved = result.measurements.saved
    if name in ('saved', 'activations'):
        return saved.activations + (saved.input if name == 'saved' else 0)
    value = getattr(result.measurements, name)
    return getattr(value, 'median', value)


@dataclass(frozen=True)
class Ratio:
    """Geometric mean, over the cases of some groups, of another implementation's figure over ours.

    Attributes:
        mean: Above 1 where ours is better. None if a case has no ratio: a disagreement, or no time taken, or 0 bytes.
        smallest: Of the cases.
        largest: Of the cases.
        cases: Their number.
    """

    mean: float | None
    smallest: float | None
    largest: float | None
    cases: int


def compare_with_ours(results: Iterable[Result], group: str, implementation: str, name: str) -> Ratio:
    """Divide an implementation's figure by ours in each case of the groups that match, and average.

    A single case that cannot be divided takes the mean away: an average over the rest would be of another grid.

    Args:
        results: Of one device.
        group: Shell-style pattern of groups.
        implementation: Whose figure to divide by ours.
        name: Of the figure, as in `quantity`.
    """
    chosen = [result for result in results if fnmatch.fnmatchcase(result.group, group)]
    ours = {(r.group, r.case): quantity(r, name) for r in chosen if r.implementation == OURS}
    pairs = [(quantity(r, name), ours[r.group, r.case]) for r in chosen if r.implementation == implementation]
    if not pairs or not all(theirs and own for theirs, own in pairs):
        return Ratio(None, None, None, len(pairs))
    ratios = [theirs / own for theirs, own in pairs]
    return Ratio(statistics.geometric_mean(ratios), min(ratios), max(ratios), len(ratios))


def largest_of_ours(results: Iterable[Result], group: str, name: str) -> tuple[float | None, int]:
    """Return the largest of our figures in the groups that match, None if one of them is missing, and their number."""
    figures = [quantity(r, name) for r in results if r.implementation == OURS and fnmatch.fnmatchcase(r.group, group)]
    return (None if None in figures else max(figures, default=None)), len(figures)
