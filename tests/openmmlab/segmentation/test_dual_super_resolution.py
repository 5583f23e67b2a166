"""Dual super-resolution against its definition, and what remains of it at inference."""

import copy
import math
import pickle
import re
from collections import Counter

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn.functional import avg_pool2d, interpolate, log_softmax
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from antialias_plugins import BlurPool2d, plan_antialias
from antialias_plugins.openmmlab.segmentation.dual_super_resolution import (
    LowResolutionPreProcessor,
    captured_outputs,
    inference_weights,
)

CLASSES = 5
NORM = {'type': 'BN'}
LAST = {'in_channels': 64, 'channels': 16, 'num_classes': CLASSES, 'norm_cfg': NORM, 'dropout_ratio': 0}
LOSS = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}
ASPP = {
    **LAST,
    **{'type': 'DepthwiseSeparableASPPHead', 'dilations': (1, 2, 3, 4), 'c1_in_channels': 8, 'c1_channels': 4},
    **{'align_corners': True, 'loss_decode': LOSS},
}
HEADS = {
    'deeplabv3plus': {'decode_head': ASPP},
    'fcn': {'decode_head': {'type': 'FCNHead', 'num_convs': 1, **LAST}},
    'psp': {'decode_head': {'type': 'PSPHead', **LAST}},
    'fpn': {
        'neck': {'type': 'FPN', 'in_channels': [8, 16, 32, 64], 'out_channels': 16, 'num_outs': 4},
        'decode_head': {
            **LAST,
            **{'type': 'FPNHead', 'in_channels': [16] * 4, 'in_index': [0, 1, 2, 3]},
            'feature_strides': [4, 8, 16, 32],
        },
    },
}
AUXILIARY = {**LAST, 'type': 'FCNHead', 'in_channels': 32, 'in_index': 2, 'num_convs': 1}
BRANCH = {'type': 'SuperResolutionHead', 'low_level_channels': 8, 'projection': 4, 'channels': (12, 10, 8)}
BRANCH |= {'dropout': (0, 0), 'norm_cfg': NORM, 'in_channels': 16, 'source': 'decode_head.bottleneck'}
VARIANTS = {
    'paper': {
        'upsampling': 'learned',
        'sisr_head': {**BRANCH, 'upsampling': {'type': 'SubPixelUpsampling', 'factor': 8}},
        'feature_transform': {
            **{'type': 'FeatureTransform', 'in_channels': 16, 'channels': 6, 'source': 'decode_head.sep_bottleneck'},
        },
        'loss_affinity': {'type': 'FeatureAffinityLoss', 'stride': 2},
        'mse_weight': 0.1,
    },
    'dootmaan': {
        'upsampling': 'bilinear',
        'sisr_head': {**BRANCH, 'upsampling': {'type': 'TransposedUpsampling', 'factor': 8, 'channels': (8, 4, 4)}},
        'feature_transform': {'type': 'FeatureTransform', 'in_channels': CLASSES, 'channels': 3},
        'loss_affinity': {
            **{'type': 'FeatureAffinityLoss', 'stride': 16, 'normalized': False, 'reduction': 'sum'},
            'loss_weight': 0.5,
        },
        'mse_weight': 0.5,
    },
}
NO_BRANCH = {'sisr_head': None, 'feature_transform': None, 'loss_affinity': None}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def config(variant='dootmaan', **changes):
    return {
        'type': 'DualSuperResolution',
        'data_preprocessor': {
            **{'type': 'LowResolutionPreProcessor', 'keep_target': True, 'size_divisor': 1},
            **{'mean': [120.0] * 3, 'std': [60.0] * 3, 'bgr_to_rgb': True},
        },
        'backbone': {
            **{'type': 'ResNetV1c', 'depth': 18, 'base_channels': 8, 'stem_channels': 8, 'norm_cfg': NORM},
            **{'strides': (1, 2, 2, 1), 'dilations': (1, 1, 1, 2)},
        },
        'decode_head': ASPP,
        'test_cfg': {'mode': 'whole'},
        **VARIANTS[variant],
        **changes,
    }


def build(*args, **changes):
    return MODELS.build(ConfigDict(copy.deepcopy(config(*args, **changes))))


def plain(**changes):
    """mmseg's own segmentor behind the same data preprocessor."""
    options = config(**changes)
    for name in VARIANTS['paper']:
        options.pop(name)
    return MODELS.build(ConfigDict(copy.deepcopy({**options, 'type': 'EncoderDecoder'})))


