"""Few rows of a grid in which every two values of different axes still meet."""

import itertools
from typing import Any


def pairwise(*axes: Any) -> list[tuple]:
    """List rows, greedily: each adds the most pairs that no earlier one has."""
    rows = list(itertools.product(*map(list, axes)))
    pairs = {row: {(i, j, row[i], row[j]) for i, j in itertools.combinations(range(len(row)), 2)} for row in rows}
    missing, chosen = set().union(*pairs.values()), []
    while missing:
        best = max(rows, key=lambda row: len(pairs[row] & missing))
        chosen.append(best)
        missing -= pairs[best]
    return chosen
