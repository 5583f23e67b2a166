"""Networks as every tool here names them: timm networks and configs, with their weights."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

import timm
import torch
from torch import nn

from antialias_plugins.checkpoints import load_checkpoint
from antialias_plugins.conversion import convert_antialias
from antialias_plugins.evaluation.classifier import Classifier, DataConfig
from antialias_plugins.evaluation.folder import ViewFolder, evaluate
from antialias_plugins.evaluation.report import Evaluation
from antialias_plugins.evaluation.settings import DTYPES, Settings
from antialias_plugins.layers import resolve_pool
from antialias_plugins.metrics import ViewPlan
from antialias_plugins.metrics.inputs import check_type
from antialias_plugins.utils import as_path, sha256_of


@dataclass(frozen=True)
class TimmModel:
    """A network of timm's registry, evaluated over images.

    Attributes:
        name: Its name, ours included, with or without a tag; or ``hf-hub:…``, ``local-dir:…``.
        pretrained: Whether it has the published weights of its name.
        checkpoint: File with its weights, in any layout that `load_checkpoint` knows.
        options: Further arguments of the network.
        pool: The filter that it is converted with, such as ``'lpf3'``; ``None`` to leave it as it is.
    """

    name: str
    pretrained: bool = False
    checkpoint: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    pool: str | None = None

    def __str__(self) -> str:
        return f'{self._named}, {self.checkpoint or ("published weights" if self.pretrained else "RANDOM weights")}'

    @property
    def short_name(self) -> str:
        """The network's name, with that of the checkpoint."""
        weights = '' if self.pretrained else f' ({getattr(self.checkpoint, "stem", "random weights")})'
        return self._named + weights

    @property
    def _named(self) -> str:
        return self.name if self.pool is None else f'{self.name}+{self.pool}'

    def fingerprint(self) -> dict[str, str]:
        """Return what the files that it is read from hold, as digests, and its options."""
        options = {'options': repr(dict(self.options))} if self.options else {}
        return options if self.checkpoint is None else {str(self.checkpoint): _digest(self.checkpoint), **options}

    def check(self) -> None:
        """Raise a `ValueError` if there is no such network, filter or file; build nothing."""
        if self.pretrained and self.checkpoint is not None:
            raise ValueError(f'checkpoint must be None for pretrained weights, got {self.checkpoint}')
        if ':' not in self.name and not timm.is_model(self.name):
            similar = ', '.join(get_close_matches(self.name, timm.list_models(), n=3)) or 'none'
            raise ValueError(f'name must be a timm network, got {self.name!r} (similar names: {similar})')
        if ':' not in self.name:
            self._check_weights()
        if self.pool is not None:
            resolve_pool(self.pool)
        if self.checkpoint is not None:
            _check_file('checkpoint', self.checkpoint)

    def _check_weights(self) -> None:
        """Raise unless the tag is known, and has weights if they are wanted."""
        try:
            published = timm.models.get_pretrained_cfg(self.name)
        except RuntimeError as error:
            architecture, _, _ = self.name.partition('.')
            tags = [name.partition('.')[2] for name in timm.list_models(f'{architecture}.*', pretrained=True)]
            raise ValueError(f'name must have one of the tags {", ".join(tags)}, got {self.name!r}') from error
        if self.pretrained and not (published and published.has_weights):
            raise ValueError(
                f'pretrained must be False for a network without published weights, got {self.name!r}: give it a file '
                'of weights, or leave them random'
            )

    def create(self) -> nn.Module:
        """Create the network, convert it if need be, and load its weights.

        Raises:
            ValueError: If there is no such network, it does not take the options, or its weights cannot be had or do
                not fit.
            UnsupportedModelError: If it cannot be converted.
        """
        self.check()
        try:
            network = timm.create_model(self.name, pretrained=self.pretrained, **self.options)
        except (RuntimeError, OSError) as error:  # an unknown tag; weights that cannot be downloaded
            raise ValueError(f'{self.name} cannot be created: {error}') from error
        except TypeError as error:
            if not self.options:
                raise
            message = f'options must be arguments of {self.name}, got {dict(self.options)}: {error}'
            raise ValueError(message) from error
        if self.pool is not None:
            convert_antialias(network, self.pool)
        if self.checkpoint is not None:
            load_checkpoint(network, self.checkpoint)
        return network

    def evaluate(self, settings: Settings, progress: bool = True) -> Evaluation:
        """Measure it.

        Raises:
            ValueError: If the network, its weights, the images or a setting is wrong.
        """
        settings.check_for_classifiers()
        options = settings.loop_options()
        groups = options.pop('groups', None)
        torch.manual_seed(settings.seed)
        network = self.create()
        data_config = DataConfig.of(
            network, img_size=settings.size, crop_pct=settings.crop_pct, interpolation=settings.interpolation
        )
        batch_size = 64 if settings.batch_size is None else settings.batch_size
        if settings.protocol == 'legacy':
            options['batch_size'] = batch_size
        plan = ViewPlan(crop_size=data_config.size, **options)
        folder = ViewFolder(settings.images, data_config, plan)
        labelled = folder.classes == network.num_classes and not settings.unlabelled
        classifier = Classifier(
            network,
            data_config.mean,
            data_config.std,
            settings.device or ('cuda' if torch.cuda.is_available() else 'cpu'),
            DTYPES[settings.amp_dtype or 'float16'] if settings.amp else torch.float32,
            settings.channels_last,
        )
        evaluation = evaluate(
            classifier,
            folder,
            labelled=labelled,
            batch_size=batch_size,
            workers=_useful_workers(len(folder) / batch_size) if settings.workers is None else settings.workers,
            progress=progress,
            groups=groups,
            skip_unreadable=settings.skip_unreadable,
        )
        notes = evaluation.notes
        if not labelled and not settings.unlabelled:
            found = f'{folder.classes or "no"} sub-folders for {network.num_classes} classes'
            notes = (f'no accuracy, since the images have no labels: {found}', *notes)
        resize = data_config.resize_for(plan.frame_size[0])
        prepared = {'plan': str(plan), 'preparation': asdict(data_config), 'resize_for_views': resize}
        return replace(evaluation, prepared=prepared, notes=notes)


