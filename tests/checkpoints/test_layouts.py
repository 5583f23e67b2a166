import contextlib
import io

import antialiased_cnns
import pytest
import timm
import torch
import torchvision

from antialias_plugins.checkpoints.names import canonical_names

# timm's name where it is another one, and None where timm has none.
ARCHITECTURES = {
    'alexnet': None,
    **{f'vgg{depth}{norm}': f'vgg{depth}{norm}' for depth in (11, 13, 16, 19) for norm in ('', '_bn')},
    **{f'resnet{depth}': f'resnet{depth}' for depth in (18, 34, 50, 101, 152)},
    **{name: name for name in ('resnext50_32x4d', 'resnext101_32x8d', 'wide_resnet50_2', 'wide_resnet101_2')},
    **{f'densenet{depth}': f'densenet{depth}' for depth in (121, 161, 169, 201)},
    'mobilenet_v2': 'mobilenetv2_100',
}


def keys(build, *args, **kwargs):
    with torch.device('meta'), contextlib.redirect_stdout(io.StringIO()):
        return list(build(*args, **kwargs).state_dict())


@pytest.mark.parametrize(
    ('name', 'filt_size'),
    [*((name, 4) for name in ARCHITECTURES), ('resnet50', 1), ('mobilenet_v2', 1), ('vgg16_bn', 1)],
)
def test_all_published_architectures_become_torchvisions(name, filt_size):
    """Both packages keep the order of the tensors; only the filters come in between."""
    layout, names = canonical_names(keys(getattr(antialiased_cnns, name), filter_size=filt_size))
    assert layout == 'antialiased-cnns'
    assert all((new is None) == old.endswith('.filt') for old, new in names.items())
    assert [new for new in names.values() if new] == keys(getattr(torchvision.models, name))


@pytest.mark.parametrize(
    'name', ['vgg16_bn', 'resnet18', 'resnet101', 'resnext50_32x4d', 'densenet121', 'mobilenet_v2']
)
def test_timms_architectures_become_torchvisions(name):
    names = canonical_names(keys(timm.create_model, ARCHITECTURES[name]))[1]
    assert list(names.values()) == keys(getattr(torchvision.models, name))


@pytest.mark.parametrize(
    ('file', 'canonical'),
    {
        'maxpool.1.conv.weight': 'maxpool.aa.conv.weight',
        'layer2.0.conv3.0.bn.running_var': 'layer2.0.aa.bn.running_var',
        'layer2.0.conv3.1.weight': 'layer2.0.conv3.weight',
        'layer2.0.downsample.0.conv.weight': 'layer2.0.downsample.0.aa.conv.weight',
        'layer2.0.downsample.1.weight': 'layer2.0.downsample.0.weight',
        'layer2.0.downsample.2.bias': 'layer2.0.downsample.1.bias',
        'layer1.0.downsample.1.bias': 'layer1.0.downsample.1.bias',
        'layer2.1.conv3.weight': 'layer2.1.conv3.weight',
    }.items(),
)
def test_keys_of_ddac(file, canonical):
    neighbours = ('layer2.0.conv3.0.conv.weight', 'layer2.0.downsample.0.conv.weight')
    assert canonical_names([file, *neighbours])[1][file] == canonical


def test_a_filter_that_the_second_convolution_of_a_bottleneck_reads_is_not_that_of_the_third():
    """Caffe's ResNets stride in front of it."""
    key = 'layer2.0.conv2.aa.conv.weight'
    assert canonical_names([key])[1][key] == 'layer2.0.aa.conv.weight'
    assert canonical_names([key, 'layer2.0.conv3.weight'])[1][key] == key
