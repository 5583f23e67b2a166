"""Detectors of mmdet, and one that answers as they do, tested by our loop."""

from importlib.util import find_spec

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, InstanceData
from torch.nn.functional import interpolate

from antialias_plugins.metrics import Instances, mean_instance_consistency
from antialias_plugins.openmmlab.consistency import ShiftConsistencyHook
from tests.openmmlab.tiny import build
from tests.openmmlab.tiny_detector import MAX_SHIFT, detection_config, make_sure, write_coco

needs_mmdet = pytest.mark.skipif(find_spec('mmdet') is None, reason='mmdet is not installed')
RECTANGLES = [(20, 22, 44, 40), (50, 20, 58, 44), (20, 46, 48, 56)]  # left, top, right, bottom: in every crop


class Detector(BaseModel):
    """Finds every brightness but 0 and says where in the original image, as mmdet's detectors do.

    ``lost`` instances of the second image of a batch it does not find.
    """

    def __init__(self, masks=True, lost=0, score=0.9):
        super().__init__()
        self.masks, self.lost, self.score = masks, lost, score

    def forward(self, inputs, data_samples, mode):
        assert mode == 'predict'
        for number, (image, sample) in enumerate(zip(inputs, data_samples, strict=True)):
            masks = torch.stack([image[0] == value for value in image.unique()[1:]])[self.lost * (number > 0) :]
            places = [mask.nonzero() for mask in masks]
            corners = [torch.cat([place.amin(0).flip(0), place.amax(0).flip(0) + 1]) for place in places]
            boxes = torch.stack(corners) / torch.tensor(sample.scale_factor * 2)
            scores = torch.full((len(masks),), self.score)
            found = InstanceData(scores=scores, labels=torch.zeros(len(masks)).long(), bboxes=boxes)
            if self.masks:
                found.masks = interpolate(masks[None].float(), sample.ori_shape, mode='nearest-exact')[0].bool()
            sample.pred_instances = found
        return data_samples


class Count(BaseMetric):
    """A usual metric: how many instances there are."""

    def process(self, data_batch, data_samples):
        self.results += [len(sample['pred_instances']['scores']) for sample in data_samples]

    def compute_metrics(self, results):
        return {'instances': sum(results)}


