import inspect
import os
import subprocess
import sys

import mmseg
import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, PixelData
from torch.nn.functional import pad
from torch.utils.data import DataLoader, RandomSampler

from antialias_plugins.metrics import (
    MeanInstanceConsistency,
    MeanSegmentationConsistency,
    ViewPlan,
    mean_segmentation_consistency,
)
from antialias_plugins.metrics.base import options_of
from antialias_plugins.openmmlab.consistency import ShiftConsistencyHook, ShiftConsistencyTestLoop
from tests.openmmlab.tiny import (
    HEIGHT,
    IMAGES,
    LABEL,
    LOAD,
    MAX_SHIFT,
    PACK,
    WIDTH,
    build,
    run_on_two_processes,
    scale_up,
    segmentation_config,
    write_cityscapes,
    write_noise,
)


@pytest.fixture(scope='module')
def cityscapes(tmp_path_factory):
    """A few pictures of blocky noise, half of whose pixels have a label to be ignored."""
    return write_noise(tmp_path_factory.mktemp('cityscapes'))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights of the network of `config`: scaled up, so that it predicts more than one class."""
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny.pth'
    network = build(segmentation_config(path.parent, path.parent)).model
    scale_up(network.decode_head.conv_seg)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def runner(cityscapes, checkpoint, tmp_path):
    """Build a runner after merging dotted keys into the config."""

    def build_runner(options=(), **loop):
        cfg = segmentation_config(cityscapes, tmp_path, **loop)
        return build(cfg, {'load_from': str(checkpoint)} | dict(options))

    return build_runner


def measure(runner, divisor=1):
    """Measure the consistency of the runner's network by the framework-free function, padding the views here."""
    network, samples = runner.model.eval(), [runner.test_dataloader.dataset[index] for index in range(IMAGES)]
    network.data_preprocessor.test_cfg = None

    def predict(views):
        inputs = network.data_preprocessor(dict(inputs=list(views)))['inputs']
        rows, columns = views.shape[-2:]
        outputs = network.predict(pad(inputs, (0, -columns % divisor, 0, -rows % divisor)))
        return torch.stack([output.pred_sem_seg.data[0, :rows, :columns] for output in outputs])

    images = [sample['inputs'] for sample in samples]
    labels = [sample['data_samples'].gt_sem_seg.data[0] for sample in samples]
    result = mean_segmentation_consistency(predict, images, labels, max_shift=MAX_SHIFT)
    assert 0 < result.mean < 1
    shares = {'mASSC': (result.mean, *result.interval)}
    shares['mASSC_labelled'] = (result.labelled_mean, *result.labelled_interval)
    ends = ('', '_low', '_high')
    return {name + end: 100 * it for name, its in shares.items() for end, it in zip(ends, its, strict=True)}


@pytest.fixture(scope='module')
def expected(cityscapes, checkpoint, tmp_path_factory):
    """The metrics of mmengine's test loop, and the consistency."""
    cfg = segmentation_config(cityscapes, tmp_path_factory.mktemp('expected'))
    cfg.test_cfg = dict(type='TestLoop')
    runner = build(cfg, {'load_from': str(checkpoint)})
    return runner.test() | measure(runner)


@pytest.mark.parametrize(('batch_size', 'workers', 'shuffle'), [(2, 2, False), (5, 0, True)])
def test_usual_metrics_and_consistency(runner, expected, batch_size, workers, shuffle):
    options = {'batch_size': batch_size, 'num_workers': workers, 'sampler.shuffle': shuffle}
    assert runner({f'test_dataloader.{name}': value for name, value in options.items()}).test() == expected


def test_intervals_count_groups(runner, expected):
    """Frames of one video: the paths end with their numbers."""
    metrics = runner({'test_cfg.groups': r'_(\d+)_leftImg8bit'}).test()
    assert {name for name in metrics if metrics[name] != expected[name]} <= {
        f'mASSC{part}_{end}' for part in ('', '_labelled') for end in ('low', 'high')
    }
    alone = runner({'test_cfg.groups': 'leftImg8bit'}).test()
    assert alone == {name: value for name, value in expected.items() if not name.endswith(('_low', '_high'))}


