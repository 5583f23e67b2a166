import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer

from antialias_plugins.openmmlab.segmentation.dual_super_resolution import export_inference_weights, inference_weights

TOOL = Path(__file__).parents[3] / 'tools' / 'model_converters' / 'dsrl2mmseg.py'
KEPT = (
    'backbone.conv1.weight',
    'decode_head.conv_seg.bias',
    'auxiliary_head.conv_seg.bias',
    'learned_upsampling.weight',
)
BRANCH = ('sisr_head.low_level.conv.weight', 'feature_transform.0.bias')
STATE = {name: torch.full((2,), float(index)) for index, name in enumerate(KEPT + BRANCH)}


@pytest.fixture
def checkpoint(tmp_path):
    """What mmengine writes in a training: weights, and objects that only resuming needs."""
    path = tmp_path / 'iter_30.pth'
    torch.save(
        {
            'meta': {'iter': 30},
            'state_dict': STATE,
            'optimizer': {},
            'message_hub': {'loss': HistoryBuffer([1.0], [1])},
        },
        path,
    )
    return path


def test_only_the_branch_goes():
    kept = inference_weights(STATE)
    assert tuple(kept) == KEPT
    with pytest.raises(
        ValueError, match=r'must have keys that begin with sisr_head\. or feature_transform\., got none'
    ):
        inference_weights(kept)


def test_file_holds_the_weights_and_what_describes_them(checkpoint, tmp_path, monkeypatch):
    target = tmp_path / 'new' / 'plain.pth'
    monkeypatch.setattr(sys, 'argv', ['dsrl2mmseg.py', str(checkpoint), str(target)])
    runpy.run_path(str(TOOL), run_name='__main__')

    written = torch.load(target, weights_only=True)
    assert written['meta'] == {'iter': 30}
    torch.testing.assert_close(written['state_dict'], {name: STATE[name] for name in KEPT}, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('content', 'error', 'message'),
    [
        (None, FileNotFoundError, 'broken.pth'),
        ({'weights': {}}, ValueError, 'source must be a checkpoint of mmengine, with a state_dict'),
        ({'state_dict': {name: STATE[name] for name in KEPT}}, ValueError, 'got none'),
    ],
    ids=['missing', 'other', 'no-branch'],
)
def test_other_files_are_refused(content, error, message, tmp_path):
    source, target = tmp_path / 'broken.pth', tmp_path / 'plain.pth'
    if content is not None:
        torch.save(content, source)
    with pytest.raises(error, match=message):
        export_inference_weights(str(source), str(target))
    assert not target.exists()


def test_an_existing_file_is_kept(checkpoint, tmp_path, monkeypatch, capsys):
    target = tmp_path / 'plain.pth'
    target.write_bytes(b'mine')
    monkeypatch.setattr(sys, 'argv', ['dsrl2mmseg.py', str(checkpoint), str(target)])
    with pytest.raises(SystemExit):
        runpy.run_path(str(TOOL), run_name='__main__')
    assert 'exists' in capsys.readouterr().err
    assert target.read_bytes() == b'mine'
    export_inference_weights(str(checkpoint), str(target), overwrite=True)
    assert torch.load(target, weights_only=True)['state_dict'].keys() == set(KEPT)
