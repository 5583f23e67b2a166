import sys
from pathlib import Path

import pytest
import torch

import antialias_plugins
from antialias_plugins.functional import blur_pool2d
from antialias_plugins.layers import BlurPool2d


def test_calls_the_function_with_its_arguments():
    input = torch.rand(2, 3, 9, 8, dtype=torch.float64)
    output = BlurPool2d(3, 5, (2, 3), 'circular').double()(input)
    assert torch.equal(output, blur_pool2d(input, 5, (2, 3), 'circular'))


@pytest.mark.parametrize('requires_grad', [False, True], ids=['inference', 'training'])
def test_a_forward_pass_is_few_calls(requires_grad):
    """Of Python functions, at most 12 in 4 files of the package: what is fixed is checked and prepared once."""
    layer, package, calls = BlurPool2d(8), str(Path(antialias_plugins.__file__).parent), []
    input = torch.rand(1, 8, 14, 14, requires_grad=requires_grad)

    def record(frame, event, _):
        if event == 'call' and frame.f_code.co_filename.startswith(package):
            calls.append((frame.f_code.co_filename, frame.f_code.co_name))

    layer(input)
    before = sys.getprofile()
    sys.setprofile(record)
    try:
        layer(input)
    finally:
        sys.setprofile(before)
    assert 1 < len(calls) <= 12
    assert len({file for file, _ in calls}) <= 4


def test_a_map_without_values_gives_one_of_the_right_size():
    assert BlurPool2d(3)(torch.rand(1, 3, 9, 8, device='meta')).shape == (1, 3, 5, 4)


def test_repr():
    assert repr(BlurPool2d(64)) == "BlurPool2d(64, filt_size=4, stride=(2, 2), padding_mode='reflect')"


def test_nothing_is_learnt_or_saved():
    layer = BlurPool2d(4)
    assert not list(layer.parameters())
    assert not layer.state_dict()
    assert layer.filt.shape == (4, 4)


@pytest.mark.parametrize('shape', [(3, 3), (4, 1, 3, 3), (7,)], ids=str)
def test_loads_a_state_dict_that_has_a_filter(shape):
    network = torch.nn.Sequential(BlurPool2d(4, 3), torch.nn.Conv2d(4, 1, 1))
    state = {**network.state_dict(), '0.filt': torch.zeros(shape)}
    network.load_state_dict(state, strict=True)
    assert '0.filt' in state
    assert network[0].filt.sum() == 1


def test_other_unknown_entries_are_still_errors():
    with pytest.raises(RuntimeError, match='Unexpected key'):
        BlurPool2d(4).load_state_dict({'filter': torch.ones(4, 4)})


@pytest.mark.parametrize('channels', [1, 5])
def test_any_number_of_channels_if_none_is_given(channels):
    assert BlurPool2d()(torch.rand(1, channels, 8, 8)).shape == (1, channels, 4, 4)


def test_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match='input must have the 4 channels of the layer, got 3'):
        BlurPool2d(4)(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'channels': 0}, 'channels must be an integer of at least 1, got 0'),
        ({'filt_size': 0}, 'filt_size must be an integer of at least 1, got 0'),
        ({'stride': (2, 0)}, r'stride must be .*, got \(2, 0\)'),
        ({'padding_mode': 'zero'}, r"padding_mode must be one of .*, got 'zero'"),
    ],
    ids=lambda value: '' if isinstance(value, str) else '-'.join(value),
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BlurPool2d(**arguments)
