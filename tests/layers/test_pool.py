import pickle

import pytest
import torch
from torch import nn

from antialias_plugins import convert_antialias
from antialias_plugins.layers import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    BlurPool2d,
    FrequencyLowCutPool2d,
    LearnablePolyphasePool2d,
    MaxBlurPool2d,
    TranslationInvariantPolyphasePool2d,
    resolve_pool,
)
from antialias_plugins.layers.pool import METHODS


class Decimate(nn.Module):
    """A user's own layer."""

    def __init__(self, channels, stride, offset=0):
        super().__init__()
        self.channels, self.stride, self.offset = channels, stride, offset

    def forward(self, input):
        return input[..., :: self.stride[0], :: self.stride[1]]


def build_blur(channels, stride):
    return BlurPool2d(channels, 5, stride)


@pytest.mark.parametrize(
    ('pool', 'layer', 'name'),
    [
        ('lpf4', BlurPool2d(16, 4, (2, 1)), 'lpf4'),
        ('lpf1', BlurPool2d(16, 1, (2, 1)), 'lpf1'),
        ('ddac5', AdaptiveBlurPool2d(16, 5, (2, 1), groups=8), 'ddac5'),
        ('flc', FrequencyLowCutPool2d(16, (2, 1)), 'flc'),
        ('aps3', AdaptivePolyphasePool2d(16, (2, 1), 3), 'aps3'),
        ('lps1', LearnablePolyphasePool2d(16, (2, 1), 1), 'lps1'),
        ('tips', TranslationInvariantPolyphasePool2d(16, (2, 1)), 'tips'),
        ('tips2', TranslationInvariantPolyphasePool2d(16, (2, 1), 2), 'tips2'),
        (
            {'type': 'AdaptiveBlurPool2d', 'filt_size': 3, 'groups': 4},
            AdaptiveBlurPool2d(16, 3, (2, 1), groups=4),
            'AdaptiveBlurPool2d(filt_size=3, groups=4)',
        ),
        (
            {'type': BlurPool2d, 'padding_mode': 'zeros'},
            BlurPool2d(16, 4, (2, 1), 'zeros'),
            "BlurPool2d(padding_mode='zeros')",
        ),
        (
            {'type': 'AdaptivePolyphasePool2d', 'filt_size': 3, 'adaptive': {'groups': 16}},
            AdaptivePolyphasePool2d(16, (2, 1), 3, adaptive={'groups': 16}),
            "AdaptivePolyphasePool2d(filt_size=3, adaptive={'groups': 16})",
        ),
        (BlurPool2d, BlurPool2d(16, 4, (2, 1)), 'BlurPool2d()'),
        (build_blur, BlurPool2d(16, 5, (2, 1)), 'build_blur'),
        (resolve_pool('lpf3'), BlurPool2d(16, 3, (2, 1)), 'lpf3'),
    ],
    ids=[
        *('lpf4', 'lpf1', 'ddac5', 'flc', 'aps3', 'lps1', 'tips', 'tips2'),
        *('config', 'config-with-class', 'config-with-config', 'class', 'callable', 'factory'),
    ],
)
def test_builds_what_is_written(pool, layer, name):
    factory = resolve_pool(pool)
    assert str(factory) == name
    assert repr(factory(16, (2, 1))) == repr(layer)
    assert repr(pickle.loads(pickle.dumps(factory))(16, (2, 1))) == repr(layer)


def test_own_layer_gets_channels_stride_and_options():
    layer = resolve_pool({'type': Decimate, 'offset': 1})(16, (2, 2))
    assert (layer.channels, layer.stride, layer.offset) == (16, (2, 2), 1)


def test_config_is_left_as_it_is():
    config = {'type': 'BlurPool2d', 'filt_size': 3}
    resolve_pool(config)
    assert config == {'type': 'BlurPool2d', 'filt_size': 3}


