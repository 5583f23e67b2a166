"""Report of `tools/quickstart.sh`: its trainings in a table, in JSON and in a figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv

from antialias_plugins.metrics import difference_interval
from antialias_plugins.utils import markdown_table, replacing, write_text
from lab.quickstart.experiment import Experiment
from lab.quickstart.shift_flips import (
    FlipPanel,
    ShiftFlips,
    images_and_labels,
    load_segmentor,
    median_image,
    plot_shift_flips,
    predict_flips,
    shared_pixels,
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


def compare_consistency(methods: Mapping[str, Numbers]) -> list[str]:
    """Say of every method but the first whether it is more consistent than the first.

    A difference counts if its 95 % interval does not hold 0, taken as if the two were measured on different images.
    They are measured on the same, so the true interval is narrower.
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
        f'{method["mASSC"]:.2f} [{method["mASSC_low"]:.2f}, {method["mASSC_high"]:.2f}]',
        f'{method["seconds_per_iteration"]:.3f}',
        f'{method["parameters"]:,}',
    )


def _compare(name: str, method: Numbers, base: str, reference: Numbers) -> str:
    difference = method['mASSC'] - reference['mASSC']
    first, second = ((it['mASSC'], (it['mASSC_low'], it['mASSC_high'])) for it in (method, reference))
    low, high = difference_interval(first, second)
    if low > 0:
        verdict = f'{name} is more consistent than {base}'
    elif high < 0:
        verdict = f'{name} is LESS consistent than {base}'
    else:
        verdict = f'{name} is NOT shown to be more consistent than {base}'
    return f'{verdict}: mASSC {difference:+.2f} [{low:+.2f}, {high:+.2f}] points.'


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
    if any('mASSC_low' not in method for method in summary['methods'].values()):  # of a version with half-widths
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
    counts = [int(predict_flips(segmentors[base], mmcv.imread(path)).flipped.sum()) for path, _ in files]
    path, label_path = files[median_image(counts)]
    image = mmcv.imread(path)
    flips = {name: predict_flips(segmentor, image) for name, segmentor in segmentors.items()}
    caption = f'{path.stem}: of {len(files)} validation images the one with the median number of flips for {base}'
    figure = plot_shift_flips(
        shared_pixels(image)[..., ::-1],  # mmcv reads BGR
        shared_pixels(mmcv.imread(label_path, 'unchanged')),
        [_panel(name, pair) for name, pair in flips.items()],
        caption,
    )
    with replacing(figure_file) as partial:
        figure.savefig(partial, format='png', dpi=150)
    summary = {'folders': _folders(experiments), 'methods': methods, 'verdicts': compare_consistency(methods)}
    write_text(summary_file, json.dumps(summary, indent=2) + '\n')
    return summary


def _folders(experiments: Mapping[str, Experiment]) -> dict[str, str]:
    return {name: experiment.folder.as_posix() for name, experiment in experiments.items()}


def _panel(name: str, flips: ShiftFlips) -> FlipPanel:
    return FlipPanel(f'{name}: {flips.flipped.mean():.1%} flip', flips.before, flips.after, flips.flipped)


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
