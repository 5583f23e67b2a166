"""A training and its test in a folder of mmengine, and the next step that remains to be done there."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from mmengine.config import Config

from antialias_plugins.utils import describe_environment, read_json, write_text
from lab.training import read_scalars

RECORD = 'experiment.json'


@dataclass(frozen=True)
class Experiment:
    """A training in a folder, with its test in the folder ``test`` below.

    Attributes:
        folder: The training's ``--work-dir``, where `begin` has left its record.
    """

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """The path of the config, the recipe, and the environment in which the training began."""
        path = self.folder / RECORD
        record = read_json(path, 'the record of an experiment') if path.exists() else {}
        if not isinstance(record, dict) or (record and 'recipe' not in record):
            raise ValueError(f'{path} must be the record of an experiment, got something else')
        return record

    @property
    def config(self) -> Config:
        """The config as it was recorded."""
        return Config(self.record['recipe']['config'])

    @property
    def checkpoint(self) -> Path | None:
        """The latest checkpoint that was written completely and still exists."""
        pointer = self.folder / 'last_checkpoint'
        if not pointer.exists():
            return None
        path = self.folder / Path(pointer.read_text()).name
        return path if path.exists() else None

    @property
    def is_trained(self) -> bool:
        """Whether the last iteration has its checkpoint."""
        final = self.config.train_cfg.max_iters
        return self.checkpoint is not None and self.checkpoint.name == f'iter_{final}.pth'

    @property
    def metrics_file(self) -> Path | None:
        """The latest file of metrics that the test has written completely."""
        paths = sorted(self.folder.glob('test/*/*.json'), reverse=True)
        return next((path for path in paths if _is_whole(path)), None)

    @property
    def metrics(self) -> dict[str, float]:
        """The test's metrics, by name."""
        return json.loads(self.metrics_file.read_text())

    @property
    def seconds_per_iteration(self) -> float:
        """Median of the times that mmengine logged, each a mean over its last iterations; resumed runs included."""
        return median(entry['time'] for entry in read_scalars(self.folder) if 'loss' in entry)


def begin(config: Path, folder: Path, inputs: Iterable[Path] = ()) -> str:
    """Make a folder ready for the next step of an experiment, and name that step.

    What was trained after the same recipe is kept, even if training was killed, and gone on with. Nothing is ever
    removed: where the folder holds anything else, that is an error. The recipe is the whole config and the text of the
    inputs.

    Args:
        config: The config.
        folder: The experiment's folder: new, empty, or of this experiment.
        inputs: Text files that decide what is trained as much as the config does, such as the manifest of the data.

    Returns:
        ``'train'``, ``'resume'``, ``'test'`` or ``'nothing'``.

    Raises:
        ValueError: If the folder holds other things, or an experiment of another recipe: says what differs.
    """
    experiment = Experiment(folder)
    recipe = _recipe(config, inputs)
    if not experiment.record and folder.exists() and any(folder.iterdir()):
        raise ValueError(f"folder must be new or that of an experiment, got '{folder}', which holds other things")
    if experiment.record and experiment.record['recipe'] != recipe:
        differences = [*_differences('', experiment.record['recipe'], recipe)]
        more = f' and {len(differences) - 3} more' if len(differences) > 3 else ''
        raise ValueError(
            f"folder must be new or of this experiment, got '{folder}', which differs in {', '.join(differences[:3])}"
            f'{more}; move it away to keep it, or name another folder'
        )
    if experiment.record and experiment.is_trained:
        return 'nothing' if experiment.metrics_file else 'test'
    if experiment.record and experiment.checkpoint:
        return 'resume'
    record = {'config': config.as_posix(), 'recipe': recipe, 'environment': describe_environment()}
    write_text(folder / RECORD, json.dumps(record, indent=2) + '\n')
    return 'train'


def _differences(name: str, there: Any, here: Any) -> Iterator[str]:
    """The dotted keys of two recipes whose values differ, with these if they are short."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there.keys() | here.keys()):
            yield from _differences(f'{name}.{key}' if name else key, there.get(key), here.get(key))
    elif there != here:
        values = f'{there!r} there, {here!r} now'
        yield f'{name} ({values})' if len(values) < 60 else name


def _recipe(config: Path, inputs: Iterable[Path]) -> dict[str, Any]:
    recipe = {
        'config': Config.fromfile(config).to_dict(),
        'inputs': {path.as_posix(): path.read_text() for path in inputs},
    }
    return json.loads(json.dumps(recipe))  # as it will be read again, with lists for tuples


def _is_whole(path: Path) -> bool:
    """Whether a test has ended, of this version: intervals were half-widths once, and held less than they said."""
    try:
        return 'mASSC_interval' not in json.loads(path.read_text())
    except json.JSONDecodeError:  # the test was killed while it wrote
        return False
