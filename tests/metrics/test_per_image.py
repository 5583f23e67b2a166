import pickle
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from antialias_plugins.metrics import (
    Instances,
    MeanInstanceConsistency,
    MeanSegmentationConsistency,
    ShiftConsistency,
    ShiftGrid,
    ViewPlan,
    WorstCaseSegmentationConsistency,
    WorstCaseShiftConsistency,
)

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
