"""The results of one stack, as Markdown."""

from collections import Counter
from collections.abc import Iterable, Sequence

from lab.coverage import Outcome
from lab.coverage.table import APPLICABLE, TITLES, clip, percent, table
from lab.zoos.check import RUNS
from lab.zoos.result import ConfigResult

_COLUMNS = (*APPLICABLE, Outcome.NOT_APPLICABLE, Outcome.NOT_RUN)


def render_stack(results: Iterable[ConfigResult], stack: str, environment: dict[str, str]) -> str:
    """The section of one stack: totals, the types of backbones of each library, and the reasons.

    Args:
        results: in the order in which they are to appear.
        stack: name of the section.
        environment: versions and machine, by name.
    """
    rows = list(results)
    libraries = list(dict.fromkeys(row.library for row in rows))
    versions = ', '.join(f'{name} {text}' for name, text in environment.items() if name not in ('machine', 'commit'))
    parts = [f'## {stack}', f'Made with {versions}.', _totals(rows, libraries)]
    for library in libraries:
        parts += [f'### {stack}: {library}', _types([row for row in rows if row.library == library])]
    return '\n\n'.join([*parts, f'### {stack}: reasons', _reasons(rows)])


def summarize(results: Iterable[ConfigResult]) -> str:
    """One line: how many of the applicable configs are converted."""
    counts = Counter(row.outcome for row in results)
    applicable = sum(counts[outcome] for outcome in APPLICABLE)
    text = f'{counts[Outcome.CONVERTED]} of {applicable} configs converted ({percent(counts)})'
    others = (Outcome.REFUSED, Outcome.WRONG, Outcome.NOT_APPLICABLE, Outcome.NOT_RUN)
    return ', '.join([text, *(f'{counts[outcome]} {TITLES[outcome].lower()}' for outcome in others)])


def _totals(rows: Sequence[ConfigResult], libraries: Sequence[str]) -> str:
    lines = []
    for library in (*libraries, 'all'):
        found = [row for row in rows if library in (row.library, 'all')]
        counts = Counter(row.outcome for row in found)
        applicable = sum(counts[outcome] for outcome in APPLICABLE)
        different = len({backbone.digest for row in found for backbone in row.backbones})
        numbers = (len(found), different, applicable, *(counts[outcome] for outcome in APPLICABLE))
        lines.append((library, *numbers, percent(counts), counts[Outcome.NOT_APPLICABLE], counts[Outcome.NOT_RUN]))
    head = ('library', 'configs', 'different backbones', 'applicable', *(TITLES[o].lower() for o in APPLICABLE))
    return table((*head, 'converted of applicable', 'not applicable', 'not checked'), lines)


def _types(rows: Sequence[ConfigResult]) -> str:
    """One row for every type of backbone, the most frequent first."""
    groups: dict[str, list[ConfigResult]] = {}
    for row in rows:
        groups.setdefault(row.type or '–', []).append(row)
    lines = []
    for kind, found in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        counts = Counter(row.outcome for row in found)
        different = len({backbone.digest for row in found for backbone in row.backbones})
        models = [row.model for row in found if row.model]
        model = RUNS if RUNS in models else clip(''.join(models[:1]))
        lines.append((kind, len(found), different, *(counts[o] or '–' for o in _COLUMNS), _filters(found), model))
    head = ('backbone', 'configs', 'different', *(TITLES[o].lower() for o in _COLUMNS), 'filters', 'a whole model')
    return table(head, lines)


def _filters(rows: Sequence[ConfigResult]) -> str:
    """The least and the most filters of a converted backbone."""
    numbers = sorted({backbone.filters for row in rows for backbone in row.backbones if backbone.filters})
    return '–'.join(map(str, dict.fromkeys((numbers[0], numbers[-1])))) if numbers else '–'


def _reasons(rows: Sequence[ConfigResult]) -> str:
    """Why configs were not converted, with the first of each kind."""
    groups: dict[tuple[str, ...], list[ConfigResult]] = {}
    for row in rows:
        if row.outcome is not Outcome.CONVERTED:
            key = (row.library, TITLES[row.outcome].lower(), row.type or '–', clip(row.reason))
            groups.setdefault(key, []).append(row)
    order = [TITLES[outcome].lower() for outcome in (Outcome.WRONG, Outcome.REFUSED, *_COLUMNS[::-1])]
    keys = sorted(groups, key=lambda key: (order.index(key[1]), -len(groups[key])))
    lines = [(*key[:3], len(groups[key]), key[3], groups[key][0].name) for key in keys]
    return table(('library', 'outcome', 'backbone', 'configs', 'reason or what is left as it is', 'such as'), lines)
