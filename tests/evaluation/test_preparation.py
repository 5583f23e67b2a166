import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torchvision import transforms

from antialias_plugins.evaluation import Preparation


@pytest.fixture
def photograph(photographs):
    return Image.open(photographs / 'validation/uniform/1.png')


@pytest.mark.parametrize(
    'name', ['resnet18.tv_in1k', 'resnet50.a1_in1k', 'convnext_atto.d2_in1k', 'mobilenetv2_100.ra_in1k']
)
def test_centre_is_what_timm_evaluates(name, photograph):
    with torch.device('meta'):
        network = timm.create_model(name)
    preparation = Preparation.of(network)
    ours = preparation.crop(preparation.size)(photograph)
    timms = create_transform(**resolve_data_config(model=network, use_test_size=True), normalize=False)(photograph)
    assert ours.dtype == torch.uint8
    assert torch.equal(ours, timms)


@pytest.mark.parametrize('size', [224, 256], ids=['accuracy', 'consistency'])
def test_published_preparation(size, photograph):
    preparation = Preparation(224, 256, 'bilinear', 'center', (0.5,) * 3, (0.5,) * 3)
    published = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(size), transforms.PILToTensor()])
    assert preparation.resize_for(size) == 256
    assert torch.equal(preparation.crop(size)(photograph), published(photograph))


@pytest.mark.parametrize('size', range(33, 400, 7))
def test_resized_side_is_exact(size):
    preparation = Preparation(32, 235, 'bilinear', 'center', (0.5,) * 3, (0.5,) * 3)
    resize, crop, *_ = preparation.crop(size).transforms
    assert (resize.size, crop.size) == (max(235, size), (size, size))


def test_overrides():
    network = timm.create_model('resnet18.tv_in1k', num_classes=2)
    preparation = Preparation.of(network, img_size=96, crop_pct=0.75, interpolation='nearest')
    assert (preparation.size, preparation.resize, preparation.interpolation) == (96, 128, 'nearest')
    assert preparation.mean == network.pretrained_cfg['mean']


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        (dict(input_size=(3, 64, 96)), 'network must take square RGB images, got an input of 3x64x96'),
        (dict(input_size=(1, 64, 64)), 'network must take square RGB images, got an input of 1x64x64'),
        (dict(crop_pct=1.25), 'crop_pct must be above 0 and at most 1, got 1.25'),
    ],
    ids=['rectangle', 'grey', 'crop_pct'],
)
def test_bad_argument(overrides, message):
    with pytest.raises(ValueError, match=message):
        Preparation.of(torch.nn.Identity(), **overrides)
