"""`antialias report`, with networks that nobody trained."""

import json
import re

import pytest
from PIL import Image

from tests.explorer.conftest import photograph as photograph

NETWORKS = ['resnet18', 'resnet18+lpf4', '--no-pretrained', '--size', '64', '--device', 'cpu']


def test_tables_numbers_and_figures(antialias, photograph, tmp_path):
    files = [tmp_path / 'new' / name for name in ('report.json', 'spectra.png', 'errors.webp')]
    outputs = zip(('--json', '--figure', '--equivariance-figure'), files, strict=True)
    options = ['--names', 'plain', 'smooth', '--layers', 'layer?.0', '--shift', 1, 2, '--window', 'none']
    arguments = ['--images', photograph, *options, *(part for output in outputs for part in output)]
    out = antialias('report', *NETWORKS, *arguments).out
    assert 'energy above the Nyquist frequency of the smaller map:\n| place ' in out
    assert 'equivariance error under shifts of 1 down 1 right, 2 down 2 right:\n' in out
    report = json.loads(files[0].read_text())
    assert report['settings']['images'] == [str(photograph)]
    assert [layer['name'] for layer in report['equivariance']['smooth']['layers']] == [
        f'layer{n}.0' for n in (1, 2, 3, 4)
    ]
    assert [site['filter'] for site in report['aliasing']['smooth']['sites']][:2] == ['', 'BlurPool2d(4)']
    for file, kind in zip(files[1:], ('PNG', 'WEBP'), strict=True):
        with Image.open(file) as picture:
            assert picture.format == kind
    assert all(f'{file}: written' in out for file in files)


@pytest.mark.parametrize(
    ('options', 'status', 'message'),
    [
        ('--images face.png --layers nothing', 1, "layers must name modules of the network, 'nothing' matches none"),
        ('--images face.png --names a a', 2, 'names must be one per network, and differ, got a a for 2'),
        ('--images face.png --names a', 2, 'names must be one per network, and differ, got a for 2'),
        ('--images none.png', 2, 'images must be a folder of images, or images, got none.png, which is none'),
        ('--images broken.png face.png', 2, 'images must be readable, got 1 of 2 that are not .*: broken.png: cannot'),
        ('--images face.png --figure a.xyz', 2, 'figure must end in one of'),
        ('--images face.png --figure a.png --equivariance-figure a.png', 2, 'figure and equivariance_figure must be'),
        ('--images face.png --json broken.png', 2, 'json must be a new file, got broken.png, which exists'),
        ('', 2, 'the following arguments are required: --images'),
    ],
)
def test_one_message(options, status, message, antialias, photograph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'face.png').symlink_to(photograph)
    (tmp_path / 'broken.png').write_text('no picture')
    answer = antialias('report', *NETWORKS, *options.split())
    assert answer.status == status
    assert re.match(f'antialias report: {message}', answer.line)
    assert len([*tmp_path.iterdir()]) == 2


def test_unreadable_pictures_are_left_out_and_listed(antialias, photograph, tmp_path):
    (tmp_path / 'a.png').symlink_to(photograph)
    (tmp_path / 'b.png').write_text('no picture')
    answer = antialias('report', *NETWORKS, '--images', tmp_path, '--skip-unreadable', '--layers', 'layer4')
    assert answer.status == 0
    assert re.search(r'left out: .*b\.png: cannot identify', answer.err)
