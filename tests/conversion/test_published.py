"""A converted torchvision network computes what Zhang's own package computes from the same weights."""

import antialiased_cnns
import pytest
import torch
import torchvision
from torch import nn

from antialias_plugins import convert_antialias
from tests.checkpoints.networks import randomise

NETWORKS = {
    'resnet18': 'published',
    'resnet50': 'published',
    'resnext50_32x4d': 'published',
    'vgg11_bn': 'keep',
    'mobilenet_v2': 'keep',
    'densenet121': 'keep',
}


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Both packages keep torchvision's order; only the published filters are buffers of their own."""
    values = [value for key, value in source.state_dict().items() if not key.endswith('filt')]
    names = list(target.state_dict())
    assert len(values) == len(names)
    target.load_state_dict(dict(zip(names, values, strict=True)))


@pytest.mark.parametrize('name', NETWORKS)
def test_conversion_equals_the_published_package(name):
    published = getattr(antialiased_cnns, name)(pretrained=False, filter_size=4, num_classes=10).double()
    ours = getattr(torchvision.models, name)(num_classes=10).double()
    if name.startswith('vgg'):  # whose head has 120 million weights and nothing to filter
        published.classifier = ours.classifier = nn.Identity()
    randomise(published)
    convert_antialias(ours, 'lpf4', maxpool=NETWORKS[name])
    copy_in_order(published, ours)
    x = torch.rand(2, 3, 96, 64, dtype=torch.float64)
    for training in (False, True):
        for model in (published, ours):
            model.train(training)
            for module in model.modules():
                module.p = 0.0 if isinstance(module, nn.Dropout) else getattr(module, 'p', None)
        torch.testing.assert_close(ours(x), published(x), rtol=1e-10, atol=1e-12)
