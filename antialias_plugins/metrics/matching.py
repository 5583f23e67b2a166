"""Pairs of things of two sets."""

from torch import Tensor


def largest_matching(allowed: Tensor) -> int:
    """Return the largest number of pairs that can be formed if nothing may be in two of them.

    By augmenting paths: a row that finds all its columns taken lets the rows that took them look for others.

    Args:
        allowed: Whether a row and a column may form a pair.

    Shape:
        - allowed: ``(N, M)``, boolean

    Example:
        >>> import torch
        >>> largest_matching(torch.tensor([[True, True], [True, False]]))  # the first row leaves column 0 to the second
        2
    """
    columns = [row.nonzero().flatten().tolist() for row in allowed]
    taken: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column in columns[row]:
            if column not in tried:
                tried.add(column)
                if column not in taken or place(taken[column], tried):
                    taken[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(columns)))
