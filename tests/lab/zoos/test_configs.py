import pytest
from mmengine.config import Config

from antialias_plugins.conversion import is_antialiased
from lab.zoos.configs import antialiased_backbones, without_weights

BACKBONE = dict(type='Antialiased', base='ResNet', pool='lpf4', depth=18)


def backbone(**changes):
    config = Config(dict(default_scope='mmpretrain', model=dict(backbone=BACKBONE | changes)))
    (found,) = antialiased_backbones(config, 'mmpretrain')
    return found


def test_both_networks_are_built_in_the_scope_of_the_config():
    one = backbone(out_indices=(3,))

    assert (one.key, one.type, one.scope) == ('model.backbone', 'ResNet', 'mmpretrain')
    assert type(one.build()).__module__ == 'mmpretrain.models.backbones.resnet'
    assert is_antialiased(one.build())
    assert not is_antialiased(one.build_base())


@pytest.mark.parametrize(
    'changes', [dict(depth=34), dict(pool='lpf3'), dict(dilations=(1, 1, 1, 2)), dict(base='ResNetV1c')], ids=str
)
def test_every_option_makes_another_backbone(changes):
    assert backbone(**changes).digest != backbone().digest


def test_initial_weights_do_not():
    pretrained = dict(type='Pretrained', checkpoint='torchvision://resnet18')

    assert backbone(init_cfg=pretrained).digest == backbone(pretrained=True).digest == backbone().digest


def test_weights_are_left_out_at_any_depth():
    config = dict(a=[dict(pretrained='x', b=(1, 2))], init_cfg=dict(type='Pretrained'), c=dict(init_cfg=None, d=3))

    assert without_weights(config) == dict(a=[dict(b=(1, 2))], c=dict(d=3))
