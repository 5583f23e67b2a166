"""Weighted sums of rows of a table: a product with a sparse matrix, which PyTorch computes as an embedding bag.

On the CPU that is one pass with vector instructions: no copy of the rows, no product with a zero, and no border around
the table, because a row may be met from anywhere. Every sum is taken in the order of its entries, whatever the rest.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class RowSums(NamedTuple):
    """Which rows are summed: the pattern of a sparse matrix, row by row.

    Attributes:
        rows: (entries,) row of the table that each entry meets.
        offsets: (sums + 1,) where the entries of each sum start, and their number.
    """

    rows: Tensor
    offsets: Tensor

    @classmethod
    def uniform(cls, rows: Tensor) -> 'RowSums':
        """Sum as many rows for each of the (sums, K) sums."""
        return cls(rows.flatten(), torch.arange(0, rows.numel() + 1, rows.shape[1], dtype=rows.dtype))

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
        return product(sums, table, self.rows, self.offsets[:-1], self.owners(), 0)

    def owners(self) -> Tensor:
        """Return (entries,): the sum that each entry belongs to."""
        return torch.repeat_interleave(self.offsets.diff()).to(self.rows.dtype)

    def transpose(self, size: int) -> tuple['RowSums', Tensor]:
        """Sum what each of the `size` rows of the table went into; also the (entries,) order of the weights for it."""
        order = self.rows.argsort(stable=True).to(self.rows.dtype)
        offsets = F.pad(torch.bincount(self.rows, minlength=size).cumsum(0), (1, 0))
        return RowSums(self.owners()[order], offsets.to(self.rows.dtype)), order

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
        steps = torch.arange(count, dtype=self.rows.dtype)[:, None]
        offsets = (self.offsets[:-1] + steps * len(self.rows)).flatten()
        return RowSums((self.rows + steps * size).flatten(), F.pad(offsets, (0, 1), value=count * len(self.rows)))


def index_dtype(size: int) -> torch.dtype:
    """Return the smallest type that an embedding bag takes for indices up to `size`."""
    return torch.int32 if size <= torch.iinfo(torch.int32).max else torch.int64
