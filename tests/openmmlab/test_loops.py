import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, PixelData
from PIL import Image
from torch.nn.functional import pad
from torch.utils.data import DataLoader, RandomSampler

from antialias_plugins.metrics import mean_segmentation_consistency
from antialias_plugins.openmmlab.loops import ShiftConsistencyTestLoop

IMAGES, HEIGHT, WIDTH, MAX_SHIFT = 5, 64, 96, 16
LOAD, LABEL, PACK = (dict(type=name) for name in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs'))


def write_cityscapes(root, images, labels):
    """Write pictures and maps of train ids where `CityscapesDataset` looks for them."""
    for folder, suffix, arrays in (('leftImg8bit', 'leftImg8bit', images), ('gtFine', 'gtFine_labelTrainIds', labels)):
        (root / folder / 'val' / 'toy').mkdir(parents=True)
        for index, array in enumerate(arrays):
            path = root / folder / 'val' / 'toy' / f'toy_{index}_{suffix}.png'
            Image.fromarray(array.astype(np.uint8)).save(path)
    return root


@pytest.fixture(scope='module')
def cityscapes(tmp_path_factory):
    """A few pictures of blocky noise, half of whose pixels have a label to be ignored."""
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(IMAGES, HEIGHT // 4, WIDTH // 4, 3)).repeat(4, 1).repeat(4, 2)
    labels = generator.integers(19, size=(IMAGES, HEIGHT, WIDTH))
    labels[:, :, : WIDTH // 2] = 255
    return write_cityscapes(tmp_path_factory.mktemp('cityscapes'), images, labels)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights of the network of `config`: scaled up, so that it predicts more than one class."""
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny.pth'
    network = Runner.from_cfg(config(path.parent, path.parent)).model
    torch.nn.init.normal_(network.decode_head.conv_seg.weight)
    torch.save(network.state_dict(), path)
    return path


def config(data_root, work_dir, **loop):
    """A tiny FCN on `data_root`, tested by our loop."""
    norm = dict(type='BN')
    return Config(
        dict(
            default_scope='mmseg',
            custom_imports=dict(imports=['antialias_plugins.openmmlab.loops'], allow_failed_imports=False),
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(
                    type='SegDataPreProcessor', mean=[127.5] * 3, std=[60.0] * 3, bgr_to_rgb=True, size=(HEIGHT, WIDTH)
                ),
                backbone=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, norm_cfg=norm),
                decode_head=dict(
                    type='FCNHead', in_channels=64, channels=8, num_convs=1, num_classes=19, norm_cfg=norm
                ),
                test_cfg=dict(mode='whole'),
            ),
            test_dataloader=dict(
                batch_size=1,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='CityscapesDataset',
                    data_root=str(data_root),
                    data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
                    pipeline=[LOAD, LABEL, PACK],
                ),
            ),
            test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
            test_cfg=dict(type='ShiftConsistencyTestLoop', max_shift=MAX_SHIFT) | loop,
            default_hooks=dict(visualization=dict(type='SegVisualizationHook')),
            env_cfg=dict(dist_cfg=dict(backend='gloo'), mp_cfg=dict(opencv_num_threads=1)),
            model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None),
            visualizer=dict(type='SegLocalVisualizer', name=f'visualizer_{Path(work_dir).name}'),
            experiment_name=Path(work_dir).name,
            work_dir=str(work_dir),
            log_level='WARNING',
            randomness=dict(seed=0),
        )
    )


@pytest.fixture
def runner(cityscapes, checkpoint, tmp_path):
    """Build a runner after merging dotted keys into the config."""

    def build(options=(), **loop):
        cfg = config(cityscapes, tmp_path, **loop)
        cfg.load_from = str(checkpoint)
        cfg.merge_from_dict(dict(options))
        return Runner.from_cfg(cfg)

    return build


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
    return {
        'mASSC': 100 * result.mean,
        'mASSC_interval': 100 * result.interval,
        'mASSC_labelled': 100 * result.labelled_mean,
        'mASSC_labelled_interval': 100 * result.labelled_interval,
    }


@pytest.fixture(scope='module')
def expected(cityscapes, checkpoint, tmp_path_factory):
    """The metrics of mmengine's test loop, and the consistency."""
    cfg = config(cityscapes, tmp_path_factory.mktemp('expected'))
    cfg.load_from, cfg.test_cfg = str(checkpoint), dict(type='TestLoop')
    runner = Runner.from_cfg(cfg)
    return runner.test() | measure(runner)


@pytest.mark.parametrize(('batch_size', 'workers'), [(1, 0), (2, 2), (5, 0)])
def test_usual_metrics_and_consistency(runner, expected, batch_size, workers):
    options = {'test_dataloader.batch_size': batch_size, 'test_dataloader.num_workers': workers}
    assert runner(options).test() == expected


def test_order_of_the_images_does_not_matter(runner, expected):
    assert runner({'test_dataloader.sampler.shuffle': True}).test() == expected


def test_can_be_run_again(runner, expected):
    runner = runner()
    assert runner.test() == runner.test() == expected


def free_port():
    with socket.socket() as listener:
        listener.bind(('localhost', 0))
        return listener.getsockname()[1]


def test_two_processes_of_mmsegs_own_tool(cityscapes, checkpoint, expected, tmp_path):
    """Five images on two processes: the sampler repeats the first one, which must not count twice."""
    config(cityscapes, tmp_path).dump(tmp_path / 'config.py')
    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'test.py'
    command = [sys.executable, tool, tmp_path / 'config.py', checkpoint, '--launcher', 'pytorch']
    # mmengine selects the GPU of number LOCAL_RANK, none for a negative one.
    shared = dict(MASTER_ADDR='localhost', MASTER_PORT=str(free_port()), WORLD_SIZE='2', LOCAL_RANK='-1')
    environment = os.environ | shared | dict(CUDA_VISIBLE_DEVICES='', PYTHONPATH=os.pathsep.join(sys.path))
    # Every rank dumps its metrics into its work directory, and two ranks writing one file garble it.
    folders = [tmp_path / f'rank{rank}' for rank in range(2)]
    processes = [
        subprocess.Popen([*command, '--work-dir', folder], env=environment | dict(RANK=str(rank)))
        for rank, folder in enumerate(folders)
    ]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]
    for folder in folders:
        (log,) = folder.glob('*/*.json')
        logged = json.loads(log.read_text())
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


@pytest.mark.parametrize('fp16', [False, True])
def test_fp16_holds_for_the_views_too(runner, fp16):
    runner = runner(fp16=fp16)
    dtypes = []
    runner.model.decode_head.conv_seg.register_forward_hook(lambda *arguments: dtypes.append(arguments[-1].dtype))
    runner.test()
    assert dtypes == [torch.bfloat16 if fp16 else torch.float32] * 2 * IMAGES


@pytest.fixture
def stub_runner(runner):
    """Build a runner around a stand-in for the network, without usual metrics."""

    def build(model, root=None, pipeline=None, **loop):
        options = {'load_from': None, 'test_evaluator': []}
        if root is not None:
            options['test_dataloader.dataset.data_root'] = str(root)
        if pipeline is not None:
            options['test_dataloader.dataset.pipeline'] = pipeline
        built = runner(options, **loop)
        built.model = model
        return built

    return build


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
        [LABEL],
        [RESIZE, LABEL],
        [LABEL, RESIZE],
        [dict(type='RandomFlip', prob=1.0, direction='horizontal'), LABEL],
        [dict(type='RandomFlip', prob=1.0, direction='vertical'), RESIZE, LABEL],
    ],
    ids=['plain', 'resized', 'label-resized', 'flipped', 'flipped-resized'],
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
    assert stub_runner(DarkIsRandom(), pipeline=[LOAD, PACK]).test().keys() == {'mASSC', 'mASSC_interval'}


@pytest.mark.parametrize(
    'test_cfg', [dict(mode='whole'), dict(mode='slide', crop_size=(48, 64), stride=(32, 32))], ids=['whole', 'slide']
)
def test_views_are_padded_as_images_are(runner, test_cfg):
    runner = runner({'model.test_cfg': test_cfg, 'model.data_preprocessor.test_cfg': dict(size_divisor=28)})
    metrics = runner.test()
    assert metrics.items() >= measure(runner, divisor=28).items()


class Classifier(torch.nn.Module):
    def test_step(self, data):
        return [BaseDataElement(pred_score=torch.ones(2)) for _ in data['inputs']]


TWO_SCALES = dict(
    type='TestTimeAug', transforms=[[dict(type='Resize', scale_factor=ratio) for ratio in (1.0, 2.0)], [LABEL], [PACK]]
)


@pytest.mark.parametrize(
    ('model', 'options', 'message'),
    [
        (Classifier(), {}, r"model must predict pred_sem_seg, .* got BaseDataElement with \['pred_score'\]"),
        (DarkIsRandom(), dict(pipeline=[LOAD, TWO_SCALES]), 'test-time augmentation, got a (list|tuple) per image'),
        (DarkIsRandom(), dict(max_shift=HEIGHT), 'max_shift must not exceed half .* got 64 for an image of 64x96'),
        (DarkIsRandom(), dict(max_shift=0), 'max_shift must be at least 2, .* got 0'),
        (DarkIsRandom(), dict(seed=-1), 'seed must be at least 0, got -1'),
    ],
    ids=['classifier', 'test-time-augmentation', 'small-image', 'max_shift', 'seed'],
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


def test_import_leaves_mmseg_alone():
    code = 'import sys, antialias_plugins.openmmlab.loops; sys.exit("mmseg" in sys.modules)'
    environment = os.environ | dict(PYTHONPATH=os.pathsep.join(sys.path))
    assert subprocess.run([sys.executable, '-c', code], env=environment).returncode == 0
