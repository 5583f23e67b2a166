import pytest
import torch
from torch import nn

from lab.parity import networks
from lab.parity.networks import build_network, settle_norms
from lab.parity.parity import example_images


def test_the_segmentor_is_built_from_any_folder(monkeypatch, tmp_path):
    pytest.importorskip('mmseg')
    monkeypatch.chdir(tmp_path)
    assert build_network('DeepLabV3+ R18', 'lpf4')(torch.rand(1, 3, 64, 96)).shape == (1, 19, 16, 24)


@pytest.mark.parametrize('name', [name for name in networks.NETWORKS if name.islower()])
def test_classifiers_take_every_size_that_is_tried(name):
    network = build_network(name, None)
    assert [network(image).shape for image in example_images()] == [(count, 10) for count in (2, 1, 2, 3)]


def test_a_missing_config_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(networks, 'CONFIG', tmp_path / 'missing.py')
    with pytest.raises(ValueError, match=r"segmentors need the configs of a checkout, there is no '.*missing\.py'"):
        build_network('DeepLabV3+ R18', None)


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match=r"network must be one of resnet18, .*, got 'resnet19'"):
        build_network('resnet19', None)


def test_settled_norms_have_the_statistics_of_what_they_saw():
    model, images = nn.Sequential(nn.BatchNorm2d(3)).eval(), torch.rand(4, 3, 5, 7)
    settle_norms(model, images)
    assert not model[0].training
    torch.testing.assert_close(model[0].running_mean, images.mean((0, 2, 3)))
    torch.testing.assert_close(model[0].running_var, images.var((0, 2, 3)))
