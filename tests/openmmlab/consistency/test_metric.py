"""What is kept of an image, and how processes share the images."""

import gc
import pickle
import weakref

import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch.utils.data import DataLoader

from antialias_plugins.openmmlab.consistency import ConsistencyMetric, metric

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
    monkeypatch.setattr(metric, 'all_gather_object', lambda task: [rank._task for rank in ranks])
    assert ranks[0].evaluate(5) == expected
    assert ranks[0].result.images == (images or 5)


def test_rates():
    measured = run(ConsistencyMetric(max_shift=MAX_SHIFT), Segmentor())
    assert measured.plain.rate > 0
    assert measured.views.rate > 0
