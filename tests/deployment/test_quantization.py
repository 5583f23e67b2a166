import copy

import pytest
import torch
import torchvision
from torch.ao.nn.quantized import Conv2d as QuantizedConv2d
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from antialias_plugins import AdaptiveBlurPool2d, convert_antialias
from antialias_plugins.deployment import plain_modules, quantization_config, signal_to_noise
from antialias_plugins.layers.padded_conv import PaddedConv2d
from lab.parity.networks import settle_norms

pytestmark = pytest.mark.filterwarnings('ignore')  # torch's own: its flow moves to torchao
POOLS = {None: {}, 'lpf4': {}, 'ddac3': {}, 'flc': {}, 'aps3': {'stem': True, 'padding': 'circular'}}


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


@torch.no_grad()
def quantize(model, photographs):
    """Calibrate on half of the photographs; the quantised network and its signal-to-noise ratio on the others."""
    plain = plain_modules(model)
    config = quantization_config(plain)
    prepared = prepare_fx(plain, get_default_qconfig_mapping('x86'), (photographs[:2],), config)
    prepared(photographs[::2])
    quantized = convert_fx(prepared)
    return quantized, signal_to_noise(quantized(photographs[1::2]), model(photographs[1::2]))


def convolutions(model):
    return [module for module in model.modules() if isinstance(module, QuantizedConv2d)]


@pytest.mark.parametrize('pool', [pool for pool in POOLS if pool])
def test_filters_cost_no_precision(networks, photographs, pool):
    """In 8 bits, a converted network loses less than one bit (6 dB) more than the network without filters."""
    _, without = quantize(networks[None], photographs)
    _, ratio = quantize(networks[pool], photographs)
    print(f'without filters {without:.1f} dB, {pool} {ratio:.1f} dB')  # for docs/deployment.md
    assert without > 15 and ratio > without - 6


def test_every_convolution_is_in_8_bits(networks, photographs):
    before = [module for module in networks['lpf4'].modules() if isinstance(module, torch.nn.Conv2d)]
    quantized, _ = quantize(networks['lpf4'], photographs)
    filters = [module for module in convolutions(quantized) if module.groups > 1]
    assert len(convolutions(quantized)) == len(before) + 7 and len(filters) == 7
    assert not [module for module in quantized.modules() if type(module) is torch.nn.Conv2d]


def test_adaptive_filters_stay_in_floating_point(networks, photographs):
    quantized, _ = quantize(networks['ddac3'], photographs)
    filters = [module for module in quantized.modules() if isinstance(module, AdaptiveBlurPool2d)]
    assert len(filters) == 7 and all(type(module.conv) is PaddedConv2d for module in filters)
    assert len(convolutions(quantized)) == len([m for m in networks[None].modules() if isinstance(m, torch.nn.Conv2d)])


def test_signal_to_noise_by_hand():
    """Noise of a tenth of the amplitude is 20 dB below, of a hundredth 40 dB."""
    signal = torch.tensor([3.0, 4.0])
    assert signal_to_noise(signal * 1.1, signal) == pytest.approx(20, abs=1e-4)
    assert signal_to_noise(signal * 1.01, signal) == pytest.approx(40, abs=1e-4)
