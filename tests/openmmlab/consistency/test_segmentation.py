"""Per-class and boundary figures of segmentors, tested by our loop."""

import re

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from antialias_plugins.metrics import MeanSegmentationConsistency
from antialias_plugins.openmmlab.consistency.segmentation import SegmentationTask
from tests.openmmlab.tiny import HEIGHT, IMAGES, MAX_SHIFT, WIDTH, blocks, build, segmentation_config, write_cityscapes


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
    accumulator = MeanSegmentationConsistency(MAX_SHIFT, num_classes=19, boundary=1)
    for index in range(len(dataset)):
        sample = dataset[index]
        label = sample['data_samples'].gt_sem_seg.data[0]
        accumulator.update(index, sample['inputs'], network.classes, label)
    result = accumulator.compute()
    for part in ('boundary', 'interior', 'labelled_boundary', 'labelled_interior'):
        share = getattr(result, part)
        assert metrics[f'mASSC_{part}'] == 100 * share.mean
        assert metrics[f'mASSC_{part}_interval'] == 100 * share.interval
    assert metrics['mASSC_boundary'] != metrics['mASSC_interior']
    (log,) = tmp_path.glob('*/*.log')
    rows = dict(re.findall(r'^\| (\S.*?) +\| +(.*) \|$', log.read_text(), re.MULTILINE))
    road, car = result.classes[0], result.classes[13]
    assert rows['road'].startswith(f'{100 * road.mean:.2f} ± {100 * road.interval:.2f} (n = 5) |')
    assert (car.images, rows['car'][0]) == (0, '–')


def test_classes_need_names():
    task = SegmentationTask(per_class=True)
    with pytest.raises(ValueError, match="per_class must be False where the data set's metainfo has no classes"):
        task.start(None)
