"""`antialias eval`, on photographs and with a network that nobody trained."""

import json
import re

import pytest
import timm
import torch

from antialias_plugins.timm_models import save_for_hub
from tests.evaluation.conftest import photographs as photographs
from tests.openmmlab.tiny import build, segmentation_config, write_noise

SMALL = ['--no-pretrained', '--size', '48', '--max-shift', '16', '--workers', '0']


@pytest.mark.parametrize(
    'options',
    [
        ['--protocol', 'legacy', '--batch-size', '4'],
        ['--views', '4', '--circular', '--channels-last', '--amp', '--amp-dtype', 'bfloat16'],
    ],
    ids=['legacy', 'circular-amp'],
)
def test_table_and_file(options, antialias, photographs, tmp_path):
    files = ['--images', photographs, '--json', tmp_path / 'a.json']
    out = antialias('eval', 'resnet18', *SMALL, '--model-kwargs', 'num_classes=2', *files, *options).out
    report = json.loads((tmp_path / 'a.json').read_text())
    assert f'\nconsistency {100 * report["consistency"]["mean"]:21.2f}' in out
    assert f'{photographs}: 7 images' in out
    assert report['settings']['model_kwargs'] == {'num_classes': 2}
    assert report['consistency']['images'] == 7
    assert 0 <= report['accuracy']['top1']['mean'] <= 1


def test_twice_the_same(antialias, photographs, tmp_path):
    reports = []
    for batch_size in ('1', '8'):
        path = tmp_path / f'{batch_size}.json'
        options = ['--unlabelled', '--batch-size', batch_size, '--images', photographs, '--json', path]
        assert antialias('eval', 'resnet18', *SMALL, *options).status == 0
        reports.append(json.loads(path.read_text())['consistency'])
    assert reports[0]['mean'] == reports[1]['mean']
    assert reports[0]['interval'] == reports[1]['interval']


def flat(folder):
    return [folder / 'validation/face']


def files(folder):
    return sorted((folder / 'validation/face').iterdir())


@pytest.mark.parametrize(
    ('choose', 'images', 'found'),
    [(lambda folder: [folder], 7, '2'), (flat, 3, 'no'), (files, 3, 'no')],
    ids=['other-classes', 'flat', 'files'],
)
def test_without_labels_there_is_no_accuracy_and_that_is_said(choose, images, found, antialias, photographs):
    out = antialias('eval', 'resnet18+lpf4', *SMALL, '--images', *choose(photographs)).out
    assert f': {images} images' in out
    assert f'note: no accuracy, since the images have no labels: {found} sub-folders for 1000 classes' in out
    assert 'top-1' not in out


def test_config(antialias, tmp_path):
    config = segmentation_config(write_noise(tmp_path / 'data'), tmp_path)
    torch.save(build(config.copy()).model.state_dict(), tmp_path / 'a.pth')
    config.dump(tmp_path / 'a.py')
    options = ['--max-shift', '16', '--boundary', '2', '--cfg-options', 'test_evaluator.iou_metrics=["mIoU","mDice"]']
    out = antialias('eval', f'{tmp_path}/a.py@{tmp_path}/a.pth', '--json', tmp_path / 'a.json', *options).out
    report = json.loads((tmp_path / 'a.json').read_text())
    assert re.search(rf'\nmASSC +{100 * report["consistency"]["mean"]:.2f} ', out)
    assert re.search(r'a\.py: 5 images, .* the network alone: .* which cost \d+\.\d+ plain passes\n', out)
    assert {'mIoU', 'mDice'} <= report['accuracy'].keys()
    assert report.keys() >= {'settings', 'accuracy', 'consistency', 'images_per_second', 'environment'}


