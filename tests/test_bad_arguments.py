"""Wrong types, shapes and values for the functions of checkpoints, deployment, hub and figures.

Each is answered by an error that names the argument and shows the value (or its type or shape), or is listed as
legitimate, with the reason why it means something. Layers, functions and conversions, and the metrics, have tables of
their own: `tests/layers/test_bad_arguments.py`, `tests/metrics/test_bad_arguments.py`.
"""

import contextlib
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import timm
import torch
from torch import nn

import antialias_plugins as aap
from antialias_plugins import checkpoints, deployment, testing, timm_models
from antialias_plugins.evaluation import parse_model
from antialias_plugins.explorer import shift_path
from antialias_plugins.visualization import plot_equivariance, plot_pareto, plot_spectra, plot_stability

MAP = torch.rand(2, 8, 9, 8, generator=torch.Generator().manual_seed(0))


class Sample(nn.Sequential):
    """A network with one place that subsamples."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
        self.eval()


temporary = tempfile.TemporaryDirectory()
FOLDER = Path(temporary.name)
FILE = FOLDER / 'sample.pth'
torch.save(Sample().state_dict(), FILE)
TIMM = timm.create_model('resnet18_lpf3', num_classes=2)

# What is wrong for every kind of argument. `None` is among them where it does not mean "by default".
NOT_NUMBERS = {'text': '4', 'nothing': None, 'list': [[]], 'tensor': torch.ones(2)}
KINDS: dict[str, dict[str, Any]] = {
    'map': {
        'text': 'map',
        'nothing': None,
        'nested list': [[1.0]],
        'vector': torch.rand(5),
        'five axes': torch.rand(1, 1, 1, 4, 4),
        'integers': torch.ones(2, 8, 9, 8, dtype=torch.long),
        'complex': torch.ones(2, 8, 9, 8, dtype=torch.complex64),
        'no rows': torch.rand(2, 8, 0, 8),
        'no columns': torch.rand(2, 8, 9, 0),
    },
    'index': {**NOT_NUMBERS, 'fraction': 2.5, 'flag': True, 'negative': -1},
    'pair': {
        **NOT_NUMBERS,
        'fraction': 2.5,
        'zero': 0,
        'negative': -1,
        'one': (2,),
        'three': (2, 2, 2),
        'mixed': (2, 'a'),
    },
    'choice': {'word': 'nonsense', 'number': 3, 'nothing': None, 'list': ['zeros']},
    'network': {'text': 'resnet18', 'nothing': None, 'class': Sample, 'state dict': {'a': torch.ones(1)}},
    'patterns': {'text': 'conv', 'number': 3, 'unknown': ['nonsense.*'], 'numbers': [3]},
    'function': {'text': 'predict', 'nothing': None, 'number': 3},
    'digest': {'word': 'nonsense', 'number': 3},
    'path': {'number': 3, 'nothing': None, 'missing': 'no/such/file.pth', 'folder': tempfile.gettempdir()},
}


class Call(NamedTuple):
    """A call that works, and the kind of each argument that is to be spoilt.

    Attributes:
        function: What is called.
        right: Its arguments.
        kinds: By argument, a key of `KINDS`, or wrong values by name.
    """

    function: Callable[..., Any]
    right: Mapping[str, Any]
    kinds: Mapping[str, str | Mapping[str, Any]]


CALLS: dict[str, Call] = {
    'fuse_for_inference': Call(
        aap.fuse_for_inference,
        {'model': Sample()},
        {'model': 'network', 'example_input': {'text': 'a', 'number': 3, 'vector': torch.rand(5)}},
    ),
    'plan_fusion': Call(deployment.plan_fusion, {'model': Sample()}, {'model': 'network'}),
    'plain_modules': Call(deployment.plain_modules, {'model': Sample()}, {'model': 'network'}),
    'explicit_padding': Call(
        lambda border: contextlib.ExitStack().enter_context(deployment.explicit_padding(border)),
        {'border': 'slices'},
        {'border': 'choice'},
    ),
    'signal_to_noise': Call(
        deployment.signal_to_noise,
        {'actual': MAP, 'expected': MAP + 1},
        {
            'actual': {'text': 'a', 'nothing': None, 'shape': torch.rand(3)},
            'expected': {'text': 'a', 'nothing': None, 'shape': torch.rand(3)},
        },
    ),
    'shift_equivariance_error': Call(
        testing.shift_equivariance_error,
        {'module': nn.Identity(), 'input': MAP, 'shifts': [1, 2]},
        {
            'module': 'function',
            'input': 'map',
            'shifts': {'number': 3, 'words': ['a'], 'none': [], 'fraction': [0.5]},
            'stride': 'pair',
            'margin': {'text': '1', 'negative': -1, 'fraction': 0.5, 'too large': 99},
        },
    ),
    'read_checkpoint': Call(checkpoints.read_checkpoint, {'path': FILE}, {'path': 'path', 'sha256': 'digest'}),
    'load_checkpoint': Call(
        checkpoints.load_checkpoint,
        {'model': Sample(), 'path': FILE},
        {'model': 'network', 'path': 'path', 'skip': 'patterns', 'sha256': 'digest'},
    ),
    'convert_state_dict': Call(
        checkpoints.convert_state_dict,
        {'state_dict': Sample().state_dict(), 'model': Sample()},
        {
            'state_dict': {'text': 'a', 'nothing': None, 'words': {'a': 'b'}, 'none': {}, 'module': Sample()},
            'model': 'network',
            'skip': 'patterns',
        },
    ),
    'copy_weights': Call(
        checkpoints.copy_weights,
        {'source': Sample(), 'target': Sample()},
        {'source': 'network', 'target': 'network', 'skip': 'patterns'},
    ),
    'fetch_weights': Call(
        checkpoints.fetch_weights,
        {'weights': None},
        {'weights': {'text': 'resnet18_lpf4', 'nothing': None, 'number': 3}},
    ),
    'published_arguments': Call(
        checkpoints.published_arguments,
        {'arch': 'resnet18', 'path': FILE},
        {'arch': {'word': 'nonsense', 'number': 3, 'nothing': None}, 'path': 'path'},
    ),
    'save_for_hub': Call(
        timm_models.save_for_hub,
        {'model': TIMM, 'folder': FOLDER / 'hub'},
        {
            'model': 'network',
            'folder': {'number': 3, 'nothing': None},
            'license': {'number': 3},
            'card': {'text': 'a', 'number': 3},
        },
    ),
    'parse_model': Call(parse_model, {'text': 'resnet18'}, {'text': {'nothing': None, 'number': 3, 'empty': ''}}),
    'shift_path': Call(
        shift_path, {'direction': 'diagonal', 'max_shift': 2}, {'direction': 'choice', 'max_shift': 'index'}
    ),
    'plot_pareto': Call(
        plot_pareto,
        {},
        {
            'results': {'text': 'a', 'number': 3, 'words': ['a']},
            'published': {'text': 'a', 'number': 3, 'words': ['a']},
        },
    ),
    'plot_spectra': Call(
        plot_spectra,
        {'sites': None},
        {'sites': {'text': 'a', 'number': 3, 'none': [], 'words': ['a'], 'nothing': None}},
    ),
    'plot_equivariance': Call(
        plot_equivariance,
        {'curves': None},
        {'curves': {'text': 'a', 'number': 3, 'none': [], 'words': ['a'], 'nothing': None}},
    ),
    'plot_stability': Call(
        plot_stability,
        {'strips': None, 'class_name': 'cat'},
        {'strips': {'text': 'a', 'number': 3, 'none': [], 'words': ['a'], 'nothing': None}},
    ),
}

# Where an argument does not fit another, the message may begin with the other's name.
OTHER_NAMES = {
    ('path', 'missing'): ('no such file',),
    ('path', 'folder'): ('must be a file',),
    ('text', 'nothing'): ('network must',),
    ('text', 'number'): ('network must',),
    ('text', 'empty'): ('network must',),
    ('state_dict', 'none'): ('missing in the file',),
}
# (function, argument, name of the value): why it means something.
LEGITIMATE: dict[tuple[str, str, str], str] = {
    ('published_arguments', 'arch', 'word'): 'a network of no published method needs no arguments',
    ('published_arguments', 'path', 'missing'): 'resnet18 needs none: its file is not read',
    ('published_arguments', 'path', 'folder'): 'likewise',
}


# Function, argument, name of the wrong value, and the value.
CASES = [
    (name, argument, word, value)
    for name, call in CALLS.items()
    for argument, kind in call.kinds.items()
    for word, value in (KINDS[kind] if isinstance(kind, str) else kind).items()
]


def answer(name: str, argument: str, word: str, value: Any) -> tuple[str, str]:
    """What becomes of a call: 'answered', 'accepted' or 'raw', and the message."""
    call = CALLS[name]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            call.function(**{**call.right, argument: value})
    except Exception as error:
        message = str(error)
        ours = isinstance(error, (ValueError, TypeError, OSError, aap.UnsupportedModelError))
        names = {argument, argument.rstrip('s'), *OTHER_NAMES.get((argument, word), ())}
        named = any(re.search(rf'\b{one}', message) for one in names)
        shown = (argument, word) in OTHER_NAMES or _shows(value, message)
        return ('answered' if ours and named and shown else 'raw'), f'{type(error).__name__}: {message}'
    return 'accepted', ''


def _shows(value: Any, message: str) -> bool:
    """Whether a message shows the value, or one in it, or its type, shape or name."""
    if callable(value) or value in ('', [], {}) if not isinstance(value, torch.Tensor) else False:
        return True  # what it made is shown, and that there is nothing
    shown = {repr(value), str(value), type(value).__name__}
    if isinstance(value, torch.Tensor):
        shown |= {str(tuple(value.shape)), str(value.dtype), *map(str, value.flatten().tolist()[:9])}
        shown |= {'not finite' if not value.is_floating_point() or value.isfinite().all() else 'finite'}
    if isinstance(value, (list, tuple)):
        shown |= {repr(one) for one in value} | {type(one).__name__ for one in value} | {'too few', 'too many'}
        shown |= {str(tuple(one.shape)) for one in value if isinstance(one, torch.Tensor)}
        shown |= {str(one.dtype) for one in value if isinstance(one, torch.Tensor)}
    if isinstance(value, dict):
        shown |= {repr(one) for one in (*value, *value.values())}
    return any(text and text in message for text in shown)


@pytest.mark.parametrize(('name', 'argument', 'word', 'value'), CASES, ids=lambda it: it if isinstance(it, str) else '')
def test_a_wrong_argument_is_answered(name, argument, word, value):
    verdict, message = answer(name, argument, word, value)
    assert verdict == ('accepted' if (name, argument, word) in LEGITIMATE else 'answered'), message
