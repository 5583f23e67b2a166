"""`tools/quickstart.sh` with a stand-in for Python, and the summary of networks that nobody trained."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from PIL import Image

from lab.quickstart.experiment import Experiment, begin
from lab.quickstart.report import summarize
from lab.toyscapes import make_dataset
from tests.processes import start_script

ROOT = Path(__file__).parents[3]
CONFIGS = {
    name: f'deeplabv3plus_r18{part}-d16_1xb4-250_toyscapes-96x192.py'
    for name, part in (('baseline', ''), ('lpf3', '-lpf3'), ('ddac3', '-ddac3'))
}
FAKE_PYTHON = r"""#!/usr/bin/env bash
echo "$*" >>calls.txt
case "$*" in
    -c*) echo mmseg ;;
    *'quickstart.py next'*)
        folder=$4
        mkdir -p "$folder"
        next=train
        [[ -f $folder/last_checkpoint ]] && next=${FAKE_NEXT:-test}
        [[ -f $folder/test/done ]] && next=nothing
        echo "$next"
        ;;
    *train.py*)
        echo 'some noise'
        echo 'INFO - Iter(train) [10/10] loss: 1.0'
        eval "${FAKE_TRAIN:-true}"
        echo "/elsewhere/iter_10.pth" >"${@: -1}/last_checkpoint" 2>/dev/null || true
        ;;
    *test.py*) mkdir -p "${@: -1}" && touch "${@: -1}/done" ;;
    *'quickstart.py summary'*) echo '| the table |' >"${@: -1}/summary.md" ;;
