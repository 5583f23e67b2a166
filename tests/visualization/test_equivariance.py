import numpy as np
import pytest

from antialias_plugins.visualization import EquivarianceCurve, plot_equivariance

LAYERS = ('conv1', 'layer1.0', 'layer2.0')
ERROR = np.array([0.25, 0.5, 0.125])


def curve(title='plain', layers=LAYERS, error=ERROR, interval=ERROR / 5):
    return EquivarianceCurve(title, layers, error, interval)


def test_a_line_and_a_band_per_network():
    (axis,) = plot_equivariance([curve(), curve('smooth', error=ERROR / 2)]).axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in axis.lines}
    assert lines == {'plain': [25, 50, 12.5], 'smooth': [12.5, 25, 6.25]}
    assert [label.get_text() for label in axis.get_xticklabels()] == list(LAYERS)
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((10, 60))
    assert axis.get_ylim()[0] == 0


@pytest.mark.parametrize(
    ('curves', 'message'),
    [
        ([], 'curves must hold one to 6 networks, got 0'),
        ([curve()] * 7, 'curves must hold one to 6 networks, got 7'),
        ([curve(), curve('b', LAYERS[::-1])], "layers of 'b' must be those of 'plain', and not none"),
        ([curve(layers=(), error=ERROR[:0], interval=ERROR[:0])], "layers of 'plain' must be .* not none"),
        ([curve(error=ERROR[1:])], r"error of 'plain' must have a number per layer, got \(2,\)"),
        ([curve(interval=ERROR[1:])], r"interval of 'plain' must have a number per layer, got \(2,\)"),
    ],
    ids=['none', 'many', 'layers', 'no layer', 'error', 'interval'],
)
def test_what_does_not_fit_is_named(curves, message):
    with pytest.raises(ValueError, match=message):
        plot_equivariance(curves)
