import copy
import math

import numpy as np
import pytest
import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from antialias_plugins.functional import polyphase_components, select_component
from antialias_plugins.layers import LearnablePolyphasePool2d, PhaseLink, scheduled_temperature, set_temperature

SAMPLINGS = ['gumbel', 'straight-through', 'softmax']
NUMPY_MODES = {'zeros': 'constant', 'reflect': 'reflect', 'replicate': 'edge', 'circular': 'wrap'}


def conv_loop(array, conv, padding_mode):
    """A 3 x 3 convolution of (C, H, W), position by position."""
    weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
    padded = np.pad(array, ((0, 0), (1, 1), (1, 1)), NUMPY_MODES[padding_mode])
    output = np.empty((len(weight), *array.shape[1:]))
    for i in range(array.shape[1]):
        for j in range(array.shape[2]):
            output[:, i, j] = np.einsum('ocuv,cuv->o', weight, padded[:, i : i + 3, j : j + 3]) + bias
    return output


def logits_loop(layer, input):
    """Component by component, by slices."""
    rows, columns = layer.stride
    logits = np.empty((len(input), rows * columns))
    for n, array in enumerate(input.detach().numpy()):
        for phase in range(rows * columns):
            component = array[:, phase // columns :: rows, phase % columns :: columns]
            hidden = np.maximum(conv_loop(component, layer.conv1, layer.padding_mode), 0)
            logits[n, phase] = conv_loop(hidden, layer.conv2, layer.padding_mode).mean()
    return torch.from_numpy(logits)


def linked(layer):
    layer.lead(PhaseLink())
    return layer


@pytest.mark.parametrize('padding_mode', NUMPY_MODES)
@pytest.mark.parametrize('stride', [(2, 2), (3, 3), (2, 1)], ids='stride{0[0]}x{0[1]}'.format)
def test_takes_the_component_of_the_largest_logit(padding_mode, stride):
    layer = linked(LearnablePolyphasePool2d(3, stride, hid_channels=4, padding_mode=padding_mode).double().eval())
    input = torch.randn(3, 3, 6, 9 if stride[1] != 2 else 8, dtype=torch.float64)
    expected = logits_loop(layer, input)
    torch.testing.assert_close(layer.scores(polyphase_components(input, stride)), expected, rtol=0, atol=1e-14)
    output = layer(input)
    assert torch.equal(layer.link.selection(), expected.argmax(1))
    assert torch.equal(output, select_component(polyphase_components(input, stride), expected.argmax(1)))


@pytest.mark.parametrize(('asked', 'hidden'), [(None, 20), (7, 7), (0.5, 10), (1.0, 20), (0.01, 1), (1.5, 30)])
def test_hidden_channels_are_a_number_or_a_share(asked, hidden):
    layer = LearnablePolyphasePool2d(20, hid_channels=asked)
    assert layer.conv1.weight.shape[:2] == (hidden, 20)
    assert layer.conv2.weight.shape[:2] == (hidden, hidden)


def test_first_of_equal_logits_wins():
    layer = linked(LearnablePolyphasePool2d(3).eval())
    layer(torch.ones(2, 3, 4, 4))
    assert layer.link.selection().tolist() == [0, 0]


def test_weights_without_noise_are_a_softmax():
    layer = linked(LearnablePolyphasePool2d(3, temperature=0.01, sampling='softmax').double().train())
    input = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    output = layer(input)
    odds = np.exp(logits_loop(layer, input).numpy() / 0.01)
    expected = torch.from_numpy(odds / odds.sum(1, keepdims=True))
    torch.testing.assert_close(layer.link.selection(), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(output, select_component(polyphase_components(input), expected), rtol=0, atol=1e-12)


def test_test_mode_is_the_limit_of_temperature_zero():
    layer, input = LearnablePolyphasePool2d(3, temperature=1e-9, sampling='softmax').double(), torch.randn(4, 3, 6, 8)
    assert torch.equal(layer.train()(input.double()), layer.eval()(input.double()))


@pytest.mark.parametrize('sampling', ['gumbel', 'straight-through'])
def test_components_are_drawn_with_the_odds_of_a_softmax(sampling):
    """At a low temperature one weight is nearly 1; how often which is a multinomial distribution."""
    torch.manual_seed(0)
    layer, count = linked(LearnablePolyphasePool2d(2, temperature=1e-3, sampling=sampling).train()), 4000
    nn.init.normal_(layer.conv2.weight, std=0.5)
    input = torch.randn(1, 2, 4, 4)
    layer(input.expand(count, -1, -1, -1))
    frequencies = layer.link.selection().detach().mean(0)
    odds = layer.scores(polyphase_components(input)).softmax(1)[0]
    assert odds.max() - odds.min() > 0.1
    assert ((frequencies - odds).abs() <= 4 * (odds * (1 - odds) / count).sqrt()).all()


def test_straight_through_takes_one_component_with_the_gradients_of_gumbel():
    layer, input = LearnablePolyphasePool2d(3, temperature=0.7).train(), torch.randn(5, 3, 6, 8)
    outputs, gradients, other = {}, {}, torch.randn(5, 3, 3, 4)
    for sampling in ('gumbel', 'straight-through'):
        layer.sampling = sampling
        torch.manual_seed(0)
        outputs[sampling] = layer(input)
        gradients[sampling] = torch.autograd.grad((outputs[sampling] * other).sum(), list(layer.parameters()))
    for sample, components in zip(outputs['straight-through'], polyphase_components(input), strict=True):
        assert any(torch.equal(sample, component) for component in components)
    torch.testing.assert_close(gradients['straight-through'], gradients['gumbel'])


@pytest.mark.parametrize('sampling', SAMPLINGS)
def test_gradient_reaches_the_convolutions(sampling):
    layer = LearnablePolyphasePool2d(3, sampling=sampling).train()
    layer(torch.randn(2, 3, 6, 8)).square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in (layer.conv1.weight, layer.conv1.bias, layer.conv2.weight))


@pytest.mark.parametrize('sampling', SAMPLINGS)
def test_half_types_keep_their_type(sampling):
    layer = LearnablePolyphasePool2d(3, sampling=sampling)
    for dtype in (torch.bfloat16, torch.float32):
        assert layer.to(dtype).train()(torch.randn(2, 3, 6, 8, dtype=dtype)).dtype == dtype
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert layer(torch.randn(2, 3, 6, 8)).dtype == torch.float32


def test_trains_in_a_distributed_network(tmp_path):
    """Every parameter takes part in every step; the follower has none that could not."""
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        network = nn.Sequential(
            linked(LearnablePolyphasePool2d(3)), nn.Upsample(scale_factor=2), LearnablePolyphasePool2d(3)
        )
        network[2].follow(network[0].link)
        wrapped, input = DistributedDataParallel(copy.deepcopy(network)), torch.randn(2, 3, 6, 8)
        for run in (wrapped, wrapped, network, network):
            torch.manual_seed(0)
            run(input).square().sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    for actual, expected in zip(wrapped.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(actual.grad, expected.grad)


def test_repr():
    assert repr(LearnablePolyphasePool2d(4, hid_channels=2)).startswith(
        "LearnablePolyphasePool2d(\n  4, stride=(2, 2), filt_size=1, padding_mode='circular', temperature=1.0, "
        "sampling='gumbel'\n  (conv1): Conv2d(4, 2, kernel_size=(3, 3), stride=(1, 1))\n"
    )


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'channels': 0}, 'channels must be an integer of at least 1, got 0'),
        ({'channels': None}, 'channels must be an integer of at least 1, got None'),
        ({'hid_channels': 0.0}, 'hid_channels must be a number greater than 0, got 0.0'),
        ({'hid_channels': True}, 'hid_channels must be an integer of at least 1, got True'),
        ({'hid_channels': 0}, 'hid_channels must be an integer of at least 1, got 0'),
        ({'temperature': 0.0}, 'temperature must be a number greater than 0, got 0.0'),
        ({'temperature': float('nan')}, 'temperature must be a number greater than 0, got nan'),
        ({'temperature': True}, 'temperature must be a number greater than 0, got True'),
        ({'sampling': 'hard'}, "sampling must be one of 'gumbel', 'straight-through', 'softmax', got 'hard'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        LearnablePolyphasePool2d(**{'channels': 3, **arguments})


def test_temperature_of_a_network_is_set():
    layers = [LearnablePolyphasePool2d(3), nn.ReLU(), nn.Sequential(LearnablePolyphasePool2d(3))]
    assert set_temperature(nn.Sequential(*layers), 0.25) == 2
    assert layers[0].temperature == layers[2][0].temperature == 0.25


def test_network_without_such_layers():
    assert set_temperature(nn.ReLU(), 0.25) == 0


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ('linear', {0: 1, 10: 1, 15: 0.75, 20: 0.5, 25: 0.3125, 30: 0.125, 99: 0.125}),
        ('exponential', {0: 1, 10: 1, 15: math.sqrt(0.5), 20: 0.5, 25: 0.25, 30: 0.125, 99: 0.125}),
        ('steps', {0: 1, 10: 1, 15: 1, 19.9: 1, 20: 0.5, 25: 0.5, 30: 0.125, 99: 0.125}),
    ],
)
def test_schedule_passes_through_its_milestones(shape, expected):
    actual = {step: scheduled_temperature(step, (10, 20, 30), (1.0, 0.5, 0.125), shape) for step in expected}
    assert actual == pytest.approx(expected, rel=1e-15)


def test_one_milestone_is_a_constant():
    assert [scheduled_temperature(step, [5], [0.5]) for step in (0, 5, 9)] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'milestones': ()}, r'milestones must be increasing numbers, at least one, got \(\)'),
        ({'milestones': (0, 0)}, r'milestones must be increasing numbers, at least one, got \(0, 0\)'),
        ({'temperatures': (1.0,)}, r'temperatures must be as many as the 2 milestones, got \(1.0,\)'),
        ({'temperatures': (1.0, 0.0)}, 'temperatures must be a number greater than 0, got 0.0'),
        ({'shape': 'cosine'}, "shape must be one of 'linear', 'exponential', 'steps', got 'cosine'"),
    ],
    ids=['none', 'not-increasing', 'too-few', 'zero', 'shape'],
)
def test_mistakes_of_a_schedule_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        scheduled_temperature(**{'step': 1, 'milestones': (0, 4), 'temperatures': (1.0, 0.5), **arguments})


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match='temperature must be a number greater than 0, got -1'):
        set_temperature(nn.ReLU(), -1)
