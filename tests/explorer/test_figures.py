import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from antialias_plugins.explorer.figures import curves_of, spectra_of
from antialias_plugins.metrics import AliasingReport, EquivarianceReport, LayerEquivariance, SiteAliasing

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


def test_spectra_of_every_place_in_the_order_of_execution():
    """Where a network has another map (a max pool without padding) or none, the others are still drawn."""
    first, smooth = aliasing('a', 'b', 'c + d'), aliasing('a', 'e', 'c + d', power=0.5)
    longer = aliasing('c + d', power=0.5, frequency=torch.linspace(0, 0.5, 6))
    sites = spectra_of({'plain': first, 'smooth': replace(smooth, sites=(*smooth.sites[:2], *longer.sites))})
    assert [site.title for site in sites] == ['a', 'e', 'b', 'c + …']
    assert [list(site.power) for site in sites] == [['plain', 'smooth'], ['smooth'], ['plain'], ['plain', 'smooth']]
    assert sites[0].stride == 3
    power = {name: it.tolist() for name, it in sites[3].power.items()}
    assert power == {'plain': [1] * 5, 'smooth': [0.5] * 6}
    assert sites[3].frequency['smooth'].tolist() == torch.linspace(0, 0.5, 6).tolist()


def test_curves_of_every_layer_in_the_order_of_execution():
    first, second = curves_of({'plain': equivariance('a', 'b'), 'smooth': equivariance('b', 'c', error=0.1)})
    assert (first.layers, second.layers, second.title) == (('a', 'b', 'c'), ('a', 'b', 'c'), 'smooth')
    assert first.error.tolist() == pytest.approx([0.6, 0.6, math.nan], nan_ok=True)
    assert second.error.tolist() == pytest.approx([math.nan, 0.2, 0.2], nan_ok=True)
    low, high = first.interval[1]
    assert (low, high) == pytest.approx((0, 0.6 + 12.7062 * 0.1))  # t of one degree of freedom, clipped


@pytest.mark.parametrize(
    ('function', 'reports', 'message'),
    [
        (
            spectra_of,
            {'x': aliasing('a'), 'y': aliasing('b')},
            'downsample at the same places, got none that x, y have',
        ),
        (
            curves_of,
            {'x': equivariance('a'), 'y': equivariance('b')},
            'layers of the same names, got none that x, y have',
        ),
    ],
    ids=['places', 'layers'],
)
def test_nothing_in_common_is_an_error(function, reports, message):
    with pytest.raises(ValueError, match=message):
        function(reports)
