import csv
import json
from dataclasses import dataclass, replace

import pytest

from antialias_plugins.evaluation import Evaluation, Settings, parse_model
from antialias_plugins.evaluation.comparison import (
    Comparison,
    format_comparison,
    headline,
    rows,
    short_names,
    write_csv,
)
from antialias_plugins.evaluation.comparison import (
    notes as notes_of,
)
from antialias_plugins.metrics import (
    ClassificationConsistency,
    InstanceConsistency,
    MeanShare,
    SegmentationConsistency,
)

CLASSIFICATION = Evaluation(
    {'top1': (0.6974, (0.69, 0.7)), 'top5': (0.9, (0.89, 0.91))},
    ClassificationConsistency(0.8511, (0.848, 0.854), 50000, 0.05, (0.04, 0.06)),
    parameters=11689512,
    images_per_second=100.0,
    plain_per_second=300.0,
    views_per_second=150.0,
)
UNLABELLED = Evaluation({}, ClassificationConsistency(0.9, None, 1, 0.0, None), 500, images_per_second=10.0)
SEGMENTATION = Evaluation(
    {'aAcc': (0.9, None), 'mIoU': (0.2, None)}, SegmentationConsistency(0.95, (0.93, 0.96), 40), 1000, 2.0, 6.0, 3.0
)
BOXES = Evaluation(
    {'bbox_mAP': (0.3, None)}, InstanceConsistency(None, MeanShare(0.6, (0.58, 0.61), 30), 40), 1000, 2.0, 6.0, 3.0
)
MASKS = Evaluation(
    {'bbox_mAP': (0.3, None), 'segm_mAP': (0.25, None)},
    InstanceConsistency(MeanShare(0.5, (0.49, 0.52), 30), MeanShare(0.6, (0.58, 0.61), 30), 40),
    *(1000, 2.0, 6.0, 3.0),
)


@dataclass
class Model:
    """Counts how often it is evaluated."""

    evaluation: Evaluation = CLASSIFICATION
    content: str = 'a'
    count: int = 0

    def fingerprint(self):
        return {'weights.pth': self.content}

    def evaluate(self, settings, progress=True):
        self.count += 1
        return self.evaluation


def records(*evaluations):
    comparison = Comparison(Settings())
    return {f'model{index}': comparison.measure(str(index), Model(value)) for index, value in enumerate(evaluations)}


def test_table():
    table = format_comparison(records(CLASSIFICATION, CLASSIFICATION))
    assert table.splitlines() == [
        '| model  | top-1 (%) | consistency (%), 95 % interval | parameters (M) | images / s |',
        '| ------ | --------: | -----------------------------: | -------------: | ---------: |',
        '| model0 |     69.74 |           85.11 [84.80, 85.40] |          11.69 |      300.0 |',
        '| model1 |     69.74 |           85.11 [84.80, 85.40] |          11.69 |      300.0 |',
    ]


@pytest.mark.parametrize(
    ('evaluation', 'name', 'titles', 'cells'),
    [
        (SEGMENTATION, 'mIoU', 'mIoU (%) | mASSC (%)', ['20.00', '95.00 [93.00, 96.00]', '0.00', '6.0']),
        (UNLABELLED, None, 'consistency (%)', ['90.00', '0.00', '10.0']),
        (MASKS, 'segm_mAP', 'mask mAP (%) | mAISC (%)', ['25.00', '50.00 [49.00, 52.00]', '0.00', '6.0']),
        (BOXES, 'bbox_mAP', 'box mAP (%) | box AISC (%)', ['30.00', '60.00 [58.00, 61.00]', '0.00', '6.0']),
    ],
    ids=['segmentation', 'unlabelled', 'masks', 'boxes'],
)
def test_what_is_compared(evaluation, name, titles, cells):
    measured = records(evaluation)
    assert headline(measured) == name
    head, _, row = format_comparison(measured).splitlines()
    assert titles in head
    assert [cell.strip() for cell in row.split('|')[2:-1]] == cells


