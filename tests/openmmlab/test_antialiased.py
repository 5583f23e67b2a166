import io
import logging
from importlib.util import find_spec

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from torch import nn

from antialias_plugins import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    AntialiasWarning,
    BlurPool2d,
    FrequencyLowCutPool2d,
    LearnablePolyphasePool2d,
    MaxBlurPool2d,
    TranslationInvariantPolyphasePool2d,
    UnsupportedModelError,
)

R18 = {'base': 'ResNetV1c', 'depth': 18, 'base_channels': 8}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def build(**config):
    return MODELS.build({'type': 'Antialiased', **config})


def build_plain(base, **config):
    return MODELS.build({'type': base, **config})


@pytest.mark.parametrize(
    'layer',
    [
        BlurPool2d,
        MaxBlurPool2d,
        AdaptiveBlurPool2d,
        FrequencyLowCutPool2d,
        AdaptivePolyphasePool2d,
        LearnablePolyphasePool2d,
        TranslationInvariantPolyphasePool2d,
    ],
)
def test_layers_are_registered(layer):
    assert MODELS.get(layer.__name__) is layer


def test_a_second_layer_of_the_same_name_is_refused():
    with pytest.raises(KeyError, match='BlurPool2d is already registered'):
        MODELS.register_module(name='BlurPool2d', module=nn.Identity)


@pytest.mark.parametrize('base', ['ResNetV1c', 'mmseg.ResNetV1c', 'mmpretrain.ResNetV1c'])
def test_base_is_found_in_its_scope(base):
    model = build(base=base, depth=18, init_cfg=None)

    plain = build_plain(base, depth=18, init_cfg=None)
    assert isinstance(model, type(plain))
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert any(isinstance(module, BlurPool2d) for module in model.modules())


@pytest.mark.parametrize('base', ['mmseg.TIMMBackbone', 'mmpretrain.TIMMBackbone'])
def test_base_may_be_a_timm_wrapper(base):
    model = build(base=base, model_name='resnet18', features_only=True, pretrained=False, pool='lpf3')

    plain = build_plain(base, model_name='resnet18', features_only=True, pretrained=False)
    model.load_state_dict(plain.state_dict(), strict=True)
    images = torch.rand(1, 3, 64, 96)
    assert [y.shape for y in model(images)] == [y.shape for y in plain(images)]
    assert sum(isinstance(module, BlurPool2d) for module in model.modules()) == 7


@pytest.mark.skipif(find_spec('mmdet') is None, reason='mmdet is not part of this stack')
def test_base_may_be_of_mmdet():
    with pytest.warns(AntialiasWarning, match='norm_eval keeps the norms of its filters in eval mode'):
        model = build(base='mmdet.ResNet', depth=50, pool='ddac3')
    assert len(model(torch.rand(1, 3, 64, 64))) == 4


class Strided(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)
        self.relu1 = nn.ReLU()
        self.conv = nn.Conv2d(channels, channels, 3, 2, 1)
        self.relu2 = nn.ReLU()

    def forward(self, x):
        return self.relu2(self.conv(self.relu1(self.stem(x))))


def strided(channels):
    return Strided(channels)


@pytest.mark.parametrize('base', [Strided, strided], ids=['class', 'function'])
def test_base_may_be_a_class_or_a_function(base):
    model = build(base=base, channels=8, pool='lpf3')

    assert type(model.relu2).__name__ != 'ReLU'
    assert model(torch.ones(1, 3, 16, 16)).shape == (1, 8, 4, 4)


def test_base_may_be_a_whole_segmentor():
    head = {
        'type': 'FCNHead',
        'in_channels': 512,
        'channels': 8,
        'num_convs': 1,
        'num_classes': 3,
        'norm_cfg': {'type': 'BN'},
    }
    segmentor = {'base': 'EncoderDecoder', 'backbone': {'type': 'ResNetV1c', 'depth': 18}, 'decode_head': head}

    model = build(**segmentor)

    filters = [name for name, module in model.named_modules() if isinstance(module, BlurPool2d)]
    assert filters
    assert all(name.startswith('backbone.') for name in filters)


@pytest.mark.parametrize(
    ('pool', 'layer'),
    [
        pytest.param('ddac3', AdaptiveBlurPool2d, id='shorthand'),
        pytest.param({'type': 'AdaptiveBlurPool2d', 'filt_size': 5, 'groups': 4}, AdaptiveBlurPool2d, id='our layer'),
        pytest.param({'type': 'TakeEverySecond', 'phase': 1}, 'TakeEverySecond', id='registered layer'),
        pytest.param(
            {'type': f'{AdaptiveBlurPool2d.__module__}.AdaptiveBlurPool2d', 'groups': 4},
            AdaptiveBlurPool2d,
            id='class in a lazy config that was dumped',
        ),
        pytest.param(f'{BlurPool2d.__module__}.BlurPool2d', BlurPool2d, id='class by itself, dumped'),
    ],
)
def test_pool(pool, layer):
    model = build(**R18, pool=pool)

    filters = [module for module in model.modules() if layer in (type(module), type(module).__name__)]
    assert len(filters) == 7
    for name in pool.keys() - {'type'} if isinstance(pool, dict) else ():
        assert {getattr(module, name) for module in filters} == {pool[name]}


