"""Check of one antialiased backbone of a zoo, of the whole model around it, and the results."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import nn

from antialias_plugins.conversion import AntialiasPlan, UnsupportedModelError, plan_antialias
from antialias_plugins.conversion import operators as ops
from antialias_plugins.layers import BlurPool2d
from lab.coverage import Network, Outcome
from lab.coverage.check import in_short, in_words
from lab.coverage.strides import has_only_a_stem
from lab.zoos.configs import Backbone, build_in_scope, without_weights

# of several backbones, the one for which the config fails decides
_WORST_FIRST = (Outcome.WRONG, Outcome.REFUSED, Outcome.NOT_RUN, Outcome.NOT_APPLICABLE, Outcome.CONVERTED)


@dataclass(frozen=True)
class BackboneResult:
    """One backbone of a config.

    Attributes:
        key: where the config has it: ``'model.backbone'``.
        type: its type, with its scope where the config gives one.
        digest: tells backbones apart that differ in any option but their initial weights.
        outcome: as in :class:`~lab.coverage.Result`.
        reason: why it was not converted.
        filters: their number.
    """

    key: str
    type: str
    digest: str
    outcome: Outcome
    reason: str = ''
    filters: int = 0


@dataclass(frozen=True)
class ConfigResult:
    """One config of a zoo.

    Attributes:
        library: ``'mmseg'``, ``'mmdet'`` or ``'mmpretrain'``.
        name: its path in the zoo, without suffix.
        outcome: that of its backbones; without any ``NOT_RUN`` if the config itself cannot be read, ``REFUSED`` if its
            backbone is out of reach, ``NOT_APPLICABLE`` if it has none.
        reason: why it was not converted.
        backbones: what was built of it.
        model: what became of the whole model; empty where it was not tried.
    """

    library: str
    name: str
    outcome: Outcome
    reason: str = ''
    backbones: tuple[BackboneResult, ...] = ()
    model: str = ''

    @classmethod
    def of(cls, library: str, name: str, backbones: tuple[BackboneResult, ...]) -> 'ConfigResult':
        """The result of a config whose backbones were built; at least one."""
        worst = min(backbones, key=lambda backbone: _WORST_FIRST.index(backbone.outcome))
        return cls(library, name, worst.outcome, worst.reason, backbones)

    @property
    def key(self) -> str:
        """``library/folder/name``, which is unique."""
        return f'{self.library}/{self.name}'

    @property
    def type(self) -> str:
        """Types of its backbones; empty if it has none."""
        return ' + '.join(backbone.type for backbone in self.backbones)

    def to_json(self) -> dict[str, Any]:
        """The result in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> 'ConfigResult':
        """The result that :meth:`to_json` wrote."""
        backbones = (BackboneResult(**it | {'outcome': Outcome(it['outcome'])}) for it in row['backbones'])
        return cls(**row | {'outcome': Outcome(row['outcome']), 'backbones': tuple(backbones)})


RUNS = 'runs'

_SIDES = (128, 512)
_ONLY_A_STEM = 'nothing but the stem strides'


def check_backbone(backbone: Backbone, library: str) -> BackboneResult:
    """Build a backbone as its child config says, and see what becomes of it.

    Returns:
        Its result. Nothing is raised: an error of the network or of the conversion is the result's reason.
    """
    side = backbone.config.get('img_size', _SIDES[0])
    side = max(side) if isinstance(side, list | tuple) else side
    network = Network(library, 'zoo', backbone.type, backbone.type, backbone.build_base, _channels(backbone), side)
    with _quietly():
        if has_only_a_stem(network):
            return _result(backbone, Outcome.NOT_APPLICABLE, _ONLY_A_STEM)
        try:
            model = backbone.build()
        except Exception as error:  # a row of the table, not the end of it
            return _explain(backbone, error)
    filters = sum(isinstance(module, BlurPool2d) for module in model.modules())
    return _result(backbone, Outcome.CONVERTED, filters=filters)


def check_model(config: Config, library: str) -> str:
    """Build the whole model of a child config, run it on noise, and say in a word or two how far it came.

    Segmentors and classifiers compute their raw outputs, detectors predict: on a small image, or else on a larger one.
    """
    scope = config.get('default_scope') or library
    imports = tuple(config.custom_imports['imports'])
    with _quietly(), torch.no_grad():
        try:
            model = build_in_scope(without_weights(config.model.to_dict()), scope, imports)
        except Exception as error:  # a word in the table, not the end of it
            return f'not built: {in_words(error)}'
        model.eval()  # not chained: mmseg's return None
        for side in _SIDES:
            try:
                with DefaultScope.overwrite_default_scope(scope):
                    _run(model, torch.rand(1, 3, side, side), scope)
                return RUNS
            except Exception as error:  # what else the model asks for, it says in its own words
                failure = error
    return f'built; on noise: {in_words(failure)}'


def _explain(backbone: Backbone, failure: Exception) -> BackboneResult:
    """Whether the network itself is to blame, its places, or the conversion."""
    try:
        base = backbone.build_base()
    except Exception as error:  # the library cannot build it either
        return _result(backbone, Outcome.NOT_RUN, in_words(error))
    try:
        plan = plan_antialias(base, backbone.config['pool'])
    except UnsupportedModelError as error:  # it does not run on an image alone
        if _count_strides(base) > 1:
            return _result(backbone, Outcome.REFUSED, error.summary)
        return _result(backbone, Outcome.NOT_APPLICABLE, _ONLY_A_STEM)
    except Exception as error:  # an error in the conversion is a row too, of the worst kind
        return _result(backbone, Outcome.WRONG, in_words(error))
    if plan.unsupported:
        return _result(backbone, Outcome.REFUSED, '; '.join(map(str, plan.unsupported)))
    if not plan.sites:
        return _result(backbone, Outcome.NOT_APPLICABLE, _left(plan))
    return _result(backbone, Outcome.WRONG, f'against its plan: {in_words(failure)}')


def _result(backbone: Backbone, outcome: Outcome, reason: str = '', filters: int = 0) -> BackboneResult:
    return BackboneResult(backbone.key, backbone.type, backbone.digest, outcome, reason, filters)


def _count_strides(model: nn.Module) -> int:
    modules = (m for m in model.modules() if ops.is_conv(m) or isinstance(m, nn.MaxPool2d | nn.AvgPool2d))
    return sum(ops.stride_of(module) != (1, 1) for module in modules)


def _left(plan: AntialiasPlan) -> str:
    counts = Counter(map(in_short, plan.skipped)).items()
    return ', '.join(reason if count == 1 else f'{count} × {reason}' for reason, count in counts)


def _channels(backbone: Backbone) -> int:
    channels = backbone.config.get('in_channels', 3)
    return channels if isinstance(channels, int) else 3


def _run(model: nn.Module, images: torch.Tensor, scope: str) -> None:
    if scope != 'mmdet':
        model(images, mode='tensor')
        return
    from mmdet.structures import DetDataSample  # compiled operators: only where they are installed

    shape = tuple(images.shape[-2:])
    known = {'img_shape': shape, 'ori_shape': shape, 'pad_shape': shape, 'batch_input_shape': shape}
    model(images, [DetDataSample(metainfo=known | {'scale_factor': (1.0, 1.0)})], mode='predict')


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the libraries' own warnings and the plans that `Antialiased` logs."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