esac
"""


class Clone:
    """A folder with the script, the stand-in and an environment that needs no setting up."""

    def __init__(self, root: Path):
        self.root = root
        self.calls = root / 'calls.txt'
        self.out = root / 'work_dirs' / 'quickstart'
        (root / 'tools').mkdir()
        shutil.copy(ROOT / 'tools/quickstart.sh', root / 'tools')
        self._write('tools/setup_env.sh', '#!/bin/sh\n')
        self._write('.venv/onedl/bin/python', FAKE_PYTHON)

    def _write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def start(self, **env):
        inherited = {key: value for key, value in os.environ.items() if key != 'STACK'}
        return start_script(self.root / 'tools/quickstart.sh', env=inherited | env)

    def call(self, **env):
        """Run the script; return status, output, and what it made the stand-in do of training and testing."""
        self.calls.unlink(missing_ok=True)
        process = self.start(**env)
        output, _ = process.communicate(timeout=60)
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        return process.returncode, output, [line for line in calls if line.startswith('mmseg/')]

    def start_and_wait_for_training(self):
        process = self.start(FAKE_TRAIN='touch training; exec sleep 50')
        deadline = time.monotonic() + 30
        while not (self.root / 'training').exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return process


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def test_three_configs_are_trained_and_tested_by_mmseg(clone):
    code, output, calls = clone.call()
    assert code == 0, output
    out, tools = 'work_dirs/quickstart/onedl', 'mmseg/.mim/tools'
    assert calls == [
        line
        for name, config in CONFIGS.items()
        for line in (
            f'{tools}/train.py configs/deeplabv3plus/{config} --work-dir {out}/{name}',
            f'{tools}/test.py configs/deeplabv3plus/{config} {out}/{name}/iter_10.pth --work-dir {out}/{name}/test',
        )
    ]
    assert all((ROOT / 'configs/deeplabv3plus' / config).exists() for config in CONFIGS.values())
    assert '[8/8]' in output
    assert output.endswith('| the table |\n')


def test_progress_is_shown_the_rest_is_kept_and_a_second_call_repeats_nothing(clone):
    _, output, _ = clone.call()
    assert 'Iter(train) [10/10] loss: 1.0' in output
    assert 'noise' not in output
    assert 'some noise' in (clone.out / 'onedl/lpf3/train.log').read_text()
    code, output, calls = clone.call()
    assert (code, calls) == (0, [])
    assert output.count('Done before') == 6


def test_unfinished_training_resumes(clone):
    for name in CONFIGS:
        (clone.out / 'onedl' / name).mkdir(parents=True)
        (clone.out / 'onedl' / name / 'last_checkpoint').write_text('/elsewhere/iter_10.pth')
    _, output, calls = clone.call(FAKE_NEXT='resume')
    assert 'it goes on from its last checkpoint' in output
    assert [call.endswith(' --resume') for call in calls if 'train.py' in call] == [True] * 3


def test_failure_stops_and_says_what_to_do(clone):
    code, output, calls = clone.call(FAKE_TRAIN='echo the reason; exit 1')
    assert code == 1
    assert len(calls) == 1
    assert 'the reason' in output
    assert 'work_dirs/quickstart/onedl/baseline/train.log' in output
    assert 'put right what it complains of, then call this again' in output
    assert clone.call()[0] == 0


@pytest.mark.parametrize(
    ('send', 'number'),
    [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM), (os.kill, signal.SIGHUP)],
    ids=['ctrl-c', 'terminate', 'hang-up'],
)
def test_interrupted_training_ends_at_once(clone, send, number):
    process = clone.start_and_wait_for_training()
    send(process.pid, number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert 'stopped. Call it again to go on from here.' in output


@pytest.mark.skipif(shutil.which('flock') is None, reason='there is no flock')
def test_only_one_at_a_time(clone):
    process = clone.start_and_wait_for_training()
    code, output, _ = clone.call()
    process.terminate()
    process.communicate(timeout=20)
    assert code == 1
    assert 'another quickstart is at work' in output


@pytest.fixture(scope='module')
def experiments(tmp_path_factory):
    """Folders as two-scene tests of untrained networks leave them, with made-up logs and metrics."""
    root = tmp_path_factory.mktemp('experiments')
    make_dataset(root / 'data', (96, 64), train=0, val=2)
    folders = [root / name for name in ('baseline', 'lpf3')]
    for folder in folders:
        leave_experiment(folder, root / 'data')
    return folders


def leave_experiment(folder, data):
    from mmseg.apis import init_model

    config = Config.fromfile(ROOT / 'configs/deeplabv3plus' / CONFIGS[folder.name])
    config.test_dataloader.dataset.data_root = str(data)
    config.dump(folder.with_suffix('.py'))
    begin(folder.with_suffix('.py'), folder)
    checkpoint = folder / f'iter_{config.train_cfg.max_iters}.pth'
    segmentor = init_model(Experiment(folder).config, device='cpu')
    torch.save({'state_dict': segmentor.state_dict(), 'meta': {'dataset_meta': {}}}, checkpoint)
    (folder / 'last_checkpoint').write_text(str(checkpoint))
    leave_json(folder / 'time' / 'vis_data' / 'scalars.json', {'loss': 1.0, 'time': 0.5})
    leave_json(
        folder / 'test' / 'time' / 'time.json', {'mIoU': 20.0, 'mASSC': 90.0, 'mASSC_low': 89.0, 'mASSC_high': 91.0}
    )


def metrics(*values):
    return dict(zip(('mIoU', 'mASSC', 'mASSC_low', 'mASSC_high'), values, strict=True))


def leave_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content) + '\n')


def test_summary_gathers_what_the_experiments_left(experiments, tmp_path):
    summarize(experiments, tmp_path)
    methods = json.loads((tmp_path / 'summary.json').read_text())['methods']
    assert list(methods) == ['baseline', 'lpf3']
    keys = ('mIoU', 'mASSC', 'mASSC_low', 'mASSC_high', 'seconds_per_iteration', 'seed')
    found = {key: methods['lpf3'][key] for key in keys}
    assert found == dict(zip(keys, (20.0, 90.0, 89.0, 91.0, 0.5, 0), strict=True))
    assert methods['lpf3']['parameters'] == methods['baseline']['parameters'] > 11_000_000  # a ResNet-18 has 11 million
    assert 'lpf3 is NOT shown to be more consistent' in (tmp_path / 'summary.md').read_text()
    mean, low, high = json.loads((tmp_path / 'summary.json').read_text())['differences']['lpf3']
    assert -100 <= low <= mean <= high <= 100

    figure = tmp_path / 'shift.png'
    written = figure.stat().st_mtime_ns
    summarize(experiments, tmp_path)
    assert figure.stat().st_mtime_ns == written

    leave_json(experiments[1] / 'test' / 'time_2' / 'time_2.json', metrics(1.0, 99.0, 98.0, 99.5))
    summarize(experiments, tmp_path)
    assert '99.00 [98.00, 99.50]' in (tmp_path / 'summary.md').read_text()
    assert figure.stat().st_mtime_ns > written


def test_summary_of_unfinished_experiments_is_refused(tmp_path):
    with pytest.raises(ValueError, match='folders must hold finished trainings and tests'):
        summarize([tmp_path / 'baseline'], tmp_path)


def test_the_figure_in_the_readme_has_all_its_colours():
    """A palette of 255 colours made two classes one."""
    with Image.open(ROOT / 'docs/images/shift.png') as picture:
        assert picture.mode in ('RGB', 'RGBA')
