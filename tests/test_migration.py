"""What docs/migration/ calls the same, computed on both sides."""

import antialiased_cnns
import pytest
import timm
import torch
import torchvision
from torch import nn

import antialias_plugins as aap
from tests.checkpoints.networks import PixelAdaptiveFilter, randomise

BORDERS = {'reflect': 'reflect', 'refl': 'reflect', 'repl': 'replicate', 'replicate': 'replicate', 'zero': 'zeros'}


def assert_same(ours, theirs, channels=8, sides=(17, 22)):
    """Outputs in float64 and eval mode."""
    x = torch.rand(2, channels, *sides, dtype=torch.float64)
    with torch.no_grad():
        expected, actual = (model.double().eval()(x) for model in (theirs, ours))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12 * expected.abs().max().item())


@pytest.mark.parametrize('filt_size', range(1, 8))
@pytest.mark.parametrize(('pad_type', 'padding_mode'), BORDERS.items())
def test_blur_pool(pad_type, padding_mode, filt_size):
    theirs = antialiased_cnns.BlurPool(8, pad_type=pad_type, filt_size=filt_size, stride=2)
    assert_same(aap.BlurPool2d(8, filt_size=filt_size, stride=2, padding_mode=padding_mode), theirs)


def test_max_blur_pool():
    theirs = nn.Sequential(nn.MaxPool2d(2, stride=1), antialiased_cnns.BlurPool(8, filt_size=4, stride=2))
    assert_same(aap.MaxBlurPool2d(2, 2, filt_size=4), theirs)


@pytest.mark.parametrize(
    ('theirs', 'name', 'ours'),
    [
        ({'filter_size': 4}, 'resnet18_lpf4', {}),
        ({'filter_size': 3}, 'resnet18_lpf3', {}),
        ({'filter_size': 4, 'pool_only': False}, 'resnet18_lpf4', {'stem': True}),
    ],
    ids=str,
)
def test_network_from_its_file(theirs, name, ours, tmp_path):
    network = randomise(antialiased_cnns.resnet18(**theirs))
    torch.save({'state_dict': network.state_dict()}, tmp_path / 'own.pth')
    model = timm.create_model(name, **ours)
    aap.checkpoints.load_checkpoint(model, tmp_path / 'own.pth')
    assert_same(model, network, 3, (96, 97))


@pytest.mark.parametrize('way', ['copied', 'converted'])
def test_weights_of_a_baseline(way):
    baseline, theirs = randomise(torchvision.models.resnet18()), antialiased_cnns.resnet18(filter_size=4)
    antialiased_cnns.copy_params_buffers(baseline, theirs)
    if way == 'copied':
        model = timm.create_model('resnet18_lpf4')
        aap.checkpoints.copy_weights(baseline, model)
    else:
        model = aap.convert_antialias(baseline, 'lpf4', maxpool='published')
    assert_same(model, theirs, 3, (96, 97))


def test_adaptive_filter():
    """The formula in the code of DDAC, written independently of both."""
    theirs = randomise(PixelAdaptiveFilter(64, 3, groups=8, stride=2))
    layer = aap.AdaptiveBlurPool2d(64, filt_size=3, stride=2, groups=8, softmax='joint')
    layer.load_state_dict(theirs.state_dict())
    assert_same(layer, theirs, 64)


@pytest.mark.parametrize(('criterion', 'norm'), [('l2', 2), ('l1', 1), ('linf', float('inf'))], ids=str)
def test_polyphase_choice(criterion, norm):
    """The component of largest norm of the filtered map, as APS has it, in whatever order they are numbered."""
    x = torch.randn(3, 8, 16, 20, dtype=torch.float64)
    dense = aap.BlurPool2d(8, filt_size=3, stride=1, padding_mode='circular').double()(x)
    components = [dense[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    norms = torch.stack([component.flatten(1).norm(norm, 1) for component in components])
    expected = torch.stack([components[phase][n] for n, phase in enumerate(norms.argmax(0).tolist())])
    layer = aap.AdaptivePolyphasePool2d(8, filt_size=3, norm=criterion, padding_mode='circular').double()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
