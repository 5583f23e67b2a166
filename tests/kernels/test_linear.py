"""Sums of rows against products with the dense matrix."""

import pytest
import torch

from antialias_plugins.kernels.linear import RowSums, index_dtype

ROWS = [[3, 0], [], [1, 1, 4], [0], [4]]  # of a table of 6 rows, the last of which is never read


@pytest.fixture(params=[torch.int32, torch.int64], ids=str)
def sums(request) -> RowSums:
    rows = torch.tensor([row for rows in ROWS for row in rows], dtype=request.param)
    ends = torch.tensor([0, *map(len, ROWS)]).cumsum(0)
    return RowSums(rows, ends.to(request.param))


def dense(weights: torch.Tensor) -> torch.Tensor:
    matrix, entries = torch.zeros(len(ROWS), 6, dtype=weights.dtype), iter(weights)
    for total, rows in enumerate(ROWS):
        for row in rows:
            matrix[total, row] += next(entries)
    return matrix


def test_sums_are_a_product_with_a_sparse_matrix(sums):
    weights, table = torch.randn(7, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    torch.testing.assert_close(sums.sum(table, weights), dense(weights) @ table)


def test_products_are_the_gradient_of_the_weights(sums):
    weights, table = torch.randn(7, dtype=torch.float64, requires_grad=True), torch.randn(6, 5, dtype=torch.float64)
    grad = torch.randn(5, 5, dtype=torch.float64)
    (expected,) = torch.autograd.grad(dense(weights) @ table, weights, grad)
    torch.testing.assert_close(sums.products(table, grad), expected)


def test_transpose_is_the_transposed_matrix(sums):
    weights, grad = torch.randn(7, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    transposed, order = sums.transpose(6)
    torch.testing.assert_close(transposed.sum(grad, weights[order]), dense(weights).T @ grad)


def test_repeated_sums_stay_in_their_table(sums):
    weights, tables = torch.randn(3, 7, dtype=torch.float64), torch.randn(3, 6, 5, dtype=torch.float64)
    actual = sums.repeat(3, 6).sum(tables.flatten(0, 1), weights.flatten())
    expected = [sums.sum(table, weight) for table, weight in zip(tables, weights, strict=True)]
    torch.testing.assert_close(actual, torch.cat(expected), rtol=0, atol=0)


def test_uniform_sums_have_as_many_entries_each():
    sums = RowSums.uniform(torch.tensor([[0, 2], [1, 1]], dtype=torch.int32))
    assert sums.rows.tolist() == [0, 2, 1, 1] and sums.offsets.tolist() == [0, 2, 4]


def test_a_value_that_is_not_finite_stays_in_the_sums_that_read_it(sums):
    table = torch.ones(6, 20)
    table[1] = float('nan')
    table[5] = float('inf')
    assert sums.sum(table, torch.zeros(7)).isfinite().all(1).tolist() == [True, True, False, True, True]


def test_large_tables_get_wide_indices():
    assert index_dtype(2**31 - 1) == torch.int32
    assert index_dtype(2**31) == torch.int64


def test_parts_make_the_whole(sums):
    weights, table = torch.randn(7, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    parts = [part.sum(table, weights[entries]) for part, entries in sums.split(2)]
    assert [len(part) for part in parts] == [2, 2, 1]
    torch.testing.assert_close(torch.cat(parts), sums.sum(table, weights), rtol=0, atol=0)