@MODELS.register_module()
class TakeEverySecond(nn.Module):
    def __init__(self, channels, stride, phase):
        super().__init__()
        self.channels, self.stride, self.phase = channels, stride, phase

    def forward(self, x):
        rows, columns = self.stride
        return x[..., ::rows, ::columns]


def test_convert_reaches_the_conversion():
    dilated = {'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)}

    def strides(**config):
        model = build(**R18, **dilated, **config)
        return sorted(module.stride for module in model.modules() if isinstance(module, BlurPool2d))

    assert strides() == [(2, 2)] * 3
    assert strides(convert={'dilated': 'blur'}) == [(1, 1)] * 4 + [(2, 2)] * 3


@pytest.mark.parametrize(
    ('stem', 'layer'),
    [
        ('aps1', 'AdaptivePolyphasePool2d'),
        ({'type': 'AdaptivePolyphasePool2d', 'norm': 'linf'}, 'AdaptivePolyphasePool2d'),
        ({'type': 'TakeEverySecond', 'phase': 1}, 'TakeEverySecond'),
    ],
    ids=['shorthand', 'our layer', 'registered layer'],
)
def test_stem_takes_a_filter_of_its_own(stem, layer):
    model = build(base='ResNet', depth=18, pool='lpf3', convert={'stem': stem})
    assert type(model.relu.aa).__name__ == layer
    assert sum(isinstance(module, BlurPool2d) for module in model.modules()) == 7


def test_a_build_takes_two_forward_passes(monkeypatch):
    calls, forward = [], Strided.forward
    monkeypatch.setattr(Strided, 'forward', lambda self, x: calls.append(1) or forward(self, x))
    build(base=Strided, channels=8, pool='lpf3')
    assert len(calls) == 2


def test_plan_is_logged():
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setLevel('INFO')
    logger = MMLogger.get_current_instance()
    level = logger.level  # which other tests have raised
    logger.setLevel('INFO')
    logger.addHandler(handler)

    build(**R18, pool='lpf3')

    logger.removeHandler(handler)
    logger.setLevel(level)
    assert lines.getvalue().startswith('Antialiased ResNetV1c with lpf3: 7 filtered')


def test_pretrained_weights_load_after_the_conversion(tmp_path):
    plain = build_plain('ResNetV1c', depth=18, base_channels=8)
    plain.init_weights()
    torch.save(plain.state_dict(), tmp_path / 'plain.pth')

    model = build(**R18, init_cfg={'type': 'Pretrained', 'checkpoint': str(tmp_path / 'plain.pth')})
    model.init_weights()

    torch.testing.assert_close(model.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_initialization_is_that_of_base():
    states = []
    for config in ({'type': 'Antialiased', **R18}, {'type': 'ResNetV1c', 'depth': 18, 'base_channels': 8}):
        torch.manual_seed(0)
        model = MODELS.build(config)
        torch.manual_seed(0)
        model.init_weights()
        states.append(model.state_dict())

    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize('pool', ['lpf4', 'ddac3'])
def test_sync_batchnorm_keeps_the_filters(pool):
    model = build(**R18, pool=pool)
    model.eval()
    images = torch.randn(1, 3, 64, 64)
    expected = model(images)

    synchronized = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    norms = [module for module in synchronized.modules() if isinstance(module, nn.SyncBatchNorm)]
    reverted = revert_sync_batchnorm(synchronized)

    assert norms
    assert not any(isinstance(module, nn.SyncBatchNorm) for module in reverted.modules())
    torch.testing.assert_close(reverted(images), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({}, r"base must name the type to build, such as 'ResNetV1c', got None"),
        ({'base': 3}, r'base must name the type to build.*got 3'),
        ({'base': 'ResNetV1e'}, r"scope 'mmseg'.*got 'ResNetV1e'; did you mean .*ResNetV1c"),
        ({'base': 'mmpretrain.ResNett'}, r"got 'mmpretrain.ResNett'; did you mean ResNet"),
        ({'base': 'nowhere.ResNet'}, r"got 'nowhere.ResNet'"),
        ({**R18, 'pool': 'lpv4'}, r"got 'lpv4'; did you mean .*lpf4"),
        ({**R18, 'pool': {'type': 'Blurpool2d'}}, r"got 'Blurpool2d'; did you mean BlurPool2d"),
        ({**R18, 'convert': 'blur'}, r"convert must be a dict, such as dict\(dilated='blur'\), got 'blur'"),
        ({**R18, 'convert': {'dilate': 'blur'}}, r"got 'dilate'; did you mean dilated"),
        ({**R18, 'convert': {'dilated': 'blurr'}}, r"dilated must be 'skip' or 'blur', got 'blurr'"),
    ],
)
def test_mistakes_in_a_config_are_named(config, message):
    with pytest.raises(ValueError, match=message):
        build(**config)


def test_base_without_a_scope_asks_for_one():
    with (
        DefaultScope.overwrite_default_scope('mmengine'),
        pytest.raises(ValueError, match=r"as 'mmseg.ResNetV1c' does"),
    ):
        build(**R18)


def test_network_that_does_not_downsample_is_refused():
    with pytest.raises(UnsupportedModelError, match='nothing that could be filtered downsamples'):
        build(base=nn.Conv2d, in_channels=3, out_channels=3, kernel_size=3)