def test_can_be_run_again(runner, expected):
    runner = runner()
    assert runner.test() == runner.test() == expected


def test_two_processes_of_mmsegs_own_tool(cityscapes, checkpoint, expected, tmp_path):
    """Five images on two processes: the sampler repeats the first one, which must not count twice."""
    for logged in run_on_two_processes(mmseg, segmentation_config(cityscapes, tmp_path), checkpoint, tmp_path):
        assert {name: logged[name] for name in expected} == expected


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_two_views_of_each_image_in_one_batch(runner, circular):
    runner = runner({'test_dataloader.batch_size': 2}, circular=circular)
    shapes = []
    runner.model.backbone.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    runner.test()
    size = (HEIGHT, WIDTH) if circular else (HEIGHT - MAX_SHIFT, WIDTH - MAX_SHIFT)
    usual, views = (3, HEIGHT, WIDTH), (3, *size)
    assert shapes == [(2, *usual), (2, *views), (2, *views)] * 2 + [(1, *usual), (2, *views)]


def test_fp16_holds_for_the_views_too(runner):
    runner = runner(fp16=True)
    dtypes = []
    runner.model.decode_head.conv_seg.register_forward_hook(lambda *arguments: dtypes.append(arguments[-1].dtype))
    runner.test()
    assert dtypes == [torch.bfloat16] * 2 * IMAGES


@pytest.fixture
def stub_runner(runner):
    """Build a runner around a stand-in for the network, without usual metrics."""

    def build_runner(model, root=None, pipeline=None, **loop):
        options = {'load_from': None, 'test_evaluator': []}
        if root is not None:
            options['test_dataloader.dataset.data_root'] = str(root)
        if pipeline is not None:
            options['test_dataloader.dataset.pipeline'] = pipeline
        built = runner(options, **loop)
        built.model = model
        return built

    return build_runner


class DarkIsRandom(torch.nn.Module):
    """Says 0 for bright pixels and anything else for dark ones."""

    def test_step(self, data):
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):
            classes = torch.randint(1, 19, image.shape[-2:]) * (image[0] < 128)
            sample.pred_sem_seg = PixelData(data=classes[None])
        return data['data_samples']


RESIZE = dict(type='Resize', scale=(2 * WIDTH, 2 * HEIGHT), interpolation='nearest')


