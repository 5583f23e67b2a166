"""How accurate networks are, and how consistent under shifts."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from antialias_plugins.visualization.baselines import PUBLISHED_RESULTS, SERIES, Result
from antialias_plugins.visualization.style import BLUE, GRAY, GREEN, ORANGE, SKY

_LOOK = {
    'baseline': {'color': GRAY, 'marker': 'o'},
    'adobe_in1k': {'color': SKY, 'marker': 's'},
    'adobe_ft_in1k': {'color': BLUE, 'marker': 'D'},
    'zou_in1k': {'color': ORANGE, 'marker': '^'},
}


def plot_pareto(results: Sequence[Result] = (), published: Sequence[Result] = PUBLISHED_RESULTS) -> Figure:
    """Draw accuracy over consistency, with the published results as reference.

    A thin line leads from each plain network to its fine-tuned antialiased one. The step line is the front: whatever
    lies below and to the left of it is beaten in both respects by one network.

    Args:
        results: What was measured; every one is labelled.
        published: The reference points, with the series of `SERIES`. A part of them, such as those above 65 %
            accuracy, is shown larger.

    Raises:
        ValueError: If there is nothing to draw, a figure is not in percent, or a reference belongs to no series.
    """
    _check(results, published)
    figure = Figure(figsize=(8, 5.4), layout='constrained')
    axis = figure.subplots()
    for series, look in _LOOK.items():
        members = [result for result in published if result.series == series]
        if members:
            _scatter(axis, members, label=SERIES[series], s=34, alpha=0.85, **look)
    _connect(axis, published)
    if results:
        _scatter(axis, results, label='measured', s=110, color=GREEN, marker='*', edgecolor='black', linewidth=0.6)
    front = pareto_front([*published, *results])
    axis.step(
        [result.consistency for result in front],
        [result.accuracy for result in front],
        where='pre',
        color='black',
        linewidth=0.8,
        linestyle='--',
        label='front',
        zorder=1,
    )
    _annotate(axis, [*results, *(result for result in front if result not in results)])
    axis.set(xlabel='consistency / %', ylabel='top-1 accuracy / %')
    axis.margins(0.06)
    axis.grid(alpha=0.25)
    axis.spines[['top', 'right']].set_visible(False)
    axis.legend(loc='upper left', frameon=False, fontsize=9)
    return figure


def pareto_front(results: Sequence[Result]) -> list[Result]:
    """Return the results that no other one equals or beats in both respects, from least to most consistent.

    Example:
        >>> a, b, c = Result('a', 70, 90, ''), Result('b', 72, 88, ''), Result('c', 69, 89, '')
        >>> [result.name for result in pareto_front([a, b, c])]
        ['b', 'a']
    """
    front: list[Result] = []
    for result in sorted(results, key=lambda result: (result.consistency, result.accuracy), reverse=True):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(result)
    return front[::-1]


def _check(results: Sequence[Result], published: Sequence[Result]) -> None:
    if not (results or published):
        raise ValueError('results must hold at least one network where published is empty, got none')
    for result in (*results, *published):
        for name in ('accuracy', 'consistency'):
            if not 0 <= getattr(result, name) <= 100:
                raise ValueError(f'{name} must be in percent, got {getattr(result, name)} for {result.name}')
    for result in published:
        if result.series not in SERIES:
            raise ValueError(f'series must be one of {", ".join(SERIES)}, got {result.series!r} for {result.name}')


def _scatter(axis: Axes, results: Sequence[Result], **look: object) -> None:
    axis.scatter([result.consistency for result in results], [result.accuracy for result in results], zorder=2, **look)


def _connect(axis: Axes, published: Sequence[Result]) -> None:
    plain = {result.name: result for result in published if result.series == 'baseline'}
    for result in published:
        start = plain.get(result.name.rpartition('_')[0])
        if result.series == 'adobe_ft_in1k' and start is not None:
            ends = (start.consistency, result.consistency), (start.accuracy, result.accuracy)
            axis.plot(*ends, color=GRAY, linewidth=0.6, alpha=0.6, zorder=1)


def _annotate(axis: Axes, results: Sequence[Result]) -> None:
    for result in results:
        axis.annotate(
            result.name,
            (result.consistency, result.accuracy),
            xytext=(-5, 6),
            textcoords='offset points',
            ha='right',
            fontsize=7.5,
        )
