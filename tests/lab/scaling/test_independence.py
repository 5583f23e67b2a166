from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from antialias_plugins.conversion import AntialiasWarning
from lab.scaling import without_batch_statistics

CONFIG = Path(__file__).parents[2] / 'configs/toy/ddac/deeplabv3plus_r18-ddac3-d16_1xb2-30_toyscapes-96x192.py'


@pytest.fixture
def config():
    return Config.fromfile(CONFIG)


def test_nothing_depends_on_the_batch(config):
    before = config.to_dict()
    model = without_batch_statistics(config, groups=8).model

    assert config.to_dict() == before
    assert model.backbone.norm_eval and model.backbone.norm_cfg == config.model.backbone.norm_cfg
    assert model.decode_head.norm_cfg == {'type': 'GN', 'num_groups': 8}
    assert model.decode_head.dropout_ratio == model.decode_head.projection_dropout == 0
    assert not model.decode_head.loss_decode.avg_non_ignore


def test_nothing_is_left_that_differs_between_parts_of_a_batch(config):
    pytest.importorskip('mmseg')
    config = without_batch_statistics(config)
    with torch.device('meta'), pytest.warns(AntialiasWarning, match='norm_eval'):
        model = MODELS.build({**config.model, '_scope_': 'mmseg'}).train()
    for name, module in model.named_modules():
        assert not isinstance(module, torch.nn.modules.dropout._DropoutNd) or module.p == 0, name
        assert not isinstance(module, torch.nn.modules.batchnorm._BatchNorm) or not module.training, name
