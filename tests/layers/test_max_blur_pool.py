import pytest
import torch

from antialias_plugins.functional import max_blur_pool2d
from antialias_plugins.layers import MaxBlurPool2d


def test_calls_the_function_with_its_arguments():
    input = torch.rand(2, 3, 9, 8, dtype=torch.float64)
    output = MaxBlurPool2d(3, (2, 3), 1, 5, 'circular', True).double()(input)
    assert torch.equal(output, max_blur_pool2d(input, 3, (2, 3), 1, 5, 'circular', True))


@pytest.mark.parametrize('ceil_mode', [False, True], ids=['floor', 'ceil'])
def test_with_one_tap_it_is_max_pool(ceil_mode):
    input = torch.randn(2, 3, 11, 8)
    expected = torch.nn.MaxPool2d(3, 2, 1, ceil_mode=ceil_mode)(input)
    assert torch.equal(MaxBlurPool2d(3, 2, 1, filt_size=1, ceil_mode=ceil_mode)(input), expected)


def test_repr():
    assert repr(MaxBlurPool2d(3, padding=1)) == (
        'MaxBlurPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), '
        "filt_size=4, padding_mode='reflect', ceil_mode=False)"
    )


def test_loads_a_state_dict_that_has_a_filter():
    layer = MaxBlurPool2d()
    assert not layer.state_dict()
    layer.load_state_dict({'filt': torch.zeros(64, 1, 4, 4)}, strict=True)
    assert layer.filt.sum() == 1


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'kernel_size': 0}, 'kernel_size must be .*, got 0'),
        ({'stride': 0}, 'stride must be .*, got 0'),
        ({'padding': 2}, r'padding must be at most half of kernel_size \(2, 2\), got \(2, 2\)'),
        ({'filt_size': 0}, 'filt_size must be an integer of at least 1, got 0'),
        ({'padding_mode': 'zero'}, r"padding_mode must be one of .*, got 'zero'"),
    ],
    ids=lambda value: '' if isinstance(value, str) else '-'.join(value),
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaxBlurPool2d(**arguments)
