import numpy as np
import pytest

from lab.toyshapes.surfaces import PATTERNS, Surface, dots, draw_surface, stripes


@pytest.mark.parametrize('pattern', PATTERNS, ids=lambda pattern: pattern.__name__)
def test_patterns_are_shares(pattern):
    x, y = np.meshgrid(np.linspace(-4, 4, 50), np.linspace(-4, 4, 60))
    share = pattern(x, y)
    assert share.shape == (60, 50)
    assert share.min() >= 0 and share.max() <= 1
    assert 0.2 < share.mean() < 0.8


def test_stripes_by_hand():
    surface = Surface(stripes, period=4.0, angle=0.0, colors=((0, 0, 0), (200, 100, 50)))
    painted = np.asarray(surface.paint([3, 7, 11, 9], np.array([3.0, 0.0])))
    expected = np.array([[200, 100, 50]] * 2 + [[0, 0, 0]] * 2)
    assert painted.tolist() == [np.tile(expected, (2, 1)).tolist()] * 2


def test_a_turned_pattern_moves_with_its_center():
    surface = Surface(dots, period=5.0, angle=0.7, colors=((0, 0, 0), (255, 255, 255)))
    here, there = (surface.paint([k, k, k + 20, k + 15], np.array([k, k])) for k in (0, 37))
    assert here.size == (20, 15)
    assert here.tobytes() == there.tobytes()


def test_colors_can_be_told_apart():
    surfaces = [draw_surface(np.random.default_rng(seed), (2.0, 7.0)) for seed in range(50)]
    assert {surface.pattern for surface in surfaces} == set(PATTERNS)
    assert all(2 <= surface.period <= 7 for surface in surfaces)
    assert min(np.abs(np.subtract(*surface.colors)).max() for surface in surfaces) > 40
