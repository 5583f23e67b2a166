"""Run of a selection of cases; results as Markdown tables, for people, and as JSON, for programs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from antialias_plugins.utils import describe_environment, replacing
from lab.benchmark.case import OURS, Case
from lab.benchmark.cost import Timing
from lab.benchmark.goals import GOALS, QUANTITIES, TIMES, Verdict, compare_with_ours, judge
from lab.benchmark.implementations import describe_competitors
from lab.benchmark.layers import compiled_cases, layer_cases
from lab.benchmark.measure import Measurements, Result, Settings, measure_case
from lab.benchmark.networks import network_cases, step_cases

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


_COLUMNS = {
    'forward': 'forward',
    'training': 'forward + backward',
    'saved': 'saved for backward',
    'forward_peak': 'peak, forward',
    'training_peak': 'peak, forward + backward',
}
_NO_RATIO = '–'


def describe() -> dict[str, str]:
    """Return machine, versions, other packages and commit."""
    return describe_environment() | describe_competitors()


def format_group(results: Sequence[Result]) -> str:
    """Return the figures of one group on one device, a line for every implementation of every case.

    Times are medians in milliseconds, with the interquartile range; bytes are in MiB. The ratio behind a figure is that
    of the implementation to ours in the same case.

    Args:
        results: The results of the group.
    """
    rows = []
    for _, of_case in groupby(results, lambda result: result.case):
        of_case = list(of_case)
        rows += [[result.case, _name(result), *_figures(of_case, result)] for result in of_case]
    title = f'### {results[0].group} ({results[0].device})'
    return f'{title}\n\n{_table(["case", "implementation", *_COLUMNS.values()], rows)}'


def format_means(results: Sequence[Result]) -> str:
    """Return for every group the geometric means, over its cases, of the other implementations' figures over ours.

    Args:
        results: Of one device.
    """
    rows = []
    for group, names in _others(results).items():
        for name in names:
            ratios = [compare_with_ours(results, group, name, quantity) for quantity in _COLUMNS]
            rows.append([group, name, str(ratios[0].cases), *(_ratio(ratio.mean) for ratio in ratios)])
    title = f'### Geometric means of the ratios to ours ({results[0].device})'
    return f'{title}\n\n{_table(["group", "implementation", "cases", *_COLUMNS.values()], rows)}'


def format_verdicts(verdicts: Sequence[Verdict]) -> str:
    """Return the goals as a list, one per line."""
    return '\n'.join(['### Goals', '', *(f'- {verdict}' for verdict in verdicts)])


def write_report(
    path: Path, settings: Mapping[str, Any], results: Sequence[Result], verdicts: Mapping[str, Sequence[Verdict]]
) -> None:
    """Write everything as JSON, in seconds and bytes.

    The file appears when it is complete: an interruption leaves the one that was there before.

    Args:
        path: The file. Its folder is made if need be.
        settings: What was measured, and how.
        results: Of all devices.
        verdicts: By device.
    """
    report = {
        'environment': describe(),
        'settings': settings,
        'results': [as_record(result) for result in results],
        'means': [mean for device in verdicts for mean in _means([r for r in results if r.device == device])],
        'goals': [
            {'device': device, **asdict(verdict.goal), 'value': verdict.value, 'reached': verdict.reached}
            for device, judged in verdicts.items()
            for verdict in judged
        ],
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(report, indent=2, allow_nan=False) + '\n')


def _figures(of_case: Sequence[Result], result: Result) -> list[str]:
    """The cells of one line: figure and ratio."""
    if result.measurements is None:
        return [f'DISAGREES: {result.agreement}', *[''] * (len(_COLUMNS) - 1)]
    cells = []
    for quantity in _COLUMNS:
        cell = _cell(result.measurements, quantity)
        ratio = compare_with_ours(of_case, '*', result.implementation, quantity).mean
        cells.append(cell if ratio is None or result.implementation == OURS else f'{cell}, {_ratio(ratio)}')
    return cells


def _cell(measurements: Measurements, quantity: str) -> str:
    value = getattr(measurements, quantity)
    if value is None:
        return ''
    if isinstance(value, Timing):
        return f'{1e3 * value.median:.3f} ± {1e3 * value.spread:.3f} ms'
    if quantity == 'saved':
        total = _mebibytes(value.activations + value.input)
        return f'{total} (input {_mebibytes(value.input)})' if value.input else total
    return _mebibytes(value)


def _mebibytes(count: int) -> str:
    return f'{count / 2**20:.2f} MiB' if count else '0'


def _ratio(value: float | None) -> str:
    return _NO_RATIO if value is None else f'{value:.2f}×'


def _name(result: Result) -> str:
    return f'{result.implementation} (floor)' if result.floor else result.implementation


def _others(results: Iterable[Result]) -> dict[str, list[str]]:
    """The implementations of each group that are not ours, in the order of their appearance."""
    others: dict[str, dict[str, None]] = {}
    for result in results:
        if result.implementation != OURS:
            others.setdefault(result.group, {})[result.implementation] = None
    return {group: list(names) for group, names in others.items()}


def _means(results: Sequence[Result]) -> list[dict[str, Any]]:
    return [
        {
            'device': results[0].device,
            'group': group,
            'implementation': name,
            'quantity': quantity,
            **asdict(compare_with_ours(results, group, name, quantity)),
        }
        for group, names in _others(results).items()
        for name in names
        for quantity in QUANTITIES
    ]


def as_record(result: Result) -> dict[str, Any]:
    """Return a result as JSON can hold it."""
    entry = asdict(result)
    agreement = result.agreement
    if agreement is not None:
        # JSON has no infinity, which is how far maps of different shapes are apart.
        errors = {name: getattr(agreement, name) for name in ('output', 'gradient')}
        entry['agreement'] |= {name: error if error < float('inf') else None for name, error in errors.items()}
        entry['agreement']['holds'] = agreement.holds
    return entry


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown whose columns line up in a terminal too."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ['-' * width for width in widths], *rows]
    return '\n'.join(
        '| ' + ' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + ' |' for line in lines
    )
