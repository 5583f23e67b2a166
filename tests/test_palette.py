import pytest
from matplotlib.colors import to_rgb

from antialias_plugins.palette import FLIP, GRAY, NETWORKS
from lab.toyscapes import DISTINCT, PALETTE
from tests.figures import SIGHT, apart

SIGHTS = pytest.mark.parametrize('sight', SIGHT)
TOLD_APART = 14  # in CIELAB, where 2.3 is what eyes just notice


@SIGHTS
def test_networks_and_what_they_are_compared_with_stay_apart(sight):
    assert apart([to_rgb(color) for color in (GRAY, *NETWORKS)], sight) > TOLD_APART


@SIGHTS
def test_flips_stand_out_from_faint_classes_on_white(sight):
    faint = [[0.4 * value / 255 + 0.6 for value in color] for color in PALETTE]
    assert min(apart([to_rgb(FLIP), color], sight) for color in faint) > 2 * TOLD_APART


@SIGHTS
def test_classes_and_what_is_ignored_are_told_apart(sight):
    assert apart([(0, 0, 0), *([value / 255 for value in color] for color in DISTINCT)], sight) > TOLD_APART
    assert len(DISTINCT) == len(PALETTE)


def test_distances_are_those_of_cielab():
    assert apart([(0, 0, 0), (1, 1, 1)]) == pytest.approx(100, abs=0.01)  # L* of black and white
    assert apart([(1, 0, 0), (0, 1, 0)]) == pytest.approx(170.6, abs=0.1)  # (53.2, 80.1, 67.2), (87.7, -86.2, 83.2)
