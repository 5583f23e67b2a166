"""Every argument of the metrics, given what it does not take: the error names it, the rule and the value."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from antialias_plugins import metrics
from antialias_plugins.testing import shift_equivariance_error

IMAGES = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([[0, 1, 2], [0, 0, 2]])
BOX = metrics.Instances(torch.ones(1), torch.zeros(1), torch.tensor([[0.0, 0, 9, 9]]))
NETWORK = nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2))
POWER = metrics.power_spectrum(IMAGES)

TEXT = ['4', '', b'4', [], {}, object]
COUNT = [-1, 1.5, True, math.nan, math.inf, None, (2, 2), torch.tensor(1.5), torch.ones(2), *TEXT]
NUMBER = [-1, True, math.nan, None, (2, 2), torch.ones(2), *TEXT]
FLAG = [0, 1, None, 'false', *TEXT]
WORD = [3, True, ['hann'], *TEXT, np.zeros(2)]
PAIR = [0, 1.5, None, (2,), (2, 2, 2), (-1, 2), (2, '2'), (math.nan, 1), torch.ones(3), *TEXT]
LABEL = [-1, 3, 1.0, True, (1, 2), torch.tensor(1.0), torch.ones(2).long(), *TEXT]
NO_TENSOR = [None, 3, 'map', [[0, 1]], object, {}]
IMAGE = [*NO_TENSOR, IMAGES[0, 0], IMAGES, IMAGES[0, :0], IMAGES[0, :, :0]]
MAPS = [*NO_TENSOR, CLASSES[0], CLASSES[None], CLASSES[:, :0], CLASSES + 0.5, CLASSES * math.nan, CLASSES * 1j]
LOGITS = [*NO_TENSOR, torch.rand(3), torch.rand(1, 3), torch.full((2, 3), math.nan), torch.ones(2, 3, dtype=torch.bool)]
LIST = [3, None, object]
PREDICT = [None, 'network', 3, lambda views: None, lambda views: 'cat', lambda views: [1]]
PREDICT += [lambda views: torch.full((len(views), 3), math.nan), lambda views: torch.rand(len(views) + 1, 3)]
GROUPS = [3, object, [1], 'abcd', [[1], [2], [3]]]

RESULT = [3, None, 'ab', (0.5, 0.1), (0.5, None), ('a', (0, 1)), (0.5, (0.6, 0.4))]

DRAWN = {'max_shift': COUNT, 'seed': COUNT, 'subpixel': COUNT, 'circular': FLAG}
GRID = {'max_shift': COUNT, 'stride': COUNT, 'circular': FLAG, 'subpixel': COUNT}
RULE = {'score_threshold': NUMBER, 'iou_threshold': [*NUMBER, 0], 'min_area': [*NUMBER, 0]}
SIZE = [0, -1, 1.5, True, None, (8,), (8, 0), *TEXT]


def classify(views):
    return views.flatten(1)[:, :3]


def segment(views):
    return (views[:, 0] * 3).long()


def detect(views):
    return [metrics.Instances(torch.ones(1), torch.zeros(1), masks=view > 0.5) for view in views]


IMAGE_LABELS = [(image[0] * 3).long() for image in IMAGES]
SHIFTED = {'predict': classify, 'images': IMAGES, 'max_shift': 4}
MAPPED = {'predict': segment, 'images': IMAGES, 'max_shift': 4}
PAIR_OF_MAPS = {'pred_a': CLASSES, 'pred_b': CLASSES}
WRONG_MAPS = {'pred_a': MAPS, 'pred_b': MAPS, 'label': MAPS[1:], 'ignore_index': [1.5, True, None, *TEXT]}
# of each: arguments that it takes, and what each of them must not be
CALLS = {
    metrics.shift_consistency: (
        {**SHIFTED, 'crop_size': 8},
        {
            **{
                **DRAWN,
                'predict': PREDICT,
                'images': LIST,
                'crop_size': SIZE,
                'views': COUNT,
                'protocol': [None, *WORD],
            },
            **{
                'labels': [3, [0], [0] * 4, [0, 1, 1.0], [0, 1, 9], torch.eye(3)],
                'groups': GROUPS,
                'batch_size': [3, '3'],
            },
        },
    ),
    metrics.mean_segmentation_consistency: (
        {**MAPPED, 'labels': IMAGE_LABELS},
        {
            **{**DRAWN, 'predict': PREDICT, 'images': LIST, 'labels': [3, IMAGE_LABELS[:1], IMAGES], 'groups': GROUPS},
            **{'num_classes': [0, *COUNT[:5]], 'boundary': [0, *COUNT[:5]], 'ignore_index': WRONG_MAPS['ignore_index']},
        },
    ),
    metrics.worst_case_shift_consistency: (
        {**SHIFTED, 'max_shift': 2},
        {
            **GRID,
            'predict': PREDICT,
            'images': LIST,
            'labels': [3, [0], [0, 1, 1.0]],
            'groups': GROUPS,
            'batch_size': COUNT,
        },
    ),
    metrics.worst_case_segmentation_consistency: (
        {**MAPPED, 'max_shift': 2},
        {**GRID, 'predict': PREDICT, 'images': LIST, 'groups': GROUPS, 'batch_size': COUNT},
    ),
    metrics.mean_instance_consistency: (
        {'predict': detect, 'images': IMAGES, 'max_shift': 4, 'min_area': 1},
        {'predict': PREDICT, 'images': LIST, 'max_shift': COUNT, 'seed': COUNT, **RULE, 'groups': GROUPS},
    ),
    metrics.diagonal_sweep: (
        {'predict': classify, 'image': IMAGES[0], 'max_shift': 4, 'crop_size': 8},
        {'predict': PREDICT, 'image': IMAGE, 'label': LABEL, 'max_shift': COUNT, 'crop_size': SIZE, 'circular': FLAG},
    ),
    metrics.classification_agreement: ({'logits': torch.rand(2, 3)}, {'logits': LOGITS, 'label': LABEL}),
    metrics.mean_absolute_change: ({'probabilities': torch.rand(2, 3)}, {'probabilities': LOGITS, 'label': LABEL}),
    metrics.segmentation_consistency: (
        {**PAIR_OF_MAPS, 'offset_a': (0, 0), 'offset_b': (0, 1), 'label': torch.zeros(4, 4)},
        {**WRONG_MAPS, 'offset_a': PAIR, 'offset_b': PAIR},
    ),
    metrics.class_agreement: (
        {**PAIR_OF_MAPS, 'num_classes': 3, 'label': CLASSES},
        {**WRONG_MAPS, 'num_classes': COUNT},
    ),
    metrics.boundary_agreement: ({**PAIR_OF_MAPS, 'width': 1, 'label': CLASSES}, {**WRONG_MAPS, 'width': COUNT}),
    metrics.boundary_band: ({'classes': CLASSES, 'width': 1}, {'classes': MAPS, 'width': COUNT}),
    metrics.instance_agreement: (
        {'pred_a': BOX, 'pred_b': BOX, 'size': (16, 16), 'offset_a': (0, 0), 'offset_b': (1, 1), 'kind': 'box'},
        {
            **{'pred_a': [*NO_TENSOR, IMAGES], 'pred_b': [*NO_TENSOR, IMAGES]},
            **dict.fromkeys(('offset_a', 'offset_b', 'size'), PAIR),
            **{'kind': [None, *WORD], 'rule': [3, 'strict', (0.5, 0.9, 10)]},
        },
    ),
    metrics.Instances: (
        {'scores': torch.ones(1), 'labels': torch.zeros(1), 'boxes': torch.ones(1, 4)},
        {
            'scores': [*NO_TENSOR, torch.ones(1, 1), torch.full((1,), 1.5), torch.full((1,), math.nan)],
            'labels': [*NO_TENSOR, torch.ones(2), torch.full((1,), 0.5)],
            'boxes': [*NO_TENSOR[1:], torch.ones(1, 3), torch.tensor([[5.0, 5, 2, 2]]), torch.full((1, 4), math.inf)],
            'masks': [*NO_TENSOR[1:], torch.ones(1, 4, 4), torch.ones(4, 4, dtype=torch.bool)],
        },
    ),
    metrics.InstanceRule: ({}, RULE),
    metrics.draw_offsets: (
        {'seed': 0, 'index': 0, 'max_shift': 4},
        {**dict.fromkeys(('seed', 'index', 'max_shift'), COUNT), 'count': [*COUNT, 17]},
    ),
    metrics.draw_batch_offsets: (
        {'seed': 0, 'repeat': 0, 'batch': 0, 'max_shift': 4},
        dict.fromkeys(('seed', 'repeat', 'batch', 'max_shift', 'count'), COUNT),
    ),
    metrics.shifted_views: (
        {'image': IMAGES[0], 'offsets': [(0, 1)], 'max_shift': 4},
        {
            'image': IMAGE,
            'offsets': [3, None, [], [3], [(0, 5)], [(0, '1')], ['ab']],
            'max_shift': COUNT,
            'circular': FLAG,
        },
    ),
    metrics.fourier_shift: (
        {'image': IMAGES[0], 'shift': (0, 1)},
        {'image': [*NO_TENSOR, IMAGES[0, 0, 0], IMAGES[:0]], 'shift': [3, None, (1,), (0, math.nan), (0, '1'), 'ab']},
    ),
    metrics.power_spectrum: (
        {'maps': IMAGES},
        {'maps': [*NO_TENSOR, IMAGES[0], IMAGES[:, :0], IMAGES * 1j], 'window': WORD},
    ),
    metrics.aliased_share: ({'power': POWER, 'stride': (2, 2)}, {'power': [*NO_TENSOR, POWER[0]], 'stride': SIZE}),
    metrics.radial_average: ({'power': POWER}, {'power': [*NO_TENSOR, POWER[0], POWER[:0]]}),
    metrics.aliasing_report: (
        {'network': NETWORK, 'images': IMAGES},
        {'network': [None, 'net', nn.ReLU, 3], 'images': [*LIST, [], [3], IMAGES[0], IMAGES.byte()], 'window': WORD},
    ),
    metrics.equivariance_error: (
        {'still': IMAGES, 'moved': IMAGES, 'shift': (0, 1)},
        {
            **{'still': [*NO_TENSOR, IMAGES[:0]], 'moved': [*NO_TENSOR, IMAGES[0]]},
            **{'shift': [3, (1,), (0, math.nan), 'ab'], 'margin': [-1, 1.5, '1', None, 8, (0, 8)]},
        },
    ),
    metrics.equivariance_report: (
        {'network': NETWORK, 'images': IMAGES},
        {
            **{
                'network': [None, 'net', 3],
                'images': [*LIST, [], [3]],
                'layers': [
                    3,
                    [],
                    [3],
                    'layer',
                ],
            },
            **{'shifts': [3, None, [], ['1'], [1.5], [(1, 2, 3)], '11'], 'margin': COUNT},
        },
    ),
    metrics.mean_interval: (
        {'values': [0.5, 1.0]},
        {
            'values': [*TEXT, 3, None, [2.0], [math.nan], ['0.5'], [None], [True, (1,)]],
            'confidence': [0, 1, 95, '0.95', None, math.nan],
            'groups': [3, [1], 'abc', [[1], [2]]],
            'bounds': [3, (1,), (1, 0), (1, 1), ('0', '1'), (0, math.nan), 'ab'],
        },
    ),
    metrics.difference_interval: (
        {'first': (0.5, (0.4, 0.6)), 'second': (0.5, (0.4, 0.6))},
        {'first': RESULT, 'second': RESULT},
    ),
    shift_equivariance_error: (
        {'module': nn.AvgPool2d(2), 'input': IMAGES, 'shifts': [1], 'stride': 2},
        {
            **{'module': [None, 'pool', 3, lambda maps: None], 'input': [*NO_TENSOR, IMAGES[..., :0], IMAGES[0, 0]]},
            **{'shifts': [3, None, ['1'], [1.5]], 'stride': SIZE, 'margin': COUNT},
        },
    ),
}
SINGULAR = {'images': 'images?', 'labels': 'labels?', 'groups': 'groups?', 'pred_a': 'pred_a', 'network': 'network'}


@pytest.mark.parametrize(
    ('function', 'argument'),
    [
        pytest.param(function, argument, id=f'{function.__name__}-{argument}')
        for function, (_, arguments) in CALLS.items()
        for argument in arguments
    ],
)
def test_the_error_names_the_argument_the_rule_and_the_value(function, argument):
    taken, wrong = CALLS[function][0], CALLS[function][1][argument]
    name = SINGULAR.get(argument, argument)
    for value in wrong:
        with pytest.raises((ValueError, TypeError), match=rf'(?s)\b{name}\b.* must|must.*\b{name}\b') as raised:
            function(**{**taken, argument: value})
        assert 'got' in str(raised.value), (value, raised.value)


def test_what_is_taken_is_taken():
    for function, (taken, _) in CALLS.items():
        function(**taken)


def test_there_are_hundreds():
    assert sum(len(values) for _, arguments in CALLS.values() for values in arguments.values()) >= 600
