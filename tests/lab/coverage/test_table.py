"""The committed table, against a sample of it that is made again."""

import json
import re
from pathlib import Path

import pytest

from lab.coverage import (
    Outcome,
    Result,
    check_families,
    installed_libraries,
    list_families,
    render_table,
    summarize,
)

DOCUMENT = Path(__file__).parents[3] / 'docs' / 'coverage.md'
ENVIRONMENT = {'machine': 'two cores', 'torch': '2.9'}
MEASURED = {'error', 's'}
SAMPLE = [
    'timm/resnet/test_resnet',
    'timm/efficientnet/test_efficientnet',
    'timm/mobilenetv3/tf_mobilenetv3_small_minimal_100',
    'timm/mlp_mixer/gmixer_12_224',
    'torchvision/squeezenet/squeezenet1_1',
    'mmseg/unet/UNet',
    'mmpretrain/lenet/LeNet5',
]


def rows_of(document):
    """The document's rows as ``(library, title, number) -> {column: cell}`` for each table of a library."""
    tables = {}
    for section in re.split(r'^### ', document, flags=re.M)[1:]:
        library, title, count = re.match(r'(\w+): (.+) \((\d+)\)', section).groups()
        head, _, *lines = [line.strip()[2:-2].split(' | ') for line in section.splitlines() if line.startswith('|')]
        tables[library, title, int(count)] = [dict(zip(head, map(str.strip, line), strict=True)) for line in lines]
    return tables


def row_named(document, key):
    """Title of the table and the cells of one network that do not depend on the machine."""
    library, module, name = key.split('/')
    for (found, title, _), rows in rows_of(document).items():
        for row in rows:
            if (found, row['module'], row['architecture']) == (library, module, name):
                return title, {column: cell for column, cell in row.items() if column not in MEASURED}
    raise KeyError(key)


@pytest.fixture(scope='module')
def document():
    return DOCUMENT.read_text(encoding='utf-8')


@pytest.mark.parametrize('key', SAMPLE)
def test_the_committed_rows_are_right(key, document):
    library = key.partition('/')[0]
    if library not in installed_libraries():
        pytest.skip(f'{library} is not installed')
    made = render_table(check_families(list_families(library, key)), ENVIRONMENT)
    assert row_named(made, key) == row_named(document, key)


def test_nothing_is_silently_wrong_and_nearly_everything_is_converted(document):
    counts = {(library, title): count for library, title, count in rows_of(document)}
    assert not [table for table in counts if table[1] == 'wrong']
    converted, refused = counts['timm', 'converted'], counts.get(('timm', 'refused'), 0)
    assert converted >= 0.95 * (converted + refused)


def test_titles_count_their_rows(document):
    tables = rows_of(document)
    assert tables
    assert all(len(rows) == count for (_, _, count), rows in tables.items())


CONVERTED = {'outcome': Outcome.CONVERTED, 'sides': (96, 97), 'dtype': 'float64'}
ROWS = {
    'exact': CONVERTED
    | {'sites': 7, 'kinds': ('conv',), 'left': (('stem', 1), ('far', 3)), 'error': 2e-15, 'seconds': 1.26},
    'single': CONVERTED
    | {'sites': 1, 'kinds': ('conv', 'max pool'), 'dtype': 'float32', 'error': 3e-7, 'seconds': 0.1},
    'dense': CONVERTED | {'sites': 2, 'kinds': ('conv',), 'seconds': 30.0},
    'stuck': {'outcome': Outcome.REFUSED, 'reason': '1 of 2 places: x | y'},
    'patches': {'outcome': Outcome.NOT_APPLICABLE, 'left': (('stem', 1),)},
    'giant': {'outcome': Outcome.NOT_RUN, 'reason': 'too large'},
}
RESULTS = [Result('timm', 'zoo', name, members=2, **row) for name, row in ROWS.items()]


def test_the_summary_counts_what_applies():
    assert summarize(RESULTS) == '3 of 4 converted (75.0 %), 1 refused, 0 wrong'
    assert summarize(RESULTS[4:]) == '0 of 0 converted (–), 0 refused, 0 wrong'


def test_the_document_has_every_row_once():
    made = render_table(RESULTS, ENVIRONMENT)
    converted = [
        ['zoo', 'exact', '2', '7', 'conv', 'stem, 3 × far', '2e-15', '1.3'],
        ['zoo', 'single', '2', '1', 'conv, max pool', '', '3e-07\\*', '0.1'],
        ['zoo', 'dense', '2', '2', 'conv', '', '–', '30.0'],
    ]
    tables = rows_of(made)
    assert [list(row.values()) for row in tables['timm', 'converted', 3]] == converted
    assert [row['reason'] for row in tables['timm', 'refused', 1]] == ['1 of 2 places: x \\| y']
    assert [row['left as it is'] for row in tables['timm', 'not applicable', 1]] == ['stem']
    assert [row['reason'] for row in tables['timm', 'not checked', 1]] == ['too large']
    assert '| timm | 6 | 12 | 4 | 3 | 1 | 0 | 75.0 % | 1 | 1 |' in made


def test_the_slowest_come_first():
    made = render_table(RESULTS, ENVIRONMENT).partition('## The ten slowest')[2].partition('## timm')[0]
    assert re.findall(r'\| timm \| (\w+) \|', made) == ['dense', 'exact', 'single']


@pytest.mark.parametrize('result', RESULTS, ids=ROWS)
def test_results_survive_json(result):
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
