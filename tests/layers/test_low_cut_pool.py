import pytest
import torch

from antialias_plugins.functional import low_cut_pool2d
from antialias_plugins.layers import FrequencyLowCutPool2d


def test_calls_the_function_with_its_arguments():
    input = torch.rand(2, 3, 9, 8, dtype=torch.float64)
    assert torch.equal(FrequencyLowCutPool2d(3, (2, 3), 'hamming')(input), low_cut_pool2d(input, (2, 3), 'hamming'))


def test_repr():
    assert repr(FrequencyLowCutPool2d(64)) == "FrequencyLowCutPool2d(64, stride=(2, 2), window='rectangular')"


def test_nothing_is_learnt_or_saved():
    assert not FrequencyLowCutPool2d(4).state_dict()


def test_number_of_channels_is_checked():
    with pytest.raises(ValueError, match='input must have the 4 channels of the layer, got 3'):
        FrequencyLowCutPool2d(4)(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'channels': 0}, 'channels must be an integer of at least 1, got 0'),
        ({'stride': 0}, 'stride must be an integer of at least 1 or a pair of them, got 0'),
        ({'window': 'hann'}, "window must be one of 'rectangular', 'hamming', got 'hann'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        FrequencyLowCutPool2d(**arguments)
