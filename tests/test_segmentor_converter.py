"""tools/model_converters/segmentor2mmseg.py, from the file that its authors would have saved to mmseg's loader."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint

from tests.checkpoints.published_segmentors import (
    deeplab_v3,
    deeplab_v3_plus,
    deeplab_v3_plus_weights,
    deeplab_v3_weights,
)
from tests.checkpoints.test_segmentors import CONFIGS, DDAC, DEEPLAB_V3, TINY, logits, shrink

TOOL = Path(__file__).parents[1] / 'tools' / 'model_converters' / 'segmentor2mmseg.py'
MODULE = 'module.{}'.format


def saved_by_vainf(state):
    return {'cur_itrs': 80000, 'model_state': dict(state), 'best_score': np.float64(0.795)}


def saved_by_chenxi(state):
    return {'epoch': 50, 'state_dict': {MODULE(key): value for key, value in state.items()}, 'optimizer': {}}


@pytest.fixture
def convert(monkeypatch, tmp_path):
    """Runs the tool in this process on a shrunk config; returns the config, and the path that was written."""

    def run(name, content, *options):
        config = Config.fromfile(CONFIGS / name)
        shrink(config.model).backbone.pop('init_cfg')
        paths = [tmp_path / file for file in ('src.pth', 'dst.pth', 'config.py')]
        config.dump(paths[2])
        torch.save(content, paths[0])
        arguments = [TOOL, *paths[:2], '--config', paths[2], *options]
        monkeypatch.setattr(sys, 'argv', list(map(str, arguments)))
        runpy.run_path(str(TOOL), run_name='__main__')
        return config, paths[1]

    return run


def build(config):
    init_default_scope('mmseg')
    return MODELS.build(config).double()


@pytest.mark.parametrize('method', ['lpf3', 'ddac3'])
def test_mmseg_gives_the_logits_of_ddacs_file(method, convert, capsys):
    state = deeplab_v3_plus_weights(method, **TINY)
    config, written = convert(DDAC.format(f'-{method}'), saved_by_vainf(state))
    assert f'test.py {written.with_name("config.py")} {written}' in capsys.readouterr().out
    model, x = build(config.model), torch.randn(1, 3, 64, 96, dtype=torch.float64)
    load_checkpoint(model, str(written), strict=True)
    torch.testing.assert_close(logits(model, x), deeplab_v3_plus(state, x, method, 50), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(('norm', 'variant'), [('bn', ''), ('gn', '-gnws')])
def test_mmseg_gives_the_logits_of_chenxis_file(norm, variant, convert):
    state = deeplab_v3_weights(norm=norm, **TINY)
    config, written = convert(DEEPLAB_V3.format(variant), saved_by_chenxi(state))
    model, x = build(config.model), torch.randn(1, 3, 65, 97, dtype=torch.float64)
    load_checkpoint(model, str(written), strict=True)
    torch.testing.assert_close(logits(model, x), deeplab_v3(state, x, depth=50), rtol=1e-10, atol=1e-10)


def test_backbone_alone(convert, capsys):
    """R-101-GN-WS.pth.tar has a classifier too."""
    state = deeplab_v3_weights(norm='gn', **TINY)
    backbone = {MODULE(key): value for key, value in state.items() if not key.startswith('aspp.')}
    head = {MODULE('fc.weight'): torch.zeros(10, 512), MODULE('fc.bias'): torch.zeros(10)}
    config, written = convert(DEEPLAB_V3.format('-gnws'), backbone | head, '--backbone')
    assert 'no such head' in capsys.readouterr().out
    model = build(config.model.backbone | {'init_cfg': {'type': 'Pretrained', 'checkpoint': str(written)}})
    model.init_weights()
    assert torch.equal(model.layer4[2].conv3.weight, state['layer4.2.conv3.weight'])
    assert torch.equal(model.layer4[2].gn3.bias, state['layer4.2.bn3.bias'])


def test_a_wrong_file_ends_with_one_message(convert, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        convert(DEEPLAB_V3.format(''), saved_by_vainf(deeplab_v3_plus_weights('ddac3', **TINY)))
    assert caught.value.code == 2
    assert 'left over in the file: backbone.maxpool.1.conv.weight' in capsys.readouterr().err
    assert not (tmp_path / 'dst.pth').exists()
