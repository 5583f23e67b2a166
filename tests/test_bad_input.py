"""Wrong types, shapes and values for every public function: each is answered by an error that says which and why.

A call is *answered* if it raises a ValueError, a TypeError or an OSError of ours that names the argument and shows the
value (or its type or shape), and *legitimate* if it is listed below, with the reason why it means something. As a
script this file prints the table of all calls:

    PYTHONPATH=.:tools python tests/test_bad_input.py
"""

import collections
import contextlib
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import nn

import antialias_plugins as aap
from antialias_plugins import checkpoints, deployment, metrics, testing, timm_models
from antialias_plugins.evaluation import parse_model
from antialias_plugins.explorer import shift_path
from antialias_plugins.metrics import Instances
from antialias_plugins.visualization import plot_equivariance, plot_pareto, plot_spectra, plot_stability

MAP = torch.rand(2, 8, 9, 8, generator=torch.Generator().manual_seed(0))
IMAGES = list(torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
CLASSES = torch.arange(144).view(12, 12) % 3


class Sample(nn.Sequential):
    """A network with one place that subsamples."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
        self.eval()


def classify(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1)[:, :5]


def segment(images: torch.Tensor) -> torch.Tensor:
    return (images[:, 0] * 3).long().clamp(0, 2)


def find(images: torch.Tensor) -> list[Instances]:
    one = Instances(torch.ones(1), torch.zeros(1, dtype=torch.long), torch.tensor([[2.0, 2.0, 8.0, 8.0]]))
    return [one for _ in images]


FOLDER = Path(tempfile.mkdtemp())
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
    'image': {'text': 'a.png', 'nothing': None, 'vector': torch.rand(5), 'integers': torch.ones(3, 8, 8).long()},
    'count': {**NOT_NUMBERS, 'fraction': 2.5, 'flag': True, 'zero': 0, 'negative': -3, 'nan': float('nan')},
    'index': {**NOT_NUMBERS, 'fraction': 2.5, 'flag': True, 'negative': -1},
    'integer': {**NOT_NUMBERS, 'fraction': 2.5, 'flag': True},
    'pair': {
        **NOT_NUMBERS,
        'fraction': 2.5,
        'zero': 0,
        'negative': -1,
        'one': (2,),
        'three': (2, 2, 2),
        'mixed': (2, 'a'),
    },
    'offset': {
        'text': '12',
        'nothing': None,
        'number': 3,
        'three': (1, 2, 3),
        'words': ('a', 'b'),
        'nan': (0, float('nan')),
    },
    'number': {**NOT_NUMBERS, 'nan': float('nan'), 'flag': True},
    'share': {**NOT_NUMBERS, 'nan': float('nan'), 'negative': -0.5, 'more than one': 1.5},
    'choice': {'word': 'nonsense', 'number': 3, 'nothing': None, 'list': ['zeros']},
    'flag': {'word': 'no', 'number': 2, 'nothing': None},
    'network': {'text': 'resnet18', 'nothing': None, 'class': Sample, 'state dict': {'a': torch.ones(1)}},
    'patterns': {'text': 'conv', 'number': 3, 'unknown': ['nonsense.*'], 'numbers': [3]},
    'function': {'text': 'predict', 'nothing': None, 'number': 3},
    'images': {
        'text': 'photos',
        'nothing': None,
        'number': 3,
        'none': [],
        'words': ['a', 'b', 'c'],
        'vectors': [torch.rand(4)] * 3,
    },
    'labels': {
        'number': 3,
        'words': ['a', 'b', 'c'],
        'too few': [1],
        'too many': [1] * 9,
        'fractions': [0.5, 1.5, 2.5],
    },
    'classes': {
        'text': 'map',
        'nothing': None,
        'fractions': torch.rand(12, 12),
        'nan': torch.full((12, 12), float('nan')),
        'vector': torch.ones(5, dtype=torch.long),
        'other size': torch.ones(7, 12, dtype=torch.long),
    },
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


CONSISTENCY = {'max_shift': 'index', 'seed': 'integer', 'circular': 'flag'}
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
    'shift_consistency': Call(
        metrics.shift_consistency,
        {'predict': classify, 'images': IMAGES, 'max_shift': 4, 'crop_size': 8},
        {
            'predict': {
                **KINDS['function'],
                'gives nothing': lambda x: None,
                'gives nan': lambda x: x.flatten(1) * float('nan'),
                'too few': lambda x: x.flatten(1)[:1],
                'gives maps': lambda x: x,
            },
            'images': 'images',
            'labels': {**KINDS['labels'], 'out of range': [0, 1, 9], 'negative': [0, -1, 1]},
            'crop_size': {k: v for k, v in KINDS['pair'].items()} | {'too large': 99},
            'views': {**KINDS['count'], 'one': 1},
            'protocol': 'choice',
            'batch_size': {'text': '4', 'zero': 0, 'fraction': 1.5},
            'subpixel': 'count',
            **CONSISTENCY,
        },
    ),
    'worst_case_shift_consistency': Call(
        metrics.worst_case_shift_consistency,
        {'predict': classify, 'images': IMAGES, 'max_shift': 2},
        {
            'predict': {
                **KINDS['function'],
                'gives nothing': lambda x: None,
                'gives nan': lambda x: x.flatten(1) * float('nan'),
            },
            'images': 'images',
            'labels': {**KINDS['labels'], 'out of range': [0, 1, 9], 'negative': [0, -1, 1]},
            'max_shift': 'index',
            'stride': 'count',
            'crop_size': {'text': '8', 'zero': 0, 'fraction': 8.5, 'too large': 99},
            'circular': 'flag',
            'subpixel': 'count',
            'batch_size': 'count',
        },
    ),
    'mean_segmentation_consistency': Call(
        metrics.mean_segmentation_consistency,
        {'predict': segment, 'images': IMAGES, 'max_shift': 4},
        {
            'predict': {
                **KINDS['function'],
                'gives nothing': lambda x: None,
                'gives fractions': lambda x: x[:, 0],
                'gives nan': lambda x: x[:, 0] * float('nan'),
                'gives logits': lambda x: x,
                'other size': lambda x: x[:, 0, :4].long(),
            },
            'images': 'images',
            'labels': {
                'number': 3,
                'words': ['a', 'b', 'c'],
                'too few': [torch.zeros(16, 16).long()],
                'fractions': [torch.rand(16, 16)] * 3,
                'other size': [torch.zeros(5, 5).long()] * 3,
            },
            'ignore_index': 'integer',
            'num_classes': {'text': '3', 'zero': 0, 'fraction': 2.5, 'too few': 1},
            'boundary': {'text': '3', 'zero': 0, 'fraction': 2.5},
            'subpixel': 'count',
            **CONSISTENCY,
        },
    ),
    'worst_case_segmentation_consistency': Call(
        metrics.worst_case_segmentation_consistency,
        {'predict': segment, 'images': IMAGES, 'max_shift': 2},
        {
            'predict': {**KINDS['function'], 'gives fractions': lambda x: x[:, 0]},
            'images': 'images',
            'labels': {
                'number': 3,
                'words': ['a', 'b', 'c'],
                'too few': [torch.zeros(16, 16).long()],
                'fractions': [torch.rand(16, 16)] * 3,
            },
            'max_shift': 'index',
            'stride': 'count',
            'circular': 'flag',
            'subpixel': 'count',
            'batch_size': 'count',
            'ignore_index': 'integer',
        },
    ),
    'mean_instance_consistency': Call(
        metrics.mean_instance_consistency,
        {'predict': find, 'images': IMAGES, 'max_shift': 4, 'min_area': 1},
        {
            'predict': {**KINDS['function'], 'gives nothing': lambda x: None, 'too few': lambda x: []},
            'images': 'images',
            'max_shift': 'index',
            'seed': 'integer',
            'score_threshold': 'share',
            'iou_threshold': 'share',
            'min_area': {**KINDS['number'], 'negative': -1},
        },
    ),
    'Instances': Call(
        metrics.Instances,
        {'scores': torch.rand(2), 'labels': torch.zeros(2).long(), 'boxes': torch.tensor([[0.0, 0, 4, 4]] * 2)},
        {
            'scores': {
                'text': 'a',
                'nothing': None,
                'too few': torch.rand(1),
                'map': torch.rand(2, 2),
                'nan': torch.tensor([0.5, float('nan')]),
            },
            'labels': {'text': 'a', 'nothing': None, 'too few': torch.zeros(1).long(), 'fractions': torch.rand(2)},
            'boxes': {
                'text': 'a',
                'too few': torch.rand(1, 4),
                'three numbers': torch.rand(2, 3),
                'nan': torch.full((2, 4), float('nan')),
            },
            'masks': {'text': 'a', 'too few': torch.ones(1, 4, 4).bool(), 'flat': torch.ones(2, 4).bool()},
        },
    ),
    'InstanceRule': Call(
        metrics.InstanceRule,
        {},
        {'score_threshold': 'share', 'iou_threshold': 'share', 'min_area': {**KINDS['number'], 'negative': -1}},
    ),
    'segmentation_consistency': Call(
        metrics.segmentation_consistency,
        {'pred_a': CLASSES, 'pred_b': CLASSES, 'offset_a': (0, 0), 'offset_b': (1, 1)},
        {
            'pred_a': 'classes',
            'pred_b': 'classes',
            'offset_a': 'offset',
            'offset_b': {**KINDS['offset'], 'beyond': (50, 0)},
            'label': {'text': 'a', 'fractions': torch.rand(12, 12), 'vector': torch.ones(5).long()},
            'ignore_index': 'integer',
        },
    ),
    'class_agreement': Call(
        metrics.class_agreement,
        {'pred_a': CLASSES, 'pred_b': CLASSES, 'num_classes': 3},
        {
            'pred_a': 'classes',
            'pred_b': 'classes',
            'num_classes': {**KINDS['count'], 'too few': 2},
            'label': {'text': 'a', 'fractions': torch.rand(12, 12)},
            'ignore_index': 'integer',
        },
    ),
    'boundary_agreement': Call(
        metrics.boundary_agreement,
        {'pred_a': CLASSES, 'pred_b': CLASSES, 'width': 1},
        {
            'pred_a': 'classes',
            'pred_b': 'classes',
            'width': 'count',
            'label': {'text': 'a', 'fractions': torch.rand(12, 12)},
            'ignore_index': 'integer',
        },
    ),
    'boundary_band': Call(
        metrics.boundary_band,
        {'classes': CLASSES, 'width': 1},
        {'classes': {k: v for k, v in KINDS['classes'].items() if k != 'other size'}, 'width': 'count'},
    ),
    'classification_agreement': Call(
        metrics.classification_agreement,
        {'logits': torch.rand(2, 5)},
        {
            'logits': {
                'text': 'a',
                'nothing': None,
                'vector': torch.rand(5),
                'nan': torch.full((2, 5), float('nan')),
                'no classes': torch.rand(2, 0),
            },
            'label': {'text': '1', 'fraction': 1.5, 'flag': True, 'too large': 5, 'negative': -1},
        },
    ),
    'mean_absolute_change': Call(
        metrics.mean_absolute_change,
        {'probabilities': torch.rand(2, 5)},
        {
            'probabilities': {
                'text': 'a',
                'nothing': None,
                'vector': torch.rand(5),
                'one view': torch.rand(1, 5),
                'nan': torch.full((2, 5), float('nan')),
            },
            'label': {'text': '1', 'fraction': 1.5, 'too large': 5, 'negative': -1},
        },
    ),
    'diagonal_sweep': Call(
        metrics.diagonal_sweep,
        {'predict': classify, 'image': IMAGES[0], 'max_shift': 4, 'crop_size': 8},
        {
            'predict': 'function',
            'image': 'image',
            'label': {'text': '1', 'fraction': 1.5, 'too large': 5, 'negative': -1},
            'max_shift': 'index',
            'crop_size': {**KINDS['pair'], 'too large': 99},
            'circular': 'flag',
        },
    ),
    'mean_interval': Call(
        metrics.mean_interval,
        {'values': [0.5, 0.7]},
        {
            'values': {'text': 'a', 'nothing': None, 'words': ['a', 'b'], 'nan': [0.5, float('nan')]},
            'confidence': {**KINDS['share'], 'zero': 0, 'one': 1},
        },
    ),
    'draw_offsets': Call(
        metrics.draw_offsets,
        {'seed': 0, 'index': 0, 'max_shift': 4},
        {'seed': 'integer', 'index': 'index', 'max_shift': 'index', 'count': 'count'},
    ),
    'draw_subpixel_offsets': Call(
        metrics.draw_subpixel_offsets,
        {'seed': 0, 'index': 0, 'max_shift': 4},
        {'seed': 'integer', 'index': 'index', 'max_shift': 'index', 'count': 'count', 'subpixel': 'count'},
    ),
    'draw_batch_offsets': Call(
        metrics.draw_batch_offsets,
        {'seed': 0, 'repeat': 0, 'batch': 0, 'max_shift': 4},
        {'seed': 'integer', 'repeat': 'index', 'batch': 'index', 'max_shift': 'index', 'count': 'count'},
    ),
    'shifted_views': Call(
        metrics.shifted_views,
        {'image': IMAGES[0], 'offsets': [(0, 0), (1, 1)], 'max_shift': 2},
        {
            'image': 'image',
            'offsets': {
                'text': 'a',
                'nothing': None,
                'number': 3,
                'none': [],
                'beyond': [(9, 9)],
                'words': [('a', 'b')],
            },
            'max_shift': 'index',
            'circular': 'flag',
        },
    ),
    'ShiftGrid': Call(
        metrics.ShiftGrid,
        {},
        {
            'max_shift': 'index',
            'stride': 'count',
            'crop_size': {'text': '8', 'zero': 0, 'fraction': 8.5},
            'circular': 'flag',
            'subpixel': 'count',
        },
    ),
    'ViewPlan': Call(
        metrics.ViewPlan,
        {},
        {
            'max_shift': 'index',
            'crop_size': 'pair',
            'views': {**KINDS['count'], 'one': 1},
            'seed': 'integer',
            'circular': 'flag',
            'protocol': 'choice',
            'batch_size': {'text': '4', 'zero': 0},
            'subpixel': 'count',
        },
    ),
    'fourier_shift': Call(
        metrics.fourier_shift, {'image': IMAGES[0], 'shift': (0.5, 1.0)}, {'image': 'image', 'shift': 'offset'}
    ),
    'power_spectrum': Call(
        metrics.power_spectrum,
        {'maps': MAP},
        {'maps': {k: v for k, v in KINDS['map'].items()}, 'window': {'word': 'nonsense', 'number': 3}},
    ),
    'aliased_share': Call(
        metrics.aliased_share,
        {'power': torch.rand(8, 9, 8), 'stride': (2, 2)},
        {
            'power': {'text': 'a', 'nothing': None, 'vector': torch.rand(4)},
            'stride': {k: v for k, v in KINDS['pair'].items()},
        },
    ),
    'radial_average': Call(
        metrics.radial_average,
        {'power': torch.rand(8, 9, 8)},
        {'power': {'text': 'a', 'nothing': None, 'vector': torch.rand(4)}},
    ),
    'aliasing_report': Call(
        metrics.aliasing_report,
        {'network': Sample(), 'images': IMAGES},
        {'network': 'network', 'images': 'images', 'window': {'word': 'nonsense', 'number': 3}},
    ),
    'equivariance_report': Call(
        metrics.equivariance_report,
        {'network': Sample(), 'images': IMAGES},
        {
            'network': 'network',
            'images': 'images',
            'layers': 'patterns',
            'shifts': {'number': 3, 'words': ['a'], 'none': [], 'fraction': [0.5], 'zero': [0], 'beyond': [99]},
            'margin': {'text': '1', 'negative': -1, 'fraction': 0.5, 'too large': 99},
        },
    ),
    'equivariance_error': Call(
        metrics.equivariance_error,
        {'still': MAP, 'moved': MAP, 'shift': (1, 0)},
        {
            'still': {'text': 'a', 'nothing': None, 'shape': torch.rand(3)},
            'moved': {'text': 'a', 'nothing': None, 'shape': torch.rand(3)},
            'shift': 'offset',
            'margin': {'text': '1', 'negative': -1, 'fraction': 0.5, 'too large': 99},
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
    ('crop_size', 'too large'): ('image must be at least',),
    ('num_classes', 'too few'): ('pred_a must hold classes',),
    ('path', 'missing'): ('no such file',),
    ('path', 'folder'): ('must be a file',),
    ('text', 'nothing'): ('model must',),
    ('text', 'number'): ('model must',),
    ('text', 'empty'): ('model must',),
    ('state_dict', 'none'): ('missing in the file',),
}
# (function, argument, name of the value): why it means something.
LEGITIMATE: dict[tuple[str, str, str], str] = {
    ('shifted_views', 'image', 'integers'): 'views of integers are integers',
    ('power_spectrum', 'maps', 'integers'): 'integers have a spectrum',
    ('equivariance_report', 'shifts', 'zero'): 'a control: the error is 0',
    ('equivariance_report', 'shifts', 'beyond'): 'shifts are circular',
    ('equivariance_report', 'margin', 'too large'): 'the report names the layers of which nothing is left',
    ('published_arguments', 'arch', 'word'): 'a network of no published method needs no arguments',
    ('published_arguments', 'path', 'missing'): 'resnet18 needs none: its file is not read',
    ('published_arguments', 'path', 'folder'): 'likewise',
}


def cases() -> list[tuple[str, str, str, Any]]:
    """Function, argument, name of the wrong value, and the value."""
    return [
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


def table() -> tuple[collections.Counter, list[str]]:
    """Numbers of calls by what became of them, and a line for each that is neither answered nor legitimate."""
    counts, wrong = collections.Counter(), []
    for name, argument, word, value in cases():
        verdict, message = answer(name, argument, word, value)
        if verdict == 'accepted' and (name, argument, word) in LEGITIMATE:
            verdict = 'legitimate'
        counts[verdict] += 1
        if verdict in ('raw', 'accepted'):
            wrong.append(f'{name}({argument}={word}): {verdict}: {message[:150]!r}')
    return counts, wrong


def test_every_wrong_argument_is_answered():
    counts, wrong = table()
    assert not wrong, '\n'.join(wrong)
    assert counts['answered'] > 900 and counts['legitimate'] <= len(LEGITIMATE)


if __name__ == '__main__':
    counts, wrong = table()
    print(*wrong, f'{sum(counts.values())} calls: {dict(counts)}', sep='\n')
