"""The convolution of a padded map, against PyTorch's own, which keeps the padded map."""

import pytest
import torch
import torch.nn.functional as F

from antialias_plugins.kernels.padding import Padding, source_of
from antialias_plugins.layers.padded_conv import PaddedConv

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def ours(map, weight, bias, stride, padding):
    padded = padding.add(map)
    return PaddedConv.apply(padded, weight, bias, stride, *source_of(padded))


def theirs(map, weight, bias, stride, padding):
    return F.conv2d(padding.add(map), weight, bias, stride)


def operands(dtype=torch.float64, bias=True, layout=torch.contiguous_format):
    map = torch.randn(2, 3, 7, 6, dtype=dtype).contiguous(memory_format=layout).requires_grad_()
    weight = torch.randn(4, 3, 3, 3, dtype=dtype, requires_grad=True)
    return [map, weight, torch.randn(4, dtype=dtype, requires_grad=True) if bias else None]


@pytest.mark.parametrize('layout', LAYOUTS, ids=str)
@pytest.mark.parametrize('padding_mode', ['zeros', 'reflect', 'replicate', 'circular'])
@pytest.mark.parametrize(('stride', 'bias'), [((2, 2), False), ((1, 3), True)], ids=str)
def test_output_and_gradients_are_those_of_the_convolution(stride, bias, padding_mode, layout):
    padding, inputs = Padding(3, padding_mode), operands(bias=bias, layout=layout)
    output, expected = (function(*inputs, stride, padding) for function in (ours, theirs))
    assert torch.equal(output, expected)
    leaves, grad = [tensor for tensor in inputs if tensor is not None], torch.randn_like(output)
    for actual, wanted in zip(
        torch.autograd.grad(output, leaves, grad), torch.autograd.grad(expected, leaves, grad), strict=True
    ):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize('bias', [False, True])
def test_gradients_of_gradients(bias):
    padding, inputs = Padding(3, 'reflect'), operands(bias=bias)
    leaves = [tensor for tensor in inputs if tensor is not None]
    direction = [torch.randn_like(leaf) for leaf in leaves]

    def second(function):
        grads = torch.autograd.grad(function(*inputs, (2, 2), padding).square().sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum((g * d).sum() for g, d in zip(grads, direction, strict=True)), leaves)

    for actual, wanted in zip(second(ours), second(theirs), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize('frozen', [0, 1, 2], ids=['map', 'weight', 'bias'])
def test_what_is_frozen_needs_no_gradient(frozen):
    padding, inputs = Padding(3, 'reflect'), operands()
    inputs[frozen].requires_grad_(False)
    leaves = [tensor for tensor in inputs if tensor.requires_grad]
    outputs = [function(*inputs, (2, 2), padding) for function in (ours, theirs)]
    grads = [torch.autograd.grad(output.square().sum(), leaves) for output in outputs]
    for actual, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-12)


def test_map_and_weight_are_kept_not_the_padded_map():
    padding, inputs, saved = Padding(3, 'reflect'), operands(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        ours(*inputs, (2, 2), padding)
    assert [tensor.data_ptr() for tensor in saved] == [inputs[0].data_ptr(), inputs[1].data_ptr()]


def test_autocast_computes_and_gives_back_the_types_of_the_convolution():
    padding, inputs = Padding(3, 'reflect'), operands(torch.float32)
    with torch.autocast('cpu', torch.bfloat16):
        output, expected = (function(*inputs, (2, 2), padding) for function in (ours, theirs))
    assert output.dtype == torch.bfloat16 and torch.equal(output, expected)
    grads = [torch.autograd.grad(result.float().square().sum(), inputs) for result in (output, expected)]
    for actual, wanted in zip(*grads, strict=True):
        assert actual.dtype == torch.float32
        torch.testing.assert_close(actual, wanted, rtol=0, atol=0.01 * wanted.abs().max().item())
