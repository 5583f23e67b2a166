"""Run a selection of cases and report on it."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from lab.benchmark.case import Case
from lab.benchmark.compiled import compiled_cases
from lab.benchmark.goals import GOALS, Verdict, judge
from lab.benchmark.layers import layer_cases
from lab.benchmark.measure import Result, Settings, measure_case
from lab.benchmark.networks import network_cases
from lab.benchmark.ratios import TIMES
from lab.benchmark.report import format_group, format_means, format_verdicts
from lab.benchmark.step import step_cases

SUITES = ('layers', 'compiled', 'networks', 'step')
# Images at 224x224 and at 512x1024: as many as keep the unfold version within a common machine's memory.
BATCHES = {'cpu': (8, 2), 'cuda': (64, 8)}


def make_cases(suites: Iterable[str], device: str = 'cpu', quick: bool = False) -> list[Case]:
    """Return the cases of some suites.

    Args:
        suites: words of `SUITES`.
        device: ``'cpu'`` or ``'cuda'``, which decides on the batch.
        quick: Small shapes, to see that all runs.
    """
    batches = BATCHES[device]
    makers: dict[str, Callable[[], Iterable[Case]]] = {
        'layers': lambda: layer_cases(batches, quick),
        'compiled': lambda: compiled_cases(batches, quick),
        'networks': lambda: network_cases(batches[0], quick),
        'step': lambda: step_cases(quick),
    }
    return [case for suite in suites for case in makers[suite]()]


def run(
    cases: Sequence[Case], settings: Settings, write: Callable[[str], object] = print
) -> tuple[list[Result], list[Verdict]]:
    """Measure cases on one device, and report each group as soon as it is done, then the means and the goals.

    Args:
        cases: What to compare, the cases of a group together.
        settings: How to measure.
        write: Takes the paragraphs of the report.

    Returns:
        The results and the verdicts on the goals.
    """
    results: list[Result] = []
    for _, group in groupby(cases, lambda case: case.group):
        of_group = [result for case in group for result in measure_case(case, settings)]
        write(f'{format_group(of_group)}\n')
        results += of_group
    write(f'{format_means(results)}\n')
    goals = [goal for goal in GOALS if settings.timed or goal.name not in TIMES]
    verdicts = judge(results, goals)
    if verdicts:
        write(f'{format_verdicts(verdicts)}\n')
    return results, verdicts
