import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from antialias_plugins.functional import adaptive_blur_pool2d
from antialias_plugins.kernels.padding import pad2d_reference as pad2d
from antialias_plugins.layers import AdaptiveBlurPool2d


@pytest.fixture
def layer():
    """A layer whose batch norm is not the identity."""
    layer = AdaptiveBlurPool2d(6, 3, 2, groups=2).double().eval()
    for tensor in (layer.bn.weight.data, layer.bn.bias.data, layer.bn.running_mean, layer.bn.running_var):
        tensor.uniform_(0.5, 1.5)
    return layer


@pytest.mark.parametrize('softmax', ['group', 'joint'])
@pytest.mark.parametrize('sides', [(8, 8), (9, 6), (1, 2)], ids='{0[0]}x{0[1]}'.format)
def test_logits_of_all_positions_give_the_same_in_eval_mode(layer, sides, softmax):
    layer.softmax = softmax
    input = torch.randn(2, 6, *sides, dtype=torch.float64)
    dense = layer.bn(torch.nn.functional.conv2d(pad2d(input, 3), layer.conv.weight))
    expected = adaptive_blur_pool2d(input, dense, 1, 2, softmax=softmax)[..., ::2, ::2]
    torch.testing.assert_close(layer(input), expected)


def test_batch_statistics_are_those_of_the_kept_positions(layer):
    input = torch.randn(2, 6, 8, 8, dtype=torch.float64)
    logits = torch.nn.functional.conv2d(pad2d(input, 3), layer.conv.weight)[..., ::2, ::2]
    layer.bn.reset_running_stats()
    layer.train()(input)
    torch.testing.assert_close(layer.bn.running_mean, 0.1 * logits.mean((0, 2, 3)))


def test_no_work_at_positions_that_are_thrown_away():
    counts = []
    for stride in (1, 2):
        with FlopCounterMode(display=False) as counter:
            AdaptiveBlurPool2d(8, stride=stride)(torch.rand(1, 8, 16, 16))
        counts.append(counter.get_total_flops())
    assert counts[0] == 4 * counts[1]


def test_parameters_have_the_published_names_and_shapes():
    shapes = {name: tuple(tensor.shape) for name, tensor in AdaptiveBlurPool2d(64, 5, groups=4).state_dict().items()}
    norm = {f'bn.{name}': (100,) for name in ('weight', 'bias', 'running_mean', 'running_var')}
    assert shapes == {'conv.weight': (100, 64, 5, 5), **norm, 'bn.num_batches_tracked': ()}


def test_reset_parameters(layer):
    weight = layer.conv.weight.detach().clone()
    layer.reset_parameters()
    assert not torch.equal(layer.conv.weight, weight)
    assert layer.bn.running_mean.eq(0).all()
    assert layer.bn.weight.eq(1).all()


def test_kaiming_initialisation_by_fan_out():
    weight = AdaptiveBlurPool2d(512, groups=8).conv.weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (8 * 9 * 9)), rel=0.02)


def test_starts_as_a_filter_that_keeps_constants(layer):
    output = layer.train()(torch.full((2, 6, 8, 8), 3.0, dtype=torch.float64))
    torch.testing.assert_close(output, torch.full_like(output, 3))


def test_repr():
    assert repr(AdaptiveBlurPool2d(16)).splitlines()[:2] == [
        'AdaptiveBlurPool2d(',
        "  16, filt_size=3, stride=(2, 2), groups=8, padding_mode='reflect', softmax='group'",
    ]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
def test_autocast_keeps_the_type_of_the_input(dtype):
    layer = AdaptiveBlurPool2d(8).eval()
    input = torch.rand(2, 8, 8, 8).to(dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = layer(input)
    assert output.dtype == dtype
    # The logits are rounded to bfloat16, a relative error in the taps of that times their size.
    torch.testing.assert_close(output.float(), layer(input.float()), rtol=0, atol=8 * torch.finfo(torch.bfloat16).eps)


def test_trains():
    layer = AdaptiveBlurPool2d(8)
    layer(torch.rand(2, 8, 9, 8)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())


def test_another_number_of_channels_is_refused(layer):
    with pytest.raises(ValueError, match='input must have the 6 channels of the layer, got 4'):
        layer(torch.rand(1, 4, 8, 8, dtype=torch.float64))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'channels': 0}, 'channels must be an integer of at least 1, got 0'),
        ({'filt_size': 4}, 'filt_size must be odd, so that the filter has a centre, got 4'),
        ({'filt_size': -1}, 'filt_size must be an integer of at least 1, got -1'),
        ({'channels': 18}, 'groups must divide the number of channels, got 8 groups for 18 channels'),
        ({'groups': 0}, 'groups must be an integer of at least 1, got 0'),
        ({'stride': 0}, 'stride must be .*, got 0'),
        ({'padding_mode': 'zero'}, r"padding_mode must be one of .*, got 'zero'"),
        ({'softmax': 'channel'}, "softmax must be one of 'group', 'joint', got 'channel'"),
    ],
    ids=lambda value: '' if isinstance(value, str) else '-'.join(f'{k}{v}' for k, v in value.items()),
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveBlurPool2d(**{'channels': 16, **arguments})


@pytest.mark.parametrize('padding_mode', ['zeros', 'reflect', 'replicate', 'circular'])
def test_the_map_is_kept_without_its_border(layer, padding_mode):
    """And beside it nothing but logits, before and after their norm."""
    layer.padding_mode = padding_mode
    input, saved = torch.randn(2, 6, 8, 8, dtype=torch.float64, requires_grad=True), {}
    pack = lambda tensor: saved.setdefault(tensor.data_ptr(), tensor)  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer.train()(input)
    parameters = {tensor.data_ptr() for tensor in (*layer.parameters(), *layer.buffers())}
    maps = [tensor.shape for pointer, tensor in saved.items() if pointer not in parameters and tensor.dim() == 4]
    assert sorted(maps) == sorted([input.shape, (2, 18, 4, 4), (2, 18, 4, 4)])
    assert input.data_ptr() in saved
