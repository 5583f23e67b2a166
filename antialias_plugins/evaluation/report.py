"""What an evaluation found, for people and for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from antialias_plugins.environment import describe_environment
from antialias_plugins.evaluation.loop import Evaluation
from antialias_plugins.files import replacing


def format_report(evaluation: Evaluation) -> str:
    """Return the figures as a table, one per line, in percent and with their 95 % intervals."""
    consistency = evaluation.consistency
    figures = {f'top-{rank} accuracy': figure for rank, figure in evaluation.accuracy.items()}
    figures['consistency'] = consistency.mean, consistency.interval
    if consistency.correct_mean is not None:
        figures['correct-consistency'] = consistency.correct_mean, consistency.correct_interval
    figures['change of top probability'] = consistency.probability_change, consistency.probability_change_interval
    width = max(map(len, figures))
    lines = [f'{name:{width}}  {_percent(*figure)}' for name, figure in figures.items()]
    return '\n'.join([f'{"%":>{width + 8}}', *lines])


def write_report(path: Path, settings: Mapping[str, Any], evaluation: Evaluation) -> None:
    """Write settings, figures and environment as JSON; shares are in [0, 1].

    The file appears when it is complete: an interruption leaves the one that was there before.

    Args:
        path: The file. Its folder is made if need be.
        settings: What was evaluated, and how.
        evaluation: The figures.
    """
    accuracy = {
        f'top{rank}': {'mean': mean, 'interval': interval} for rank, (mean, interval) in evaluation.accuracy.items()
    }
    report = {
        'settings': settings,
        'accuracy': accuracy,
        'consistency': asdict(evaluation.consistency),
        'images_per_second': evaluation.images_per_second,
        'environment': describe_environment(),
    }
    with replacing(path) as partial:
        partial.write_text(json.dumps(report, indent=2) + '\n')


def _percent(mean: float, interval: float | None) -> str:
    spread = '' if interval is None else f' ± {100 * interval:5.2f}'
    return f'{100 * mean:6.2f}{spread}'
