import numpy as np
import pytest

from antialias_plugins.visualization import SiteSpectrum, plot_spectra

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
    assert axis.get_title() == f'layer2, stride {stride}'


@pytest.mark.parametrize('count', [1, 3, 5])
def test_a_panel_per_place_and_one_legend(count):
    figure = plot_spectra([site(f'layer{index}') for index in range(count)])
    assert [axis.get_title() for axis in figure.axes if axis.lines] == [f'layer{i}, stride 2' for i in range(count)]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ['will alias', 'plain', 'smooth']


@pytest.mark.parametrize(
    ('sites', 'message'),
    [
        ([], 'sites must hold at least one place, got none'),
        (
            [site(), site('b', plain=PLAIN)],
            r"power of 'b' must hold the networks \['plain', 'smooth'\], got \['plain'\]",
        ),
        ([site(stride=1)], "stride of 'layer2' must be at least 2, got 1"),
        ([site(plain=PLAIN[1:])], r"power of 'plain' in 'layer2' must have a number per frequency, got \(8,\)"),
        ([SiteSpectrum('a', 2, FREQUENCY, {})], 'power must hold one to 6 networks, got 0'),
    ],
    ids=['none', 'networks', 'stride', 'shape', 'no network'],
)
def test_what_does_not_fit_is_named(sites, message):
    with pytest.raises(ValueError, match=message):
        plot_spectra(sites)
