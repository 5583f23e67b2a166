import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import mmseg
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d
from antialias_plugins.openmmlab.child_config import find_backbones, write_child_config
from antialias_plugins.openmmlab.zoo import find_config

ROOT = Path(__file__).parents[2]
OURS = ROOT / 'configs/deeplabv3plus/deeplabv3plus_r18-d16_1xb4-250_toyscapes-96x192.py'
ANTIALIASED = OURS.with_name(OURS.name.replace('r18', 'r18-lpf3'))
ZOO = Path(mmseg.__file__).parent / '.mim' / 'configs'
NAME = 'deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024'
BASE = 'model = dict(backbone=dict(type="ResNetV1c", depth=18), data_preprocessor=dict(size=(8, 8)))\n'


@pytest.fixture
def base(tmp_path):
    path = tmp_path / 'base.py'
    path.write_text(BASE)
    return path


@pytest.mark.parametrize(
    'name',
    [NAME, f'{NAME}.py', f'deeplabv3plus/{NAME}', f'mmseg::deeplabv3plus/{NAME}.py', ZOO / f'deeplabv3plus/{NAME}.py'],
)
def test_config_is_found_by(name):
    assert find_config(name) == ZOO / f'deeplabv3plus/{NAME}.py'


def test_nothing_but_the_backbone_changes(tmp_path):
    out = write_child_config(NAME, tmp_path / 'child.py', 'ddac3', {'dilated': 'blur'})

    child, parent = Config.fromfile(out).to_dict(), Config.fromfile(find_config(NAME)).to_dict()
    ours = {'type': 'Antialiased', 'base': 'ResNetV1c', 'pool': 'ddac3', 'convert': {'dilated': 'blur'}}
    assert child.pop('custom_imports') == {'imports': ['antialias_plugins'], 'allow_failed_imports': False}
    assert child['model']['backbone'] == parent['model']['backbone'] | ours
    child['model'].pop('backbone')
    parent['model'].pop('backbone')
    assert child == parent


def test_consistency_changes_the_type_of_the_test_loop_only(tmp_path):
    out = write_child_config(NAME, tmp_path / 'child.py', consistency=True)

    assert Config.fromfile(out).test_cfg == {'type': 'ShiftConsistencyTestLoop'}


@pytest.mark.parametrize(
    ('theirs', 'merged'),
    [
        ('', {'imports': ['antialias_plugins'], 'allow_failed_imports': False}),
        ("custom_imports = dict(imports='json')", {'imports': ['json', 'antialias_plugins']}),
        (
            "custom_imports = dict(imports=['json', 'math'], allow_failed_imports=True)",
            {'imports': ['json', 'math', 'antialias_plugins'], 'allow_failed_imports': True},
        ),
        ("custom_imports = dict(imports=['antialias_plugins'])", {'imports': ['antialias_plugins']}),
    ],
)
def test_imports_of_the_base_are_kept(theirs, merged, base, tmp_path):
    base.write_text(f'{BASE}{theirs}\n')

    assert Config.fromfile(write_child_config(base, tmp_path / 'child.py')).custom_imports == merged


@pytest.mark.parametrize(
    ('model', 'keys'),
    [
        ('backbone=dict(type="A")', ['backbone']),
        ('detector=dict(type="D", backbone=dict(type="A"))', ['detector.backbone']),
        (
            'detector=dict(backbone=dict(type="A")), reid=dict(backbone=dict(type="B"))',
            ['detector.backbone', 'reid.backbone'],
        ),
        ('backbone=dict(type="A"), neck=dict(rfp_backbone=dict(type="B"))', ['backbone', 'neck.rfp_backbone']),
        ('image_encoder=dict(type="A", encoder=dict(type="B"))', ['image_encoder']),
        ('visual_encoder=dict(type="A", backbone=dict(type="B")), text_encoder=dict(type="C")', ['visual_encoder']),
    ],
)
def test_every_backbone_is_found_wherever_it_is(model, keys, base, tmp_path):
    base.write_text(f'model = dict({model})')
    parent = Config.fromfile(base)

    child = Config.fromfile(write_child_config(base, tmp_path / 'child.py'))

    assert [key.removeprefix('model.') for key in find_backbones(child)] == keys
    for backbone in find_backbones(child).values():
        assert (backbone.pop('type'), backbone.pop('pool')) == ('Antialiased', 'lpf4')
        backbone.type = backbone.pop('base')
    assert child.model == parent.model


