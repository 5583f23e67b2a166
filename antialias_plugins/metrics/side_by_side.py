"""Networks next to each other: a row per place, a column per network."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from antialias_plugins.metrics.interval import format_percent
from antialias_plugins.utils import markdown_table


class Row(Protocol):
    """What one network has at one place: a share in [0, 1] with its interval, and what stands in front of it."""

    name: str
    mean: float
    interval: float | None

    def describe(self) -> dict[str, str]:
        """What is to be said of the place, by title of the column."""


def side_by_side(rows: Mapping[str, Sequence[Row]]) -> str:
    """Write a table of the shares in percent.

    Args:
        rows: Rows by network, the baseline first. They are matched by name and described by the first network that has
            them; one that has not shows a dash.
    """
    columns = [{row.name: row for row in column} for column in rows.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    lines, titles = [], []
    for name in names:
        described = next(column[name] for column in columns if name in column).describe()
        shares = [
            format_percent(column[name].mean, column[name].interval) if name in column else '–' for column in columns
        ]
        lines.append([name, *described.values(), *shares])
        titles = list(described)
    return markdown_table(['place', *titles, *rows], lines)


def format_pair(values: Sequence[object]) -> str:
    """Write a vertical and a horizontal number, once if they are equal.

    Example:
        >>> format_pair((2, 2)), format_pair((2, 1))
        ('2', '2x1')
    """
    return 'x'.join(str(value) for value in dict.fromkeys(values))
