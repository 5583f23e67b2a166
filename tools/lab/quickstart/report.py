"""Report of `tools/quickstart.sh`: its trainings in a table, in JSON and in a figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from matplotlib.figure import Figure

from antialias_plugins.metrics import mean_interval
from antialias_plugins.utils import markdown_table, replacing, write_text
from lab.quickstart.experiment import Experiment
from lab.quickstart.shift_flips import (
    FlipPanel,
    ShiftFlips,
    images_and_labels,
    load_segmentor,
    plot_shift_flips,
    predict_flips,
    typical_image,
)

Numbers = Mapping[str, Any]

_HEADER = ('method', 'mIoU (%)', 'mASSC (%), 95 % interval', 's / iteration', 'parameters')


def numbers(experiment: Experiment, parameters: int) -> dict[str, Any]:
    """Return what there is to report of one experiment; metrics in percent, the interval by its limits."""
    metrics = experiment.metrics
    return {
        'config': experiment.record['config'],
        'seed': experiment.config.randomness.seed,
        'iterations': experiment.config.train_cfg.max_iters,
        **{name: metrics[name] for name in ('mIoU', 'mASSC', 'mASSC_low', 'mASSC_high')},
        'seconds_per_iteration': experiment.seconds_per_iteration,
        'parameters': parameters,
        'environment': experiment.record['environment'],
    }


def format_table(methods: Mapping[str, Numbers]) -> str:
    """Return the numbers as a Markdown table with aligned columns, one row per method."""
    return markdown_table(_HEADER, [_row(name, method) for name, method in methods.items()])


def compare_consistency(shares: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float, float]]:
    """Return by how many points each method but the first is more consistent than the first, on the same images.

    Args:
        shares: Share of pixels that keep their class, per image, by method.

    Returns:
        Mean of the differences and the limits of its 95 % interval, in percent.
    """
    (_, reference), *others = shares.items()
    differences = {}
    for name, its in others:
        mean, interval = mean_interval(np.subtract(its, reference).tolist(), bounds=(-1, 1))
        low, high = interval or (-1, 1)  # a single image says nothing of the others
        differences[name] = tuple(100 * value for value in (mean, low, high))
    return differences


def judge(differences: Mapping[str, tuple[float, float, float]], base: str) -> list[str]:
    """Say of every method whether it is more consistent than the baseline: whether the interval is on one side of 0."""
    lines = []
    for name, (mean, low, high) in differences.items():
        verdict = 'more' if low > 0 else 'LESS' if high < 0 else 'NOT shown to be more'
        points = f'mASSC {mean:+.2f} [{low:+.2f}, {high:+.2f}] points on the same images'
        lines.append(f'{name} is {verdict} consistent than {base}: {points}.')
    return lines


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
        f'{method["mASSC"]:.2f} [{method["mASSC_low"]:.2f}, {method["mASSC_high"]:.2f}]',
        f'{method["seconds_per_iteration"]:.3f}',
        f'{method["parameters"]:,}',
    )


def summarize(folders: Sequence[Path], out: Path) -> None:
    """Compare finished experiments: write ``shift.png``, ``summary.json`` and, for people, ``summary.md``.

    The figure and the JSON file are kept if they are newer than all that they are made from.

    Args:
        folders: The experiments' folders, the baseline first. A method is called what its folder is called.
        out: Where to write.

    Raises:
        ValueError: If an experiment is not finished.
    """
    experiments = {folder.name: Experiment(folder) for folder in folders}
    for name, experiment in experiments.items():
        if not (experiment.record and experiment.is_trained and experiment.metrics_file):
            raise ValueError(f"folders must hold finished trainings and tests, got '{experiment.folder}' for {name}")
    summary_file, figure_file = out / 'summary.json', out / 'shift.png'
    summary = _read_up_to_date(summary_file, figure_file, experiments)
    if summary is None:
        summary = _write(summary_file, figure_file, experiments)
    write_text(out / 'summary.md', _report(summary, summary_file, figure_file))


def _read_up_to_date(summary_file: Path, figure_file: Path, experiments: Mapping[str, Experiment]) -> dict | None:
    """The summary, if it is of these experiments and newer than all that it is made from."""
    if not (summary_file.exists() and figure_file.exists() and figure_file.stat().st_size):
        return None
    written = summary_file.stat().st_mtime
    sources = [path for one in experiments.values() for path in (one.checkpoint, one.metrics_file)]
    if any(source.stat().st_mtime >= written for source in sources):
        return None
    try:
        summary = json.loads(summary_file.read_text())
    except ValueError:  # of an older version, which was interrupted while it wrote: it is written anew
        return None
    if 'differences' not in summary:  # of a version that compared the methods otherwise
        return None
    return summary if summary['folders'] == _folders(experiments) else None


def _write(summary_file: Path, figure_file: Path, experiments: Mapping[str, Experiment]) -> dict[str, Any]:
    segmentors = {name: load_segmentor(experiment) for name, experiment in experiments.items()}
    methods = {
        name: numbers(experiment, sum(parameter.numel() for parameter in segmentors[name].parameters()))
        for name, experiment in experiments.items()
    }
    base = next(iter(experiments))
    files = images_and_labels(experiments[base])
    images = [mmcv.imread(path) for path, _ in files]
    flips = {
        name: [predict_flips(segmentor, image, index) for index, image in enumerate(images)]
        for name, segmentor in segmentors.items()
    }
    differences = compare_consistency({name: [one.consistency for one in its] for name, its in flips.items()})
    figure = _draw(methods, flips, differences, images, files)
    with replacing(figure_file) as partial:
        figure.savefig(partial, format='png', dpi=200)
    summary = {
        'folders': _folders(experiments),
        'methods': methods,
        'differences': differences,
        'verdicts': judge(differences, base),
    }
    write_text(summary_file, json.dumps(summary, indent=2) + '\n')
    return summary


def _draw(
    methods: Mapping[str, Numbers],
    flips: Mapping[str, Sequence[ShiftFlips]],
    differences: Mapping[str, tuple[float, float, float]],
    images: Sequence[np.ndarray],
    files: Sequence[tuple[Path, Path]],
) -> Figure:
    shares = {name: [one.flipped.mean() for one in its] for name, its in flips.items()}
    index = typical_image(list(shares.values()))
    panels = [
        FlipPanel(
            name,
            tuple(method[key] for key in ('mASSC', 'mASSC_low', 'mASSC_high')),
            differences.get(name),
            100 * np.mean(shares[name]),
            flips[name][index].before,
            flips[name][index].flipped,
        )
        for name, method in methods.items()
    ]
    (path, label_path), shared = files[index], next(iter(flips.values()))[index].shared
    caption = (
        f'mASSC: share of pixels with the same class in two random crops, mean over {len(files)} validation images; '
        'brackets and bars: 95 % intervals, of the differences on the same images. Flips: one pixel further to the '
        f'right, drawn three pixels wide. Of all images the one with the most usual shares of flips ({path.stem}).'
    )
    label = shared(mmcv.imread(label_path, 'unchanged'))
    return plot_shift_flips(shared(images[index])[..., ::-1], label, panels, caption)  # mmcv reads BGR


def _folders(experiments: Mapping[str, Experiment]) -> dict[str, str]:
    return {name: experiment.folder.as_posix() for name, experiment in experiments.items()}


def _report(summary: Mapping[str, Any], summary_file: Path, figure_file: Path) -> str:
    methods = summary['methods']
    folders = summary['folders'].values()
    paragraphs = [
        [format_table(methods)],
        summary['verdicts'],
        describe_environments(methods),
        [f'Figure: {figure_file}', f'Numbers: {summary_file}', f'Trainings and tests: {", ".join(folders)}'],
    ]
    return '\n\n'.join('\n'.join(lines) for lines in paragraphs) + '\n'