def test_a_file_is_referred_to_by_a_relative_path(base, tmp_path):
    out = write_child_config(base, tmp_path / 'new' / 'child.py')

    assert "_base_ = '../base.py'\n" in out.read_text()
    moved = tmp_path.rename(tmp_path.with_name(f'{tmp_path.name}-moved'))
    assert Config.fromfile(moved / 'new' / 'child.py').model.backbone.base == 'ResNetV1c'


@pytest.mark.parametrize(
    ('source', 'arguments', 'message'),
    [
        (NAME.replace('scapes', 'scape'), {}, f'did you mean {NAME}'),
        ('no_such_package::deeplabv3', {}, "installed package, got 'no_such_package'"),
        (ANTIALIASED, {}, 'backbone that is not antialiased yet'),
        ('model = dict(type="A")', {}, 'must have a backbone .* one of backbone, image_encoder'),
        ('model = dict(image_encoder=[dict(type="A")])', {}, r'model\.image_encoder, got a list of 1'),
        ('model = dict(backbone=dict(type="A", pool=3))', {}, r"got \['pool'\]"),
        ('train_cfg = dict()', {}, 'must have a backbone'),
        (OURS, {'pool': 'dac3'}, 'did you mean ddac3'),
        (OURS, {'convert': {'dilate': 'blur'}}, 'did you mean dilated'),
        (OURS, {'convert': {'stem': 'lsp1'}}, 'stem must be True, False or a filter .* did you mean lps1'),
        (OURS, {'out': 'child.yaml'}, 'out must be a .py file'),
    ],
)
def test_mistakes_are_named_and_leave_no_file(source, arguments, message, base, tmp_path):
    if '=' in str(source):
        base.write_text(source)
        source = base
    out = tmp_path / 'new' / arguments.get('out', 'child.py')

    with pytest.raises(ValueError, match=message):
        write_child_config(source, **{**arguments, 'out': out})

    assert not out.parent.exists()


def test_existing_file_is_replaced_only_when_asked(base, tmp_path):
    out = tmp_path / 'child.py'
    out.write_text('mine')

    with pytest.raises(FileExistsError, match=r'child\.py'):
        write_child_config(base, out)
    assert out.read_text() == 'mine'

    write_child_config(base, out, overwrite=True)
    assert 'Antialiased' in out.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['base.py', 'child.py']


def test_tool(base, tmp_path):
    command = [sys.executable, ROOT / 'tools/antialias_config.py', base, '--pool', 'lpf3', '-o', tmp_path / 'child.py']
    command += ['--convert', 'stem=True', 'skip=[layer4.*]']

    first = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    again = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)

    assert first.stdout.strip().endswith('child.py')
    backbone = Config.fromfile(tmp_path / 'child.py').model.backbone
    assert (backbone.pool, backbone.convert) == ('lpf3', {'stem': True, 'skip': ['layer4.*']})
    assert again.returncode == 2
    assert 'exists' in again.stderr


def test_every_deeplabv3plus_of_the_zoo_is_built(tmp_path):
    """Whatever its folder; models that differ in nothing that shapes the backbone are built once."""
    init_default_scope('mmseg')
    paths = [
        path for path in ZOO.glob('[!_]*/*.py') if 'deeplabv3plus' in path.name or 'deeplabv3plus' in path.read_text()
    ]
    assert {'deeplabv3plus', 'mobilenet_v2', 'resnest'} <= {path.parent.name for path in paths}
    models = {}
    for path in paths:
        model = Config.fromfile(write_child_config(path, tmp_path / path.name)).model.to_dict()
        assert model['decode_head']['type'] == 'DepthwiseSeparableASPPHead'
        # Initialization would download.
        for part in (model, model['backbone']):
            part.pop('pretrained', None)
            part.pop('init_cfg', None)
        models[str(model['backbone'])] = model

    for model, (pool, layer) in product(models.values(), [('lpf4', BlurPool2d), ('ddac3', AdaptiveBlurPool2d)]):
        model['backbone']['pool'] = pool
        built = MODELS.build(model)
        assert any(isinstance(module, layer) for module in built.backbone.modules())
