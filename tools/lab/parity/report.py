"""The table of export parity, as Markdown, and its place in a document."""

import re
from collections.abc import Iterable, Sequence

from antialias_plugins.utils import markdown_table
from lab.parity.parity import Parity

BEGIN, END = '<!-- export parity: written by tools/export_parity.py -->', '<!-- end of export parity -->'


def render_parity(results: Iterable[Parity]) -> str:
    """A table for every version of torch, and a list of what fails, with the reasons.

    Args:
        results: the cells, in the order in which rows and columns are to appear.
    """
    results = list(results)
    versions = list(dict.fromkeys(result.torch for result in results))
    parts = []
    for version in versions:
        found = [result for result in results if result.torch == version]
        parts += [f'### torch {version}', _table(found), *_failures(found)]
    return '\n\n'.join(parts)


def insert_report(document: str, report: str) -> str:
    """Put a report between the two marks of a document.

    Raises:
        ValueError: if the document does not have them.

    Example:
        >>> print(insert_report(f'{BEGIN} old {END} after', 'new'))
        <!-- export parity: written by tools/export_parity.py -->
        <BLANKLINE>
        new
        <BLANKLINE>
        <!-- end of export parity --> after
    """
    pattern = re.compile(f'({re.escape(BEGIN)}).*({re.escape(END)})', re.DOTALL)
    if not pattern.search(document):
        raise ValueError(f'document must have the lines {BEGIN!r} and {END!r}')
    return pattern.sub(lambda match: f'{match[1]}\n\n{report}\n\n{match[2]}', document)


def _table(results: Sequence[Parity]) -> str:
    columns = list(dict.fromkeys(result.exporter for result in results))
    rows = list(dict.fromkeys((result.network, result.pool) for result in results))
    cells = {(result.network, result.pool, result.exporter): _cell(result) for result in results}
    lines = [
        [f'{network}, {pool}', *(cells.get((network, pool, column), '') for column in columns)]
        for network, pool in rows
    ]
    return markdown_table(['network, filters', *columns], lines)


def _cell(result: Parity) -> str:
    if result.error is None:
        return 'fails'
    number = f'{result.error:.0e}' if result.error else '0'
    return number if result.holds else f'**{number}**'


def _failures(results: Sequence[Parity]) -> list[str]:
    """One entry for each reason, with all that it stops."""
    stopped: dict[str, dict[str, list[str]]] = {}
    for result in results:
        if result.error is None:
            exporters = stopped.setdefault(result.reason, {}).setdefault(f'{result.network}, {result.pool}', [])
            exporters.append(result.exporter)
    entries = []
    for reason, networks in stopped.items():
        names = (f'{network} ({", ".join(exporters)})' for network, exporters in networks.items())
        entries.append(f'- `{reason}`: {"; ".join(names)}')
    text = '\n'.join(entries)
    return [text] if text else []