@dataclass(frozen=True)
class ConfigModel:
    """A config of mmseg, mmpretrain or mmdet with its checkpoint, evaluated on its own test set.

    Attributes:
        config: File of the config.
        checkpoint: File with its weights.
        changes: Further changes of the config, by dotted keys.
        name: What it is called, if not what its config is.
    """

    config: Path
    checkpoint: Path
    changes: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    def __str__(self) -> str:
        return f'{self.config}, {self.checkpoint}'

    @property
    def short_name(self) -> str:
        """The config's name, or that of the training's folder."""
        return self.name or self.config.stem

    def fingerprint(self) -> dict[str, str]:
        """Return what the files that it is read from hold, as digests; of the config, with what it is based on."""
        return {
            str(self.config): _host().digest_config(self.config, self.changes),
            str(self.checkpoint): _digest(self.checkpoint),
        }

    def check(self) -> None:
        """Raise a `ValueError` if a file is missing; build nothing."""
        _check_file('config', self.config)
        _check_file('checkpoint', self.checkpoint)

    def read(self) -> Any:
        """Return the config, changed, as mmengine reads it.

        Raises:
            ValueError: If the file is missing.
        """
        return _host().read_config(self.config, self.changes)

    def evaluate(self, settings: Settings, progress: bool = True) -> Evaluation:
        """Measure it.

        Raises:
            ValueError: If a file or a setting is wrong.
            ModuleNotFoundError: If the package of the config is missing.
        """
        return _host().evaluate_config(self.config, self.checkpoint, settings, self.changes, progress)


Model = TimmModel | ConfigModel


def parse_model(
    text: str,
    *,
    pretrained: bool = True,
    model_kwargs: Mapping[str, Any] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> Model:
    """Read what a command line calls a network.

    Args:
        text: ``NAME[.TAG]`` for a timm network, ours included, with its published weights; ``NAME@FILE`` for one with
            weights from a file; ``hf-hub:USER/REPO``; ``CONFIG.py@CHECKPOINT`` for a config of mmseg, mmdet or
            mmpretrain; or the folder of a finished training of mmengine. ``+POOL`` behind the name of a timm network
            converts it: ``resnet50+lpf3``, ``resnet50+lpf3@FILE``.
        pretrained: Whether a timm network without a file has the published weights of its name.
        model_kwargs: Further arguments of a timm network.
        cfg_options: Changes of a config, by dotted keys.

    Raises:
        ValueError: If it is none of these.

    Example:
        >>> model = parse_model('resnet18+lpf4@best.pth')
        >>> model.name, model.pool, model.checkpoint.name
        ('resnet18', 'lpf4', 'best.pth')
        >>> parse_model('configs/fcn.py@best.pth').config.name
        'fcn.py'
    """
    check_type('network', text, str)
    config, suffix, checkpoint = text.partition('.py@')
    if suffix and config and checkpoint:
        return ConfigModel(Path(config + '.py'), Path(checkpoint), cfg_options or {})
    if suffix or text.endswith('.py'):
        raise ValueError(f'a config must come with its checkpoint, as CONFIG.py@CHECKPOINT, got {text!r}')
    if not timm.is_model(text) and text and Path(text).is_dir():
        return _finished_training(Path(text), cfg_options or {})
    # What follows an @ in a name of the hub is its revision.
    name, at, checkpoint = (text, '', '') if ':' in text.partition('@')[0] else text.partition('@')
    name, plus, pool = name.partition('+')
    if not name or (at and not checkpoint) or (plus and not pool):
        forms = 'NAME, NAME+POOL, NAME@FILE, hf-hub:USER/REPO or CONFIG.py@CHECKPOINT'
        raise ValueError(f'network must be {forms}, got {text!r}')
    return TimmModel(name, pretrained and not at, Path(checkpoint) if at else None, model_kwargs or {}, pool or None)


def _finished_training(folder: Path, changes: Mapping[str, Any]) -> ConfigModel:
    """The config that mmengine's runner has left in its work dir, and the last iteration's checkpoint."""
    pointer, configs = folder / 'last_checkpoint', list(folder.glob('*.py'))
    if pointer.is_file() and len(configs) == 1:
        checkpoint = folder / Path(pointer.read_text()).name  # the folder may have moved
        config = _host().read_config(configs[0], {})
        if checkpoint.name == f'iter_{config.train_cfg.get("max_iters")}.pth' and checkpoint.is_file():
            return ConfigModel(configs[0], checkpoint, changes, folder.name)
    raise ValueError(f'network must be a finished training where it is a folder, got {folder}')


def _useful_workers(batches: float) -> int:
    """Processes that read images: none for a single batch, and no more than there are processors."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return 0 if batches <= 1 else min(4, processors, ceil(batches))


def _check_file(argument: str, path: Path) -> None:
    if not as_path(argument, path).is_file():
        raise ValueError(f'{argument} must be a file, got {path}, which is none')


def _digest(path: Path) -> str:
    _check_file('checkpoint', path)
    return sha256_of(path)


def _host() -> ModuleType:
    """The module that knows mmengine, which has to be installed only where there are configs."""
    from antialias_plugins.evaluation import config

    return config
