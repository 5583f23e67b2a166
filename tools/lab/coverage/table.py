"""The coverage table, as Markdown."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lab.coverage.check import Outcome, Result

_INTRODUCTION = """\
# Coverage: which networks can be antialiased

Networks of the libraries below, converted by `convert_antialias(model, 'lpf4')` with every other option at its default.
This file is written by `python tools/make_coverage.py`.

A **family** is what one module of a library defines under names that differ only in size. Its member with the fewest
parameters is checked, with random weights, and stands for all *of* them. Of mmseg and mmpretrain, every backbone class
is a family, in a small configuration.

**Converted** means that all of this holds, in eval mode, on two image sizes (one of them odd, unless the network takes
only certain sizes) and in float64:

- with `lpf1` and `avgpool='keep'` the outputs are those of the original. *Error* is the largest difference, relative to
  the largest value (\\*: in float32, because the network does not run in float64). There is none to give (–) where
  norms take their statistics from the map at hand, which is denser now;
- with `lpf4` the original's state dict loads with `strict=True`, and the outputs keep their shapes, not their values;
- among the operators that torch then runs, no convolution or pool strides that the plan does not name;
- reverted, the network computes what it did before, to the last bit.

**Refused** networks were left as they were, by an error that names each place and its reason. **Not applicable**: there
is nothing behind the stem that the conversion would filter by default. **Applicable**: all others that were checked."""

TITLES = {
    Outcome.WRONG: 'Wrong',
    Outcome.REFUSED: 'Refused',
    Outcome.CONVERTED: 'Converted',
    Outcome.NOT_APPLICABLE: 'Not applicable',
    Outcome.NOT_RUN: 'Not checked',
}
APPLICABLE = (Outcome.CONVERTED, Outcome.REFUSED, Outcome.WRONG)
_MAX_REASON = 240


def render_table(results: Iterable[Result], environment: dict[str, str]) -> str:
    """The whole document: totals, the slowest conversions, and a table for every library and outcome.

    Args:
        results: the rows, in the order in which they are to appear.
        environment: versions and machine, by name.
    """
    rows = list(results)
    libraries = list(dict.fromkeys(row.library for row in rows))
    parts = [_INTRODUCTION, '## Totals', _totals(rows, libraries), _provenance(environment)]
    parts += ['## The ten slowest conversions', _slowest(rows)]
    for library in libraries:
        parts.append(f'## {library}')
        for outcome, title in TITLES.items():
            found = [row for row in rows if (row.library, row.outcome) == (library, outcome)]
            if found:
                parts += [f'### {library}: {title.lower()} ({len(found)})', _section(outcome, found)]
    return '\n\n'.join(parts) + '\n'


def summarize(results: Iterable[Result]) -> str:
    """One line: how many of the applicable families are converted."""
    counts = Counter(row.outcome for row in results)
    applicable = sum(counts[outcome] for outcome in APPLICABLE)
    text = f'{counts[Outcome.CONVERTED]} of {applicable} converted ({percent(counts)})'
    return f'{text}, {counts[Outcome.REFUSED]} refused, {counts[Outcome.WRONG]} wrong'


def _totals(rows: Sequence[Result], libraries: Sequence[str]) -> str:
    lines = []
    for library in (*libraries, 'all'):
        found = [row for row in rows if library in (row.library, 'all')]
        counts = Counter(row.outcome for row in found)
        applicable = sum(counts[outcome] for outcome in APPLICABLE)
        numbers = (len(found), sum(row.members for row in found), applicable, *(counts[o] for o in APPLICABLE))
        lines.append((library, *numbers, percent(counts), counts[Outcome.NOT_APPLICABLE], counts[Outcome.NOT_RUN]))
    head = ('library', 'families', 'networks', 'applicable', *(TITLES[o].lower() for o in APPLICABLE))
    return table((*head, 'converted of applicable', 'not applicable', 'not checked'), lines)


def _provenance(environment: dict[str, str]) -> str:
    versions = ', '.join(f'{name} {text}' for name, text in environment.items() if name not in ('machine', 'commit'))
    return f'Made with {versions}. Times are of one conversion, with its example input, on {environment["machine"]}.'


def percent(counts: Counter) -> str:
    """Share of the applicable ones that are converted."""
    applicable = sum(counts[outcome] for outcome in APPLICABLE)
    return f'{100 * counts[Outcome.CONVERTED] / applicable:.1f} %' if applicable else '–'


def _slowest(rows: Sequence[Result]) -> str:
    timed = sorted((row for row in rows if row.seconds is not None), key=lambda row: -row.seconds)
    lines = [(row.library, row.name, row.sites, row.sides[0], f'{row.seconds:.1f}') for row in timed[:10]]
    return table(('library', 'architecture', 'filters', 'image side', 'seconds'), lines)


def _section(outcome: Outcome, rows: Sequence[Result]) -> str:
    if outcome is Outcome.CONVERTED:
        head = ('module', 'architecture', 'of', 'filters', 'behind', 'left as it is', 'error', 's')
        return table(head, [_converted(row) for row in rows])
    reason = 'left as it is' if outcome is Outcome.NOT_APPLICABLE else 'reason'
    texts = [_left(row) if outcome is Outcome.NOT_APPLICABLE else clip(row.reason) for row in rows]
    lines = [(row.module, row.name, row.members, text) for row, text in zip(rows, texts, strict=True)]
    return table(('module', 'architecture', 'of', reason), lines)


def _converted(row: Result) -> tuple:
    error = '–' if row.error is None else f'{row.error:.0e}' if row.error else '0'
    error += '\\*' if row.dtype == 'float32' else ''
    return (row.module, row.name, row.members, row.sites, ', '.join(row.kinds), _left(row), error, f'{row.seconds:.1f}')


def _left(row: Result) -> str:
    return ', '.join(reason if count == 1 else f'{count} × {reason}' for reason, count in row.left)


def clip(reason: str) -> str:
    """A reason that fits into a table."""
    return reason if len(reason) <= _MAX_REASON else reason[: _MAX_REASON - 1].rstrip() + '…'


def table(head: Sequence[str], lines: Iterable[Sequence]) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    cells = [[str(cell).replace('|', '\\|') for cell in line] for line in lines]
    numeric = [all(re.fullmatch(r'[\d.e%–\\* +-]+', line[i]) for line in cells) for i in range(len(head))]
    rule = ['---:' if right else '---' for right in numeric]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in (head, rule, *cells))
