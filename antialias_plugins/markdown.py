"""Tables in Markdown that read well in a terminal, too."""

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns: the first to the left, the others to the right.

    Example:
        >>> print(markdown_table(['model', 'top-1 (%)'], [['resnet18', '69.74'], ['resnet18_lpf4', '71.69']]))
        | model         | top-1 (%) |
        | ------------- | --------: |
        | resnet18      |     69.74 |
        | resnet18_lpf4 |     71.69 |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    return '\n'.join(_line(cells, widths) for cells in (header, rule, *rows))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return '| ' + ' | '.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + ' |'
