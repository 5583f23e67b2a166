"""Records per image, means with their intervals, and named figures."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from antialias_plugins.metrics import (
    Instances,
    MeanInstanceConsistency,
    MeanSegmentationConsistency,
    ShiftConsistency,
    ShiftGrid,
    ViewPlan,
    WorstCaseSegmentationConsistency,
    WorstCaseShiftConsistency,
    mean_interval,
)
from antialias_plugins.metrics.base import options_of

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


@ALL
@pytest.mark.parametrize('kind', [torch.tensor, np.int64], ids=['tensor', 'numpy'])
def test_image_that_is_seen_twice_counts_once_whatever_its_index_is(case, kind):
    metric = case.accumulate(range(6))
    labels = [] if case.labels is None else [case.labels[1]]
    metric.update(kind(1), IMAGES[1], case.predict, *labels)
    assert metric.compute() == case.accumulate(range(6)).compute()


@ALL
@pytest.mark.parametrize('kind', [torch.as_tensor, np.asarray], ids=['tensor', 'numpy'])
def test_labels_and_images_of_any_type(case, kind):
    labels = None if case.labels is None else kind(np.stack([np.asarray(label) for label in case.labels]))
    images = IMAGES.numpy() if kind is np.asarray else IMAGES
    assert case.create().measure(case.predict, images, labels) == case.accumulate(range(6)).compute()


@pytest.mark.parametrize('name', [name for name in CASES if name != 'legacy'])
def test_intervals_count_groups(name):
    case, groups = CASES[name], torch.tensor([7, 7, 8, 8, 9, 9])
    result = case.create().measure(case.predict, IMAGES, case.labels, groups)
    share, alone = (next(iter(it.figures.values())) for it in (result, case.accumulate(range(6)).compute()))
    assert share.mean == alone.mean
    assert share.interval != alone.interval
    single = case.create().measure(case.predict, IMAGES, case.labels, ['scene'] * 6)
    assert next(iter(single.figures.values())).interval is None


def test_interval_of_groups_is_that_of_their_means():
    metric = ShiftConsistency(ViewPlan(**SMALL))
    for index, agrees in enumerate([1, 1, 1, 0, 1, 0, 0, 0, 1, 1]):
        metric.add(index, torch.eye(3)[[0, 1 - agrees]], group=index // 2)
    assert metric.compute().interval == pytest.approx(mean_interval([1, 0.5, 0.5, 0, 1])[1])


def test_group_for_some_images_only():
    metric = ShiftConsistency(ViewPlan(**SMALL))
    metric.add(0, torch.eye(3)[:2], group='a')
    metric.add(1, torch.eye(3)[:2])
    with pytest.raises(ValueError, match='group must be given for all images or for none, got 1 without'):
        metric.compute()


def test_groups_of_the_legacy_protocol():
    with pytest.raises(ValueError, match=r"group must be None for the legacy protocol, .* got 'a'"):
        CASES['legacy'].create().measure(classify, IMAGES, groups='abcdef')


class Noisy(nn.Module):
    """Classifies, segments or finds instances by chance in training mode, and by the image otherwise."""

    def __init__(self, predict):
        super().__init__()
        self.predict, self.drop, self.head = predict, nn.Dropout(0.9), nn.Sequential(nn.Dropout(0.9))
        self.head.eval()

    def forward(self, views):
        return self.predict(self.head(self.drop(views)))


NETWORK = Noisy(classify)
WRAPPED = {
    'network': lambda network: network,
    'method': lambda network: network.forward,
    'lambda': lambda network: lambda views: network(views),
    'nested': lambda network: lambda views: (lambda part: network(part))(views),
    'partial': lambda network: partial(lambda views, networks: networks[0](views), networks=[network]),
    'object': lambda network: type('Predictor', (), {'__call__': lambda self, views: network(views)})(),
    'fields': lambda network: Holder(network),
}


@dataclass
class Holder:
    network: nn.Module

    def __call__(self, views):
        return self.network(views)


def flags(network):
    return [module.training for module in network.modules()]


@ALL
def test_network_is_measured_in_evaluation_mode(case):
    network = Noisy(case.predict)
    before = flags(network)
    assert case.create().measure(network, IMAGES, case.labels) == case.accumulate(range(6)).compute()
    assert flags(network) == before == [True, True, False, False]


@pytest.mark.parametrize('wrap', WRAPPED.values(), ids=WRAPPED)
def test_network_behind_a_function_is_measured_in_evaluation_mode(wrap):
    network = Noisy(classify)
    assert CASES['shift'].create().measure(wrap(network), IMAGES) == CASES['shift'].create().measure(classify, IMAGES)
    assert flags(network) == [True, True, False, False]


def test_global_network_is_measured_in_evaluation_mode():
    assert CASES['shift'].create().measure(lambda views: NETWORK(views), IMAGES).mean == (
        CASES['shift'].create().measure(classify, IMAGES).mean
    )
    assert flags(NETWORK) == [True, True, False, False]


def test_mode_comes_back_after_an_error():
    network = Noisy(lambda views: views)
    with pytest.raises(ValueError, match='logits of predict must have shape'):
        CASES['shift'].create().measure(network, IMAGES)
    assert flags(network) == [True, True, False, False]


CONSTANT = {
    'shift': lambda views: torch.eye(3)[[1] * len(views)],
    'mASSC': lambda views: torch.ones_like(views[:, 0]).long(),
    'worst-case-shift': lambda views: torch.eye(3)[[1] * len(views)],
    'worst-case-mASSC': lambda views: torch.ones_like(views[:, 0]).long(),
}


@pytest.mark.parametrize('name', CONSTANT)
def test_constant_predictions_are_noted(name):
    result = CASES[name].create().measure(CONSTANT[name], IMAGES)
    assert (result.mean, result.note) == (1.0, 'all predictions are of one class, 1')
    assert str(result).endswith('; note: all predictions are of one class, 1')
    assert CASES[name].create().measure(CASES[name].predict, IMAGES).note == ''


@ALL
@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(index='0'), "index must be an integer of at least 0, got '0'"),
        (dict(index=-1), 'index must be at least 0, got -1'),
        (dict(index=True), 'index must be an integer of at least 0, got True'),
        (dict(image=None), 'image must be a tensor, got NoneType'),
        (dict(image=IMAGES[0, 0]), r'image must have shape \(C, H, W\), got \(14, 15\)'),
        (dict(image=IMAGES[0, :, :0]), r'image must have shape \(C, H, W\), none of them 0, got \(1, 0, 15\)'),
        (dict(predict='network'), 'predict must be callable, got str'),
        (dict(predict=lambda views: None), 'predict must'),
    ],
    ids=['text', 'negative', 'bool', 'no-image', 'no-channels', 'empty', 'not-callable', 'nothing'],
)
def test_bad_update(case, changes, message):
    arguments = dict(index=0, image=IMAGES[0], predict=case.predict) | changes
    with pytest.raises(ValueError, match=message):
        case.create().update(**arguments)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(images=5), 'images must hold one per image, got 5'),
        (dict(labels=1), 'labels must hold one per image, got 1'),
        (dict(groups=1), 'groups must hold one per image, got 1'),
        (dict(groups=[1]), 'groups must hold one per image, got too few'),
        (dict(groups=range(7)), 'groups must hold one per image, got too many'),
        (dict(labels=[0, 1, 2, 0.0, 1, 2]), 'label must be an integer, got 0.0'),
        (dict(labels=torch.eye(6)), r'label must be an integer, got tensor\(\['),
        (dict(labels=[0, 1, 2, True, 1, 2]), 'label must be an integer, got True'),
        (dict(labels=[0, 1, 2, -1, 1, 2]), 'label must be one of 3 classes, got -1'),
    ],
    ids=['images', 'labels', 'groups', 'few', 'many', 'float', 'one-hot', 'bool', 'negative'],
)
def test_bad_measure(changes, message):
    for name in ('shift', 'worst-case-shift'):
        with pytest.raises(ValueError, match=message):
            CASES[name].create().measure(classify, **(dict(images=IMAGES) | changes))
