"""The comparison as a figure. Needs matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lab.comparison.method import CIRCULAR, Method
from lab.comparison.report import QUALITIES
from lab.comparison.trade_offs import MethodFigures, Panel, plot_trade_offs

_TRANSLATED = 'consistency under translations / %'
PANELS = (
    Panel('translated.consistency', 'accuracy', _TRANSLATED, 'accuracy / %'),
    Panel('circular.consistency', 'accuracy', 'consistency under circular shifts / %', 'accuracy / %'),
    Panel('step', 'translated.consistency', 'training step / ms', _TRANSLATED, less_is_better=True),
)


def draw(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw accuracy over both consistencies, and consistency over time.

    Args:
        rows: of `lab.comparison.summarize`.

    Raises:
        ValueError: If there are too many filters to tell apart.
    """
    return plot_trade_offs([_figures(row) for row in rows], PANELS, 'circular borders')


def _figures(row: Mapping[str, Any]) -> MethodFigures:
    method = Method(row['method'])
    means = {name: row[name]['mean'] for name in QUALITIES}
    deviations = {name: row[name]['deviation'] for name in QUALITIES if row[name]['deviation'] is not None}
    group = method.name.removesuffix(CIRCULAR)
    return MethodFigures(
        method.name, group, method.is_circular, {**means, 'step': 1e3 * row['cost']['step']}, deviations
    )
