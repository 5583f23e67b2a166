import numpy as np
import pytest

from antialias_plugins.visualization import (
    EquivarianceCurve,
    SiteSpectrum,
    StabilityStrip,
    plot_equivariance,
    plot_spectra,
    plot_stability,
)
from tests.figures import unreadable

LAYERS = ('conv1', 'layer1.0', 'layer2.0')
ERROR = np.array([0.25, 0.5, 0.125])


LIMITS = np.stack([0.8 * ERROR, 1.2 * ERROR], 1)


def curve(title='plain', layers=LAYERS, error=ERROR, interval=LIMITS):
    return EquivarianceCurve(title, layers, error, interval)


def test_a_line_and_a_band_per_network():
    (axis,) = plot_equivariance([curve(), curve('smooth', error=ERROR / 2)]).axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in axis.lines}
    assert lines == {'plain': [25, 50, 12.5], 'smooth': [12.5, 25, 6.25]}
    assert [label.get_text() for label in axis.get_xticklabels()] == list(LAYERS)
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((10, 60))
    assert axis.get_ylim()[0] == 0


def test_labels_of_layers_and_networks_are_whole():
    layers = tuple(f'decode_head.aspp_modules.{index}.depthwise' for index in range(30))
    numbers = np.linspace(0.1, 0.5, 30)
    curves = [curve(f'a network {index}', layers, numbers, np.stack([numbers, numbers], 1)) for index in range(6)]
    assert unreadable(plot_equivariance(curves)) == []
    strips = [StabilityStrip(f'a network with a name {index}', PROBABILITY, TOP) for index in range(6)]
    assert unreadable(plot_stability(strips, 'a class of many words, as ImageNet has them')) == []


@pytest.mark.parametrize(
    ('curves', 'message'),
    [
        ([], 'curves must hold one to 6 networks, got 0'),
        ([curve()] * 7, 'curves must hold one to 6 networks, got 7'),
        ([curve(), curve('b', LAYERS[::-1])], "layers of 'b' must be those of 'plain', and not none"),
        ([curve(layers=(), error=ERROR[:0], interval=LIMITS[:0])], "layers of 'plain' must be .* not none"),
        ([curve(error=ERROR[1:])], r"error of 'plain' must have shape \(3,\), got \(2,\)"),
        ([curve(interval=LIMITS[1:])], r"interval of 'plain' must have shape \(3, 2\), got \(2, 2\)"),
    ],
    ids=['none', 'many', 'layers', 'no layer', 'error', 'interval'],
)
def test_curves_that_do_not_fit_are_named(curves, message):
    with pytest.raises(ValueError, match=message):
        plot_equivariance(curves)


PROBABILITY = np.array([0.9, 0.4, 0.8, 0.1])
TOP = np.array([True, False, True, False])
STRIPS = [StabilityStrip('plain', PROBABILITY, TOP), StabilityStrip('smooth', np.full(4, 0.7), np.full(4, True))]


def test_lines_strips_and_hollow_markers():
    lines, *strips, _ = plot_stability(STRIPS, 'tabby').axes
    solid = {
        line.get_label(): line.get_ydata().tolist() for line in lines.lines if not line.get_label().startswith('_')
    }
    assert solid == {'plain': PROBABILITY.tolist(), 'smooth': [0.7] * 4}
    hollow = [line.get_xydata().tolist() for line in lines.lines if line.get_markerfacecolor() == 'white']
    assert hollow == [[[1, 0.4], [3, 0.1]], []]
    assert lines.get_ylabel() == 'probability of “tabby”'
    for axis, strip in zip(strips, STRIPS, strict=True):
        (image,) = axis.get_images()
        assert image.get_array().tolist() == [strip.probability.tolist()]
        assert image.get_clim() == (0, 1)
        assert [label.get_text() for label in axis.get_yticklabels()] == [strip.title]


def test_networks_differ_in_color_and_marker():
    lines = plot_stability(STRIPS * 3, 'tabby').axes[0].lines[::2]
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 6


