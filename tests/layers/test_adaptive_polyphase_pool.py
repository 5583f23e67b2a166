import pytest
import torch

from antialias_plugins.functional import adaptive_polyphase_pool2d
from antialias_plugins.layers import AdaptivePolyphasePool2d


def test_calls_the_function_with_its_arguments():
    input = torch.randn(2, 3, 9, 8)
    assert torch.equal(
        AdaptivePolyphasePool2d(3, (2, 3), norm='l1')(input), adaptive_polyphase_pool2d(input, (2, 3), 'l1')[0]
    )


def test_gradient_is_that_of_the_component():
    input = torch.randn(2, 3, 4, 6, requires_grad=True)
    output = AdaptivePolyphasePool2d()(input)
    output.sum().backward()
    assert torch.equal(input.grad, torch.isin(input, output).float())


def test_repr():
    expected = "AdaptivePolyphasePool2d(64, stride=(2, 2), filt_size=3, padding_mode='circular', norm='l2')"
    assert repr(AdaptivePolyphasePool2d(64, filt_size=3)) == expected


def test_nothing_is_learnt_or_saved():
    assert not AdaptivePolyphasePool2d(4, filt_size=3).state_dict()


def test_unknown_norm():
    with pytest.raises(ValueError, match="norm must be one of 'l1', 'l2', 'linf', got 'l0'"):
        AdaptivePolyphasePool2d(norm='l0')
