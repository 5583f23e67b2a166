import sys

import pytest
from mmengine.registry import Registry

from antialias_plugins.openmmlab.registration import register_deferred

SOURCE = 'class Thing:\n    def __init__(self, size):\n        self.size = size\n'


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / 'late_module.py').write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield 'late_module'
    sys.modules.pop('late_module', None)


def test_module_is_imported_when_its_type_is_built(module):
    registry = Registry('things')
    register_deferred(registry, 'Thing', module)
    assert module not in sys.modules

    built = registry.build({'type': 'Thing', 'size': 3})

    assert (type(built).__name__, type(built).__module__, built.size) == ('Thing', module, 3)


def test_name_is_registered_once(module):
    registry = Registry('things')
    register_deferred(registry, 'Thing', module)

    with pytest.raises(KeyError, match='Thing is already registered'):
        register_deferred(registry, 'Thing', module)


def test_message_is_that_of_the_class(module):
    registry = Registry('things')
    register_deferred(registry, 'Thing', module)

    with pytest.raises(TypeError, match="'length'"):
        registry.build({'type': 'Thing', 'length': 3})