@pytest.mark.parametrize(
    ('strips', 'message'),
    [
        ([], 'strips must hold one to 6 networks, got 0'),
        ([StabilityStrip('a', PROBABILITY, TOP[:2])], r"top of 'a' must have shape \(4,\), got \(2,\)"),
        ([STRIPS[0], StabilityStrip('b', np.ones(3), TOP)], r"probability of 'b' must have shape \(4,\), got \(3,\)"),
        ([StabilityStrip('a', PROBABILITY + 1, TOP)], r"probability of 'a' must be in \[0, 1\]"),
        ([StabilityStrip('a', PROBABILITY * np.nan, TOP)], r"probability of 'a' must be in \[0, 1\]"),
    ],
    ids=['none', 'top', 'lengths', 'above 1', 'nan'],
)
def test_strips_that_do_not_fit_are_named(strips, message):
    with pytest.raises(ValueError, match=message):
        plot_stability(strips, 'tabby')


FREQUENCY = np.linspace(0, 0.5, 9)
PLAIN, SMOOTH = 1 / (1 + FREQUENCY), 1 / (1 + 99 * FREQUENCY)


def site(title='layer2', stride=2, **power):
    return SiteSpectrum(title, stride, FREQUENCY, power or {'plain': PLAIN, 'smooth': SMOOTH})


@pytest.mark.parametrize(('stride', 'nyquist'), [(2, 0.25), (4, 0.125)])
def test_spectra_and_the_new_nyquist_frequency(stride, nyquist):
    (axis,) = plot_spectra([site(stride=stride)]).axes
    mark, *lines = axis.lines
    assert mark.get_xdata() == [nyquist, nyquist]
    assert {line.get_label(): line.get_ydata().tolist() for line in lines} == {
        'plain': PLAIN.tolist(),
        'smooth': SMOOTH.tolist(),
    }
    assert all((line.get_xdata() == FREQUENCY).all() for line in lines)
    (shade,) = axis.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (nyquist, 0.5)
    assert axis.get_yscale() == 'log'
    assert axis.get_title() == f'layer2\nstride {stride}'


@pytest.mark.parametrize('count', [1, 3, 5])
def test_a_panel_per_place_and_one_legend(count):
    figure = plot_spectra([site(f'layer{index}') for index in range(count)])
    assert [axis.get_title() for axis in figure.axes if axis.lines] == [f'layer{i}\nstride 2' for i in range(count)]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ['will alias', 'plain', 'smooth']


def test_spectra_share_a_scale_and_long_names_are_whole():
    places = [f'decode_head.segmentation_head.aspp_modules.{index}.depthwise_conv.conv' for index in range(5)]
    sites = [SiteSpectrum(name, 2, FREQUENCY, {'a': PLAIN * 10.0**index}) for index, name in enumerate(places)]
    figure = plot_spectra(sites)
    assert unreadable(figure) == []
    drawn = [axis for axis in figure.axes if axis.lines]
    assert [axis.get_title().replace('\n', '') for axis in drawn] == [f'{name}stride 2' for name in places]
    (limits,) = {axis.get_ylim() for axis in drawn}
    assert limits[0] <= PLAIN.min() and limits[1] >= 1e4 * PLAIN.max()


def test_maps_of_different_sizes_and_a_place_that_not_all_networks_have():
    own = {'plain': FREQUENCY, 'smooth': FREQUENCY[:4]}
    sizes = SiteSpectrum('pool', 2, own, {'plain': PLAIN, 'smooth': SMOOTH[:4]})
    figure = plot_spectra([site('a', smooth=SMOOTH), sizes])
    first, second = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ['a\nstride 2, not in plain', 'pool\nstride 2']
    (alone,), (_, pooled) = first.lines[1:], second.lines[1:]
    assert (alone.get_label(), pooled.get_label(), len(pooled.get_xdata())) == ('smooth', 'smooth', 4)
    assert alone.get_color() == pooled.get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['will alias', 'plain', 'smooth']


@pytest.mark.parametrize(
    ('sites', 'message'),
    [
        ([], 'sites must hold at least one place, got none'),
        ([site(), SiteSpectrum('b', 2, FREQUENCY, {})], "power of 'b' must hold a network, got none"),
        ([site(stride=1)], "stride of 'layer2' must be at least 2, got 1"),
        ([site(plain=PLAIN[1:])], r"power of 'plain' in 'layer2' must have a number per frequency, got \(8,\)"),
        ([SiteSpectrum('a', 2, FREQUENCY, {})], 'power must hold one to 6 networks, got 0'),
    ],
    ids=['none', 'networks', 'stride', 'shape', 'no network'],
)
def test_sites_that_do_not_fit_are_named(sites, message):
    with pytest.raises(ValueError, match=message):
        plot_spectra(sites)
