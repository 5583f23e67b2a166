"""Networks and data sets that a loop runs through in a moment."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

IMAGES, HEIGHT, WIDTH, MAX_SHIFT = 5, 64, 96, 16
CROP, CLASSES = 32, 4
LOAD = dict(type='LoadImageFromFile')
LABEL, PACK = dict(type='LoadAnnotations'), dict(type='PackSegInputs')


def blocks(shape, seed=0):
    """Blocky noise of size ``HEIGHT``, ``WIDTH``."""
    generator = np.random.default_rng(seed)
    return generator.integers(256, size=(*shape, HEIGHT // 4, WIDTH // 4, 3)).repeat(4, -3).repeat(4, -2)


def write_cityscapes(root, images, labels):
    """Write pictures and maps of train ids where `CityscapesDataset` looks for them."""
    for folder, suffix, arrays in (('leftImg8bit', 'leftImg8bit', images), ('gtFine', 'gtFine_labelTrainIds', labels)):
        (root / folder / 'val' / 'toy').mkdir(parents=True)
        for index, array in enumerate(arrays):
            path = root / folder / 'val' / 'toy' / f'toy_{index}_{suffix}.png'
            Image.fromarray(array.astype(np.uint8)).save(path)
    return root


def write_noise(root):
    """Write a few pictures of blocky noise, half of whose pixels have a label to be ignored."""
    labels = np.random.default_rng(1).integers(19, size=(IMAGES, HEIGHT, WIDTH))
    labels[:, :, : WIDTH // 2] = 255
    return write_cityscapes(root, blocks((IMAGES,)), labels)


def write_imagenet(root, images=2 * IMAGES - 1):
    """Write pictures where `CustomDataset` looks for the validation set, one folder per class."""
    for index, array in enumerate(blocks((images,))):
        folder = root / 'val' / f'class{index % CLASSES}'
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array.astype(np.uint8)).save(folder / f'{index}.png')
    return root


def _runtime(work_dir, imports):
    return dict(
        custom_imports=dict(imports=[f'antialias_plugins.openmmlab.{name}' for name in imports]),
        env_cfg=dict(dist_cfg=dict(backend='gloo'), mp_cfg=dict(opencv_num_threads=1)),
        model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None),
        experiment_name=Path(work_dir).name,
        work_dir=str(work_dir),
        log_level='WARNING',
        randomness=dict(seed=0),
    )


def segmentation_config(data_root, work_dir, **loop):
    """A tiny FCN on `data_root`, tested by our loop."""
    norm = dict(type='BN')
    return Config(
        dict(
            default_scope='mmseg',
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
            visualizer=dict(type='SegLocalVisualizer', name=f'visualizer_{Path(work_dir).name}'),
            **_runtime(work_dir, ('consistency',)),
        )
    )


def classification_config(data_root, work_dir, **loop):
    """A tiny ResNet on `data_root`, tested by our loop: the pipeline leaves room for the shift."""
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='ImageClassifier',
                data_preprocessor=dict(mean=[127.5] * 3, std=[60.0] * 3, to_rgb=True, num_classes=CLASSES),
                backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=CLASSES, in_channels=64, topk=(1,)),
            ),
            test_dataloader=dict(
                batch_size=1,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(type='CustomDataset', data_root=str(data_root), data_prefix='val', pipeline=pipeline()),
            ),
            test_evaluator=dict(type='Accuracy', topk=(1,)),
            test_cfg=dict(type='ShiftConsistencyTestLoop', max_shift=MAX_SHIFT, crop_size=CROP) | loop,
            default_hooks=dict(visualization=dict(type='VisualizationHook')),
            visualizer=dict(type='UniversalVisualizer', name=f'visualizer_{Path(work_dir).name}'),
            **_runtime(work_dir, ('consistency',)),
        )
    )


def pipeline(size=CROP + MAX_SHIFT):
    """A test pipeline of mmpretrain that ends with a central crop."""
    resize, crop = dict(type='ResizeEdge', scale=52, edge='short'), dict(type='CenterCrop', crop_size=size)
    return [LOAD, resize, crop, dict(type='PackInputs')]


def scale_up(layer):
    """Make the last layer of a network that nobody trained say more than one thing."""
    torch.nn.init.normal_(layer.weight)


def build(config, options=()):
    """Build the runner of a config after merging dotted keys into it."""
    config.merge_from_dict(dict(options))
    return Runner.from_cfg(config)


def run_on_two_processes(package, config, checkpoint, folder):
    """Run a package's own ``test.py`` on two processes; returns the metrics of each."""
    config.dump(folder / 'config.py')
    tool = Path(package.__file__).parent / '.mim' / 'tools' / 'test.py'
    with socket.socket() as listener:
        listener.bind(('localhost', 0))
        port = listener.getsockname()[1]
    # mmengine selects the GPU of number LOCAL_RANK, none for a negative one.
    shared = dict(MASTER_ADDR='localhost', MASTER_PORT=str(port), WORLD_SIZE='2', LOCAL_RANK='-1')
    environment = os.environ | shared | dict(CUDA_VISIBLE_DEVICES='', PYTHONPATH=os.pathsep.join(sys.path))
    # Every rank dumps its metrics into its work directory, and two ranks writing one file garble it.
    arguments = [folder / 'config.py', checkpoint, '--launcher', 'pytorch', '--work-dir', folder / 'rank{rank}']
    command = [sys.executable, Path(__file__).with_name('ranks.py'), package.__name__, tool, *arguments]
    subprocess.run(list(map(str, command)), env=environment, check=True, timeout=100)
    logs = sorted(folder.glob('rank*/*/*.json'))
    assert len(logs) == 2
    return [json.loads(log.read_text()) for log in logs]
