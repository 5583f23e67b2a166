"""The result of `tools/quickstart.sh`: its trainings in a table, in JSON and in a figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv

from lab.quickstart.experiment import Experiment
from lab.quickstart.figure import FlipPanel, plot_shift_flips
from lab.quickstart.shift_flips import (
    ShiftFlips,
    images_and_labels,
    load_segmentor,
    median_image,
    predict_flips,
    shared_pixels,
)
from lab.quickstart.summary import (
    compare_consistency,
    describe_environments,
    format_table,
    numbers,
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
    (out / 'summary.md').write_text(_report(summary, summary_file, figure_file))


def _read_up_to_date(summary_file: Path, figure_file: Path, experiments: Mapping[str, Experiment]) -> dict | None:
    """The summary, if it is of these experiments and newer than all that it is made from."""
    if not (summary_file.exists() and figure_file.exists()):
        return None
    written = summary_file.stat().st_mtime
    sources = [path for one in experiments.values() for path in (one.checkpoint, one.metrics_file)]
    if any(source.stat().st_mtime >= written for source in sources):
        return None
    summary = json.loads(summary_file.read_text())
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
    figure.savefig(figure_file, dpi=150)
    summary = {'folders': _folders(experiments), 'methods': methods, 'verdicts': compare_consistency(methods)}
    part = summary_file.with_suffix('.part')
    part.write_text(json.dumps(summary, indent=2) + '\n')
    part.rename(summary_file)
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
