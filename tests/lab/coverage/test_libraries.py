import re
from importlib import import_module

import pytest

from lab.coverage import family_of, installed_libraries, list_families, list_networks
from lab.coverage.backbones import MMPRETRAIN, MMSEG

FAMILIES = {
    'depth': (['resnet18', 'resnet34', 'resnet50', 'resnet101'], 'resnet'),
    'depth-and-width': (['resnext50_32x4d', 'resnext101_32x8d', 'resnext101_64x4d'], 'resnext'),
    'width': (['wide_resnet50_2', 'wide_resnet101_2'], 'wide_resnet'),
    'norm': (['vgg11_bn', 'vgg19_bn'], 'vgg_bn'),
    'letter': (['tf_efficientnetv2_s', 'tf_efficientnetv2_l', 'tf_efficientnetv2_b0'], 'tf_efficientnetv2'),
    'word': (['convnext_atto', 'convnext_tiny', 'convnext_xlarge'], 'convnext'),
    'flops': (['regnet_x_400mf', 'regnet_x_1_6gf'], 'regnet_x'),
    'image': (['vit_base_patch16_224', 'vit_large_patch14_336'], 'vit_patch'),
    'radix': (['resnest50d', 'resnest50d_1s4x24d', 'resnest50d_4s2x40d'], 'resnestd'),
    'version': (['swinv2_cr_tiny_224', 'swinv2_cr_giant_384'], 'swinv2_cr'),
}


@pytest.mark.parametrize(('names', 'family'), FAMILIES.values(), ids=FAMILIES)
def test_sizes_are_one_family(names, family):
    assert {family_of(name) for name in names} == {family}


def test_designs_are_families_of_their_own():
    designs = ['resnet50', 'resnet50d', 'resnet50t', 'resnet50_gn', 'seresnet50', 'ecaresnet50d', 'resnext50_32x4d']
    designs += ['resnetv2_50', 'resnetv2_50d', 'resnetv2_50d_gn', 'wide_resnet50_2', 'resnetblur50', 'tf_resnet50']
    assert len({family_of(name) for name in designs}) == len(designs)


def test_a_name_that_is_all_size_keeps_it():
    assert family_of('s0') == 's0'


LEFT_OUT = {
    'mmseg': {'TIMMBackbone', 'VPD'},
    'mmpretrain': {'TIMMBackbone', 'CSPNet', 'SparseConvNeXt', 'SparseResNet'},
}


@pytest.mark.parametrize('library', installed_libraries())
def test_every_network_belongs_to_one_family(library):
    networks = [network for family in list_families(library) for network in family.members]
    assert sorted(network.key for network in networks) == sorted({network.key for network in list_networks(library)})


def test_only_takes_whole_families():
    (family,) = list_families('timm', 'timm/resnet/resnet101')
    assert {'resnet18', 'resnet50', 'resnet101'} <= {network.name for network in family.members}


def test_timm_has_no_names_that_others_register():
    names = {network.name for network in list_networks('timm')}
    assert {'resnet50', 'vgg11'} <= names
    assert not [name for name in names if re.search(r'_(lpf|ddac)\d$', name)]


def test_parameters_are_counted_without_weights():
    (family,) = list_families('torchvision', 'torchvision/squeezenet/*')
    counts = family.count_parameters()
    # 1,248,424 and 1,235,496 in torchvision's documentation
    assert counts == {'squeezenet1_0': 1248424, 'squeezenet1_1': 1235496}


@pytest.mark.parametrize(
    ('library', 'configs'), [('mmseg', MMSEG), ('mmpretrain', MMPRETRAIN)], ids=['seg', 'pretrain']
)
def test_every_backbone_class_has_a_configuration(library, configs):
    backbones = pytest.importorskip(f'{library}.models.backbones', exc_type=ImportError)
    assert set(configs) == set(import_module(backbones.__name__).__all__) - LEFT_OUT[library]


@pytest.mark.parametrize('library', ['keras', ''])
def test_unknown_libraries_are_refused(library):
    with pytest.raises(ValueError, match='library must be one of timm, torchvision, mmseg, mmpretrain, got'):
        list_families(library)
