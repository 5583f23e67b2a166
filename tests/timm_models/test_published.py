"""The registered networks compute what the published package does; parity.py measures all 92 of them."""

import pytest
import torch

from tests.timm_models.parity import SIDES, build_pair, compare

NETWORKS = [
    'alexnet_lpf4',
    'densenet121_lpf4',
    'mobilenet_v2_lpf4',
    'resnet18_lpf2',
    'resnet18_lpf3',
    'resnet50_lpf5',
    'vgg11_bn_lpf4',
]


@pytest.fixture(scope='module', params=NETWORKS)
def pair(request, tmp_path_factory):
    torch.manual_seed(0)
    return build_pair(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize(('parity', 'mode'), [('even', 'train'), ('odd', 'eval')])
def test_logits_are_those_of_the_published_package(pair, parity, mode):
    assert compare(*pair, torch.float64, mode, SIDES[parity])[1] < 1e-12
