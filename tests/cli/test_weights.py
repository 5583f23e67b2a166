"""`antialias weights fetch` and `verify`, with a file of ours in the place of a published one."""

import dataclasses
import hashlib
import re

import pytest
import torch

from antialias_plugins.checkpoints import PUBLISHED

CONTENT = b'weights'
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The downloaded weights of one network."""
    key = 'resnet18_lpf4.adobe_ft_in1k'
    weights = dataclasses.replace(PUBLISHED[key], url='http://nowhere.invalid/w-1.pth', sha256=DIGEST[:8])
    for name in ('antialias_plugins.checkpoints.published', 'antialias_plugins.timm_models.weights'):
        monkeypatch.setattr(f'{name}.PUBLISHED', PUBLISHED | {key: weights})
    monkeypatch.setattr('antialias_cli.weights.PUBLISHED', PUBLISHED | {key: weights})
    monkeypatch.setattr('torch.hub.get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints/w-1.pth').write_bytes(CONTENT)
    return tmp_path / 'checkpoints/w-1.pth'


@pytest.mark.parametrize('name', ['resnet18_lpf4', 'resnet18_lpf4.adobe_ft_in1k'])
def test_fetch_prints_where_the_file_lies(name, published, antialias):
    assert antialias('weights', 'fetch', name)[:2] == (0, f'{published}\n')


def test_verify_names_what_a_file_holds(published, antialias):
    out = antialias('weights', 'verify', published).out
    assert out == f'{published}: resnet18_lpf4.adobe_ft_in1k, SHA-256 {DIGEST}\n'


@pytest.mark.parametrize(
    ('arguments', 'status', 'message'),
    [
        ('fetch resnet18_lpf9', 2, "fetch: name must be .*got 'resnet18_lpf9'; did you mean resnet18_lpf"),
        ('fetch resnet101_ddac3', 1, 'fetch: resnet101_ddac3.zou_in1k cannot be downloaded automatically'),
        ('verify none.pth', 2, 'verify: file must be a file, got none.pth'),
        ('verify other.pth', 1, 'verify: file must be published weights, got other.pth with SHA-256 [0-9a-f]{64}'),
    ],
)
def test_one_message(arguments, status, message, published, antialias, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({}, 'other.pth')
    answer = antialias('weights', *arguments.split())
    assert answer.status == status
    assert re.match(f'antialias weights {message}', answer.err)
