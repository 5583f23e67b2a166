"""Evaluation of a config by mmengine's runner with our test loop. Needs mmengine and the config's package."""

import hashlib
import io
import pickle
import tempfile
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, load_checkpoint
from tqdm import tqdm

from antialias_plugins import openmmlab as openmmlab  # registers our loop
from antialias_plugins.evaluation.report import Evaluation
from antialias_plugins.evaluation.settings import Settings
from antialias_plugins.metrics import InstanceConsistency
from antialias_plugins.openmmlab.child_config import check_installed
from antialias_plugins.openmmlab.consistency import ConsistencyMetric


def evaluate_config(
    config: Path, checkpoint: Path, settings: Settings, changes: Mapping[str, Any] | None = None, progress: bool = True
) -> Evaluation:
    """Test a config of mmseg, mmpretrain or mmdet on its own test set, with its own metrics and our consistency.

    The test is that of the package's ``test.py``. Where the test pipeline ends with a central crop, as that of a
    classifier does, the crop becomes ``max_shift`` larger: the usual metrics still see its centre, and the views have
    room to move.

    Args:
        config: File of the config.
        checkpoint: File with the weights, every one of them.
        settings: Options of `ShiftConsistencyTestLoop`, instead of those in the config, and of the computation.
        changes: Further changes of the config, by dotted keys.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If a file is missing, the checkpoint does not fit, an option is out of range, or a detector finds
            nothing that could be compared.
    """
    if not checkpoint.is_file():
        raise ValueError(f'checkpoint must be a file, got {checkpoint}, which is none')
    cfg, options = read_config(config, changes), settings.loop_options()
    for name, value in (('batch_size', settings.batch_size), ('num_workers', settings.workers)):
        if value is not None:
            cfg.test_dataloader[name] = value
    if not cfg.test_dataloader.get('num_workers'):
        cfg.test_dataloader.persistent_workers = False
    size = _make_room(cfg, 0 if settings.circular else settings.max_shift)
    cfg.test_cfg = dict(type='ShiftConsistencyTestLoop', fp16=settings.amp, **options)
    if size is not None:
        cfg.test_cfg.crop_size = size
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):  # pycocotools prints what it does
        return _test(_quiet(cfg, Path(folder)), checkpoint, progress)


def digest_config(config: Path, changes: Mapping[str, Any] | None = None) -> str:
    """Return a digest of a config with all that it is based on, and with changes.

    Raises:
        ValueError: If the file is missing.
    """
    return hashlib.sha256(read_config(config, changes).pretty_text.encode()).hexdigest()


def read_config(config: Path, changes: Mapping[str, Any] | None) -> Config:
    """Return a config with changes.

    Raises:
        ValueError: If the file is missing.
    """
    if not config.is_file():
        raise ValueError(f'config must be a file, got {config}, which is none')
    cfg = Config.fromfile(config)
    check_installed(cfg.get('default_scope', 'mmengine'))
    cfg.merge_from_dict(dict(changes or {}))
    return cfg


def _make_room(cfg: Config, room: int) -> tuple[int, int] | None:
    """Enlarge the central crop at the end of the test pipeline; return its size before, height first, if it has one."""
    pipeline = cfg.test_dataloader.dataset.get('pipeline', [])
    # A type is the class itself, or its name with or without a scope.
    names = (getattr(step['type'], '__name__', step['type']).rpartition('.')[2] for step in pipeline)
    crop = next((step for name, step in zip(names, pipeline, strict=True) if name == 'CenterCrop'), None)
    if crop is None:
        return None
    known = cfg.get('test_cfg', {}).get('crop_size')  # the config has made room already
    width, height = _pair(crop['crop_size']) if known is None else _pair(known)[::-1]
    crop['crop_size'] = (width + room, height + room)
    return height, width


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _quiet(cfg: Config, folder: Path) -> Config:
    """Let a test print and keep nothing, and share nothing with another one in this process."""
    cfg.merge_from_dict({'work_dir': str(folder), 'experiment_name': folder.name, 'log_level': 'ERROR'})
    cfg.merge_from_dict({'launcher': 'none', 'load_from': None, 'resume': False})
    cfg.visualizer = dict(type='mmengine.Visualizer', name=folder.name)
    cfg.get('default_hooks', {}).pop('visualization', None)
    return cfg


def _test(cfg: Config, checkpoint: Path, progress: bool) -> Evaluation:
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    try:
        # The runner itself would go on without the weights that a file does not have.
        load_checkpoint(runner.model, str(checkpoint), map_location='cpu', strict=True, logger='silent')
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:  # of other weights, or no checkpoint at all
        raise ValueError(f'checkpoint must fit the config, got {checkpoint}: {" ".join(str(error).split())}') from error
    images = len(runner.test_dataloader.dataset)
    start = time.perf_counter()
    with tqdm(total=images, unit='image', disable=not progress) as bar:
        runner.register_hook(_Progress(bar))
        metrics = runner.test()
    measured = runner.test_loop.consistency
    if isinstance(measured.result, InstanceConsistency):
        unsure = [title for title, share in measured.result.shares.items() if not share.images]
        if unsure:  # which mmengine's log, silent here, would tell
            found = f'none in {measured.result.images} images, so no {" and no ".join(unsure)}'
            raise ValueError(f'model must be sure of some instance, got {found}')
    return Evaluation(
        _accuracy(metrics, measured),
        measured.result,
        sum(parameter.numel() for parameter in runner.model.parameters()),
        images / (time.perf_counter() - start),
        measured.plain.rate,
        measured.views.rate,
        tuple(measured.classes) if getattr(measured.result, 'classes', ()) else (),
    )


def _accuracy(metrics: Mapping[str, Any], measured: ConsistencyMetric) -> dict[str, tuple[float, None]]:
    """The usual metrics, without the names of their data set, in [0, 1]."""
    usual = {name: value for name, value in metrics.items() if name not in measured.metrics and isinstance(value, Real)}
    # mmdet's metrics are shares, -1 where there is nothing to measure; those of mmseg and mmpretrain are in percent.
    whole = 1 if isinstance(measured.result, InstanceConsistency) else 100
    return {name.rpartition('/')[2]: (float(value) / whole, None) for name, value in usual.items() if value != -1}


class _Progress(Hook):
    """Moves a progress bar on, by the images of every batch."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._bar.update(len(outputs))
