import pytest
import timm
import torch
import torchvision
from torch import nn

from antialias_plugins import BlurPool2d, convert_antialias
from antialias_plugins.conversion import is_antialiased
from antialias_plugins.deployment import plain_modules

CIRCULAR = {'stem': True, 'padding': 'circular'}
NETWORKS = {
    'even-taps': (lambda: convert_antialias(torchvision.models.resnet18(), 'lpf4'), 0),
    'odd-taps': (lambda: convert_antialias(torchvision.models.resnet18(), 'lpf3', stem=True), 0),
    'subsampling': (lambda: convert_antialias(torchvision.models.mobilenet_v2(), 'lpf1'), 0),
    'circular': (lambda: convert_antialias(torchvision.models.resnet18(), 'lpf4', **CIRCULAR), 0),
    'own-slots': (lambda: timm.create_model('resnet50_lpf5', padding_mode='zeros'), 0),
    'average-pools': (lambda: timm.create_model('densenet121_lpf2', padding_mode='replicate'), 0),
    'adaptive': (lambda: convert_antialias(torchvision.models.resnet18(), 'ddac3'), 7),
    'polyphase': (lambda: convert_antialias(torchvision.models.resnet18(), 'aps3', **CIRCULAR), 8),
}


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
    for sides in ((128, 128), (95, 97)):
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
