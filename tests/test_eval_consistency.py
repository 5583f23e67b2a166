"""`tools/eval_consistency.py`, on photographs and with a network that nobody trained."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.evaluation.conftest import photographs as photographs
from tests.openmmlab.tiny import build, segmentation_config, write_noise

TOOL = Path(__file__).parents[1] / 'tools/eval_consistency.py'
SMALL = ['--model', 'resnet18', '--img-size', '48', '--max-shift', '16', '--workers', '0']


@pytest.fixture
def run(monkeypatch):
    """Runs the tool in this process."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


@pytest.mark.parametrize(
    'options',
    [
        ['--protocol', 'legacy', '--batch-size', '4'],
        ['--views', '4', '--circular', '--channels-last', '--amp', '--amp-dtype', 'bfloat16'],
    ],
    ids=['legacy', 'circular-amp'],
)
def test_table_and_file(options, run, photographs, tmp_path, capsys):
    run(*SMALL, '--model-kwargs', 'num_classes=2', '--data-dir', photographs, '--json', tmp_path / 'a.json', *options)
    report = json.loads((tmp_path / 'a.json').read_text())
    out = capsys.readouterr().out
    assert f'\nconsistency {100 * report["consistency"]["mean"]:21.2f}' in out
    assert f'{photographs}: 7 images' in out
    assert report['settings']['model_kwargs'] == {'num_classes': 2}
    assert report['consistency']['images'] == 7
    assert 0 <= report['accuracy']['top1']['mean'] <= 1


def test_twice_the_same(run, photographs, tmp_path):
    reports = []
    for batch_size in ('1', '8'):
        path = tmp_path / f'{batch_size}.json'
        run(*SMALL, '--unlabelled', '--batch-size', batch_size, '--data-dir', photographs, '--json', path)
        reports.append(json.loads(path.read_text())['consistency'])
    assert reports[0]['mean'] == reports[1]['mean']
    assert reports[0]['interval'] == reports[1]['interval']


def test_config(run, tmp_path, capsys):
    config = segmentation_config(write_noise(tmp_path / 'data'), tmp_path)
    torch.save(build(config.copy()).model.state_dict(), tmp_path / 'a.pth')
    config.dump(tmp_path / 'a.py')
    options = ['--max-shift', '16', '--boundary', '2', '--cfg-options', 'test_evaluator.iou_metrics=["mIoU","mDice"]']
    run('--config', tmp_path / 'a.py', '--checkpoint', tmp_path / 'a.pth', '--json', tmp_path / 'a.json', *options)
    report, out = json.loads((tmp_path / 'a.json').read_text()), capsys.readouterr().out
    assert re.search(rf'\nmASSC +{100 * report["consistency"]["mean"]:.2f} ', out)
    assert re.search(r'a\.py: 5 images, .* the network alone: .* which cost \d+\.\d+ plain passes\n', out)
    assert {'mIoU', 'mDice'} <= report['accuracy'].keys()
    assert report.keys() >= {'settings', 'accuracy', 'consistency', 'images_per_second', 'environment'}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'checkpoint must be given with a config, got none'),
        (['--checkpoint', 'a.pth', '--pretrained'], 'pretrained must not be given with a config'),
        (['--checkpoint', 'a.pth', '--img-size', '48'], 'img_size must not be given for configs, .* got 48'),
        (['--checkpoint', 'a.pth'], 'checkpoint must be a file, got a.pth'),
    ],
    ids=['no-checkpoint', 'pretrained', 'img-size', 'missing'],
)
def test_one_message_about_a_config(options, message, run):
    with pytest.raises(SystemExit, match=f'^eval_consistency.py: .*{message}'):
        run('--config', 'a.py', *options)


def unreadable(folder):
    (folder / 'a').mkdir()
    (folder / 'a' / '0.png').write_text('no image')
    return folder


@pytest.mark.parametrize(
    ('options', 'make', 'message'),
    [
        (['--unlabelled'], lambda folder: folder / 'missing', 'root must be a folder of images'),
        (['--unlabelled'], unreadable, 'images must be readable, got .*0.png: cannot identify'),
        ([], unreadable, 'one sub-folder for each of the 1000 classes of the network, got 1'),
        (['--model', 'resnet81'], unreadable, "name must be a timm network, got 'resnet81'"),
        (['--max-shift', '99'], unreadable, 'max_shift must be between 2 and'),
        (['--batch-size', '0', '--unlabelled'], unreadable, 'batch_size'),
        (['--device', 'nowhere'], unreadable, 'device must be one that this machine has, got nowhere'),
    ],
    ids=['missing', 'unreadable', 'classes', 'model', 'max-shift', 'batch-size', 'device'],
)
def test_one_message_without_traceback(options, make, message, run, tmp_path):
    with pytest.raises(SystemExit, match=f'^eval_consistency.py: .*{message}'):
        run(*SMALL, '--data-dir', make(tmp_path), '--json', tmp_path / 'a.json', *options)
    assert not (tmp_path / 'a.json').exists()


def test_interruption_leaves_the_old_file(photographs, tmp_path):
    folder = tmp_path / 'many'
    for number in range(400):
        (folder / 'a').mkdir(parents=True, exist_ok=True)
        (folder / 'a' / f'{number}.png').symlink_to(photographs / 'validation/face/0.png')
    path = tmp_path / 'a.json'
    path.write_text('old')
    arguments = [*SMALL, '--workers', '2', '--batch-size', '1', '--unlabelled', '--data-dir', folder, '--json', path]
    process = subprocess.Popen(
        [sys.executable, TOOL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Python ignores interrupts where the tests run in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    seen = ''
    while not re.search(r'[1-9]\d*/400', seen):  # the bar after the first images
        seen += process.stderr.read(1)
        assert process.poll() is None, seen
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # the workers too, as a terminal does
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'interrupted, nothing written' in rest
    assert 'Traceback' not in rest
    assert path.read_text() == 'old'
    assert sorted(tmp_path.iterdir()) == [path, folder]
