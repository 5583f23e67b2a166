import functools
from importlib.util import find_spec
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d
from antialias_plugins.openmmlab import child_config
from antialias_plugins.openmmlab.child_config import (
    find_backbones,
    find_config,
    installed_zoos,
    list_configs,
    write_child_config,
)

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
        (OURS, {'options': {'train_pipeline.9.prob': 1}}, 'options must fit .*Index 9 exceeds'),
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


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'model.backbone.depth': 101}, {'model.backbone.depth': 101}),
        ({'model.backbone.type': 'ResNetV1d'}, {'model.backbone.base': 'ResNetV1d', 'model.backbone.depth': 18}),
        ({'model.head._delete_': True, 'model.head.type': 'B'}, {'model.head': {'type': 'B'}}),
        ({'steps.1.size': (3, 4)}, {'steps': [{'type': 'A'}, {'type': 'B', 'size': (3, 4), 'ratio': 2}]}),
        ({'loader.steps.1.size': 5}, {'loader': {'steps': [{'type': 'A'}, {'type': 'B', 'size': 5, 'ratio': 2}]}}),
        ({'seed': None}, {'seed': None}),
    ],
    ids=['value', 'type', 'delete', 'list', 'deep list', 'new'],
)
def test_options_are_those_of_the_tools(options, expected, base, tmp_path):
    base.write_text(
        'steps = [dict(type="A"), dict(type="B", size=(1, 2), ratio=2)]\nloader = dict(steps=steps)\n'
        'model = dict(backbone=dict(type="ResNetV1c", depth=18), head=dict(type="A", size=3))\n'
    )
    plain = Config.fromfile(base)
    plain.merge_from_dict(options)

    child = Config.fromfile(write_child_config(base, tmp_path / 'child.py', 'lpf3', options=options))

    for key, value in expected.items():
        assert functools.reduce(lambda node, name: node[name], key.split('.'), child) == value
    child.pop('custom_imports')
    child.model.backbone.type, _ = child.model.backbone.pop('base'), child.model.backbone.pop('pool')
    assert child.to_dict() == plain.to_dict()


def test_command(base, tmp_path, antialias):
    out = tmp_path / 'child.py'
    command = ['config', base, '--pool', 'lpf3', '-o', out, '--convert', 'stem=True', 'skip=[layer4.*]']
    command += ['--cfg-options', 'model.data_preprocessor.size=(9,8)']

    assert antialias(*command).out.strip() == str(out)

    model = Config.fromfile(out).model
    assert (model.backbone.pool, model.backbone.convert) == ('lpf3', {'stem': True, 'skip': ['layer4.*']})
    assert model.data_preprocessor.size == (9, 8)
    again = antialias(*command)
    assert again.status == 2
    assert 'exists (--overwrite replaces it)' in again.line
    assert antialias(*command, '--overwrite').status == 0


def test_every_deeplabv3plus_of_the_zoo_is_built(tmp_path):
    """Whatever its folder; equal backbones are built once, and of each type one with adaptive filters."""
    init_default_scope('mmseg')
    paths = [
        path for path in ZOO.glob('[!_]*/*.py') if 'deeplabv3plus' in path.name or 'deeplabv3plus' in path.read_text()
    ]
    assert {'deeplabv3plus', 'mobilenet_v2', 'resnest'} <= {path.parent.name for path in paths}
    backbones = {}
    for path in paths:
        model = Config.fromfile(write_child_config(path, tmp_path / path.name)).model.to_dict()
        assert model['decode_head']['type'] == 'DepthwiseSeparableASPPHead'
        # Initialization would download; the blocks of ResNet-101 are those of ResNet-50.
        backbone = model['backbone'] | {'depth': min(model['backbone'].get('depth', 50), 50)}
        for key in ('pretrained', 'init_cfg', *(['depth'] if 'depth' not in model['backbone'] else [])):
            backbone.pop(key, None)
        backbones[str(backbone)] = backbone

    types = {backbone['base']: backbone | {'pool': 'ddac3'} for backbone in backbones.values()}
    for backbone in [*backbones.values(), *types.values()]:
        with torch.device('meta'):
            built = MODELS.build(backbone)
        layer = AdaptiveBlurPool2d if backbone['pool'] == 'ddac3' else BlurPool2d
        assert any(isinstance(module, layer) for module in built.modules())