@pytest.mark.parametrize(
    ('texts', 'names'),
    [
        (['resnet18', 'resnet18@a/b.pth', 'c/d.py@e.pth'], ['resnet18', 'resnet18 (b)', 'd']),
        (['c/d.py@e.pth', 'c/d.py@f.pth'], ['c/d.py@e.pth', 'c/d.py@f.pth']),
    ],
    ids=['short', 'told-apart'],
)
def test_names(texts, names):
    assert short_names({text: parse_model(text) for text in texts}) == names


def test_csv(tmp_path):
    path = tmp_path / 'new' / 'a.csv'
    write_csv(path, records(CLASSIFICATION))
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert {name: value if name == 'model' else float(value) for name, value in row.items()} == rows(
        records(CLASSIFICATION)
    )[0]
    assert float(row['top1']) == pytest.approx(69.74)


def test_models_that_do_not_do_the_same():
    with pytest.raises(ValueError, match='models must do the same, got top1 of model0, mIoU of model1'):
        headline(records(CLASSIFICATION, SEGMENTATION))


def test_interrupted_comparison_goes_on(tmp_path):
    """The second model is interrupted, and the file has the first one."""
    path = tmp_path / 'a.json'
    first, second = Model(), Model()
    second.evaluate = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    comparison = Comparison(Settings(), path)
    comparison.measure('first', first)
    with pytest.raises(KeyboardInterrupt):
        comparison.measure('second', second)
    del second.evaluate
    again = Comparison(Settings(), path)
    found = [again.measure('first', first), again.measure('second', second)]
    assert (first.count, second.count) == (1, 1)
    assert [record['model'] for record in json.loads(path.read_text())['models']] == ['first', 'second']
    assert found[0]['accuracy']['top1']['mean'] == 0.6974


def test_two_comparisons_in_one_file_keep_what_both_measured(tmp_path):
    path = tmp_path / 'a.json'
    one, two = Comparison(Settings(), path), Comparison(Settings(), path)
    one.measure('first', Model())
    two.measure('second', Model())
    one.measure('third', Model())
    two.measure('first', Model())  # both did: one record is enough
    assert [record['model'] for record in json.loads(path.read_text())['models']] == ['first', 'second', 'third']


def test_asked_again_it_measures_anew_and_replaces(tmp_path):
    path, first, second = tmp_path / 'a.json', Model(), Model()
    for again in (False, True):
        comparison = Comparison(Settings(), path, again)
        comparison.measure('first', first)
    Comparison(Settings(), path).measure('second', second)
    Comparison(Settings(), path, again=True).measure('first', replace(first, evaluation=UNLABELLED))
    records = json.loads(path.read_text())['models']
    assert [(record['model'], bool(record['accuracy'])) for record in records] == [('first', False), ('second', True)]
    assert (first.count, second.count) == (2, 1)


def test_notes_that_all_share_are_told_once():
    measured = records(UNLABELLED, UNLABELLED, UNLABELLED)
    for name, notes, size in (('model0', ['a', 'b'], 224), ('model1', ['a'], 224), ('model2', ['a', 'b'], 288)):
        measured[name] |= {'notes': notes, 'prepared': {'preparation': {'size': size}}}
    assert notes_of(measured) == [
        'note: a',
        'note: model0, model2: b',
        'note: sides of the inputs in pixels: 224 of model0, 224 of model1, 288 of model2 (--size makes them equal)',
    ]


@pytest.mark.parametrize(
    ('text', 'content', 'settings', 'count'),
    [
        ('a', 'a', Settings(), 1),
        ('a', 'a', Settings(workers=7), 1),
        ('b', 'a', Settings(), 2),
        ('a', 'b', Settings(), 2),
        ('a', 'a', Settings(max_shift=16), 2),
    ],
    ids=['same', 'workers', 'text', 'weights', 'settings'],
)
def test_what_makes_it_another_measurement(tmp_path, text, content, settings, count):
    path, model = tmp_path / 'a.json', Model()
    Comparison(Settings(), path).measure('a', model)
    model.content = content
    Comparison(settings, path).measure(text, model)
    assert model.count == count
    assert len(json.loads(path.read_text())['models']) == count


@pytest.mark.parametrize('text', ['', 'no JSON', '[]', '{}', '{"models": [1]}', '{"models": [{"name": 1}]}'])
def test_file_of_something_else(text, tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=r'json must be a file of a comparison, got .*a.json'):
        Comparison(Settings(), path)
    assert path.read_text() == text
