"""Records per image, means with their intervals, and named figures."""

import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from antialias_plugins.metrics import (
    Instances,
    MeanInstanceConsistency,
    MeanSegmentationConsistency,
    MeanShare,
    ShiftConsistency,
    ShiftGrid,
    ViewPlan,
    WorstCaseSegmentationConsistency,
    WorstCaseShiftConsistency,
    mean_interval,
)
from antialias_plugins.metrics.base import options_of


def test_interval_by_hand():
    mean, half_width = mean_interval([0.25, 0.75])
    assert mean == 0.5
    assert half_width == pytest.approx(1.959964 * 0.25, rel=1e-6)  # s = √(2 · 0.25²), s / √2 = 0.25


def test_covers_the_true_mean_95_times_in_100():
    draws = np.random.default_rng(0).beta(8, 2, size=(2000, 100))
    hits = sum(abs(mean - 0.8) < half_width for mean, half_width in map(mean_interval, draws.tolist()))
    assert hits / 2000 == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 2000) ** 0.5)


def test_order_does_not_matter():
    values = [random.Random(0).random() * 10**-power for power in range(12) for _ in range(9)]
    shuffled = random.Random(1).sample(values, len(values))
    assert mean_interval(values) == mean_interval(shuffled)


def test_single_value_has_no_interval():
    assert mean_interval([0.5]) == (0.5, None)


