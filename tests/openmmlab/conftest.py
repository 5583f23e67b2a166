import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import mmseg
import numpy as np
import pytest

CONFIGS = Path(__file__).parents[2] / 'configs'
TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'
collect_ignore = ['parallel.py']  # a script that imports what lies beside it
CITYSCAPES_FILES = (('leftImg8bit', 'leftImg8bit'), ('gtFine', 'gtFine_labelTrainIds'))


@pytest.fixture(scope='session')
def scenes(tmp_path_factory):
    """A data set of six 64x128 images in Cityscapes' layout: a bright half and a dark half, with their labels."""
    root = tmp_path_factory.mktemp('scenes')
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for index in range(6):
            label = np.zeros((64, 128), np.uint8)
            label[: rng.integers(16, 48)] = 10
            image = rng.integers(0, 128, (64, 128, 3), np.uint8) + 127 * (label > 0)[..., None].astype(np.uint8)
            for (folder, suffix), pixels in zip(CITYSCAPES_FILES, (image, label), strict=True):
                path = root / folder / split / 'city' / f'city_{index:06d}_000000_{suffix}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), pixels)
    return root


@pytest.fixture(scope='session')
def tiny(scenes):
    """Options that shrink a ToyScapes config to six short iterations, with a checkpoint after every second one."""
    loaders = ('train', 'val', 'test')
    return {
        **{f'{loader}_dataloader.dataset.data_root': scenes for loader in loaders},
        'train_dataloader.dataset.pipeline.2.crop_size': '(32,64)',
        'train_dataloader.batch_size': 2,
        'model.data_preprocessor.size': '(32,64)',
        'train_cfg.max_iters': 6,
        'train_cfg.val_interval': 6,
        'default_hooks.checkpoint.interval': 2,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
        'default_hooks.logger.interval': 1,
        'test_cfg.max_shift': 8,
    }


@pytest.fixture(scope='session')
def run_tool():
    """Runs a package's own tool, as installed, on a config of ours in this process; returns its log."""

    def run(package, tool, config, *args, folder, options):
        path = Path(package.__file__).parent / '.mim' / 'tools' / tool
        names = dict.fromkeys(('experiment_name', 'visualizer.name'), f'{folder.parent.name}_{folder.name}')
        settings = [f'{key}={value}' for key, value in {**options, **names}.items()]
        arguments = [path, CONFIGS / config, *args, '--work-dir', folder, '--cfg-options', *settings]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, 'argv', list(map(str, arguments)))
            runpy.run_path(str(path), run_name='__main__')
        return max(folder.glob('*/*.log')).read_text()

    return run


@pytest.fixture(scope='session')
def read_losses():
    """The loss of every iteration that the training in a folder has logged."""

    def read(folder):
        records = [json.loads(line) for line in max(folder.glob('*/vis_data/scalars.json')).read_text().splitlines()]
        return [record['loss'] for record in records if 'loss' in record]

    return read


@pytest.fixture(scope='session')
def start_mmseg_tool():
    """Starts one of mmseg's own tools, as installed, on a config of ours; returns the running process."""

    def start(tool, config, *args, launcher=(sys.executable,), options, log):
        settings = [f'{key}={value}' for key, value in options.items()]
        command = [*launcher, TOOLS / tool, CONFIGS / config, *args, '--cfg-options', *settings]
        environment = os.environ | {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
        return subprocess.Popen(list(map(str, command)), env=environment, stdout=log, stderr=subprocess.STDOUT)

    return start


@pytest.fixture(scope='session')
def run_mmseg_tool(start_mmseg_tool):
    """Runs one of mmseg's own tools to its end and returns what it printed."""

    def run(*args, **kwargs):
        with tempfile.TemporaryFile('w+') as log:
            status = start_mmseg_tool(*args, **kwargs, log=log).wait(timeout=300)
            log.seek(0)
            output = log.read()
        assert status == 0, output[-4000:]
        return output

    return run