def batch(*sizes):
    samples = [
        SegDataSample(
            metainfo={'img_shape': size, 'ori_shape': size},
            gt_sem_seg=PixelData(data=torch.randint(0, CLASSES, (1, *size))),
        )
        for size in sizes
    ]
    return {'inputs': [torch.randint(0, 256, (3, *size)).byte() for size in sizes], 'data_samples': samples}


def losses(model, *sizes, data=None):
    data = model.data_preprocessor(data or batch(*sizes), training=True)
    return model(**data, mode='loss')


def draw_branch(model):
    """The branch begins with zeros that would hide the gradients behind them."""
    for parameter in model.sisr_head.upsampling.parameters():
        torch.nn.init.normal_(parameter, std=0.1)


def total(values):
    return sum(value for name, value in values.items() if 'loss' in name)


def affinity(features, references, stride, normalized):
    """Per image, the mean absolute difference between two whole matrices of affinities."""
    matrices = []
    for maps in (features, references):
        pixels = avg_pool2d(maps, stride).flatten(2)
        if normalized:
            pixels = pixels / pixels.square().sum(1, keepdim=True).sqrt()
        matrices.append(torch.einsum('nci,ncj->nij', pixels, pixels))
    return (matrices[0] - matrices[1]).abs().mean((1, 2))


def reference_losses(model, inputs, labels, target, variant):
    """Both variants step by step, on the model's own layers."""
    maps = model.backbone(inputs)
    with captured_outputs(model, ['decode_head.bottleneck', 'decode_head.sep_bottleneck']) as captured:
        logits = model.decode_head.forward(maps)
    deep, decoded = captured.values()
    logits = interpolate(logits, inputs.shape[2:], mode='bilinear', align_corners=True)
    if variant == 'paper':
        logits = model.learned_upsampling(logits)
    else:
        logits = interpolate(logits, target.shape[2:], mode='bilinear', align_corners=True)
    image, features = model.sisr_head(maps, deep)
    if variant == 'paper':
        tie = affinity(model.feature_transform(decoded), features, 2, normalized=True).mean()
    else:
        tie = 0.5 * affinity(model.feature_transform(logits), image, 16, normalized=False).sum()
    return {
        'decode.loss_ce': -log_softmax(logits, 1).gather(1, labels).mean(),
        'sisr.loss_mse': {'paper': 0.1, 'dootmaan': 0.5}[variant] * (image - target).square().mean(),
        'affinity.loss_fa': tie,
    }


@pytest.mark.parametrize('variant', VARIANTS)
def test_losses_and_gradients_are_those_of_the_definition(variant):
    model = build(variant).double()
    draw_branch(model)
    data = model.data_preprocessor(batch((32, 48), (32, 48)), training=True)
    inputs, samples = data['inputs'].double(), data['data_samples']
    for sample in samples:
        sample.gt_image = PixelData(data=sample.gt_image.data.double())
    labels = torch.stack([sample.gt_sem_seg.data for sample in samples])
    target = torch.stack([sample.gt_image.data for sample in samples])

    ours = model.loss(inputs, samples)
    theirs = reference_losses(model, inputs, labels, target, variant)

    assert ours.keys() - {'decode.acc_seg'} == theirs.keys()
    torch.testing.assert_close({name: ours[name] for name in theirs}, theirs, rtol=1e-10, atol=1e-12)
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = [torch.autograd.grad(total(values), parameters) for values in (ours, theirs)]
    for name, mine, expected in zip(names, *gradients, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-8, atol=1e-10, msg=name)


