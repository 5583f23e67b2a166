import json

import pytest

from antialias_plugins.evaluation.report import Evaluation, format_report, write_report
from antialias_plugins.metrics import ClassificationConsistency, InstanceConsistency, MeanShare

EVALUATION = Evaluation(
    {'top1': (0.75, (0.7375, 0.7625)), 'top5': (1.0, (0.9, 1.0))},
    ClassificationConsistency(0.9, (0.88, 0.915), 50, 0.015, (0.0140, 0.0165), 0.95, (0.9, 0.97), note='so'),
    parameters=1000,
    images_per_second=12.5,
)
TABLE = """
                                %
top-1 accuracy              75.00 [73.75, 76.25]
top-5 accuracy             100.00 [90.00, 100.00]
consistency                 90.00 [88.00, 91.50]
correct-consistency         95.00 [90.00, 97.00]
change of top probability    1.50 [1.40, 1.65]
note: so
"""
BARE_TABLE = """
                                %
consistency                 90.00
change of top probability    1.50
"""
DETECTION = Evaluation(
    {'bbox_mAP': (0.414, None), 'segm_mAP': (0.372, None)},
    InstanceConsistency(MeanShare(0.67, (0.66, 0.68), 30), MeanShare(0.699, (0.67, 0.7), 31), 40),
    1000,
    12.5,
)
DETECTION_TABLE = """
               %
bbox_mAP   41.40
segm_mAP   37.20
mAISC      67.00 [66.00, 68.00]
box AISC   69.90 [67.00, 70.00]
"""


@pytest.mark.parametrize(
    ('evaluation', 'table'),
    [
        (EVALUATION, TABLE),
        (Evaluation({}, ClassificationConsistency(0.9, None, 50, 0.015, None), 1000, 12.5), BARE_TABLE),
        (DETECTION, DETECTION_TABLE),
    ],
    ids=['all', 'bare', 'detection'],
)
def test_table(evaluation, table):
    assert format_report(evaluation) == table.strip('\n')


def test_file(tmp_path):
    path = tmp_path / 'new' / 'report.json'
    write_report(path, {'model': 'resnet18'}, EVALUATION)
    report = json.loads(path.read_text())
    assert report['settings'] == {'model': 'resnet18'}
    assert report['accuracy']['top1'] == {'mean': 0.75, 'interval': [0.7375, 0.7625]}
    assert (report['consistency']['mean'], report['consistency']['images']) == (0.9, 50)
    assert 'torch' in report['environment']
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('settings', [{'model': object()}], ids=['unwritable'])
def test_failure_leaves_the_old_file(settings, tmp_path):
    path = tmp_path / 'report.json'
    path.write_text('old')
    with pytest.raises(TypeError):
        write_report(path, settings, EVALUATION)
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]
