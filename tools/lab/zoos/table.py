"""Results of one stack as Markdown, and docs/zoos.md with a section for every stack."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lab.coverage import Outcome
from lab.coverage.table import APPLICABLE, TITLES, clip, percent, table
from lab.zoos.check import RUNS, ConfigResult

INTRODUCTION = """\
# Zoos: which configs can be antialiased

Every config that the installed mmseg, mmdet and mmpretrain bring along, read, turned into a child config by what
`antialias config` does (`lpf4`, every other option at its default), and its backbone built as that child
config says. This file is written by `python tools/make_zoo_table.py`, one section on each of the two stacks.

Backbones are told apart by all their options (depth, dilations, style, frozen stages, deformable convolutions, ...).
Each is built once, with random weights, and every config that has it is counted. Checkpoints are no part of it:
`init_cfg` and `pretrained` are left out, and nothing is downloaded.

**Converted**: `type='Antialiased'` builds the backbone, and its maps have the sizes that they had before. What it then
computes is checked for every class of backbones in [coverage.md](coverage.md). *Filters* is their smallest and largest
number. *A whole model*: converted configs of each type are built as a whole with random weights and run on 128×128 or
512×512 pixels of noise, until one runs: a detector predicts, the others compute their raw outputs.

**Refused**: an error names each place and its reason. **Not applicable**: nothing behind the stem downsamples in a way
that would be filtered, as in most transformers, or there is no backbone. **Applicable**: all others that were built.
"""


def replace_stack(document: str, stack: str, section: str) -> str:
    r"""A document with one stack's section new, and those of the others as they were.

    Args:
        document: what there was; empty if nothing.
        stack: name of the section.
        section: its text, beginning with ``## `` and that name.

    Example:
        >>> replace_stack('# Old introduction\n\n## b\n\n1\n', 'a', '## a\n\n2').partition('## a')[2]
        '\n\n2\n\n## b\n\n1\n'
    """
    sections = {text[3:].partition('\n')[0]: text.strip() for text in re.split(r'^(?=## )', document, flags=re.M)[1:]}
    ordered = sorted((sections | {stack: section.strip()}).items())
    return '\n\n'.join([INTRODUCTION.strip(), *(text for _, text in ordered)]) + '\n'


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
