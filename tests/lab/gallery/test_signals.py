from fractions import Fraction

import pytest
import torch

from antialias_plugins.metrics import AliasingReport, EquivarianceReport, LayerEquivariance, SiteAliasing
from lab.gallery import curves_of, spectra_of

FREQUENCY = torch.linspace(0, 0.5, 5)


def aliasing(*names, power=1.0, frequency=FREQUENCY):
    share, level = torch.tensor([0.1, 0.3]), torch.full_like(frequency, power)
    return AliasingReport(tuple(SiteAliasing(n, 'conv', '', (2, 3), (4, 8, 8), share, frequency, level) for n in names))


def equivariance(*names, error=0.5):
    stride = Fraction(2), Fraction(2)
    errors = torch.tensor([[error], [error + 0.2]], dtype=torch.float64)
    return EquivarianceReport(
        tuple(LayerEquivariance(n, 'Conv2d', stride, (4, 8, 8), errors) for n in names), ((1, 1),)
    )


def test_spectra_of_the_places_that_all_networks_have():
    first, second = spectra_of({'plain': aliasing('a', 'b', 'c + d'), 'smooth': aliasing('c + d', 'a', power=0.5)})
    assert (first.title, second.title, first.stride) == ('a', 'c + …', 3)
    assert {name: power.tolist() for name, power in first.power.items()} == {'plain': [1] * 5, 'smooth': [0.5] * 5}
    assert first.frequency.tolist() == FREQUENCY.tolist()


def test_curves_of_the_layers_that_all_networks_have():
    first, second = curves_of({'plain': equivariance('a', 'b'), 'smooth': equivariance('b', 'c', error=0.1)})
    assert (first.layers, second.layers, second.title) == (('b',), ('b',), 'smooth')
    assert (first.error.tolist(), second.error.tolist()) == ([pytest.approx(0.6)], [pytest.approx(0.2)])
    assert first.interval.tolist() == [pytest.approx(1.959964 * 0.1)]


@pytest.mark.parametrize(
    ('function', 'reports', 'message'),
    [
        (
            spectra_of,
            {'x': aliasing('a'), 'y': aliasing('b')},
            'downsample at the same places, got none that x, y have',
        ),
        (spectra_of, {'x': aliasing('a'), 'y': aliasing('a', frequency=FREQUENCY[1:])}, 'same places'),
        (
            curves_of,
            {'x': equivariance('a'), 'y': equivariance('b')},
            'layers of the same names, got none that x, y have',
        ),
    ],
    ids=['places', 'sizes', 'layers'],
)
def test_nothing_in_common_is_an_error(function, reports, message):
    with pytest.raises(ValueError, match=message):
        function(reports)
