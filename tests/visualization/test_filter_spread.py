import numpy as np
import pytest
import torch

from antialias_plugins.explorer import filter_spread
from antialias_plugins.visualization import plot_filter_spread
from antialias_plugins.visualization.filter_spread import uniform_spread

IMAGE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
SPREAD = np.random.default_rng(1).uniform(0.2, 1.3, (8, 4, 6))


def test_a_panel_per_group_on_one_scale():
    figure = plot_filter_spread(IMAGE, SPREAD, 3, 'layer2.0')
    picture, *panels, bar = (axis for axis in figure.axes if axis.get_images() or axis.get_ylabel())
    assert (picture.get_images()[0].get_array() == IMAGE).all()
    assert [axis.get_title() for axis in panels] == [f'group {group}' for group in range(8)]
    for axis, values in zip(panels, SPREAD, strict=True):
        (drawn,) = axis.get_images()
        assert (drawn.get_array() == values).all()
        assert drawn.get_clim() == (SPREAD.min(), SPREAD.max())
    assert bar.get_ylabel() == 'spread of the filter / pixels'
    assert uniform_spread(3) in [line.get_ydata()[0] for line in bar.lines]
    assert figure.get_suptitle() == 'layer2.0'


@pytest.mark.parametrize('filt_size', [1, 3, 5])
def test_equal_taps(filt_size):
    taps = torch.ones(1, filt_size**2, 1, 1, dtype=torch.float64)
    assert uniform_spread(filt_size) == pytest.approx(filter_spread(taps).item())


@pytest.mark.parametrize(
    ('spread', 'message'),
    [
        (SPREAD[0], r'spread must have shape \(G, h, w\), got \(4, 6\)'),
        (SPREAD[:0], r'spread must have shape \(G, h, w\), got \(0, 4, 6\)'),
        (SPREAD + 1, r'spread must be between 0 and 1\.414 for 3 taps, got 1\.2'),
        (SPREAD * np.nan, r'spread must be between 0 and 1\.414 for 3 taps, got nan'),
    ],
    ids=['no groups', 'empty', 'too wide', 'nan'],
)
def test_what_does_not_fit_is_named(spread, message):
    with pytest.raises(ValueError, match=message):
        plot_filter_spread(IMAGE, spread, 3)
