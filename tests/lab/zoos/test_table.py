"""The committed document, and the tables that it is made of."""

import re
from pathlib import Path

import pytest

from antialias_plugins.openmmlab.child_config import installed_zoos
from antialias_plugins.utils import installed_stack
from lab.coverage import Outcome
from lab.zoos import BackboneResult, ConfigResult, list_zoo, render_stack, replace_stack, summarize

DOCUMENT = Path(__file__).parents[3] / 'docs' / 'zoos.md'


def result(name, outcome, kind='ResNet', digest='1', **changes):
    backbone = BackboneResult('model.backbone', kind, digest, outcome, 'its reason', 7)
    return ConfigResult('mmseg', name, outcome, 'its reason', (backbone,), **changes)


RESULTS = [
    result('a/1', Outcome.CONVERTED, model='runs'),
    result('a/2', Outcome.CONVERTED),
    result('a/3', Outcome.CONVERTED, digest='2'),
    result('a/4', Outcome.REFUSED, 'HRNet', '3'),
    ConfigResult('mmseg', 'a/5', Outcome.NOT_APPLICABLE, 'no backbone'),
]


def rows(text, heading):
    """The rows of the table below a heading, as lists of cells."""
    lines = text.partition(f'{heading}\n')[2].partition('\n#')[0].splitlines()
    return [line.strip('| ').split(' | ') for line in lines if line.startswith('|')][2:]


def test_counts():
    section = render_stack(RESULTS, 'onedl', {'torch': '2.9', 'machine': 'two cores'})

    assert rows(section, '## onedl')[0][:8] == ['mmseg', '5', '3', '4', '3', '1', '0', '75.0 %']
    types = {row[0]: row[1:] for row in rows(section, '### onedl: mmseg')}
    assert types['ResNet'] == ['3', '2', '3', '–', '–', '–', '–', '7', 'runs']
    assert rows(section, '### onedl: reasons')[0] == ['mmseg', 'refused', 'HRNet', '1', 'its reason', 'a/4']
    assert summarize(RESULTS).startswith('3 of 4 configs converted (75.0 %), 1 refused, 0 wrong, 1 not applicable')


def test_a_stack_replaces_its_own_section_only():
    document = replace_stack('', 'openmmlab', '## openmmlab\n\nold')
    document = replace_stack(document, 'onedl', '## onedl\n\none')
    document = replace_stack(document, 'openmmlab', '## openmmlab\n\nnew')

    assert re.findall(r'^## (\w+)\n\n(\w+)', document, flags=re.M) == [('onedl', 'one'), ('openmmlab', 'new')]


@pytest.mark.parametrize('library', installed_zoos())
def test_the_committed_document_has_every_installed_config(library):
    stack = installed_stack()
    document = DOCUMENT.read_text(encoding='utf-8')
    totals = {row[0]: row[1:] for row in rows(document, f'## {stack}')}
    types = rows(document, f'### {stack}: {library}')
    if library not in totals:
        pytest.skip(f'tools/make_zoo_table.py was not run to its end for {library} on {stack}')

    assert int(totals[library][0]) == len(list_zoo(library)) == sum(int(row[1]) for row in types)
    assert int(totals[library][3]) == sum(int(row[3].replace('–', '0')) for row in types)
    assert totals[library][5] == '0'