@pytest.fixture
def two_zoos(tmp_path, monkeypatch):
    """Packages that nothing else knows, with a config of the same name in each, and one with a name of its own."""
    for package, configs in {'zoo_one': ('net/net_8xb32', 'net/only_one'), 'zoo_two': ('net/net_8xb32',)}.items():
        for config in (*configs, '_base_/models/net_8xb32'):
            path = tmp_path / package / '.mim' / 'configs' / f'{config}.py'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / package / '__init__.py').write_text('raise ImportError("compiled for another torch")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(child_config, 'LIBRARIES', ('zoo_one', 'zoo_two', 'zoo_three'))
    return tmp_path


def test_zoos_are_found_without_importing_them(two_zoos):
    assert installed_zoos() == ['zoo_one', 'zoo_two']
    assert list(list_configs('zoo_one')) == ['net/net_8xb32', 'net/only_one']


@pytest.mark.parametrize(
    ('name', 'package'),
    [('only_one', 'zoo_one'), ('net/only_one.py', 'zoo_one'), ('zoo_two::net_8xb32', 'zoo_two')],
)
def test_name_is_looked_for_in_all_zoos(name, package, two_zoos):
    path = find_config(name)

    assert path.is_relative_to(two_zoos / package)
    assert path.stem == name.rpartition(':')[2].rpartition('/')[2].removesuffix('.py')


def test_ambiguous_name_lists_all_that_it_may_be(two_zoos):
    with pytest.raises(ValueError, match='any of zoo_one::net/net_8xb32, zoo_two::net/net_8xb32'):
        find_config('net_8xb32')


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('only_once', 'did you mean only_one'),
        ('zoo_two::only_one', 'name of a config in the installed zoo'),
        ('zoo_three::net_8xb32', "installed package, got 'zoo_three'"),
        ('a.b::net_8xb32', "installed package, got 'a.b'"),
    ],
)
def test_unknown_names_are_named(name, message, two_zoos):
    with pytest.raises(ValueError, match=message):
        find_config(name)


@pytest.mark.parametrize(
    ('library', 'name'),
    [
        ('mmseg', 'deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024'),
        ('mmdet', 'retinanet_r50_fpn_1x_coco'),
        ('mmpretrain', 'resnet50_8xb32_in1k'),
    ],
)
def test_real_zoo(library, name):
    if find_spec(library) is None:
        pytest.skip(f'{library} is not installed')
    assert find_config(name) == find_config(f'{library}::{name}')
    assert f'/{library}/.mim/configs/' in find_config(name).as_posix()


@pytest.mark.parametrize(
    'value',
    [
        '{{ fileDirname }}',
        '{{$HOME:x}}',
        "it's\n#",
        float('inf'),
        {'class': 1, 'a b': [2]},
        (1,),
        {'a': (float('-inf'), [])},
    ],
    ids=['template', 'environment', 'quotes', 'inf', 'keyword', 'tuple', 'nested'],
)
def test_values_are_read_back_as_they_were_given(value, base, tmp_path):
    out = write_child_config(base, tmp_path / 'child.py', options={'model.mine': value})
    assert Config.fromfile(out).model.to_dict()['mine'] == value


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'a = 1\nimport os\nb': 1}, "names of Python, got 'a = 1"),
        ({'class': 1}, "names of Python, got 'class'"),
        ({'model.mine': object}, 'values that a config file can hold, got <class'),
        ([1], 'options must be values by their dotted key, got'),
        ({1: 2}, 'options must be values by their dotted key, got'),
    ],
    ids=['lines', 'keyword', 'object', 'list', 'number'],
)
def test_what_no_config_can_hold_is_refused(options, message, base, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_child_config(base, tmp_path / 'child.py', options=options)
    assert not (tmp_path / 'child.py').exists()


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: find_config(3), 'base must be a path, got 3'),
        (lambda: list_configs(None), 'base must name a config of an installed package, got None'),
        (lambda: find_backbones('model'), "config must be a config of mmengine or a dict, got 'model'"),
        (
            lambda: write_child_config('a', 'b.py', consistency='False'),
            "consistency must be True or False, got 'False'",
        ),
        (lambda: write_child_config('a', 'b.py', options=torch.ones(2)), 'options must be values by their dotted key'),
    ],
)
def test_arguments_of_other_types_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize('argument', ['base', 'out'])
def test_paths_are_named(argument, base, tmp_path):
    with pytest.raises(ValueError, match=f'{argument} must be a path, got 3'):
        write_child_config(**{'base': base, 'out': tmp_path / 'child.py', argument: 3})
