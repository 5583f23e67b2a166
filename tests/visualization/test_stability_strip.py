import numpy as np
import pytest

from antialias_plugins.visualization import StabilityStrip, plot_stability

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
def test_what_does_not_fit_is_named(strips, message):
    with pytest.raises(ValueError, match=message):
        plot_stability(strips, 'tabby')
