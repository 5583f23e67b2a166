from itertools import pairwise

import numpy as np
import pytest

from lab.toyshapes import CATEGORIES, PALETTE
from lab.toyshapes.categories import OUTLINES


def test_colors_are_one_per_category():
    assert len(CATEGORIES) == len(PALETTE) == len(set(PALETTE)) == 8


@pytest.mark.parametrize('category', CATEGORIES)
def test_outlines_fill_the_unit_circle(category):
    for seed in range(20):
        border, *holes = OUTLINES[category](np.random.default_rng(seed))
        radius = np.hypot(*border.T)
        assert 0.9 < radius.max() <= 1 + 1e-9
        assert not _crosses_itself(border)
        assert all(np.hypot(*hole.T).max() < 0.9 for hole in holes)


def _crosses_itself(line):
    """Whether two edges that are no neighbors cross."""

    def side(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    edges = list(pairwise([*line, line[0]]))
    return any(
        side(*edges[i], edges[j][0]) * side(*edges[i], edges[j][1]) < 0
        and side(*edges[j], edges[i][0]) * side(*edges[j], edges[i][1]) < 0
        for i in range(len(edges))
        for j in range(i + 2, len(edges) - (i == 0))
    )
