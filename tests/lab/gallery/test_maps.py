import numpy as np
import pytest
import torch

from lab.gallery.filters import filter_spread
from lab.gallery.maps import FlipMap, plot_filter_spread, plot_flip_map, uniform_spread
from tests.figures import unreadable

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 8, 3), np.uint8)
COUNTS = np.zeros((4, 8), int)
COUNTS[1, 2], COUNTS[3, 7] = 5, 16


def test_counts_lie_over_the_image_and_zero_is_not_drawn():
    picture, *maps, bar = plot_flip_map(IMAGE, [FlipMap('plain', COUNTS), FlipMap('smooth', COUNTS // 5)], 16).axes
    assert (picture.get_images()[0].get_array() == IMAGE).all()
    for axis, counts, title in zip(maps, (COUNTS, COUNTS // 5), ('plain', 'smooth'), strict=True):
        _, drawn = axis.get_images()
        assert (drawn.get_array().mask == (counts == 0)).all()
        assert (drawn.get_array().data == counts).all()
        assert axis.get_title() == title
    assert bar.get_ylabel() == 'flips in 16 shifts'


@pytest.mark.parametrize('shifts', [1, 7, 33])
def test_both_maps_have_the_colors_of_the_bar_for_every_count(shifts):
    counts = np.arange(shifts + 1)[None]
    image = np.zeros((1, shifts + 1, 3), np.uint8)
    figure = plot_flip_map(image, [FlipMap('a', counts), FlipMap('b', counts)], shifts)
    norms = [axis.get_images()[1].norm for axis in figure.axes[1:3]]
    assert norms[0] is norms[1]
    assert norms[0].boundaries[0] < 1
    assert norms[0].boundaries[-1] > shifts
    colors = norms[0](counts[0, 1:])
    assert (np.diff(colors) >= 0).all()
    assert len(set(colors.tolist())) == min(shifts, 8)


@pytest.mark.parametrize(
    ('size', 'networks', 'grid'),
    [((40, 80), 1, (1, 2)), ((40, 80), 3, (2, 2)), ((80, 40), 2, (2, 2)), ((80, 80), 5, (2, 3))],
    ids=['two-wide', 'four-wide', 'three-tall', 'six-square'],
)
def test_more_than_two_panels_take_two_rows_without_gaps(size, networks, grid):
    maps = [FlipMap(str(index), np.ones(size, int)) for index in range(networks)]
    figure = plot_flip_map(np.zeros((*size, 3), np.uint8), maps, 1)
    *panels, _ = figure.axes
    assert len(panels) == 1 + networks
    assert unreadable(figure) == []
    boxes = [axis.get_window_extent() for axis in panels]
    if len(boxes) > 2:
        assert 0 < boxes[0].y0 - boxes[grid[1]].y1 < 50  # room for a title, in pixels
    assert 0 < boxes[1].x0 - boxes[0].x1 < 20
    spec = panels[0].get_subplotspec().get_gridspec()
    assert (spec.nrows, spec.ncols) == grid


@pytest.mark.parametrize(
    ('shifts', 'labels'),
    [(1, ['1']), (3, ['1', '2', '3']), (16, ['1–2', '3–4', '5–6', '7–8', '9–10', '11–12', '13–14', '15–16'])],
    ids=['one', 'few', 'many'],
)
def test_the_bar_says_which_counts_share_a_color(shifts, labels):
    bar = plot_flip_map(IMAGE, [FlipMap('a', np.minimum(COUNTS, shifts))], shifts).axes[-1]
    assert [label.get_text() for label in bar.get_yticklabels()] == labels


@pytest.mark.parametrize(
    ('maps', 'shifts', 'message'),
    [
        ([], 16, 'maps must hold at least one network, got none'),
        ([FlipMap('a', COUNTS)], 0, 'shifts must be at least 1, got 0'),
        ([FlipMap('a', COUNTS[1:])], 16, r"counts of 'a' must have the size of the image \(4, 8\), got shape \(3, 8\)"),
        ([FlipMap('a', COUNTS)], 15, "counts of 'a' must be between 0 and 15, got 0 to 16"),
        ([FlipMap('a', COUNTS - 1)], 16, "counts of 'a' must be between 0 and 16, got -1 to 15"),
    ],
    ids=['none', 'shifts', 'size', 'too many', 'negative'],
)
def test_flips_that_do_not_fit_are_named(maps, shifts, message):
    with pytest.raises(ValueError, match=message):
        plot_flip_map(IMAGE, maps, shifts)


PICTURE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
SPREAD = np.random.default_rng(1).uniform(0.2, 1.3, (8, 4, 6))


def test_a_panel_per_group_on_one_scale():
    figure = plot_filter_spread(PICTURE, SPREAD, 3, 'layer2.0')
    picture, *panels, bar = (axis for axis in figure.axes if axis.get_images() or axis.get_ylabel())
    assert (picture.get_images()[0].get_array() == PICTURE).all()
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
def test_spreads_that_do_not_fit_are_named(spread, message):
    with pytest.raises(ValueError, match=message):
        plot_filter_spread(PICTURE, spread, 3)