def test_random_state_is_left_as_it_is():
    state = torch.get_rng_state()
    resolve_pool('ddac3')
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ('pool', 'message'),
    [
        (
            'lfp3',
            r"lpf<k> \(BlurPool2d\), ddac<k> .*, flc \(FrequencyLowCutPool2d\), .*, got 'lfp3'; did you mean .*lpf3",
        ),
        ('dac5', r"got 'dac5'; did you mean ddac5"),
        ('gaussian', r"pool must be one of lpf<k> .*, got 'gaussian'$"),
        ('lpf', r"got 'lpf'; did you mean lpf"),
        ('flc3', r"got 'flc3'; did you mean flc"),
        ('aps0', 'pool aps0 cannot be built: filt_size must be an integer of at least 1, got 0'),
        ({'type': 'AdaptivePolyphasePool2d', 'norm': 'l3'}, "norm must be one of 'l1', 'l2', 'linf', got 'l3'"),
        ({'type': 'AdaptivePolyphasePool2d', 'adaptive': {'group': 8}}, "cannot be built: .*'group'"),
        ({'type': 'LearnablePolyphasePool2d', 'temperature': 0}, 'temperature must be a number greater than 0, got 0'),
        ('ddac4', 'pool ddac4 cannot be built: filt_size must be odd, .* got 4'),
        ('lpf0', 'pool lpf0 cannot be built: filt_size must be an integer of at least 1, got 0'),
        ('lpf33', r"at most 7 taps as a shorthand, got 'lpf33'; dict\(type='BlurPool2d', filt_size=33\) has more"),
        ('ddac9', r"at most 7 taps as a shorthand, got 'ddac9'; dict\(type='AdaptiveBlurPool2d', filt_size=9\)"),
        ('tips70', "at most 7 taps as a shorthand, got 'tips70'"),
        ({'filt_size': 3}, r"pool must have a type, one of BlurPool2d.* got \{'filt_size': 3\}"),
        ({'type': 'BlurPol2d'}, r"got 'BlurPol2d'; did you mean BlurPool2d"),
        ({'type': 3}, 'type of pool must be one of .*, got 3'),
        ({'type': 'BlurPool2d', 'filt': 3}, r"BlurPool2d\(filt=3\) cannot be built: .*'filt'"),
        ({'type': 'BlurPool2d', 'stride': 3}, 'pool must leave stride to the place where it is put'),
        ({'type': 'AdaptiveBlurPool2d', 'groups': 0}, 'groups must be an integer of at least 1, got 0'),
        ({'type': 'AdaptiveBlurPool2d', 'softmax': 'all'}, "softmax must be one of 'group', 'joint', got 'all'"),
        ({'type': Decimate, 'step': 1}, r"Decimate\(step=1\) cannot be built: .*'step'"),
        ({'type': 'MaxBlurPool2d'}, 'type of pool must be a low-pass filter, got MaxBlurPool2d'),
        (MaxBlurPool2d, 'type of pool must be a low-pass filter, got MaxBlurPool2d'),
    ],
    ids=str,
)
def test_mistakes_are_explained(pool, message):
    with pytest.raises(ValueError, match=message):
        resolve_pool(pool)


def test_neither_name_nor_factory():
    with pytest.raises(TypeError, match='pool must be a shorthand, a dict with a type, or a callable, got 4'):
        resolve_pool(4)


@pytest.mark.parametrize('function', [convert_antialias, resolve_pool], ids=lambda function: function.__name__)
def test_help_names_every_method(function):
    for shorthand, method in METHODS.items():
        assert f"``'{shorthand}" in function.__doc__ and f'`{method.layer.__name__}`' in function.__doc__


@pytest.mark.parametrize(('channels', 'groups'), [(64, 8), (18, 6), (20, 5), (7, 7), (11, 1), (3, 3)])
def test_groups_of_the_shorthand_divide_the_channels(channels, groups):
    factory = resolve_pool('ddac3')
    layer = factory(channels, (2, 2))

    assert layer.groups == groups
    assert factory.remark(layer) == ('' if groups == 8 else f'{groups} groups')
    assert pickle.loads(pickle.dumps(factory))(channels, (2, 2)).groups == groups
