from importlib.util import find_spec

import pytest

from antialias_plugins.openmmlab import zoo
from antialias_plugins.openmmlab.zoo import find_config, installed_zoos, list_configs


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
    monkeypatch.setattr(zoo, 'LIBRARIES', ('zoo_one', 'zoo_two', 'zoo_three'))
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
def test_mistakes_are_named(name, message, two_zoos):
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
