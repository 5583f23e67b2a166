"""Classifiers of mmpretrain, tested by our loop."""

import pytest
import torch
from mmengine.structures import BaseDataElement
from PIL import Image

from antialias_plugins.metrics import shift_consistency
from tests.openmmlab.tiny import (
    CROP,
    MAX_SHIFT,
    build,
    classification_config,
    pipeline,
    scale_up,
    write_imagenet,
)


@pytest.fixture(scope='module')
def imagenet(tmp_path_factory):
    return write_imagenet(tmp_path_factory.mktemp('imagenet'))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny.pth'
    network = build(classification_config(path.parent, path.parent)).model
    scale_up(network.head.fc)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def runner(imagenet, checkpoint, tmp_path):
    """Build a runner after merging dotted keys into the config."""

    def build_runner(options=(), **loop):
        cfg = classification_config(imagenet, tmp_path, **loop)
        return build(cfg, {'load_from': str(checkpoint)} | dict(options))

    return build_runner


def measure(runner, **options):
    """Measure the same images with the framework-free function, on logits that no data sample has carried."""
    network, dataset = runner.model.eval(), runner.test_dataloader.dataset
    samples = [dataset[index] for index in range(len(dataset))]

    def predict(views):
        return network(network.data_preprocessor(dict(inputs=views))['inputs'])

    images = [sample['inputs'] for sample in samples]
    labels = [int(sample['data_samples'].gt_label) for sample in samples]
    options = dict(max_shift=MAX_SHIFT, crop_size=CROP) | options
    result = shift_consistency(predict, images, labels, **options)
    assert 0 < result.mean < 1
    found = {
        'consistency': (result.mean, result.interval),
        'correct_consistency': (result.correct_mean, result.correct_interval),
        'probability_change': (result.probability_change, result.probability_change_interval),
    }
    metrics = {name: mean for name, (mean, _) in found.items()}
    for name, (_, interval) in found.items():
        metrics |= {} if interval is None else {f'{name}_low': interval[0], f'{name}_high': interval[1]}
    return {name: 100 * value for name, value in metrics.items() if value is not None}


def assert_same(metrics, expected):
    """Equal, up to the float32 in which a data sample carries probabilities."""
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = 1e-4 if name.startswith('probability') else 0
        assert metrics[name] == pytest.approx(value, rel=tolerance, abs=0), name


@pytest.fixture(scope='module')
def expected(imagenet, checkpoint, tmp_path_factory):
    """The metrics of mmengine's test loop with the usual pipeline, and the consistency."""
    folder = tmp_path_factory.mktemp('expected')
    usual = classification_config(imagenet, folder)
    usual.test_cfg, usual.test_dataloader.dataset.pipeline = dict(type='TestLoop'), pipeline(CROP)
    accuracy = build(usual, {'load_from': str(checkpoint)}).test()
    larger = build(classification_config(imagenet, folder), {'load_from': str(checkpoint)})
    larger.load_or_resume()
    return accuracy | measure(larger)


@pytest.fixture(scope='module')
def reference(imagenet, checkpoint, tmp_path_factory):
    """The metrics of our loop, image by image on one process."""
    config = classification_config(imagenet, tmp_path_factory.mktemp('reference'))
    return build(config, {'load_from': str(checkpoint)}).test()


def test_usual_accuracy_and_consistency(reference, expected):
    assert_same(reference, expected)


@pytest.mark.parametrize(
    ('options', 'collate'),
    [
        ({'test_dataloader.batch_size': 4, 'test_dataloader.num_workers': 2}, 'default_collate'),
        ({'test_dataloader.batch_size': 9, 'test_dataloader.sampler.shuffle': True}, 'pseudo_collate'),
    ],
    ids=['batches-of-4', 'one-shuffled-batch'],
)
def test_how_images_come_does_not_matter(runner, reference, options, collate):
    assert runner(options | {'test_dataloader.collate_fn': dict(type=collate)}).test() == reference


@pytest.mark.parametrize(
    'options',
    [dict(views=4, seed=7), dict(circular=True), dict(protocol='legacy', batch_size=4)],
    ids=['views', 'circular', 'legacy'],
)
def test_options(runner, options):
    runner = runner(**options)
    metrics = runner.test()
    accuracy = {'accuracy/top1': metrics['accuracy/top1']}
    assert_same(metrics, accuracy | measure(runner, **options))


def test_without_a_size_the_usual_metrics_see_the_whole_image(runner):
    runner = runner({'test_cfg.crop_size': None, 'test_dataloader.batch_size': 5})
    shapes = []
    runner.model.backbone.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    metrics = runner.test()
    assert_same(metrics, {'accuracy/top1': metrics['accuracy/top1']} | measure(runner))
    size = CROP + MAX_SHIFT
    assert shapes[:7] == [(5, 3, size, size), *[(2, 3, CROP, CROP)] * 5, (4, 3, size, size)]


def test_without_labels(runner):
    metrics = runner({'test_dataloader.dataset.with_label': False, 'test_evaluator': []}).test()
    assert {name.removesuffix('_low').removesuffix('_high') for name in metrics} == {
        'consistency',
        'probability_change',
    }


class Confident(torch.nn.Module):
    """Gives every image the same scores, in which all but one underflow."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.tensor(scores)

    def test_step(self, data):
        return [BaseDataElement(pred_score=self.scores) for _ in data['inputs']]


def test_certainty_is_no_overflow(runner):
    runner = runner({'load_from': None, 'test_evaluator': []})
    runner.model = Confident([0.0, 1.0, 0.0, 0.0])
    metrics = runner.test()
    assert (metrics['consistency'], metrics['probability_change']) == (100, 0)


@pytest.mark.parametrize(
    ('scores', 'options', 'message'),
    [
        ([0.9, 0.9], {}, r'model must predict one probability per class as pred_score, of one label .* sum 1\.8'),
        ([1.0, 0.0], dict(max_shift=17), 'image must be at least 49x49, got 48x48'),
        ([1.0, 0.0], dict(crop_size=49), 'image must be at least 49x49, got 48x48'),
        ([1.0, 0.0], dict(crop_size=None, max_shift=25), 'max_shift must not exceed half the .* got 25 .* of 48x48'),
        ([1.0, 0.0], dict(views=1), 'views must be at least 2, got 1'),
        ([1.0, 0.0], dict(protocol='legacy'), 'batch_size must be an integer of at least 1, got None'),
        ([1.0, 0.0], dict(boundary=1), 'options must all be of one kind .* got max_shift, crop_size, boundary'),
    ],
    ids=['multi-label', 'no-room', 'small-image', 'max_shift', 'views', 'legacy', 'task'],
)
def test_bad_setting(runner, scores, options, message):
    def run():
        built = runner({'load_from': None, 'test_evaluator': [], **{f'test_cfg.{k}': v for k, v in options.items()}})
        built.model = Confident(scores)
        built.test()

    with pytest.raises(ValueError, match=message):
        run()


def test_inputs_of_several_sizes_need_a_size_for_the_views(runner, tmp_path):
    root = write_imagenet(tmp_path / 'data', images=2)
    path = root / 'val' / 'class1' / '1.png'
    Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    options = {'test_dataloader.dataset.data_root': str(root), 'test_dataloader.dataset.pipeline': uncropped()}
    with pytest.raises(ValueError, match=r'crop_size must be given .* for crops of \(36, 62\) and \(62, 36\)'):
        runner(options | {'test_cfg.crop_size': None}).test()
    assert 0 <= runner(options).test()['consistency'] <= 100


def uncropped():
    load, resize, _, pack = pipeline()
    return [load, resize, pack]
