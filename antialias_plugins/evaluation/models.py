"""Models that are evaluated: timm networks and configs, with their weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import timm
import torch
from torch import nn

from antialias_plugins.checkpoints import load_checkpoint
from antialias_plugins.evaluation.classifier import Classifier, DataConfig
from antialias_plugins.evaluation.folder import ViewFolder, evaluate
from antialias_plugins.evaluation.report import Evaluation
from antialias_plugins.evaluation.settings import DTYPES, Settings
from antialias_plugins.metrics import ViewPlan
from antialias_plugins.metrics.inputs import check_type
from antialias_plugins.utils import sha256_of


@dataclass(frozen=True)
class TimmModel:
    """A network of timm's registry, evaluated over a folder of images.

    Attributes:
        name: Its name, ours included, with or without a tag; or ``hf-hub:…``, ``local-dir:…``.
        pretrained: Whether it has the published weights of its name.
        checkpoint: File with its weights, in any layout that `load_checkpoint` knows.
        options: Further arguments of the network.
    """

    name: str
    pretrained: bool = False
    checkpoint: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f'{self.name}, {self.checkpoint or ("published weights" if self.pretrained else "RANDOM weights")}'

    @property
    def short_name(self) -> str:
        """The network's name, with that of the checkpoint."""
        return self.name if self.pretrained else f'{self.name} ({getattr(self.checkpoint, "stem", "random weights")})'

    def fingerprint(self) -> dict[str, str]:
        """Return what the files that it is read from hold, as digests."""
        return {} if self.checkpoint is None else {str(self.checkpoint): _digest(self.checkpoint)}

    def create(self) -> nn.Module:
        """Create the network and load its weights.

        Raises:
            ValueError: If there is no such network, it does not take the options, or its weights cannot be had or do
                not fit.
        """
        if self.pretrained and self.checkpoint is not None:
            raise ValueError(f'checkpoint must be None for pretrained weights, got {self.checkpoint}')
        if ':' not in self.name and not timm.is_model(self.name):
            similar = ', '.join(get_close_matches(self.name, timm.list_models(), n=3)) or 'none'
            raise ValueError(f'name must be a timm network, got {self.name!r} (similar names: {similar})')
        try:
            network = timm.create_model(self.name, pretrained=self.pretrained, **self.options)
        except (RuntimeError, OSError) as error:  # an unknown tag; weights that cannot be downloaded
            raise ValueError(f'{self.name} cannot be created: {error}') from error
        except TypeError as error:
            if not self.options:
                raise
            message = f'options must be arguments of {self.name}, got {dict(self.options)}: {error}'
            raise ValueError(message) from error
        if self.checkpoint is not None:
            load_checkpoint(network, self.checkpoint)
        return network

    def evaluate(self, settings: Settings, progress: bool = True) -> Evaluation:
        """Measure it.

        Raises:
            ValueError: If the network, its weights, the images or a setting is wrong.
        """
        if settings.data_dir is None:
            raise ValueError(f'data_dir must be given for a timm network, got none for {self.name}')
        options = settings.loop_options()
        groups = options.pop('groups', None)
        for name in options.keys() - {option.name for option in fields(ViewPlan)}:
            raise ValueError(f'{name} must not be given for a classifier, got {options[name]}')
        torch.manual_seed(settings.seed)
        network = self.create()
        data_config = DataConfig.of(
            network, img_size=settings.img_size, crop_pct=settings.crop_pct, interpolation=settings.interpolation
        )
        batch_size = 64 if settings.batch_size is None else settings.batch_size
        if settings.protocol == 'legacy':
            options['batch_size'] = batch_size
        plan = ViewPlan(crop_size=data_config.size, **options)
        folder = ViewFolder(settings.data_dir, data_config, plan, settings.split or 'validation')
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
            labelled=not settings.unlabelled,
            batch_size=batch_size,
            workers=4 if settings.workers is None else settings.workers,
            progress=progress,
            groups=groups,
        )
        resize = data_config.resize_for(plan.frame_size[0])
        prepared = {'plan': str(plan), 'preparation': asdict(data_config), 'resize_for_views': resize}
        return replace(evaluation, prepared=prepared)


@dataclass(frozen=True)
class ConfigModel:
    """A config of mmseg, mmpretrain or mmdet with its checkpoint, evaluated on its own test set.

    Attributes:
        config: File of the config.
        checkpoint: File with its weights.
        changes: Further changes of the config, by dotted keys.
    """

    config: Path
    checkpoint: Path
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f'{self.config}, {self.checkpoint}'

    @property
    def short_name(self) -> str:
        """The config's name."""
        return self.config.stem

    def fingerprint(self) -> dict[str, str]:
        """Return what the files that it is read from hold, as digests; of the config, with what it is based on."""
        module = _host()
        return {
            str(self.config): module.digest_config(self.config, self.changes),
            str(self.checkpoint): _digest(self.checkpoint),
        }

    def evaluate(self, settings: Settings, progress: bool = True) -> Evaluation:
        """Measure it.

        Raises:
            ValueError: If the package of the config is missing, or a file or a setting is wrong.
        """
        return _host().evaluate_config(self.config, self.checkpoint, settings, self.changes, progress)


Model = TimmModel | ConfigModel


def parse_model(text: str) -> Model:
    """Read what a command line calls a model.

    Args:
        text: ``NAME[.TAG]`` for a timm network with its published weights, ``NAME=CHECKPOINT`` for one with weights
            from a file, ``CONFIG.py:CHECKPOINT`` for a config.

    Raises:
        ValueError: If it is a config without a checkpoint, or empty.

    Example:
        >>> parse_model('resnet18_lpf4=best.pth').checkpoint.name
        'best.pth'
        >>> parse_model('configs/fcn.py:best.pth').config.name
        'fcn.py'
    """
    check_type('model', text, str)
    config, suffix, checkpoint = text.partition('.py:')
    if suffix and config and checkpoint:
        return ConfigModel(Path(config + '.py'), Path(checkpoint))
    if suffix or text.endswith('.py'):
        raise ValueError(f'a config must come with its checkpoint, as CONFIG.py:CHECKPOINT, got {text!r}')
    name, equals, checkpoint = text.partition('=')
    if not name or (equals and not checkpoint):
        raise ValueError(f'a model must be NAME, NAME=CHECKPOINT or CONFIG.py:CHECKPOINT, got {text!r}')
    return TimmModel(name, pretrained=not equals, checkpoint=Path(checkpoint) if equals else None)


def _digest(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f'checkpoint must be a file, got {path}, which is none')
    return sha256_of(path)


def _host() -> ModuleType:
    """The module that knows mmengine, which has to be installed only where there are configs."""
    try:
        from antialias_plugins.evaluation import config
    except ImportError as error:
        raise ValueError(f'a config needs mmengine and the package that it is of: {error}') from error
    return config
