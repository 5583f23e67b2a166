"""Scatter plots of measures of methods against each other, with Pareto fronts. Needs matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from antialias_plugins.palette import GRAY, NETWORKS
from antialias_plugins.visualization.curves import MARKERS, open_frame
from antialias_plugins.visualization.labels import draw_front, label_points
from antialias_plugins.visualization.pareto import Result, pareto_front
from lab.comparison.method import CIRCULAR, Method
from lab.comparison.report import QUALITIES

_COLORS, _MARKERS = (GRAY, *NETWORKS), (*MARKERS, 'X')


@dataclass(frozen=True)
class MethodFigures:
    """What was measured of one method.

    Attributes:
        name: of the method.
        group: methods of one group share color and marker.
        is_variant: drawn hollow.
        means: of each quantity, by its name.
        deviations: standard deviation of the quantities that have one.
    """

    name: str
    group: str
    is_variant: bool
    means: Mapping[str, float]
    deviations: Mapping[str, float]


@dataclass(frozen=True)
class Panel:
    """Two quantities against each other.

    Attributes:
        x: name of the quantity on the horizontal axis.
        y: name of that on the vertical axis, of which more is better.
        xlabel: title of the horizontal axis.
        ylabel: title of the vertical axis.
        less_is_better: on the horizontal axis.
    """

    x: str
    y: str
    xlabel: str
    ylabel: str
    less_is_better: bool = False


def plot_trade_offs(methods: Sequence[MethodFigures], panels: Sequence[Panel], variant: str = 'variant') -> Figure:
    """Draw a panel per pair of quantities, with the front of the methods that no other one equals or beats in both.

    Args:
        methods: what was measured, of seven groups at most.
        panels: the pairs.
        variant: what hollow markers mean, for the legend.

    Raises:
        ValueError: If there is nothing to draw, there are too many groups, or a method lacks a quantity.
    """
    groups = list(dict.fromkeys(method.group for method in methods))
    if not methods or not panels:
        raise ValueError(f'methods and panels must be at least one each, got {len(methods)} and {len(panels)}')
    if len(groups) > len(_COLORS):
        raise ValueError(f'methods must be of at most {len(_COLORS)} groups, got {", ".join(groups)}')
    for method in methods:
        missing = sorted({name for panel in panels for name in (panel.x, panel.y)} - method.means.keys())
        if missing:
            raise ValueError(f'means of {method.name} must hold all that is drawn, got no {", ".join(missing)}')
    rows, columns = (1, 1 + len(panels)) if len(panels) < 3 else (ceil((1 + len(panels)) / 2), 2)
    figure = Figure(figsize=(4.4 * columns, 3.7 * rows), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, methods, panel, groups)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    marks = [(group, _COLORS[i], _MARKERS[i], _COLORS[i]) for i, group in enumerate(groups)]
    if any(method.is_variant for method in methods):
        marks.append((variant, 'black', 'o', 'white'))
    handles = [
        Line2D([], [], color=color, marker=marker, markerfacecolor=face, linestyle='', markersize=8, label=label)
        for label, color, marker, face in marks
    ]
    handles.append(Line2D([], [], color='0.25', linewidth=1.4, label='front'))
    axes[len(panels)].legend(handles=handles, loc='center', ncols=2, frameon=False, fontsize=11)
    for axis, panel in zip(axes, panels, strict=False):
        named = [(method.name, method.means[panel.x], method.means[panel.y]) for method in _front(methods, panel)]
        label_points(axis, named)
    return figure


def _front(methods: Sequence[MethodFigures], panel: Panel) -> list[MethodFigures]:
    """The methods that no other one equals or beats in both quantities, from left to right."""
    sign = -1 if panel.less_is_better else 1
    by_name = {method.name: method for method in methods}
    results = [Result(m.name, m.means[panel.y], sign * m.means[panel.x], '') for m in methods]
    return [by_name[result.name] for result in pareto_front(results)][::sign]


def _draw(axis: Axes, methods: Sequence[MethodFigures], panel: Panel, groups: Sequence[str]) -> None:
    for method in methods:
        index = groups.index(method.group)
        axis.errorbar(
            method.means[panel.x],
            method.means[panel.y],
            method.deviations.get(panel.y),
            method.deviations.get(panel.x),
            label=method.name,
            color=_COLORS[index],
            marker=_MARKERS[index],
            markerfacecolor='white' if method.is_variant else _COLORS[index],
            markersize=8,
            elinewidth=1.2,
            capsize=3,
        )
    axis.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    axis.margins(0.06)
    open_frame(axis)
    front = [(method.means[panel.x], method.means[panel.y]) for method in _front(methods, panel)]
    draw_front(axis, front, less_is_better=panel.less_is_better)


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
