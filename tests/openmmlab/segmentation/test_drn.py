"""DRN-D against functions of the authors' layers, and the figures that the authors give."""

import pytest
import torch

from antialias_plugins.openmmlab.segmentation.backbones import DRN
from tests.openmmlab.segmentation.published_deeplab import Published


@pytest.mark.parametrize('size', [(32, 48), (33, 45)], ids=['even', 'odd'])
def test_it_computes_what_the_published_network_does(size):
    published = Published('drn', 8)
    model = DRN(depth=54, base_channels=1).double().eval()
    state = {key.removeprefix('backbone.'): value for key, value in published.state.items() if 'backbone.' in key}
    model.load_state_dict(state, strict=True)
    images = torch.rand(2, 3, *size, dtype=torch.float64)

    low, high = model(images)

    expected_high, expected_low = published.features(images)
    torch.testing.assert_close(low, expected_low, rtol=1e-10, atol=0)
    torch.testing.assert_close(high, expected_high, rtol=1e-10, atol=0)


# https://github.com/fyu/drn counts the classifier of 1000 classes too, which reads 512 channels.
@pytest.mark.parametrize(('depth', 'millions'), [(22, 16.4), (38, 26.5), (54, 35.8), (105, 54.8)])
def test_parameter_counts_are_the_published_ones(depth, millions):
    with torch.device('meta'):
        model = DRN(depth=depth)
    count = sum(parameter.numel() for parameter in model.parameters()) + 512 * 1000 + 1000
    assert round(count / 1e6, 1) == millions


def test_both_convolutions_of_a_basic_block_dilate():
    model = DRN(depth=22, base_channels=1)
    for name, dilation in {'layer4': 1, 'layer5': 2, 'layer6': 4}.items():
        for block in model.get_submodule(name):
            assert block.conv1.dilation == block.conv2.dilation == (dilation, dilation)


def test_layers_behind_the_last_map_do_not_run():
    model = DRN(depth=22, base_channels=1, out_indices=(0, 2)).eval()
    model.layer3 = None
    assert [map.shape[2:] for map in model(torch.zeros(1, 3, 16, 16))] == [(16, 16), (8, 8)]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(depth=50), 'depth must be one of 22, 24, 38, 40, 54, 105, got 50'),
        (dict(out_indices=(3, 9)), r'out_indices must be layers from 0 to 8, got \(3, 9\)'),
        (dict(out_indices=()), r'out_indices must be layers from 0 to 8, got \(\)'),
    ],
    ids=['depth', 'layer', 'none'],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DRN(**arguments)
