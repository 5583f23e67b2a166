"""Consistency as a metric of mmengine: what is kept, how processes share the images, and the table of classes."""

import gc
import pickle
import re
import weakref

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch.utils.data import DataLoader

from antialias_plugins.metrics import MeanSegmentationConsistency
from antialias_plugins.openmmlab import consistency
from antialias_plugins.openmmlab.consistency import ConsistencyMetric
from antialias_plugins.openmmlab.consistency_tasks import SegmentationTask
from tests.openmmlab import tiny
from tests.openmmlab.tiny import HEIGHT, IMAGES, WIDTH, blocks, build, segmentation_config, write_cityscapes

SIDE, MAX_SHIFT = 32, 8


class Segmentor:
    """Calls bright pixels 1; remembers, weakly, what it was given."""

    def __init__(self):
        self.seen = []

    def test_step(self, data):
        outputs = []
        for image in data['inputs']:
            self.seen.append(weakref.ref(image))
            outputs.append(BaseDataElement(pred_sem_seg=PixelData(data=(image[:1] > torch.rand(())).long())))
        return outputs


class Classifier(Segmentor):
    """The class is that of the brightest of four pixels."""

    def test_step(self, data):
        self.seen += [weakref.ref(image) for image in data['inputs']]
        return [BaseDataElement(pred_score=image[0, :2, :2].flatten().softmax(0)) for image in data['inputs']]


class Detector(Segmentor):
    """Finds an instance in each channel: its bright pixels, and a box whose size depends on the first pixel."""

    def test_step(self, data):
        outputs = []
        for image in data['inputs']:
            masks, corner, sides = image > 0.5, torch.zeros(3), 12 + 4 * image[:, 0, 0]
            self.seen += [weakref.ref(image), weakref.ref(masks)]
            boxes = torch.stack([corner, corner, sides, sides], 1)
            found = InstanceData(scores=torch.ones(3), labels=torch.arange(3), bboxes=boxes, masks=masks)
            outputs.append(BaseDataElement(pred_instances=found))
        return outputs


def run(measured, model, images=6, batch_size=1, rank=0, processes=1):
    """Do what a loop does, on as many images of noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(images, 3, SIDE, SIDE, generator=generator)
    items = [dict(inputs=image, data_samples=BaseDataElement()) for image in noise.unbind()]
    sampler = DefaultSampler(items, shuffle=False)
    # As DefaultSampler sets them on one of several processes: the first images come twice.
    sampler.rank, sampler.world_size = rank, processes
    sampler.num_samples = -(-images // processes)
    sampler.total_size = sampler.num_samples * processes
    loader = DataLoader(items, batch_size, sampler=sampler, collate_fn=pseudo_collate)
    measured.start(model.test_step, loader, False)
    for batch in loader:
        measured.prepare(batch)
        outputs = model.test_step(batch)
        measured.process(batch, [output.to_dict() for output in outputs])
    return measured


@pytest.mark.parametrize('model', [Segmentor, Classifier, Detector])
def test_no_image_and_no_view_is_kept(model):
    model = model()
    measured = run(ConsistencyMetric(max_shift=MAX_SHIFT), model)
    gc.collect()
    assert len(model.seen) == 6 * 3 * (2 if isinstance(model, Detector) else 1)
    assert not [view for view in model.seen if view() is not None]
    assert measured.evaluate(6)


def kept(measured):
    return len(pickle.dumps(measured._task))


@pytest.mark.parametrize(
    ('model', 'options', 'limit'),
    [
        (Segmentor, {}, 64),
        (Segmentor, dict(boundary=1), 128),
        (Classifier, dict(crop_size=16), 128),
        (Classifier, dict(crop_size=16, views=8), 128),
        (Detector, dict(score_threshold=0.3), 128),
    ],
    ids=['segmentation', 'boundary', 'classification', 'views', 'detection'],
)
def test_bytes_per_image(model, options, limit):
    """A view has three thousand bytes and more; what is kept does not depend on its size."""
    few, many = (run(ConsistencyMetric(max_shift=MAX_SHIFT, **options), model(), images=images) for images in (10, 110))
    assert 0 < (kept(many) - kept(few)) / 100 < limit


@pytest.mark.parametrize('images', [None, 3, 1], ids=['all', 'three', 'one'])
@pytest.mark.parametrize(
    ('model', 'options'),
    [(Classifier, dict(crop_size=16)), (Detector, dict(score_threshold=0.3))],
    ids=['classification', 'detection'],
)
def test_processes_share_the_images(model, options, images, monkeypatch):
    options = dict(images=images, max_shift=MAX_SHIFT) | options
    alone = run(ConsistencyMetric(**options), model(), images=5)
    ranks = [run(ConsistencyMetric(**options), model(), 5, 2, rank, 2) for rank in range(2)]
    expected = alone.evaluate(5)
    monkeypatch.setattr(consistency, 'all_gather_object', lambda task: [rank._task for rank in ranks])
    assert ranks[0].evaluate(5) == expected
    assert ranks[0].result.images == (images or 5)


def test_rates():
    measured = run(ConsistencyMetric(max_shift=MAX_SHIFT), Segmentor())
    assert measured.plain.rate > 0
    assert measured.views.rate > 0


class Brightness(torch.nn.Module):
    """Tells three classes of brightness apart, with a bias that depends on the pixel's place in the view."""

    def classes(self, images):
        levels = images[..., 0, :, :] // 86
        flips = torch.zeros_like(levels)
        flips[..., ::13, ::11] = 1
        return ((levels + flips) % 3).long()

    def test_step(self, data):
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):
            sample.pred_sem_seg = PixelData(data=self.classes(image)[None])
        return data['data_samples']


