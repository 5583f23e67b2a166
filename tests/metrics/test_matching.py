import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from antialias_plugins.metrics.matching import largest_matching


@pytest.mark.parametrize(
    ('allowed', 'pairs'),
    [
        ([[1]], 1),
        ([[0]], 0),
        ([[1, 1]], 1),
        ([[1], [1], [1]], 1),
        ([[1, 1], [1, 0]], 2),  # taking the first that is free would leave the second row without
        ([[1, 1, 0], [0, 1, 1], [0, 1, 0]], 3),
        ([[1, 1, 0], [1, 1, 0], [1, 1, 0]], 2),
    ],
    ids=['pair', 'strangers', 'one-row', 'one-column', 'give-way', 'chain', 'rivals'],
)
def test_by_hand(allowed, pairs):
    assert largest_matching(torch.tensor(allowed, dtype=torch.bool)) == pairs


@pytest.mark.parametrize('shape', [(0, 3), (3, 0), (0, 0)], ids=str)
def test_nothing_to_pair(shape):
    assert largest_matching(torch.ones(shape, dtype=torch.bool)) == 0


def test_matches_scipy():
    generator = torch.Generator().manual_seed(0)
    for density in (0.1, 0.2, 0.3, 0.5, 0.9):
        for rows, columns in ((7, 7), (12, 5), (4, 20), (40, 40)):
            allowed = torch.rand(rows, columns, generator=generator) < density
            expected = (maximum_bipartite_matching(csr_matrix(allowed.numpy())) >= 0).sum()
            assert largest_matching(allowed) == expected
