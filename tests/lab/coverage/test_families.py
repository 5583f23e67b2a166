import pytest

from lab.coverage import family_of

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