@pytest.mark.parametrize(
    ('network', 'options', 'message'),
    [
        ('a.py', [], 'a config must come with its checkpoint, as CONFIG.py@CHECKPOINT'),
        ('a.py@b.pth', ['--no-pretrained'], 'pretrained must not be given for configs, got False'),
        ('a.py@b.pth', ['--model-kwargs', 'num_classes=2'], 'model_kwargs must not be given for configs'),
        ('a.py@b.pth', ['--size', '48'], 'size must not be given for configs, .* got 48'),
        ('a.py@a.pth', [], 'checkpoint must be a file, got a.pth'),
        ('c.py@b.pth', [], 'config must be a file, got c.py'),
        ('resnet18', [], 'images must be given for a timm network, got none'),
        ('resnet18', ['--images', '.', '--boundary', '3'], 'boundary must not be given for a classifier, got 3'),
        ('resnet18', ['--images', '.', '--device', 'nowhere'], 'device must be one that this machine has, got nowhere'),
        ('resnet18', ['--images', '.', '--groups', '('], r'groups must be a regular expression, got .\(.'),
        ('resnet18.tv', ['--images', '.'], "name must have one of the tags a1_in1k, .*, got 'resnet18.tv'"),
        ('resnet18_ddac3', ['--images', '.'], 'pretrained must be False for a network without published weights'),
        ('resnet18', ['--images', 'missing'], 'images must be a folder of images, or images, got missing'),
        ('resnet18', ['--images', 'empty'], 'images must hold at least one image, got none in empty'),
        ('resnet18', ['--images', '.', '--cfg-options', 'a=1'], 'cfg_options must not be given for timm networks'),
        ('resnet18', ['--images', '.', '--model-kwargs', 'a'], "--model-kwargs: must be KEY=VALUE, got 'a'"),
        ('resnet81', ['--images', '.'], "name must be a timm network, got 'resnet81' .*resnet18"),
        ('resnet18+lpf', ['--images', '.'], "pool must be .* got 'lpf'"),
        ('resnet18@none.pth', ['--images', '.'], 'checkpoint must be a file, got none.pth'),
        ('resnet18=b.pth', ['--images', '.'], "name must be a timm network, got 'resnet18=b.pth'"),
        ('resnet18', ['--images', '.', '--json', 'b.pth'], 'json must be a new file, got b.pth, which exists'),
        ('resnet18', ['--images', '.', '--json', 'empty'], 'json must be a file .* got empty, which is a folder'),
        ('resnet18', ['--images', '.', '--json', 'b.pth/a'], 'json must be a file that can be written, got b.pth/a'),
        ('resnet18', ['--images', '.', '--size', '0'], '--size: must be an integer of at least 1, got'),
        ('resnet18', ['--images', '.', '--sise', '0'], 'unknown argument --sise; did you mean --size'),
    ],
)
def test_wrong_use_is_said_before_the_work(network, options, message, antialias, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    for name in ('a.py', 'b.pth', 'picture.png'):
        (tmp_path / name).touch()
    answer = antialias('eval', network, *options)
    assert answer.status == 2
    assert re.fullmatch(f'antialias eval: .*{message}.*\n', answer.err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.py', 'b.pth', 'empty', 'picture.png']


def test_an_unreadable_picture_is_left_out_if_asked(antialias, photographs, tmp_path):
    (tmp_path / '0.png').symlink_to(photographs / 'validation/face/0.png')
    (tmp_path / '1.png').write_text('no picture')
    out = antialias('eval', 'resnet18', *SMALL, '--images', tmp_path, '--skip-unreadable').out
    assert f'{tmp_path}: 1 images' in out
    assert f'note: 1 of 2 images could not be read and are left out: {tmp_path}/1.png' in out


def test_a_network_of_the_hub(antialias, photographs, tmp_path, monkeypatch):
    """The hub is a folder here; what it would download lies there."""
    save_for_hub(timm.create_model('resnet18_lpf3', num_classes=2), tmp_path)
    monkeypatch.setattr('timm.models._hub.hf_hub_download', lambda repo_id, filename, **options: tmp_path / filename)
    out = antialias('eval', 'hf-hub:me/network', *SMALL[1:], '--images', photographs).out
    assert out.startswith('hf-hub:me/network, published weights\n')
    assert 'top-1 accuracy' in out


def unreadable(folder):
    (folder / 'a').mkdir()
    (folder / 'a' / '0.png').write_text('no image')
    return folder


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'images must be readable, got .*0.png: cannot identify'),
        (['--skip-unreadable'], 'images must be readable, got 1 of 1'),
        (['--max-shift', '99'], 'max_shift must be between 2 and'),
    ],
    ids=['unreadable', 'none-left', 'max-shift'],
)
def test_one_message_without_traceback(options, message, antialias, tmp_path):
    answer = antialias('eval', 'resnet18', *SMALL, '--images', unreadable(tmp_path), '--json', tmp_path / 'b', *options)
    assert answer.status == 1
    assert re.match(f'antialias eval: .*{message}', answer.line)
    assert not (tmp_path / 'b').exists()
