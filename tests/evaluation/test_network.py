import pytest
import timm
import torch

from antialias_plugins.evaluation import create_network


def test_options():
    assert create_network('resnet18', options=dict(num_classes=3)).num_classes == 3


def test_checkpoint(tmp_path):
    source = timm.create_model('resnet18', num_classes=3)
    torch.save({'state_dict': {f'module.{name}': value for name, value in source.state_dict().items()}}, tmp_path / 'a')
    network = create_network('resnet18', checkpoint=tmp_path / 'a', options=dict(num_classes=3))
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(name='resnet81'), r"name must be a timm network, got 'resnet81' \(similar names: .*resnet18"),
        (dict(name='resnet18.nowhere', pretrained=True), 'resnet18.nowhere cannot be created: .*nowhere'),
        (dict(options=dict(colour='red')), r"options must be arguments of resnet18, got {'colour': 'red'}: .*colour"),
        (dict(checkpoint='a.pth', pretrained=True), 'checkpoint must be None for pretrained weights, got a.pth'),
        (dict(checkpoint='missing.pth'), 'missing.pth'),
    ],
    ids=['name', 'tag', 'options', 'both', 'no-file'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        create_network(**dict(name='resnet18') | arguments)