@pytest.mark.parametrize(
    ('head', 'pool'),
    [('deeplabv3plus', None), ('deeplabv3plus', 'ddac3'), ('fcn', 'lpf3'), ('psp', 'ddac3'), ('fpn', 'lpf3')],
)
def test_every_parameter_of_any_encoder_decoder_learns(head, pool):
    """What DDP asks for without ``find_unused_parameters``."""
    changes = {**HEADS[head], 'auxiliary_head': [AUXILIARY, AUXILIARY]}
    if head == 'fpn':
        changes['auxiliary_head'] = None
    if head != 'deeplabv3plus':
        channels = 16 if head == 'fpn' else 64
        changes['sisr_head'] = {**VARIANTS['dootmaan']['sisr_head'], 'source': None, 'in_channels': channels}
        changes['sisr_head']['low_level_channels'] = 16 if head == 'fpn' else 8
    backbone = config()['backbone']
    if pool:
        options = {'convert': {'dilated': 'blur'}} if pool == 'ddac3' else {}
        changes['backbone'] = {**backbone, 'type': 'Antialiased', 'base': 'ResNetV1c', 'pool': pool, **options}
    model = build(**changes)

    values = losses(model, (64, 64), (64, 64))
    total(values).backward()

    expected = {'decode.loss_ce', 'sisr.loss_mse', 'affinity.loss_fa'}
    expected |= {'aux_0.loss_ce', 'aux_1.loss_ce'} if changes['auxiliary_head'] else set()
    assert {name for name in values if 'loss' in name} == expected
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert any(isinstance(module, BlurPool2d) for module in model.modules()) == (pool == 'lpf3')


@pytest.mark.parametrize('variant', VARIANTS)
def test_filters_have_no_place_in_the_branch(variant):
    places = [name for site in plan_antialias(build(variant)).sites for name in site.roots]
    assert places
    assert all(name.startswith('backbone.') for name in places)


def test_weighted_parts_may_be_left_out():
    assert losses(build(**NO_BRANCH), (32, 32), (32, 32)).keys() == {'decode.loss_ce', 'decode.acc_seg'}
    without_affinity = build(feature_transform=None, loss_affinity=None)
    assert losses(without_affinity, (32, 32), (32, 32)).keys() == {'decode.loss_ce', 'decode.acc_seg', 'sisr.loss_mse'}


@pytest.mark.parametrize('variant', VARIANTS)
def test_losses_of_mixed_precision_are_float32(variant):
    model, data = build(variant), batch((32, 48), (32, 48))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        values = losses(model, data=copy.deepcopy(data))
    total(values).backward()
    assert {value.dtype for value in values.values()} == {torch.float32}
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    expected = losses(model, data=data)
    for name in ('decode.loss_ce', 'sisr.loss_mse'):
        torch.testing.assert_close(values[name], expected[name], rtol=0.02, atol=0)


def randomized(model):
    """Statistics of the norms that a test can tell from those of a new network, in eval mode and float64."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    draw_branch(model)
    return model.eval().double()


class Operations(TorchDispatchMode):
    """Counts the operations that run, with the shapes that they make."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.counts[str(func), tuple(result.shape) if isinstance(result, torch.Tensor) else None] += 1
        return result


@torch.no_grad()
def cost(model):
    """Operations, multiply-adds and parameters of a prediction at half size."""
    data = model.data_preprocessor(batch((64, 96)))
    with Operations() as operations, FlopCounterMode(display=False) as flops:
        model(**data, mode='predict')
    return operations.counts, flops.get_total_flops(), sum(value.numel() for value in model.parameters())


def test_the_branch_vanishes_at_inference():
    base, dual = plain().eval(), build(upsampling=None).eval()
    operations, flops, parameters = cost(base)
    assert flops > 0
    assert cost(dual)[:2] == (operations, flops)
    assert cost(dual)[2] > parameters
    assert cost(build(upsampling=None, **NO_BRANCH).eval()) == (operations, flops, parameters)


@pytest.mark.parametrize(
    ('variant', 'interpolations', 'convolutions', 'flops', 'parameters'),
    [
        # To the size of the input, to that of the labels, and mmseg's own to that size once more.
        ('dootmaan', 2, 0, 0, 0),
        ('paper', 1, 1, 2 * 32 * 48 * 16 * CLASSES**2, 16 * CLASSES**2 + CLASSES),
    ],
)
def test_what_the_upsampling_costs_at_inference(variant, interpolations, convolutions, flops, parameters):
    base, ours = cost(plain().eval()), cost(build(variant, **NO_BRANCH).eval())
    extra = Counter()
    for sign, (operations, *_) in ((-1, base), (1, ours)):
        for (name, _), count in operations.items():
            extra[name] += sign * count
    assert extra['aten.upsample_bilinear2d.default'] == interpolations
    assert extra['aten.convolution.default'] == convolutions
    assert (ours[1] - base[1], ours[2] - base[2]) == (flops, parameters)


