import re
from importlib import import_module

import pytest

from lab.coverage import installed_libraries, list_families, list_networks
from lab.coverage.backbones import MMPRETRAIN, MMSEG

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
