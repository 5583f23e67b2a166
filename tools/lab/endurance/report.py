"""The log of the kills, as a table."""

from collections.abc import Sequence

from antialias_plugins.utils import markdown_table
from lab.endurance.kills import Kill

_HEADER = ('kill', 'after', 'while', 'iteration', 'left half-written', 'resumed from')


def format_kills(kills: Sequence[Kill]) -> str:
    """Return one row per kill, as Markdown."""
    return markdown_table(_HEADER, [_row(number, one) for number, one in enumerate(kills, 1)])


def _row(number: int, one: Kill) -> tuple[str, ...]:
    # 'iter_12.pth' of '.iter_12.pth.4711.partial'
    files = (name.removeprefix('.').rsplit('.', 2)[0] for name in one.half_written)
    return (
        str(number),
        f'{one.seconds:.1f} s',
        one.phase,
        str(one.iteration),
        ', '.join(files) or '–',
        str(one.resumes_from) if one.resumes_from else 'scratch',
    )