@pytest.mark.parametrize(
    ('values', 'confidence', 'message'),
    [([], 0.95, 'values .* got none'), ([1.0], 95, 'confidence must be between 0 and 1, got 95')],
    ids=['empty', 'per-cent'],
)
def test_bad_interval(values, confidence, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(values, confidence)


@pytest.mark.parametrize(
    ('shares', 'expected', 'text'),
    [
        ([], MeanShare(None, None, 0), 'in no image'),
        ([0.25], MeanShare(0.25, None, 1), '25.00 % (n = 1)'),
        ([0.5, 0.5], MeanShare(0.5, 0.0, 2), '50.00 ± 0.00 % (n = 2)'),
    ],
    ids=['none', 'one', 'two'],
)
def test_mean_share(shares, expected, text):
    assert MeanShare.of(shares) == expected
    assert str(expected) == text


IMAGES = torch.rand(6, 1, 14, 15, generator=torch.Generator().manual_seed(0))

MAPS = (IMAGES[:, 0] * 3).long()


def classify(views):
    return views[:, 0, 0, :3]


def segment(views):
    """Depends on content and, like aliasing, on where in the view a pixel lies."""
    return ((views[:, 0] * 10).long() + torch.arange(views.shape[-1]) % 2) % 3


def detect(views):
    """Finds one instance of each class of `segment`; how sure it is depends on the view's first pixel."""
    masks = segment(views)[:, None] == torch.arange(3)[:, None, None]
    scores = [1 - 0.3 * (view[0, 0, 0] + torch.arange(3)) for view in views]
    return [Instances(score, torch.arange(3), masks=mask) for score, mask in zip(scores, masks, strict=True)]


@dataclass(frozen=True)
class Case:
    create: Callable
    predict: Callable
    labels: list | None
    others: tuple = ()
    """What differs in one setting each."""

    def update(self, metric, index):
        labels = [] if self.labels is None else [self.labels[index]]
        metric.update(index, IMAGES[index], self.predict, *labels)

    def accumulate(self, indices):
        metric = self.create()
        for index in indices:
            self.update(metric, index)
        return metric


CLASSES, WHOLE_MAPS = [0, 1, 2, 0, 1, 2], list(MAPS)

SMALL = dict(max_shift=4, crop_size=8)

CASES = {
    'shift': Case(
        lambda: ShiftConsistency(ViewPlan(**SMALL)),
        classify,
        CLASSES,
        (lambda: ShiftConsistency(ViewPlan(**SMALL, seed=1)), lambda: ShiftConsistency(ViewPlan(**SMALL, views=3))),
    ),
    'legacy': Case(lambda: ShiftConsistency(ViewPlan(**SMALL, protocol='legacy', batch_size=2)), classify, CLASSES),
    'subpixel': Case(lambda: ShiftConsistency(ViewPlan(**SMALL, circular=True, subpixel=4)), classify, CLASSES),
    'mASSC': Case(
        lambda: MeanSegmentationConsistency(5),
        segment,
        WHOLE_MAPS,
        (lambda: MeanSegmentationConsistency(5, seed=1), lambda: MeanSegmentationConsistency(5, num_classes=3)),
    ),
    'regions': Case(lambda: MeanSegmentationConsistency(5, num_classes=4, boundary=1), segment, WHOLE_MAPS),
    'mAISC': Case(
        lambda: MeanInstanceConsistency(5, iou_threshold=0.2),
        detect,
        None,
        (lambda: MeanInstanceConsistency(5, seed=1), lambda: MeanInstanceConsistency(5, min_area=9)),
    ),
    'worst-case-shift': Case(
        lambda: WorstCaseShiftConsistency(ShiftGrid(3)),
        classify,
        CLASSES,
        (lambda: WorstCaseShiftConsistency(ShiftGrid(3, circular=True)),),
    ),
    'worst-case-mASSC': Case(
        lambda: WorstCaseSegmentationConsistency(ShiftGrid(3)),
        segment,
        WHOLE_MAPS,
        (lambda: WorstCaseSegmentationConsistency(ShiftGrid(3), ignore_index=0),),
    ),
}

ALL = pytest.mark.parametrize('case', CASES.values(), ids=CASES)

# The legacy protocol's figures are means of five means over the images: exact for any order of the images too.
PARTS = {
    'two-processes': [[0, 2, 4], [1, 3, 5]],
    'repeated-to-fill': [[4, 0, 2, 5], [1, 3, 0, 4]],
    'backwards': [[5, 4, 3], [2, 1, 0]],
    'one-each': [[3], [0], [5], [1], [2], [4]],
}


@ALL
@pytest.mark.parametrize('parts', PARTS.values(), ids=PARTS)
def test_merging_processes_gives_the_number_of_one(case, parts):
    merged, *others = (pickle.loads(pickle.dumps(case.accumulate(part))) for part in parts)
    for other in others:
        merged.merge(other)
    assert merged.compute() == case.accumulate(range(6)).compute()


@ALL
def test_resuming_gives_the_number_of_an_unbroken_run(case):
    resumed = pickle.loads(pickle.dumps(case.accumulate(range(3))))
    for index in range(2, 6):  # the last image is measured again
        case.update(resumed, index)
    assert resumed.compute() == case.accumulate(range(6)).compute()


@ALL
def test_reset_forgets_all_images(case):
    metric = case.accumulate(range(5))
    metric.reset()
    with pytest.raises(ValueError, match='images must hold at least one image, got none'):
        metric.compute()
    case.update(metric, 5)
    assert metric.compute() == case.accumulate([5]).compute()


@ALL
def test_compute_changes_nothing(case):
    metric = case.accumulate(range(6))
    assert metric.compute() == metric.compute()


@pytest.mark.parametrize('name', [name for name, case in CASES.items() if case.others])
def test_merging_other_settings(name):
    for other in CASES[name].others:
        with pytest.raises(ValueError, match='other must have the same settings'):
            CASES[name].create().merge(other())


def test_merging_another_metric():
    message = 'other must be a WorstCaseShiftConsistency, got a WorstCaseSegmentationConsistency'
    with pytest.raises(ValueError, match=message):
        WorstCaseShiftConsistency(ShiftGrid()).merge(WorstCaseSegmentationConsistency(ShiftGrid()))


@pytest.mark.parametrize(
    ('metric', 'labels', 'predict'),
    [(WorstCaseShiftConsistency, CLASSES, classify), (WorstCaseSegmentationConsistency, WHOLE_MAPS, segment)],
    ids=['classification', 'segmentation'],
)
def test_batch_size_does_not_matter(metric, labels, predict):
    results = set()
    for batch_size in (1, 2, 9):
        part = metric(ShiftGrid(3), batch_size)
        part.update(0, IMAGES[0], predict, labels[0])
        part.merge(metric(ShiftGrid(3), batch_size=5))
        results.add(part.compute())
    assert len(results) == 1


FIGURES = {
    'shift': ['consistency', 'correct_consistency', 'probability_change'],
    'legacy': ['consistency', 'correct_consistency', 'probability_change'],
    'mASSC': ['mASSC', 'mASSC_labelled'],
    'regions': ['mASSC', 'mASSC_labelled']
    + [f'mASSC_{part}' for part in ('boundary', 'interior', 'labelled_boundary', 'labelled_interior')],
    'mAISC': ['mAISC'],
    'worst-case-shift': ['worst_case_consistency', 'worst_case_accuracy'],
    'worst-case-mASSC': ['worst_case_mASSC', 'worst_case_mASSC_labelled'],
}


@pytest.mark.parametrize(('name', 'names'), FIGURES.items(), ids=FIGURES)
def test_every_result_names_its_figures(name, names):
    case = CASES[name]
    result = case.accumulate(range(6)).compute()
    assert list(result.figures) == names
    assert names[0] in result.titles and str(result).startswith(result.titles[names[0]])
    assert all(0 <= share.images <= result.images == 6 for share in result.figures.values())
    first = result.figures[names[0]]
    if name != 'mAISC':
        assert (first.mean, first.interval, first.images) == (result.mean, result.interval, result.images)
    assert (result.table(['w', 'x', 'y', 'z']) is not None) == (name == 'regions')


def test_correct_images_are_those_with_a_correct_view():
    metric = ShiftConsistency(ViewPlan(**SMALL))
    for index, right in enumerate([(1, 1), (1, 0), (0, 0), (2, 0)]):
        metric.add(index, torch.eye(3)[list(right)], 1)
    share = metric.compute().figures['correct_consistency']
    assert (share.mean, share.images) == (1 / 2, 2)


def test_measure_numbers_the_images_from_zero():
    case = CASES['mASSC']
    assert case.create().measure(segment, iter(IMAGES), MAPS) == case.accumulate(range(6)).compute()


def test_options_of_a_metric_are_its_fields():
    assert options_of(MeanInstanceConsistency) == dict(
        max_shift=32, seed=0, score_threshold=0.5, iou_threshold=0.9, min_area=10
    )