@pytest.fixture
def runner(tmp_path):
    """Build a runner around the stand-in for a network."""

    def build_runner(options=(), **loop):
        labels = np.random.default_rng(0).integers(19, size=(IMAGES, HEIGHT // 16, WIDTH // 16))
        labels = labels.repeat(16, 1).repeat(16, 2)
        config = segmentation_config(write_cityscapes(tmp_path / 'data', blocks((IMAGES,)), labels), tmp_path, **loop)
        built = build(config, {'test_evaluator': [], 'log_level': 'INFO'} | dict(options))
        built.model = Brightness()
        return built

    return build_runner


def test_boundary_and_classes_are_those_of_the_accumulator(runner, tmp_path):
    runner = runner(boundary=1, per_class=True)
    metrics = runner.test()
    dataset, network = runner.test_dataloader.dataset, runner.model
    accumulator = MeanSegmentationConsistency(tiny.MAX_SHIFT, num_classes=19, boundary=1)
    for index in range(len(dataset)):
        sample = dataset[index]
        label = sample['data_samples'].gt_sem_seg.data[0]
        accumulator.update(index, sample['inputs'], network.classes, label)
    result = accumulator.compute()
    for part in ('boundary', 'interior', 'labelled_boundary', 'labelled_interior'):
        share = getattr(result, part)
        assert metrics[f'mASSC_{part}'] == 100 * share.mean
        limits = [metrics[f'mASSC_{part}_{end}'] for end in ('low', 'high')]
        assert limits == [100 * limit for limit in share.interval]
    assert metrics['mASSC_boundary'] != metrics['mASSC_interior']
    (log,) = tmp_path.glob('*/*.log')
    rows = dict(re.findall(r'^\| (\S.*?) +\| +(.*) \|$', log.read_text(), re.MULTILINE))
    road, car = result.classes[0], result.classes[13]
    assert rows['road'].startswith(f'{str(road).replace(" %", "")} |')
    assert (car.images, rows['car'][0]) == (0, '–')


def test_classes_need_names():
    task = SegmentationTask(per_class=True)
    with pytest.raises(ValueError, match="per_class must be False where the data set's metainfo has no classes"):
        task.start(())
