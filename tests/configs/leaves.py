"""All configs, and what their names say."""

import copy
import functools
import re
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AntialiasWarning

ROOT = Path(__file__).parents[2] / 'configs'
TOYS = Path(__file__).parent / 'toy'
DETECTORS = ('faster_rcnn', 'mask_rcnn', 'retinanet')
METHODS = ('lpf3', 'lpf4', 'ddac3', 'aps3', 'lps3')
NAME = re.compile(
    r'(?P<model>[a-z0-9-]+?)_?(?P<backbone>(resnet|r|drn|xception)(?P<depth>\d+)|mobilenetv2)'
    r'(?P<variant>(-[a-z0-9]+?)*?)(-d(?P<stride>8|16))?(_fpn)?'
    r'(_(?P<gpus>\d+)xb(?P<batch>\d+))?[_-](?P<schedule>\d+[kex]?)(-(?P<policy>[a-z]+))?'
    r'_(?P<dataset>[a-z0-9]+)(-(?P<height>\d+)x(?P<width>\d+))?'
)


def leaves(root=ROOT, *folders):
    """The paths of all configs below a folder but the pieces, or of those in some of its folders."""
    paths = sorted(path for path in root.rglob('*.py') if '_base_' not in path.parts)
    return [path for path in paths if path.parent.name in (folders or (path.parent.name,))]


def parse(path):
    """The parts of a name, and the method among its variants."""
    match = NAME.fullmatch(path.stem if path.parent.name != 'resnet' else f'x_{path.stem}')
    assert match, f'{path.stem}: not a name of this project'
    variants = match['variant'].split('-')[1:]
    (method,) = [variant for variant in variants if variant in METHODS] or [None]
    return match.groupdict() | {'variants': variants, 'method': method}


def baseline(path):
    """The config of the same name without its method; it may not exist."""
    return path.with_name(path.name.replace(f'-{parse(path)["method"]}', ''))


@functools.cache
def _read(path):
    return Config.fromfile(path)


def load(path):
    """A config that may be changed, and its default scope; `path` may be relative to ``configs/``."""
    path = ROOT / path
    config = copy.deepcopy(_read(path if path.suffix == '.py' else path.with_name(f'{path.name}.py')))
    init_default_scope(config.default_scope)
    return config


def readable(path):
    """Whether what a config inherits from is installed."""
    return 'mmdet' in str(path) or path.parent.name not in DETECTORS or find_spec('mmdet') is not None


def build(model, device='meta', **changes):
    """A network, or a backbone, without values and without what it would download."""
    model = copy.deepcopy(model)
    backbone = model.get('backbone', model)
    for part in (model, backbone):
        part.pop('pretrained', None)
        part.pop('init_cfg', None)
    backbone.update(changes)
    with torch.device(device), warnings.catch_warnings():
        warnings.simplefilter('ignore', AntialiasWarning)
        built = MODELS.build(model)
    built.eval()  # mmseg's do not return themselves
    return built


def pipelines(config, loader='train'):
    """The transforms of each data set of a loader, by type."""
    dataset = config[f'{loader}_dataloader'].dataset
    parts = dataset.get('datasets', [dataset])
    return [{step.type: step for step in part.pipeline if not step.type.startswith(('Load', 'Pack'))} for part in parts]


def difference(new, old, key=''):
    """The dotted keys in which two configs differ."""
    if isinstance(new, dict) and isinstance(old, dict):
        names = sorted(new.keys() | old.keys())
        return {one for name in names for one in difference(new.get(name), old.get(name), f'{key}.{name}'.lstrip('.'))}
    return set() if new == old else {key}
