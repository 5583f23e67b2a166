import json
import math

import pytest
import torch
import torchvision

from antialias_plugins import convert_antialias
from lab.benchmark import Settings, make_cases, run, select, write_report
from lab.benchmark.layers import RESNET, Place
from tests.lab.benchmark.cases import double_case

SETTINGS = Settings(timed=False)


def report_of(cases, settings=SETTINGS):
    paragraphs = []
    results, verdicts = run(cases, settings, paragraphs.append)
    return '\n'.join(paragraphs), results, verdicts


def test_no_ratio_where_implementations_disagree():
    text, _, _ = report_of([double_case(other='output')])
    assert 'DISAGREES: output' in text
    assert not [line for line in text.splitlines() if '| other ' in line and '×' in line]
    assert [line for line in text.splitlines() if '| square ' in line and '×' in line]


def test_no_ratio_where_ours_is_wrong():
    text, _, _ = report_of([double_case(ours='gradient')])
    assert 'DISAGREES' in text
    assert '×' not in text


def test_tables_are_markdown():
    text, _, _ = report_of([double_case()])
    tables = [line for line in text.splitlines() if line.startswith('|')]
    assert len({line.count('|') for line in tables[:5]}) == 1
    assert '10   | other' in text


@pytest.mark.parametrize('fault', ['', 'shape'], ids=['agrees', 'disagrees'])
def test_json_holds_everything_a_reader_needs(fault, tmp_path):
    _, results, verdicts = report_of([double_case(other=fault)], Settings(rounds=1, seconds=1e-3))
    path = tmp_path / 'new/report.json'
    write_report(path, {'dtype': 'float32'}, results, {'cpu': verdicts})
    report = json.loads(path.read_text())
    assert set(report) == {'environment', 'settings', 'results', 'means', 'goals'}
    assert {'machine', 'torch', 'kornia'} <= set(report['environment'])
    ours, other, floor = report['results']
    assert (ours['device'], ours['group'], ours['case'], ours['implementation']) == ('cpu', 'double', '10', 'ours')
    assert set(ours['measurements']) == {'saved', 'forward_peak', 'training_peak', 'forward', 'training'}
    assert set(ours['measurements']['forward']) == {'median', 'spread', 'count'}
    assert other['agreement']['holds'] == (not fault)
    assert (other['measurements'] is None) == bool(fault)
    assert floor['agreement'] is None
    (mean,) = [m for m in report['means'] if (m['implementation'], m['quantity']) == ('other', 'forward')]
    if fault:
        assert mean['mean'] is None
    else:
        seconds = [one['measurements']['forward']['median'] for one in (other, ours)]
        assert mean['mean'] == pytest.approx(seconds[0] / seconds[1])


def test_file_is_whole_or_not_there(tmp_path):
    _, results, _ = report_of([double_case()])
    path = tmp_path / 'report.json'
    path.write_text('before')
    with pytest.raises(ValueError, match='not JSON compliant'):
        write_report(path, {'rounds': math.nan}, results, {})
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [('report.json', 'before')]


def test_selection_by_pattern():
    cases = make_cases(['layers'], quick=True)
    assert [case.group for case in select(cases, 'max*K=3')] == ['max_blur_pool2d 3x3 K=3 S=2']
    assert select(cases, '') == cases
    with pytest.raises(ValueError, match='only must match the title of a case'):
        select(cases, 'swin')


NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=NEEDS_GPU)])
def test_smallest_layers_end_to_end(device):
    every = make_cases(['layers'], device, quick=True)
    cases = [select(every, pattern)[0] for pattern in ('/blur*S=2', '/max*2x2', '/adaptive*S=2')]
    text, results, verdicts = report_of(cases, Settings(device=device, timed=False))
    assert all(result.floor or result.agreement.holds for result in results)
    assert verdicts
    assert '### Goals' in text


def test_grid_is_where_resnets_filter():
    """Met on an image of 32x32, which is a seventh of 224x224."""
    met = set()

    def note(_, inputs):
        channels, height, width = inputs[0].shape[1:]
        met.add(Place(channels, 7 * height, 7 * width))

    for build in (torchvision.models.resnet18, torchvision.models.resnet50):
        model = convert_antialias(build(), 'lpf3')
        for name, module in model.named_modules():
            if name.endswith('.aa') and not name.startswith('maxpool'):
                module.register_forward_pre_hook(note)
        with torch.no_grad():
            model.eval()(torch.rand(1, 3, 32, 32))
    assert met == set(RESNET)