@torch.no_grad()
@pytest.mark.parametrize(
    ('variant', 'changes'),
    [('dootmaan', {'upsampling': None}), ('dootmaan', {}), ('paper', {})],
    ids=['direct', 'bilinear', 'learned'],
)
def test_weights_without_the_branch(variant, changes):
    model = randomized(build(variant, auxiliary_head=AUXILIARY, **changes))
    kept = inference_weights(model.state_dict())
    if variant == 'paper':
        exported = build(variant, auxiliary_head=AUXILIARY, **NO_BRANCH)
    else:
        exported = plain(auxiliary_head=AUXILIARY)
    exported.double().eval().load_state_dict(kept, strict=True)

    inputs = torch.randn(1, 3, 32, 48, dtype=torch.float64)
    metas = [{'img_shape': (64, 96), 'ori_shape': (64, 96)}]
    outputs = [network.inference(inputs, metas) for network in (model, exported)]
    assert outputs[0].shape == (1, CLASSES, 64, 96)
    if changes or variant == 'paper':
        torch.testing.assert_close(*outputs, rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize('size', [(64, 96), (65, 97), (37, 50)], ids=['even', 'odd', 'no-multiple-of-the-stride'])
@pytest.mark.parametrize('variant', VARIANTS)
def test_results_have_the_size_of_the_image(variant, size):
    model = build(variant, test_cfg={'mode': 'whole', 'super_resolution': True}).eval()
    data = batch(size)
    raw = data['inputs'][0].clone()

    (sample,) = model.test_step(data)

    assert sample.pred_sem_seg.shape == sample.pred_image.shape == sample.gt_image.shape == size
    assert 0 <= sample.pred_image.data.min() <= sample.pred_image.data.max() <= 255
    torch.testing.assert_close(sample.gt_image.data, raw.flip(0).float(), rtol=0, atol=1e-3)
    values = losses(model.train(), size, size)
    assert all(math.isfinite(value) for value in values.values())


@torch.no_grad()
def test_image_is_that_of_the_branch_and_the_segmentation_stays():
    model = randomized(build('paper')).float()
    data = batch((64, 96))
    (expected,) = model.test_step(copy.deepcopy(data))
    assert 'pred_image' not in expected

    model.test_cfg.super_resolution = True
    (sample,) = model.test_step(copy.deepcopy(data))

    torch.testing.assert_close(sample.seg_logits.data, expected.seg_logits.data)
    inputs = model.data_preprocessor(data)['inputs']
    maps = model.extract_feat(inputs)
    with captured_outputs(model, ['decode_head.bottleneck']) as captured:
        model.decode_head(maps)
    image = model.sisr_head(maps, captured['decode_head.bottleneck'])[0][0]
    torch.testing.assert_close(sample.pred_image.data, (image * 60 + 120).clamp(0, 255))


@torch.no_grad()
def test_padding_of_a_test_batch_is_not_compared():
    changes = {'test_cfg': {'mode': 'whole', 'super_resolution': True}}
    preprocessor = {**config()['data_preprocessor'], 'test_cfg': {'size': (64, 96)}}
    model = build(**changes, data_preprocessor=preprocessor).eval()
    (sample,) = model.test_step(batch((50, 70)))
    assert sample.pred_sem_seg.shape == sample.pred_image.shape == sample.gt_image.shape == (50, 70)


def slide(height, width, stride):
    return {'mode': 'slide', 'crop_size': (height, width), 'stride': stride}


@torch.no_grad()
@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('size', [(32, 48), (33, 48)], ids=['even', 'odd'])
def test_sliding_windows(variant, size):
    model = randomized(build(variant, test_cfg=slide(20, 30, (16, 30))))
    inputs = torch.randn(1, 3, 32, 48, dtype=torch.float64)
    metas = [{'img_shape': tuple(2 * side for side in size), 'ori_shape': (64, 96)}]

    total, count = torch.zeros(1, CLASSES, 64, 96).double(), torch.zeros(64, 96)
    for top in (0, 12):
        for left in (0, 18):
            window = slice(2 * top, 2 * top + 40), slice(2 * left, 2 * left + 60)
            total[(..., *window)] += model(inputs[..., top : top + 20, left : left + 30])
            count[window] += 1
    expected = interpolate(total / count, metas[0]['img_shape'], mode='bilinear', align_corners=True)

    torch.testing.assert_close(model.inference(inputs, metas), expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize('upsampling', [None, 'bilinear', 'learned'])
def test_one_window_is_the_whole_image(upsampling):
    model = randomized(build(upsampling=upsampling))
    inputs = torch.randn(1, 3, 32, 48, dtype=torch.float64)
    (whole,) = model.predict(inputs)
    model.test_cfg = ConfigDict(slide(40, 60, (40, 60)))
    (window,) = model.predict(inputs)
    assert whole.pred_sem_seg.shape == (64, 96)
    torch.testing.assert_close(window.seg_logits.data, whole.seg_logits.data, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_batch_of_one_image_is_that_image():
    model = randomized(build()).float()
    data = batch((64, 96), (64, 96))
    both = model.test_step(copy.deepcopy(data))
    for index, sample in enumerate(both):
        (single,) = model.test_step({name: [values[index]] for name, values in data.items()})
        torch.testing.assert_close(single.seg_logits.data, sample.seg_logits.data, rtol=1e-4, atol=1e-4)


def test_model_is_copied_pickled_and_leaves_no_hooks():
    model = build('paper')
    losses(model, (32, 32), (32, 32))
    assert not any(module._forward_hooks for module in model.modules())
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert losses(copied, (32, 32), (32, 32)).keys() == losses(model, (32, 32), (32, 32)).keys()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'upsampling': 'nearest'}, r"upsampling must be one of \(None, 'bilinear', 'learned'\), got 'nearest'"),
        ({'data_preprocessor': {'type': 'SegDataPreProcessor'}}, 'data_preprocessor must be LowResolutionPreProcessor'),
        ({'data_preprocessor': {'type': 'LowResolutionPreProcessor'}}, 'needs data_preprocessor.keep_target=True'),
        ({'loss_affinity': None}, r'feature_transform and loss_affinity go together, got \{.*\} and None'),
        ({'sisr_head': None}, 'feature_transform needs a sisr_head, got None'),
        ({'test_cfg': {**slide(8, 8, (8, 8)), 'super_resolution': True}}, "needs a sisr_head and mode='whole', got"),
        ({**NO_BRANCH, 'test_cfg': {'super_resolution': True}}, "needs a sisr_head and mode='whole', got None"),
        ({'sisr_head': {**BRANCH, 'source': 'decode_head.neck'}}, "source must be .* got 'decode_head.neck'"),
    ],
    ids=['upsampling', 'preprocessor', 'target', 'affinity', 'transform', 'slide', 'no-branch', 'source'],
)
def test_options_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


