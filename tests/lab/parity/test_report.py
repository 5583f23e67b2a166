import pytest

from lab.parity.parity import Parity
from lab.parity.report import BEGIN, END, insert_report, render_parity

RESULTS = [
    Parity('resnet18', 'lpf4', 'ONNX', '2.5.1', 5e-7),
    Parity('resnet18', 'lpf4', 'trace', '2.5.1', 0.0),
    Parity('resnet18', 'aps3', 'ONNX', '2.5.1', None, 'KeyError: size'),
    Parity('resnet18', 'aps3', 'trace', '2.5.1', 2e-2),
    Parity('resnet50', 'lps3', 'ONNX', '2.5.1', None, 'KeyError: size'),
    Parity('resnet18', 'lpf4', 'ONNX', '2.14.1', 6e-7),
]


def test_table_by_hand():
    assert render_parity(RESULTS).splitlines() == [
        '### torch 2.5.1',
        '',
        '| network, filters |  ONNX |     trace |',
        '| ---------------- | ----: | --------: |',
        '| resnet18, lpf4   | 5e-07 |         0 |',
        '| resnet18, aps3   | fails | **2e-02** |',
        '| resnet50, lps3   | fails |           |',
        '',
        '- `KeyError: size`: resnet18, aps3 (ONNX); resnet50, lps3 (ONNX)',
        '',
        '### torch 2.14.1',
        '',
        '| network, filters |  ONNX |',
        '| ---------------- | ----: |',
        '| resnet18, lpf4   | 6e-07 |',
    ]


def test_report_takes_the_place_of_the_old_one():
    document = insert_report(f'before\n{BEGIN}\nold\n{END}\nafter\n', 'new \\1')
    assert document == f'before\n{BEGIN}\n\nnew \\1\n\n{END}\nafter\n'
    assert insert_report(document, 'new \\1') == document


def test_a_document_without_marks_is_refused():
    with pytest.raises(ValueError, match='document must have the lines'):
        insert_report('nothing', 'new')
