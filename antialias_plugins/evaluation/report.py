"""Result of an evaluation, as a table for people and as JSON for programs."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from antialias_plugins.metrics.base import Result
from antialias_plugins.metrics.intervals import Interval, format_percent
from antialias_plugins.utils import describe_environment, replacing


@dataclass(frozen=True)
class Evaluation:
    """Accuracy and consistency of a network.

    Attributes:
        accuracy: By name (``top1``, ``top5``; ``mIoU``, …; ``segm_mAP``, …), the accuracy in [0, 1] and the limits of
            its 95 % interval, if it is a mean over images. Empty without labels.
        consistency: Consistency of the views.
        parameters: Number of the network's parameters.
        images_per_second: Images, with all their views, from files to figures.
        plain_per_second: Images whose accuracy the network alone is asked for; ``None`` without labels.
        views_per_second: Images whose views the network alone is asked for.
        classes: Names of the classes of a segmentation that was measured class by class.
        prepared: How the images were prepared, where no config says it.
        notes: What a reader has to know of the images.
    """

    accuracy: Mapping[str, tuple[float, Interval | None]]
    consistency: Result
    parameters: int
    images_per_second: float
    plain_per_second: float | None = None
    views_per_second: float | None = None
    classes: tuple[str, ...] = ()
    prepared: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def passes(self) -> float | None:
        """What the views of an image cost, in plain forward passes; ``None`` without labels."""
        if self.plain_per_second is None or self.views_per_second is None:
            return None
        return self.plain_per_second / self.views_per_second


def format_report(evaluation: Evaluation) -> str:
    """Return the figures as a table, one per line, in percent and with their 95 % intervals."""
    figures = {re.sub('^top(.*)', r'top-\1 accuracy', name): figure for name, figure in evaluation.accuracy.items()}
    consistency = evaluation.consistency
    shares = {title: consistency.figures.get(name) for name, title in consistency.titles.items()}
    shares |= {f'  {name}': consistency.classes[index] for index, name in enumerate(evaluation.classes)}
    figures |= {title: (share.mean, share.interval) for title, share in shares.items() if share is not None}
    figures = {name: figure for name, figure in figures.items() if figure[0] is not None}
    width = max(map(len, figures))
    lines = [f'{"%":>{width + 8}}']
    for name, (mean, interval) in figures.items():
        number, *limits = format_percent(mean, interval, unit='').split(' ', 1)
        lines.append(f'{name:{width}}  {number:>6}{"".join(f" {text}" for text in limits)}')
    return '\n'.join(lines + [f'note: {note}' for note in (consistency.note, *evaluation.notes) if note])


def format_cost(evaluation: Evaluation) -> str:
    """Say how many images there were per second, and what their views cost.

    Example:
        >>> from antialias_plugins.metrics import ClassificationConsistency
        >>> consistency = ClassificationConsistency(0.9, None, 50, 0.015, None)
        >>> format_cost(Evaluation({}, consistency, 0, 70.0, 300.0, 148.0))
        '70.0 images per second; the network alone: 300.0 plain, 148.0 in all views, which cost 2.03 plain passes'
    """
    text = f'{evaluation.images_per_second:.1f} images per second'
    if evaluation.passes is None:
        return text
    return (
        f'{text}; the network alone: {evaluation.plain_per_second:.1f} plain, {evaluation.views_per_second:.1f} in all '
        f'views, which cost {evaluation.passes:.2f} plain passes'
    )


def as_record(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures ready for JSON; shares are in [0, 1]."""
    record = asdict(evaluation)
    del record['prepared']  # a part of the settings
    record['accuracy'] = {
        name: {'mean': mean, 'interval': interval} for name, (mean, interval) in evaluation.accuracy.items()
    }
    if not evaluation.classes:
        del record['classes']
    return record


def write_report(path: Path, settings: Mapping[str, Any], evaluation: Evaluation) -> None:
    """Write settings, figures and environment as JSON; shares are in [0, 1].

    The file appears when it is complete: an interruption leaves the one that was there before.

    Args:
        path: The file. Its folder is made if need be.
        settings: What was evaluated, and how.
        evaluation: The figures.
    """
    report = {
        'settings': {**settings, **evaluation.prepared},
        **as_record(evaluation),
        'environment': describe_environment(),
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(report, indent=2) + '\n')
