"""Accuracy over consistency of networks, beside the published results on ImageNet-1k."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from antialias_plugins.checkpoints import PUBLISHED
from antialias_plugins.palette import BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY, VERMILION
from antialias_plugins.visualization.curves import MARKERS, check_members, open_frame
from antialias_plugins.visualization.labels import Label, draw_front, label_points

SERIES = {
    'baseline': 'plain (torchvision)',
    'adobe_in1k': 'low-pass, from scratch (Zhang 2019)',
    'adobe_ft_in1k': 'low-pass, fine-tuned (Zhang 2019)',
    'zou_in1k': 'adaptive (Zou et al. 2020)',
}
"""What the series of published results are called, by the tags of their weights."""

# Accuracy and consistency of torchvision's weights, as https://github.com/adobe/antialiased-cnns measured them.
_BASELINES = {
    'alexnet': (56.55, 78.18),
    'vgg11': (69.02, 86.58),
    'vgg13': (69.93, 86.92),
    'vgg16': (71.59, 88.52),
    'vgg19': (72.38, 89.17),
    'vgg11_bn': (70.38, 87.16),
    'vgg13_bn': (71.55, 88.03),
    'vgg16_bn': (73.36, 89.24),
    'vgg19_bn': (74.24, 89.59),
    'resnet18': (69.74, 85.11),
    'resnet34': (73.30, 87.56),
    'resnet50': (76.16, 89.20),
    'resnet101': (77.37, 89.81),
    'resnet152': (78.31, 90.92),
    'resnext50_32x4d': (77.62, 90.17),
    'resnext101_32x8d': (79.31, 91.33),
    'wide_resnet50_2': (78.47, 90.77),
    'wide_resnet101_2': (78.85, 90.93),
    'densenet121': (74.43, 88.81),
    'densenet169': (75.60, 89.68),
    'densenet201': (76.90, 90.36),
    'densenet161': (77.14, 90.82),
    'mobilenet_v2': (71.88, 86.50),
}

_LOOK = {
    'baseline': {'color': GRAY, 'marker': 'o'},
    'adobe_in1k': {'color': SKY, 'marker': 's'},
    'adobe_ft_in1k': {'color': BLUE, 'marker': 'D'},
    'zou_in1k': {'color': ORANGE, 'marker': '^'},
}


_MEASURED = (GREEN, VERMILION, PURPLE, BLUE, ORANGE, SKY)


@dataclass(frozen=True)
class Result:
    """One network's figures.

    Attributes:
        name: Name of the network.
        accuracy: Top-1 accuracy in percent.
        consistency: Shift consistency in percent.
        series: What it belongs to, as the legend calls it; for published results a key of `SERIES`.
    """

    name: str
    accuracy: float
    consistency: float
    series: str


PUBLISHED_RESULTS = (
    *(Result(name, *figures, 'baseline') for name, figures in _BASELINES.items()),
    *(Result(it.name, it.accuracy, it.consistency, it.tag) for it in PUBLISHED.values() if it.accuracy is not None),
)
"""All whose figures are known. The two papers measure consistency differently: compare within a series, not across."""


def plot_pareto(results: Sequence[Result] = (), published: Sequence[Result] = PUBLISHED_RESULTS) -> Figure:
    """Draw accuracy over consistency, with the published results as reference.

    A thin line leads from each plain network to its fine-tuned antialiased one. The step line is the front: whatever
    lies in the shaded part below and to the left of it is beaten in both respects by one network. Named are what was
    measured, the front and, where there is room, the plain networks.

    Args:
        results: What was measured. A series, at most six, has a marker and a color of its own.
        published: The reference points, with the series of `SERIES`. A part of them, such as those above 65 %
            accuracy, is shown larger.

    Raises:
        ValueError: If there is nothing to draw, a figure is not in percent, a reference belongs to no series, or there
            are too many series of results.
    """
    check_members('results', results, Result)
    check_members('published', published, Result)
    if not (results or published):
        raise ValueError('results must hold at least one network where published is empty, got none')
    for result in (*results, *published):
        for name in ('accuracy', 'consistency'):
            if not 0 <= getattr(result, name) <= 100:
                raise ValueError(f'{name} must be in percent, got {getattr(result, name)} for {result.name}')
    for result in published:
        if result.series not in SERIES:
            raise ValueError(f'series must be one of {", ".join(SERIES)}, got {result.series!r} for {result.name}')
    measured = list(dict.fromkeys(result.series for result in results))
    if len(measured) > len(_MEASURED):
        raise ValueError(f'results must be of at most {len(_MEASURED)} series, got {len(measured)}')
    figure = Figure(figsize=(8, 5.4), layout='constrained')
    axis = figure.subplots()
    for series, look in _LOOK.items():
        members = [result for result in published if result.series == series]
        if members:
            axis.scatter(*_points(members), label=SERIES[series], s=34, alpha=0.85, zorder=2, **look)
    plain = {result.name: result for result in published if result.series == 'baseline'}
    for result in published:
        start = plain.get(result.name.rpartition('_')[0])
        if result.series == 'adobe_ft_in1k' and start is not None:
            axis.plot(*_points([start, result]), color=GRAY, linewidth=0.6, alpha=0.6, zorder=1)
    for series, color, marker in zip(measured, _MEASURED, ('*', *MARKERS[1:]), strict=False):
        look = {'color': color, 'marker': marker, 'edgecolor': 'black', 'linewidth': 0.6}
        members = [result for result in results if result.series == series]
        axis.scatter(*_points(members), label=SERIES.get(series, series) or 'measured', s=110, zorder=2, **look)
    axis.set(xlabel='consistency / %', ylabel='top-1 accuracy / %')
    axis.margins(0.06)
    open_frame(axis)
    front = pareto_front([*published, *results])
    draw_front(axis, list(zip(*_points(front), strict=True)))
    axis.legend(loc='upper left', frameon=False, fontsize=9)
    label_points(axis, _labels([*results, *front]), _labels(plain.values()))
    return figure


def pareto_front(results: Sequence[Result]) -> list[Result]:
    """Return the results that no other one equals or beats in both respects, from least to most consistent.

    Example:
        >>> a, b, c = Result('a', 70, 90, ''), Result('b', 72, 88, ''), Result('c', 69, 89, '')
        >>> [result.name for result in pareto_front([a, b, c])]
        ['b', 'a']
    """
    check_members('results', results, Result)
    front: list[Result] = []
    for result in sorted(results, key=lambda result: (result.consistency, result.accuracy), reverse=True):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(result)
    return front[::-1]


def _labels(results: Iterable[Result]) -> list[Label]:
    return [(result.name, result.consistency, result.accuracy) for result in dict.fromkeys(results)]


def _points(results: Sequence[Result]) -> tuple[list[float], list[float]]:
    return [result.consistency for result in results], [result.accuracy for result in results]
