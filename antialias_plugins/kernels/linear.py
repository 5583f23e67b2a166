"""Linear maps of tables and of maps, with a backward pass of their own."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.backend import uses_reference
from antialias_plugins.kernels.maps import HALF_TYPES, without_autocast


class LinearMap(torch.autograd.Function):
    """``LinearMap.apply(input, map, transpose)`` is ``map(input)``; its gradient is ``transpose(grad)``.

    A linear map needs nothing of its input to be differentiated, so nothing is kept, and the gradient of the gradient
    is the map again.
    """

    @staticmethod
    def forward(ctx, input: Tensor, map: Callable[[Tensor], Tensor], transpose: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply the map."""
        ctx.map, ctx.transpose = map, transpose
        return map(input)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        """Apply the transpose."""
        return LinearMap.apply(grad, ctx.transpose, ctx.map), None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_: None) -> Tensor:
        """Apply the map to the direction."""
        return LinearMap.apply(tangent, ctx.map, ctx.transpose)


def separable_map2d(input: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute `separable_map2d_reference`; nothing of the input is kept for the backward pass."""
    if uses_reference():
        return separable_map2d_reference(input, rows, columns)
    map = functools.partial(separable_map2d_reference, rows=rows, columns=columns)
    return LinearMap.apply(input, map, functools.partial(separable_map2d_reference, rows=rows.T, columns=columns.T))


def separable_map2d_reference(input: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Map the vertical axis by (H', H) and the horizontal one by (W', W), in at least float32, autocast or not.

    The result (N, C, H', W') has the type of `input`.
    """
    dtype = torch.float32 if input.dtype in HALF_TYPES else input.dtype
    with without_autocast(input):
        return (rows.to(dtype) @ input.to(dtype) @ columns.to(dtype).transpose(0, 1)).to(input.dtype)


class RowSums(NamedTuple):
    """Weighted sums of rows of a table: the pattern of a sparse matrix in CSR, which PyTorch has embedding bags for.

    On the CPU that is one pass with vector instructions: no copy of the rows, no product with a zero, and no padding of
    the table, because a row may be met from anywhere. Every sum is taken in the order of its entries.

    Attributes:
        rows: (entries,) row of the table that each entry meets: the matrix's column indices.
        offsets: (sums + 1,) where the entries of each sum start, and their number.
    """

    rows: Tensor
    offsets: Tensor

    @classmethod
    def uniform(cls, rows: Tensor) -> 'RowSums':
        """Sum as many rows for each of the (sums, K) sums."""
        offsets = torch.arange(0, rows.numel() + 1, rows.shape[1], dtype=rows.dtype, device=rows.device)
        return cls(rows.flatten(), offsets)

    @property
    def num_sums(self) -> int:
        """The number of sums."""
        return len(self.offsets) - 1

    def sum(self, table: Tensor, weights: Tensor) -> Tensor:
        """Sum (rows, D) with a weight for each entry to (sums, D)."""
        return F.embedding_bag(
            self.rows, table, self.offsets, mode='sum', per_sample_weights=weights, include_last_offset=True
        )

    def products(self, table: Tensor, sums: Tensor) -> Tensor:
        """Multiply the row of each entry with that of its sum to (entries,): the gradient of the weights of `sum`."""
        product = torch.ops.aten._embedding_bag_per_sample_weights_backward
        return product(sums, table, self.rows, self.offsets[:-1], self.row_indices(), 0)

    def row_indices(self) -> Tensor:
        """Return (entries,): the sum that each entry belongs to."""
        return torch.repeat_interleave(self.offsets.diff()).to(self.rows.dtype)

    def transpose(self, size: int) -> tuple['RowSums', Tensor]:
        """Sum what each of the `size` rows of the table went into; also the (entries,) order of the weights for it."""
        order = self.rows.argsort(stable=True).to(self.rows.dtype)
        offsets = F.pad(torch.bincount(self.rows, minlength=size).cumsum(0), (1, 0))
        return RowSums(self.row_indices()[order], offsets.to(self.rows.dtype)), order

    def split(self, size: int) -> Iterator[tuple['RowSums', slice]]:
        """Yield `size` sums at a time (at last maybe fewer) and which entries they have."""
        for first in range(0, self.num_sums, size):
            offsets = self.offsets[first : first + size + 1]
            entries = slice(offsets[0].item(), offsets[-1].item())
            yield RowSums(self.rows[entries], offsets - entries.start), entries

    def repeat(self, count: int, size: int) -> 'RowSums':
        """Do the same in each of `count` tables of `size` rows that lie one below the other."""
        if count == 1:
            return self
        steps = torch.arange(count, dtype=self.rows.dtype, device=self.rows.device)[:, None]
        offsets = (self.offsets[:-1] + steps * len(self.rows)).flatten()
        return RowSums((self.rows + steps * size).flatten(), F.pad(offsets, (0, 1), value=count * len(self.rows)))


def index_dtype(size: int) -> torch.dtype:
    """Return the smallest type that an embedding bag takes for indices up to `size`."""
    return torch.int32 if size <= torch.iinfo(torch.int32).max else torch.int64
