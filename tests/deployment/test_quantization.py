import copy
import functools

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.ao.nn.quantized import Conv2d as QuantizedConv2d
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d, convert_antialias
from antialias_plugins.conversion import is_antialiased
from antialias_plugins.deployment import plain_modules, quantization_config, signal_to_noise
from antialias_plugins.layers.padded_conv import PaddedConv2d
from lab.parity.networks import settle_norms

CIRCULAR = {'stem': True, 'padding': 'circular'}
NETWORKS = {
    'even-taps': (lambda: convert_antialias(torchvision.models.resnet18(), 'lpf4'), 0),
    'odd-taps': (lambda: convert_antialias(torchvision.models.resnet18(), 'lpf3', stem=True), 0),
    'subsampling': (lambda: convert_antialias(torchvision.models.mobilenet_v2(), 'lpf1'), 0),
    'circular': (lambda: convert_antialias(torchvision.models.resnet18(), 'lpf4', **CIRCULAR), 0),
    'own-slots': (lambda: timm.create_model('resnet18_lpf5', padding_mode='zeros'), 0),
    'average-pools': (lambda: timm.create_model('densenet121_lpf2', padding_mode='replicate'), 0),
    'adaptive': (lambda: convert_antialias(torchvision.models.resnet18(), 'ddac3'), 7),
    'polyphase': (lambda: convert_antialias(torchvision.models.resnet18(), 'aps3', **CIRCULAR), 8),
}
# torch's own warnings: its flow moves to torchao
OF_TORCH = pytest.mark.filterwarnings('ignore')

POOLS = {None: {}, 'lpf4': {}, 'ddac3': {}, 'flc': {}, 'aps3': CIRCULAR}


def ours(model):
    """The layers of this package, not what is inside them."""
    if type(model).__module__.startswith('antialias_plugins.layers'):
        return [model]
    return [layer for child in model.children() for layer in ours(child)]


@pytest.mark.parametrize('name', NETWORKS)
def test_same_outputs_from_torch_modules(name):
    build, left = NETWORKS[name]
    model = build().eval().double()
    plain = plain_modules(model)
    assert len(ours(model)) > 0 and len(ours(plain)) == left
    for sides in ((96, 96), (65, 67)):
        image = torch.rand(1, 3, *sides, dtype=torch.float64)
        torch.testing.assert_close(plain(image), model(image), rtol=1e-12, atol=1e-12)


def test_model_stays_as_it_was():
    model = convert_antialias(torchvision.models.resnet18(), 'lpf4')
    before = repr(model)
    plain = plain_modules(model)
    assert repr(model) == before and is_antialiased(model)
    assert not is_antialiased(plain)


def test_modes_are_kept_and_taps_do_not_learn():
    model = convert_antialias(torchvision.models.resnet18(), 'lpf4').train()
    model.layer2.eval()
    plain = plain_modules(model)
    assert plain.training and plain.maxpool.training and not plain.layer2[0].conv2.training
    learning = sum(parameter.requires_grad for parameter in plain.parameters())
    assert learning == len(list(model.parameters()))


def test_a_filter_for_any_channels_stays():
    model = nn.Sequential(BlurPool2d(), nn.Conv2d(3, 4, 1))
    assert [type(module) for module in plain_modules(model)] == [BlurPool2d, nn.Conv2d]


@pytest.fixture(scope='module')
def networks(photographs):
    """One network with each of the filters, and the same weights."""
    torch.manual_seed(0)
    base, networks = torchvision.models.resnet18(num_classes=10), {}
    for pool, options in POOLS.items():
        torch.manual_seed(1)  # of the filters that have weights
        model = copy.deepcopy(base)
        networks[pool] = model if pool is None else convert_antialias(model, pool, **options)
        settle_norms(model.eval(), photographs)
    return networks


@pytest.fixture(scope='module')
def quantized(networks, photographs):
    """Calibrated on half of the photographs: by filter, the network and its signal-to-noise ratio on the others."""

    @functools.cache
    @torch.no_grad()
    def quantize(pool):
        model = networks[pool]
        plain = plain_modules(model)
        config = quantization_config(plain)
        prepared = prepare_fx(plain, get_default_qconfig_mapping('x86'), (photographs[:2],), config)
        prepared(photographs[::2])
        quantized = convert_fx(prepared)
        return quantized, signal_to_noise(quantized(photographs[1::2]), model(photographs[1::2]))

    return quantize


def convolutions(model):
    return [module for module in model.modules() if isinstance(module, QuantizedConv2d)]


@OF_TORCH
@pytest.mark.parametrize('pool', [pool for pool in POOLS if pool])
def test_filters_cost_no_precision(quantized, pool):
    """In 8 bits, a converted network loses less than one bit (6 dB) more than the network without filters."""
    _, without = quantized(None)
    _, ratio = quantized(pool)
    print(f'without filters {without:.1f} dB, {pool} {ratio:.1f} dB')  # for docs/deployment.md
    assert without > 15 and ratio > without - 6


@OF_TORCH
def test_every_convolution_is_in_8_bits(networks, quantized):
    before = [module for module in networks['lpf4'].modules() if isinstance(module, nn.Conv2d)]
    model, _ = quantized('lpf4')
    filters = [module for module in convolutions(model) if module.groups > 1]
    assert len(convolutions(model)) == len(before) + 7 and len(filters) == 7
    assert not [module for module in model.modules() if type(module) is nn.Conv2d]


@OF_TORCH
def test_adaptive_filters_stay_in_floating_point(networks, quantized):
    model, _ = quantized('ddac3')
    filters = [module for module in model.modules() if isinstance(module, AdaptiveBlurPool2d)]
    assert len(filters) == 7 and all(type(module.conv) is PaddedConv2d for module in filters)
    assert len(convolutions(model)) == len([m for m in networks[None].modules() if isinstance(m, nn.Conv2d)])


def test_signal_to_noise_by_hand():
    """Noise of a tenth of the amplitude is 20 dB below, of a hundredth 40 dB."""
    signal = torch.tensor([3.0, 4.0])
    assert signal_to_noise(signal * 1.1, signal) == pytest.approx(20, abs=1e-4)
    assert signal_to_noise(signal * 1.01, signal) == pytest.approx(40, abs=1e-4)


@pytest.mark.parametrize(
    ('actual', 'expected', 'message'),
    [
        (None, torch.ones(3), 'actual must be a tensor of finite real numbers, at least one, got None'),
        (torch.ones(3), torch.tensor([1.0, float('nan'), 1.0]), r'expected must be a tensor of finite .* shape \(3,\)'),
        (torch.ones(0), torch.ones(0), r'actual must be .* at least one, got shape \(0,\)'),
        (torch.ones(3), torch.ones(2, 3), r'actual must have the shape of expected, \(2, 3\), got shape \(3,\)'),
    ],
    ids=['nothing', 'nan', 'empty', 'broadcast'],
)
def test_what_has_no_ratio_is_an_error(actual, expected, message):
    with pytest.raises(ValueError, match=message):
        signal_to_noise(actual, expected)