@pytest.mark.parametrize(
    'transforms',
    [
        [RESIZE, LABEL],
        [LABEL, RESIZE],
        [dict(type='RandomFlip', prob=1.0, direction='horizontal'), LABEL],
        [dict(type='RandomFlip', prob=1.0, direction='vertical'), RESIZE, LABEL],
    ],
    ids=['resized', 'label-resized', 'flipped', 'flipped-resized'],
)
def test_labels_lie_on_the_networks_input(stub_runner, tmp_path, transforms):
    """Only pixels whose label is ignored are dark, so the labelled ones agree if the labels lie where they should."""
    bright = np.zeros((HEIGHT, WIDTH), dtype=bool)
    bright[: HEIGHT // 4, WIDTH // 2 :] = bright[HEIGHT // 4 :, : WIDTH // 8] = True
    root = write_cityscapes(tmp_path / 'data', [np.where(bright, 255, 0)] * 2, [np.where(bright, 0, 255)] * 2)
    metrics = stub_runner(DarkIsRandom(), root, [LOAD, *transforms, PACK]).test()
    assert metrics['mASSC'] < 90
    assert metrics['mASSC_labelled'] == 100


def test_without_annotation(stub_runner):
    assert stub_runner(DarkIsRandom(), pipeline=[LOAD, PACK]).test().keys() == {'mASSC', 'mASSC_low', 'mASSC_high'}


def test_views_are_padded_as_images_are(runner):
    test_cfg = dict(mode='slide', crop_size=(48, 64), stride=(32, 32))
    runner = runner({'model.test_cfg': test_cfg, 'model.data_preprocessor.test_cfg': dict(size_divisor=28)})
    metrics = runner.test()
    assert metrics.items() >= measure(runner, divisor=28).items()


class DepthNetwork(torch.nn.Module):
    def test_step(self, data):
        return [BaseDataElement(pred_depth_map=torch.ones(2)) for _ in data['inputs']]


TWO_SCALES = dict(
    type='TestTimeAug', transforms=[[dict(type='Resize', scale_factor=ratio) for ratio in (1.0, 2.0)], [LABEL], [PACK]]
)


@pytest.mark.parametrize(
    ('model', 'options', 'message'),
    [
        (
            DepthNetwork(),
            {},
            r'model must predict pred_sem_seg .* or pred_score .* or pred_instances .*, got .*pred_depth_map',
        ),
        (DarkIsRandom(), dict(pipeline=[LOAD, TWO_SCALES]), 'test-time augmentation, got a (list|tuple) per image'),
        (DarkIsRandom(), dict(max_shift=HEIGHT), 'max_shift must not exceed half .* got 64 for an image of 64x96'),
        (DarkIsRandom(), dict(max_shift=0), 'max_shift must be at least 2, got 0'),
        (DarkIsRandom(), dict(seed=-1), 'seed must be at least 0, got -1'),
        (DarkIsRandom(), dict(crop_size=32), 'options must be for semantic segmentation, .* got crop_size'),
        (DarkIsRandom(), dict(crop_size=32, ignore_index=0), 'options must all be of one kind .* got .*ignore_index'),
        (DarkIsRandom(), dict(max_shfit=3), 'options must all be of one kind .* got .*max_shfit'),
        (DarkIsRandom(), dict(images=0), 'images must be at least 1, got 0'),
        (DarkIsRandom(), dict(groups='scene_9'), "groups must match every image's path, got 'scene_9' for .*"),
    ],
    ids=[
        'other',
        'test-time-augmentation',
        'small-image',
        'max_shift',
        'seed',
        'task',
        'tasks',
        'typo',
        'images',
        'groups',
    ],
)
def test_bad_setting(stub_runner, model, options, message):
    with pytest.raises(ValueError, match=message):
        stub_runner(model, **options).test()


@pytest.mark.parametrize('sampler', [InfiniteSampler, RandomSampler])
def test_order_of_the_images_must_be_known(runner, sampler):
    images = list(range(20))
    loop = ShiftConsistencyTestLoop(runner(), DataLoader(images, sampler=sampler(images)), Evaluator([]))
    with pytest.raises(ValueError, match=f'sampler must visit the images once, .* got {sampler.__name__}'):
        loop.run()


def test_import_leaves_mmseg_and_mmdet_alone():
    code = 'import sys, antialias_plugins.openmmlab; sys.exit(bool({"mmseg", "mmdet"} & sys.modules.keys()))'
    environment = os.environ | dict(PYTHONPATH=os.pathsep.join(sys.path))
    assert subprocess.run([sys.executable, '-c', code], env=environment).returncode == 0


@pytest.mark.parametrize('host', [ShiftConsistencyTestLoop, ShiftConsistencyHook], ids=lambda host: host.__name__)
def test_common_options_have_the_defaults_of_the_metrics(host):
    given = {name: parameter.default for name, parameter in inspect.signature(host).parameters.items()}
    for owner in (MeanSegmentationConsistency, ViewPlan, MeanInstanceConsistency):
        shared = options_of(owner).keys() & {'max_shift', 'seed', 'circular', 'subpixel'}
        assert {name: given[name] for name in shared} == {name: options_of(owner)[name] for name in shared}