def pictures(count, size=(80, 96)):
    """Images of the same rectangles, twice as large as their originals."""
    for _ in range(count):
        image = torch.zeros(3, *size)
        for brightness, (left, top, right, bottom) in enumerate(RECTANGLES, 1):
            image[:, top:bottom, left:right] = brightness
        metainfo = dict(img_shape=size, ori_shape=(size[0] // 2, size[1] // 2), scale_factor=(2.0, 2.0))
        yield dict(inputs=image, data_samples=BaseDataElement(metainfo=metainfo))


def run_detector(folder, model, hook=None, batch_size=2, **loop):
    """Test a stand-in, or validate it with our hook; returns the metrics."""
    loader = dict(
        batch_size=batch_size,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=list(pictures(5)),
        collate_fn=dict(type='pseudo_collate'),
    )
    options = dict(test_dataloader=loader, test_evaluator=dict(type=Count))
    options['test_cfg'] = dict(type='ShiftConsistencyTestLoop', max_shift=MAX_SHIFT) | loop
    if hook is not None:
        options = dict(val_dataloader=loader, val_evaluator=dict(type=Count), val_cfg={}, custom_hooks=[hook])
    runner = Runner(model, str(folder), experiment_name=folder.name, log_level='WARNING', **options)
    return runner.test() if hook is None else runner.val()


@pytest.mark.parametrize('batch_size', [1, 2])
@pytest.mark.parametrize('masks', [True, False], ids=['masks', 'boxes'])
def test_views_are_images_of_their_own_scale(masks, batch_size, tmp_path):
    """The detector tells places of the original image, which is half as large as what it is given."""
    metrics = run_detector(tmp_path, Detector(masks), batch_size=batch_size)
    names = ['mAISC', 'mAISC_box'] if masks else ['mAISC_box']
    shares = {name + end: 100.0 for name in names for end in ('', '_high')} | {'instances': 15}
    shares |= {f'{name}_low': pytest.approx(100 * 0.025 ** (1 / 5)) for name in names}  # all of five images
    assert metrics == shares


def test_lost_instances(tmp_path):
    metrics = run_detector(tmp_path, Detector(lost=1), batch_size=1)
    assert metrics['mAISC'] == metrics['mAISC_box'] == pytest.approx(100 * 4 / 5)


def test_hook(tmp_path):
    hook = ShiftConsistencyHook(images=2, max_shift=MAX_SHIFT)
    metrics = run_detector(tmp_path, Detector(lost=2), hook, batch_size=1)
    assert hook.consistency.result.images == 2
    assert metrics['mAISC'] == pytest.approx(100 * 2 / 4)
    assert metrics['instances'] == 15


@pytest.mark.parametrize('masks', [True, False], ids=['masks', 'boxes'])
def test_no_figure_without_instances_but_a_warning(masks, tmp_path):
    metrics = run_detector(tmp_path, Detector(masks, score=0.4))
    assert metrics == {'instances': 15}
    (log,) = tmp_path.glob('*/*.log')
    names = 'mAISC and box AISC' if masks else 'box AISC'
    warning = (
        f'{names} cannot be told: none of 5 images shows an instance of score 0.5 or more and of 10 pixels or more'
    )
    assert warning in log.read_text()


def test_thresholds_reach_the_metric(tmp_path):
    """Named beside the common options, at whose defaults a detector may stay."""
    common = dict(seed=0, circular=False, subpixel=1)
    assert run_detector(tmp_path, Detector(score=0.4), score_threshold=0.3, **common)['mAISC'] == 100


class Proposals(Detector):
    def forward(self, inputs, data_samples, mode):
        for sample in super().forward(inputs, data_samples, mode):
            del sample.pred_instances.labels
        return data_samples


@pytest.mark.parametrize(
    ('model', 'options', 'message'),
    [
        (Proposals(), {}, 'model must predict scores, labels and bboxes of instances, got bboxes, masks, scores'),
        (Detector(), dict(max_shift=41), 'max_shift must not exceed half .* got 41 for an image of 80x96'),
        (Detector(), dict(circular=True), 'options must be for object detection, which the model does, got circular'),
        (Detector(), dict(circular=True, subpixel=2), 'which the model does, got circular, subpixel'),
        (Detector(), dict(iou_threshold=90), 'iou_threshold must be above 0 and at most 1, got 90'),
        (Detector(), dict(score_threshold=0.3, boundary=1), 'options must all be of one kind .* got .*boundary'),
    ],
    ids=['proposals', 'small-image', 'circular', 'subpixel', 'iou', 'mixed'],
)
def test_bad_setting(model, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_detector(tmp_path, model, **options)


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    return write_coco(tmp_path_factory.mktemp('coco') / 'data')


@pytest.fixture(scope='module')
def checkpoints(coco, tmp_path_factory):
    """Weights of a Mask R-CNN and of a Faster R-CNN, by whether there are masks."""
    folder, paths = tmp_path_factory.mktemp('checkpoints'), {}
    for masks in (True, False):
        network = build(detection_config(coco, folder / f'masks-{masks}', masks)).model
        make_sure(network)
        paths[masks] = folder / f'masks-{masks}.pth'
        torch.save(network.state_dict(), paths[masks])
    return paths


LOOSE = dict(iou_threshold=0.3, score_threshold=0.3)  # nobody has trained the networks


def measure(runner):
    """Measure by the framework-free function, in the coordinates of the network's input."""
    network, dataset = runner.model.eval(), runner.test_dataloader.dataset
    sample_type = type(dataset[0]['data_samples'])

    def predict(views):
        height, width = views.shape[-2:]
        metainfo = dict(img_shape=(height, width), ori_shape=(height // 2, width // 2), scale_factor=(2.0, 2.0))
        data = dict(inputs=list(views), data_samples=[sample_type(metainfo=dict(metainfo)) for _ in views])
        inputs = network.data_preprocessor(data)
        outputs = network.predict(inputs['inputs'], inputs['data_samples'], rescale=False)
        found = [output.pred_instances for output in outputs]
        return [Instances(one.scores, one.labels, one.bboxes, one.get('masks')) for one in found]

    images = [dataset[index]['inputs'] for index in range(len(dataset))]
    return mean_instance_consistency(predict, images, max_shift=MAX_SHIFT, **LOOSE)


def expect(config, checkpoint):
    """COCO's metrics, as mmengine's test loop finds them, and ours."""
    plain = config.copy()
    plain.test_cfg = dict(type='TestLoop')
    runner = build(plain, {'load_from': str(checkpoint)})
    metrics, result = runner.test(), measure(runner)
    shares = {'mAISC': result.mask, 'mAISC_box': result.box}
    for name, share in shares.items():
        if share is not None:
            assert 0 < share.mean < 1
            low, high = share.interval
            metrics |= {name: 100 * share.mean, f'{name}_low': 100 * low, f'{name}_high': 100 * high}
    return metrics


@needs_mmdet
@pytest.mark.parametrize('masks', [True, False], ids=['mask-rcnn', 'faster-rcnn'])
def test_detectors_of_mmdet(masks, coco, checkpoints, tmp_path):
    config = detection_config(coco, tmp_path, masks, **LOOSE)
    expected = expect(config, checkpoints[masks])
    assert ('mAISC' in expected) == masks
    assert build(config, {'load_from': str(checkpoints[masks])}).test() == expected
