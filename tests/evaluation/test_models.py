from pathlib import Path

import pytest
import timm
import torch

from antialias_plugins.evaluation import ConfigModel, Settings, TimmModel, parse_model


@pytest.mark.parametrize(
    ('text', 'model'),
    [
        ('resnet18.tv_in1k', TimmModel('resnet18.tv_in1k', pretrained=True)),
        ('hf-hub:timm/resnet18.a1_in1k', TimmModel('hf-hub:timm/resnet18.a1_in1k', pretrained=True)),
        ('hf-hub:mine/net@main+lpf3', TimmModel('hf-hub:mine/net@main', pretrained=True, pool='lpf3')),
        ('resnet18@out/best.pth', TimmModel('resnet18', checkpoint=Path('out/best.pth'))),
        ('resnet18+ddac3', TimmModel('resnet18', pretrained=True, pool='ddac3')),
        ('resnet18.tv_in1k+lpf3@a+b@c.pth', TimmModel('resnet18.tv_in1k', False, Path('a+b@c.pth'), pool='lpf3')),
        ('a/b.py@c/d.pth', ConfigModel(Path('a/b.py'), Path('c/d.pth'))),
        ('a/b.py@c@d.pth', ConfigModel(Path('a/b.py'), Path('c@d.pth'))),
    ],
    ids=['tag', 'hub', 'revision', 'checkpoint', 'pool', 'pool-and-checkpoint', 'config', 'two-signs'],
)
def test_text(text, model):
    assert parse_model(text) == model


@pytest.mark.parametrize('text', ['a/b.py', 'a/b.py@', '.py@c.pth', 'resnet18@', '@best.pth', 'resnet18+', '+lpf3', ''])
def test_bad_text(text):
    with pytest.raises(ValueError, match=r'(a config|network) must .*, got '):
        parse_model(text)


def test_fingerprint_is_that_of_the_contents(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({'a': torch.zeros(2)}, path)
    before = parse_model(f'resnet18@{path}').fingerprint()
    path.touch()
    assert parse_model(f'resnet18@{path}').fingerprint() == before
    torch.save({'a': torch.ones(2)}, path)
    assert parse_model(f'resnet18@{path}').fingerprint() != before


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (Settings(), 'images must be given for a timm network, got none'),
        (Settings((Path('a'),), boundary=3), 'boundary must not be given for a classifier, got 3'),
        (Settings((Path('a'),), per_class=True), 'per_class must not be given for a classifier, got True'),
        (Settings((Path('a'),), score_threshold=0.3), 'score_threshold must not be given for a classifier, got 0.3'),
    ],
    ids=['images', 'boundary', 'per_class', 'score_threshold'],
)
def test_settings_of_a_classifier(settings, message):
    with pytest.raises(ValueError, match=message):
        TimmModel('resnet18').evaluate(settings)


@pytest.mark.parametrize(
    'name', ['images', 'unlabelled', 'skip_unreadable', 'size', 'device', 'amp_dtype', 'channels_last']
)
def test_settings_of_a_config(name):
    with pytest.raises(ValueError, match=f'{name} must not be given for configs'):
        Settings(**{name: 'x'}).check_for_configs()
    Settings().check_for_configs()


def test_options():
    assert TimmModel('resnet18', options=dict(num_classes=3)).create().num_classes == 3


def test_checkpoint(tmp_path):
    source = timm.create_model('resnet18', num_classes=3)
    torch.save({'state_dict': {f'module.{name}': value for name, value in source.state_dict().items()}}, tmp_path / 'a')
    network = TimmModel('resnet18', checkpoint=tmp_path / 'a', options=dict(num_classes=3)).create()
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(name='resnet81'), r"name must be a timm network, got 'resnet81' \(similar names: .*resnet18"),
        (dict(name='resnet18.nowhere'), "name must have one of the tags .*tv_in1k, got 'resnet18.nowhere'"),
        (dict(name='resnet18_ddac3', pretrained=True), 'pretrained must be False .* without published weights'),
        (dict(options=dict(colour='red')), r"options must be arguments of resnet18, got {'colour': 'red'}: .*colour"),
        (dict(checkpoint='a.pth', pretrained=True), 'checkpoint must be None for pretrained weights, got a.pth'),
        (dict(checkpoint='missing.pth'), 'missing.pth'),
    ],
    ids=['name', 'tag', 'no-weights', 'options', 'both', 'no-file'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        TimmModel(**dict(name='resnet18') | arguments).create()
