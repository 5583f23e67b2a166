"""Ratios of implementations to ours, case by case and over a group, and the goals set for them."""

import fnmatch
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.benchmark.case import OURS
from lab.benchmark.measure import Result
from lab.benchmark.networks import BASELINE

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


@dataclass(frozen=True)
class Goal:
    """A bound on a ratio to another implementation, or on our own figure.

    Attributes:
        text: What is compared, for people.
        group: Pattern of the groups over whose cases the ratio is taken.
        name: The figure, as in `ratios.quantity`.
        against: The other implementation; None for our own figure.
        at_least: The other's figure over ours must be at least this.
        at_most: Ours over the other's, or our own figure, must be at most this.
        every: Whether it holds for every case rather than for the geometric mean.
    """

    text: str
    group: str
    name: str
    against: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    every: bool = False


@dataclass(frozen=True)
class Verdict:
    """What became of a goal.

    Attributes:
        goal: The goal.
        value: What was measured; None if it cannot be told.
        cases: Over how many cases.
    """

    goal: Goal
    value: float | None
    cases: int

    @property
    def reached(self) -> bool:
        """Whether the bound holds. What cannot be told is not reached."""
        if self.value is None:
            return False
        goal = self.goal
        return self.value >= goal.at_least if goal.at_least is not None else self.value <= goal.at_most

    def __str__(self) -> str:
        """Return goal and value in one line."""
        goal = self.goal
        unit = ' bytes' if goal.against is None else '×'
        bound = f'at least {goal.at_least:g}' if goal.at_least is not None else f'at most {goal.at_most:g}'
        kind = 'largest' if goal.against is None else 'worst case' if goal.every else 'geometric mean'
        if self.value is None:
            return f'{goal.text}: not measured, goal {bound}{unit}'
        value = f'{self.value:,.0f}' if goal.against is None else f'{self.value:.2f}'
        outcome = 'reached' if self.reached else 'NOT reached'
        return f'{goal.text}: {kind} {value}{unit} over {_plural(self.cases)}, goal {bound}{unit}: {outcome}'


GOALS = (
    Goal('adaptive, forward, faster than unfold', 'adaptive*', 'forward', 'unfold', at_least=10),
    Goal('adaptive, forward + backward, faster than unfold', 'adaptive*', 'training', 'unfold', at_least=4),
    Goal(
        *('adaptive, forward, time over that of the logits convolution', 'adaptive*', 'forward'),
        against='logits convolution',
        at_most=1.6,
    ),
    Goal('adaptive, forward + backward, peak memory under unfold', 'adaptive*', 'training_peak', 'unfold', at_least=8),
    *(
        Goal(f'blur, forward + backward, faster than {name}', 'blur*', 'training', name, at_least=1.5)
        for name in ('timm', 'antialiased-cnns')
    ),
    *(
        Goal(f'blur, {words}, never slower than {name}', 'blur*', figure, name, at_least=1, every=True)
        for figure, words in (('forward', 'forward'), ('training', 'forward + backward'))
        for name in ('timm', 'antialiased-cnns')
    ),
    Goal('blur, saved for backward', 'blur*', 'saved', at_most=0),
    *(
        Goal(f'max-blur, forward + backward, faster than {name}', 'max*', 'training', name, at_least=1.5)
        for name in ('max, then pad, conv2d', 'max, then antialiased-cnns')
    ),
    Goal('max-blur, saved for backward beside the input', 'max*', 'activations', at_most=0),
    Goal('resnet18 lpf4, saved bytes over the baseline', 'resnet18 lpf4', 'saved', BASELINE, at_most=1.18),
    Goal('resnet50 lpf4, saved bytes over the baseline', 'resnet50 lpf4', 'saved', BASELINE, at_most=1.07),
    *(
        Goal(
            *(f'{name} {pool} with recompute, saved bytes over the baseline', f'{name} {pool} recompute', 'saved'),
            against=BASELINE,
            at_most=1.02,
        )
        for name in ('resnet18', 'resnet50')
        for pool in ('lpf4', 'ddac3')
    ),
    Goal('DeepLabV3+ step, lpf3, time over the baseline', '*d8 lpf3', 'training', BASELINE, at_most=1.10),
    Goal('DeepLabV3+ step, ddac3, time over the baseline', '*d8 ddac3', 'training', BASELINE, at_most=1.25),
)


def judge(results: Sequence[Result], goals: Sequence[Goal]) -> list[Verdict]:
    """Return the verdicts of the goals whose cases are among the results of one device.

    Args:
        results: Of one device.
        goals: What to judge.
    """
    verdicts = [_judge(results, goal) for goal in goals]
    return [verdict for verdict in verdicts if verdict.cases]


def _judge(results: Sequence[Result], goal: Goal) -> Verdict:
    if goal.against is None:
        return Verdict(goal, *largest_of_ours(results, goal.group, goal.name))
    ratio = compare_with_ours(results, goal.group, goal.against, goal.name)
    value = ratio.smallest if goal.every else ratio.mean
    if value is not None and goal.at_most is not None:
        value = 1 / value
    return Verdict(goal, value, ratio.cases)


def _plural(cases: int) -> str:
    return f'{cases} case' if cases == 1 else f'{cases} cases'
