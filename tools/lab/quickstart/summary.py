"""Experiments next to each other: a table of their numbers, and what it says."""

from collections.abc import Mapping, Sequence
from math import hypot
from typing import Any

from antialias_plugins.utils import markdown_table
from lab.quickstart.experiment import Experiment

Numbers = Mapping[str, Any]

_HEADER = ('method', 'mIoU (%)', 'mASSC (%), 95 % interval', 's / iteration', 'parameters')


def numbers(experiment: Experiment, parameters: int) -> dict[str, Any]:
    """Return what there is to report of one experiment; metrics in percent, the interval as a half-width."""
    metrics = experiment.metrics
    return {
        'config': experiment.record['config'],
        'seed': experiment.config.randomness.seed,
        'iterations': experiment.config.train_cfg.max_iters,
        **{name: metrics[name] for name in ('mIoU', 'mASSC', 'mASSC_interval')},
        'seconds_per_iteration': experiment.seconds_per_iteration,
        'parameters': parameters,
        'environment': experiment.record['environment'],
    }


def format_table(methods: Mapping[str, Numbers]) -> str:
    """Return the numbers as a Markdown table with aligned columns, one row per method."""
    return markdown_table(_HEADER, [_row(name, method) for name, method in methods.items()])


def compare_consistency(methods: Mapping[str, Numbers]) -> list[str]:
    """Say of every method but the first whether it is more consistent than the first.

    A difference counts if it exceeds its 95 % interval, taken as if the two were measured on different images. They
    are measured on the same, so the true interval is narrower.
    """
    (base, reference), *others = methods.items()
    return [_compare(name, method, base, reference) for name, method in others]


def describe_environments(methods: Mapping[str, Numbers]) -> list[str]:
    """Return the environment in which the methods were trained as lines, with a warning if there were several."""
    environments = [method['environment'] for method in methods.values()]
    if any(environment != environments[0] for environment in environments):
        return ['The trainings ran in different environments (see the summary): do not compare their times.']
    (machine, *versions) = environments[0].items()
    return [f'Machine: {machine[1]}', 'Versions: ' + ', '.join(f'{name} {version}' for name, version in versions)]


def _row(name: str, method: Numbers) -> Sequence[str]:
    return (
        name,
        f'{method["mIoU"]:.2f}',
        f'{method["mASSC"]:.2f} ± {method["mASSC_interval"]:.2f}',
        f'{method["seconds_per_iteration"]:.3f}',
        f'{method["parameters"]:,}',
    )


def _compare(name: str, method: Numbers, base: str, reference: Numbers) -> str:
    difference = method['mASSC'] - reference['mASSC']
    interval = hypot(method['mASSC_interval'], reference['mASSC_interval'])
    if difference > interval:
        verdict = f'{name} is more consistent than {base}'
    elif difference < -interval:
        verdict = f'{name} is LESS consistent than {base}'
    else:
        verdict = f'{name} is NOT shown to be more consistent than {base}'
    return f'{verdict}: mASSC {difference:+.2f} ± {interval:.2f} points.'