COLOURS = {'mean': [10.0, 20.0, 30.0], 'std': [2.0, 4.0, 8.0], 'bgr_to_rgb': True}


def pictures(*sizes):
    inputs = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, *size).long())) for size in sizes]
    return {'inputs': inputs, 'data_samples': samples}


def reduced(image, factor):
    """Bilinear interpolation at positions that begin and end with the image, one side after the other."""
    image = image.double().numpy()
    for axis in (1, 2):
        length = image.shape[axis]
        positions = np.linspace(0, length - 1, length // factor)
        line = lambda values, positions=positions: np.interp(positions, np.arange(len(values)), values)  # noqa: E731
        image = np.apply_along_axis(line, axis, image)
    return torch.from_numpy(image)


@pytest.mark.parametrize('size', [(8, 12), (9, 13)], ids=['even', 'odd'])
@pytest.mark.parametrize('factor', [1, 2, 3])
def test_corners_stay_corners(size, factor):
    data = pictures(size, size)
    preprocessor = LowResolutionPreProcessor(factor, **COLOURS)

    inputs = preprocessor(data)['inputs']

    mean, std = (torch.tensor(COLOURS[name]).double().reshape(3, 1, 1) for name in ('mean', 'std'))
    expected = torch.stack([reduced((image.flip(0) - mean) / std, factor) for image in data['inputs']])
    assert inputs.shape[-2:] == tuple(side // factor for side in size)
    torch.testing.assert_close(inputs.double(), expected, rtol=0, atol=1e-4)


def test_labels_and_targets_keep_their_size():
    data = pictures((8, 12), (6, 10))
    images = [image.clone() for image in data['inputs']]
    preprocessor = LowResolutionPreProcessor(keep_target=True, size=(8, 12), seg_pad_val=255, **COLOURS)

    result = preprocessor(data, training=True)

    assert result['inputs'].shape == (2, 3, 4, 6)
    for sample, image in zip(result['data_samples'], images, strict=True):
        target = preprocessor.denormalize(sample.gt_image.data)
        height, width = image.shape[-2:]
        assert sample.gt_sem_seg.shape == sample.gt_image.shape == (8, 12)
        assert sample.metainfo['pad_shape'] == (8, 12)
        torch.testing.assert_close(target[:, :height, :width], image.flip(0).float(), rtol=0, atol=1e-4)


def test_target_of_a_test_image_has_no_padding():
    preprocessor = LowResolutionPreProcessor(keep_target=True, test_cfg={'size_divisor': 8}, **COLOURS)

    result = preprocessor(pictures((7, 13)))

    (sample,) = result['data_samples']
    assert result['inputs'].shape == (1, 3, 4, 8)
    assert sample.gt_image.shape == sample.gt_sem_seg.shape == (7, 13)
    assert tuple(sample.metainfo['pad_shape']) == (8, 16)


@pytest.mark.parametrize('samples', [True, False], ids=['not-asked-for', 'no-samples'])
def test_without_targets(samples):
    data = pictures((8, 8))
    data = data if samples else {'inputs': data['inputs']}
    result = LowResolutionPreProcessor(keep_target=not samples)(data)
    assert result['data_samples'] is None or 'gt_image' not in result['data_samples'][0]


def test_units_without_normalization():
    image = torch.rand(3, 4, 4)
    assert LowResolutionPreProcessor().denormalize(image) is image


@pytest.mark.parametrize('factor', [0, 1.5])
def test_factor_must_be_a_positive_integer(factor):
    with pytest.raises(ValueError, match=f'factor must be a positive integer, got {factor}'):
        LowResolutionPreProcessor(factor)


KEPT = (
    'backbone.conv1.weight',
    'decode_head.conv_seg.bias',
    'auxiliary_head.conv_seg.bias',
    'learned_upsampling.weight',
)
DROPPED = ('sisr_head.low_level.conv.weight', 'feature_transform.0.bias')
STATE = {name: torch.full((2,), float(index)) for index, name in enumerate(KEPT + DROPPED)}


@pytest.fixture
def checkpoint(tmp_path):
    """What mmengine writes in a training: weights, and objects that only resuming needs."""
    path = tmp_path / 'iter_30.pth'
    torch.save(
        {
            'meta': {'iter': 30},
            'state_dict': STATE,
            'optimizer': {},
            'message_hub': {'loss': HistoryBuffer([1.0], [1])},
        },
        path,
    )
    return path


def test_only_the_branch_goes():
    kept = inference_weights(STATE)
    assert tuple(kept) == KEPT
    with pytest.raises(
        ValueError, match=r'must have keys that begin with sisr_head\. or feature_transform\., got none'
    ):
        inference_weights(kept)


@pytest.fixture
def convert(antialias):
    return lambda *args: antialias('weights', 'convert', *args, '--dsrl')


def test_file_holds_the_weights_and_what_describes_them(checkpoint, tmp_path, convert):
    target = tmp_path / 'new' / 'plain.pth'
    assert convert(checkpoint, target).status == 0

    written = torch.load(target, weights_only=True)
    assert written['meta'] == {'iter': 30}
    torch.testing.assert_close(written['state_dict'], {name: STATE[name] for name in KEPT}, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('content', 'status', 'message'),
    [
        (None, 2, 'src must be a file, got .*broken.pth'),
        (b'nonsense', 1, 'src must be a checkpoint of mmengine, got .*broken.pth: '),
        ({'weights': {}}, 1, 'src must be a checkpoint of mmengine, with a state_dict'),
        ({'state_dict': {name: STATE[name] for name in KEPT}}, 1, 'got none'),
    ],
    ids=['missing', 'broken', 'other', 'no-branch'],
)
def test_files_that_are_no_checkpoints_are_refused(content, status, message, tmp_path, convert):
    source, target = tmp_path / 'broken.pth', tmp_path / 'plain.pth'
    if isinstance(content, bytes):
        source.write_bytes(content)
    elif content is not None:
        torch.save(content, source)
    answer = convert(source, target)
    assert answer.status == status
    assert re.search(message, answer.line)
    assert not target.exists()


def test_an_existing_file_is_kept(checkpoint, tmp_path, convert):
    target = tmp_path / 'plain.pth'
    target.write_bytes(b'mine')
    answer = convert(checkpoint, target)
    assert answer.status == 2
    assert 'exists' in answer.line
    assert target.read_bytes() == b'mine'
    assert convert(checkpoint, target, '--overwrite').status == 0
    assert torch.load(target, weights_only=True)['state_dict'].keys() == set(KEPT)
