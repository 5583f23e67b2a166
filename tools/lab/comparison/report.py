"""The comparison as tables in Markdown and as numbers."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from antialias_plugins.utils import markdown_table
from lab.comparison.method import BASELINE
from lab.journal import Entry

QUALITIES = {
    'accuracy': 'accuracy',
    'translated.accuracy': 'accuracy, translated',
    'translated.consistency': 'consistency, translated',
    'circular.accuracy': 'accuracy, circular shifts',
    'circular.consistency': 'consistency, circular shifts',
}
"""Shares of a record, by their place in it, and the titles of their columns."""


def summarize(records: Sequence[Entry], costs: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return one row per method.

    Args:
        records: of all methods and seeds.
        costs: by method.

    Returns:
        Means over the seeds and standard deviations (divisor n - 1; ``None`` for one seed), in percent, and the costs,
        in seconds and bytes.
    """
    rows = []
    for method in dict.fromkeys(record['method'] for record in records):
        of_method = [record for record in records if record['method'] == method]
        row = {'method': method, 'seeds': [record['seed'] for record in of_method]}
        for name in QUALITIES:
            values = [100 * _look_up(record, name) for record in of_method]
            row[name] = {'mean': fmean(values), 'deviation': stdev(values) if len(values) > 1 else None}
        rows.append({**row, 'cost': dict(costs[method])})
    return rows


def format_qualities(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return accuracy and consistency as a table, in percent, mean ± standard deviation over the seeds."""
    cells = [[row['method'], *(_spread(**row[name]) for name in QUALITIES)] for row in rows]
    return markdown_table(['method', *QUALITIES.values()], cells)


def format_costs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the costs as a table, with their ratios to the baseline's if it is among the rows."""
    base = next((row['cost'] for row in rows if row['method'] == BASELINE), None)
    header = [
        'method',
        'training step (ms)',
        'inference (ms / image)',
        'saved for backward (KiB / image)',
        'parameters',
    ]
    cells = []
    for row in rows:
        cost = row['cost']
        cells.append(
            [
                row['method'],
                f'{1e3 * cost["step"]:.1f}{_ratio(cost, base, "step")}',
                f'{1e3 * cost["image"]:.3f}{_ratio(cost, base, "image")}',
                f'{cost["saved"] / 1024:.0f}{_ratio(cost, base, "saved")}',
                f'{cost["parameters"]:,}',
            ]
        )
    return markdown_table(header, cells)


def describe_runs(records: Sequence[Entry]) -> str:
    """Return machine and versions in one line; where they differ among the records, all of them."""
    parts = []
    for name in ('machine', 'python', 'torch', 'timm'):
        values = dict.fromkeys(record['environment'][name] for record in records)
        parts.append(' or '.join(values) if name == 'machine' else f'{name} {" or ".join(values)}')
    return '; '.join(parts)


def _look_up(record: Entry, name: str) -> float:
    for key in name.split('.'):
        record = record[key]
    return record


def _spread(mean: float, deviation: float | None) -> str:
    return f'{mean:.1f}' if deviation is None else f'{mean:.1f} ± {deviation:.1f}'


def _ratio(cost: Mapping[str, float], base: Mapping[str, float] | None, name: str) -> str:
    return '' if base is None else f', {cost[name] / base[name]:.2f}×'
