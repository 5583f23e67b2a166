import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from antialias_plugins.functional import blur_pool2d, mixing_loss
from antialias_plugins.layers import TranslationInvariantPolyphasePool2d, mixing_losses

NUMPY_MODES = {'zeros': 'constant', 'reflect': 'reflect', 'replicate': 'edge', 'circular': 'wrap'}


def published_formula(layer, input):
    """TIPS as its authors compute it, for one stride and even sides: output, features and weights."""
    stride, array = layer.stride[0], input.detach().numpy()
    kernel, scale = layer.conv.weight.detach().numpy()[:, 0], layer.scale.weight.detach().numpy().ravel()
    radius, (samples, channels, height, width) = layer.kernel_size // 2, array.shape
    padded = np.pad(array, ((0, 0), (0, 0), (radius, radius), (radius, radius)), NUMPY_MODES[layer.padding_mode])
    features = np.zeros_like(array)
    for i in range(height):
        for j in range(width):
            window = padded[:, :, i : i + layer.kernel_size, j : j + layer.kernel_size]
            features[:, :, i, j] = np.maximum((window * kernel).sum((2, 3)), 0)
    odds = np.empty((samples, channels, stride**2))
    for row in range(stride):
        for column in range(stride):
            rows = slice(row * height // stride, (row + 1) * height // stride)
            columns = slice(column * width // stride, (column + 1) * width // stride)
            odds[:, :, row * stride + column] = np.exp(features[:, :, rows, columns].mean((2, 3)) * scale)
    weights = odds / odds.sum(2, keepdims=True)
    output = np.zeros((samples, channels, height // stride, width // stride))
    for number in range(stride**2):  # 0: even row, even column; 1: odd row, even column; ...
        component = array[:, :, number % stride :: stride, number // stride :: stride]
        output += weights[:, :, number, None, None] * component
    return torch.from_numpy(output), torch.from_numpy(features), torch.from_numpy(weights)


@pytest.mark.parametrize('padding_mode', NUMPY_MODES)
@pytest.mark.parametrize('stride', [2, 3])
@pytest.mark.parametrize('kernel_size', [1, 3])
def test_agrees_with_the_published_formula(padding_mode, stride, kernel_size):
    layer = TranslationInvariantPolyphasePool2d(3, stride, kernel_size=kernel_size, padding_mode=padding_mode).double()
    input = torch.randn(2, 3, 12, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(input), published_formula(layer, input)[0], rtol=0, atol=1e-14)


def test_losses_are_those_of_features_and_weights():
    layer, input = TranslationInvariantPolyphasePool2d(3, max_shift=0).double(), torch.randn(2, 3, 8, 6).double()
    layer.train()(input)
    _, features, weights = published_formula(layer, input)
    torch.testing.assert_close(layer.loss_fm, mixing_loss(weights.transpose(1, 2)), rtol=0, atol=1e-14)
    torch.testing.assert_close(layer.loss_undo, (features - input).square().mean(), rtol=0, atol=1e-14)


@pytest.mark.parametrize('stride', [(2, 1), (3, 2), (1, 1)], ids='stride{0[0]}x{0[1]}'.format)
@pytest.mark.parametrize('sides', [(7, 9), (1, 2)], ids=str)
def test_any_stride_and_sides(stride, sides):
    layer, input = TranslationInvariantPolyphasePool2d(4, stride), torch.full((2, 4, *sides), 3.0)
    output = layer(input)
    assert output.shape == (2, 4, -(-sides[0] // stride[0]), -(-sides[1] // stride[1]))
    torch.testing.assert_close(output, torch.full_like(output, 3.0))  # whatever the weights, their sum is 1


@pytest.mark.filterwarnings('ignore:`torch.jit.trace:FutureWarning')
@pytest.mark.parametrize('stride', [(2, 2), (3, 2), (1, 3)], ids=str)
def test_fields_are_those_of_an_adaptive_pool(stride):
    """On tiny, odd and rectangular maps; and in a trace, on maps of other sides than its example's."""
    layer = TranslationInvariantPolyphasePool2d(3, stride).double()
    traced = torch.jit.trace_module(layer, {'_weights': torch.rand(1, 3, 9, 8, dtype=torch.float64)})._weights
    for sides in itertools.product((1, 2, 3, 4, 5, 7, 16, 33), (1, 2, 6, 11)):
        features = torch.randn(2, 3, *sides, dtype=torch.float64)
        fields = torch.nn.functional.adaptive_avg_pool2d(features, stride[::-1]).transpose(2, 3)
        expected = layer.scale(fields).flatten(2).softmax(2).transpose(1, 2)
        torch.testing.assert_close(layer._weights(features), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(traced(features), expected, rtol=0, atol=1e-12)


def test_filter_comes_first():
    layer, input = TranslationInvariantPolyphasePool2d(3, filt_size=3), torch.randn(2, 3, 8, 6)
    plain = TranslationInvariantPolyphasePool2d(3)
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(input), plain(blur_pool2d(input, 3, 1, 'circular')))


def test_gradients():
    layer = TranslationInvariantPolyphasePool2d(2).double().eval()
    input = torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, input)
    layer.train()(input).square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in layer.parameters())


def test_losses_train_the_weights():
    layer, input = TranslationInvariantPolyphasePool2d(3), torch.randn(2, 3, 8, 6, requires_grad=True)
    layer.train()(input)
    sum(mixing_losses(layer)).backward()
    assert all((parameter.grad != 0).any() for parameter in layer.parameters())


def test_losses_of_a_network_are_means_over_its_layers():
    network = nn.Sequential(*(TranslationInvariantPolyphasePool2d(3) for _ in range(2))).train()
    network(torch.randn(2, 3, 8, 8))
    loss_fm, loss_undo = mixing_losses(network)
    torch.testing.assert_close(loss_fm, (network[0].loss_fm + network[1].loss_fm) / 2)
    torch.testing.assert_close(loss_undo, (network[0].loss_undo + network[1].loss_undo) / 2)


@pytest.mark.parametrize('network', [nn.ReLU(), TranslationInvariantPolyphasePool2d(3)], ids=['none', 'not-run'])
def test_no_losses(network):
    with pytest.raises(RuntimeError, match=r'None of \d layers that mix polyphase components has run in train mode'):
        mixing_losses(network)


def test_no_losses_in_eval_mode():
    layer, input = TranslationInvariantPolyphasePool2d(3), torch.randn(2, 3, 8, 6)
    layer.train()(input)
    layer.eval()(input)
    assert layer.loss_fm is None
    assert layer.loss_undo is None


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=['copy', 'pickle'])
def test_layer_can_be_copied_between_forward_and_backward(copied):
    layer = TranslationInvariantPolyphasePool2d(3).train()
    layer(torch.randn(2, 3, 8, 6))
    assert copied(layer).loss_fm is None
    assert layer.loss_fm is not None


def test_half_types_keep_their_type():
    layer = TranslationInvariantPolyphasePool2d(3)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert layer(torch.randn(2, 3, 6, 8)).dtype == torch.float32
    assert layer.bfloat16()(torch.randn(2, 3, 6, 8).bfloat16()).dtype == torch.bfloat16


def test_repr():
    assert repr(TranslationInvariantPolyphasePool2d(4)).startswith(
        "TranslationInvariantPolyphasePool2d(\n  4, stride=(2, 2), filt_size=1, padding_mode='circular', "
        "kernel_size=3, max_shift=2, border='zeros'\n"
    )


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'channels': 0}, 'channels must be an integer of at least 1, got 0'),
        ({'stride': 0}, 'stride must be an integer of at least 1 or a pair of them, got 0'),
        ({'filt_size': 0}, 'filt_size must be an integer of at least 1, got 0'),
        ({'kernel_size': 2}, 'kernel_size must be odd, .* got 2'),
        ({'padding_mode': 'wrap'}, "padding_mode must be one of 'zeros', .*, got 'wrap'"),
        ({'max_shift': -1}, 'max_shift must be an integer of at least 0, got -1'),
        ({'border': 'reflect'}, "border must be one of 'zeros', 'circular', got 'reflect'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        TranslationInvariantPolyphasePool2d(**{'channels': 3, **arguments})


def test_number_of_channels_is_checked():
    with pytest.raises(ValueError, match='input must have the 4 channels of the layer, got 3'):
        TranslationInvariantPolyphasePool2d(4)(torch.rand(1, 3, 8, 8))
