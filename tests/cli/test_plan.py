"""`antialias plan` and `antialias info`."""

import json
import re

import pytest
import timm

from antialias_plugins import plan_antialias
from tests.openmmlab.tiny import segmentation_config


@pytest.mark.parametrize(
    ('arguments', 'pool', 'options'),
    [
        ('resnet18', 'lpf4', {}),
        ('resnet18.tv_in1k --pool ddac3', 'ddac3', {}),
        ('resnet18+lpf3', 'lpf3', {}),
        ('resnet18 --convert stem=True skip=[layer4.*]', 'lpf4', {'stem': True, 'skip': ['layer4.*']}),
    ],
)
def test_plan_is_that_of_the_package(arguments, pool, options, antialias, tmp_path):
    answer = antialias('plan', *arguments.split(), '--json', tmp_path / 'plan.json')
    expected = plan_antialias(timm.create_model('resnet18'), pool, **options)
    assert answer.out.startswith(f'{expected}\n')
    written = json.loads((tmp_path / 'plan.json').read_text())
    (plan,) = written['plans'].values()
    assert [site['carrier'] for site in plan['sites']] == [site.carrier for site in expected.sites]


@pytest.mark.parametrize('suffix', ['', '@any.pth'])
def test_every_backbone_of_a_config_has_a_plan(suffix, antialias, tmp_path):
    segmentation_config(tmp_path, tmp_path).dump(tmp_path / 'a.py')
    out = antialias('plan', f'{tmp_path}/a.py{suffix}', '--pool', 'lpf3').out
    assert re.match(r'ResNet\w* with lpf3: \d+ filtered', out)


def test_an_antialiased_backbone_is_planned_as_its_config_converts_it(antialias, tmp_path):
    config = segmentation_config(tmp_path, tmp_path)
    config.model.backbone.update(type='Antialiased', base=config.model.backbone.type, pool='lpf3')
    config.model.backbone['convert'] = {'stem': True}
    config.dump(tmp_path / 'a.py')
    out = antialias('plan', tmp_path / 'a.py').out
    assert re.match(r'ResNet\w* with lpf3: .* 0 left as they are', out)
    assert 'with lpf5' in antialias('plan', tmp_path / 'a.py', '--pool', 'lpf5').out


@pytest.mark.parametrize(
    ('arguments', 'status', 'message'),
    [
        ('resnet81', 2, "name must be a timm network, got 'resnet81' .*resnet18"),
        ('resnet18 --pool lpf', 2, "pool must be .*'lpf'"),
        ('resnet18+lpf3 --pool lpf3', 2, r'pool must be given once, got resnet18\+lpf3 and lpf3'),
        ('resnet18 --convert dilated=no', 2, "dilated must be 'skip' or 'blur', got 'no'"),
        ('resnet18 --convert colour=red', 2, "convert must be options of convert_antialias, got {'colour': 'red'}"),
        ('none.py', 2, "base must be a config file .*'none.py'"),
        ('resnet18_lpf4', 1, 'ResNet is antialiased already'),
        ('resnet18 --convert skip=[nothing]', 1, "skip must .*'nothing'"),
        ('resnet18 --json .', 2, 'json must be a file that can be written, got ., which is a folder'),
    ],
)
def test_one_message(arguments, status, message, antialias, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = antialias('plan', *arguments.split())
    assert answer.status == status
    assert re.match(f'antialias plan: {message}', answer.line)


def test_info(antialias, tmp_path):
    out = antialias('info', '--json', tmp_path / 'a.json').out
    written = json.loads((tmp_path / 'a.json').read_text())
    assert all(f'{name} ' in out and value in out for name, value in written.items())
    assert {'python', 'torch', 'timm', 'stack', 'GPU', 'kernels'} <= written.keys()


@pytest.mark.parametrize(
    ('backend', 'said'),
    [
        ('auto', 'functions with a backward pass of their own, not Triton: torch finds no GPU'),
        ('eager', "the reference in PyTorch's operators"),
    ],
)
def test_info_says_which_kernels_are_used_and_why(backend, said, antialias, monkeypatch):
    from antialias_plugins.kernels import use_backend

    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with use_backend(backend):
        assert re.search(rf'^kernels +{said}', antialias('info').out, re.MULTILINE)
