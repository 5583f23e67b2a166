"""The documentation's site: built strictly, complete, and nothing in it from another server."""

import re
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from lab import site

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """Every page of the site by its path; a warning of the build is an error."""
    folder = tmp_path_factory.mktemp('site')
    build(load_config(str(ROOT / 'mkdocs.yml'), site_dir=str(folder), strict=True))
    return {path: path.read_text() for path in folder.rglob('*.html')}


def page(pages, name):
    (text,) = (text for path, text in pages.items() if f'{path.parent.name}/{path.stem}'.endswith(name))
    return text


def test_nothing_comes_from_another_server(pages):
    loads = r'<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)="((?:https?:)?//[^"]+)"'
    assert len(pages) > 20
    assert not {link for text in pages.values() for link in re.findall(loads, text)}


def test_every_picture_is_there(pages):
    shown = [(path, src) for path, text in pages.items() for src in re.findall(r'<img[^>]* src="([^"]+)"', text)]
    assert len(shown) > 10
    assert not [(path.name, src) for path, src in shown if not (path.parent / unescape(src)).is_file()]


def test_no_formula_is_left_as_text(pages):
    assert not [path.name for path, text in pages.items() if 'class="arithmatex"' in text]


def test_reference_has_every_part_with_public_names(pages):
    packages = {path.parent.name for path in (ROOT / 'antialias_plugins').glob('*/__init__.py')}
    assert {*site.REFERENCE} == packages - {'explorer'} | {'testing'}  # the explorer is used through its command


@pytest.mark.parametrize('part', [part for part in site.REFERENCE if part != 'openmmlab'])
def test_reference_has_every_public_name(part, pages):
    module = import_module(f'antialias_plugins.{part}')
    names = site.CHOSEN.get(part, getattr(module, '__all__', ()))
    text = page(pages, f'reference/{part}')
    assert names
    assert not [name for name in names if f'id="{module.__name__}.{name}"' not in text]


def test_reference_has_every_type_that_a_config_names(pages):
    registry = pytest.importorskip('mmengine.registry')
    import_module('antialias_plugins.openmmlab')
    roots = (value for value in vars(registry).values() if isinstance(value, registry.Registry))
    ours = {
        name
        for root in roots
        for name, one in root.module_dict.items()
        if one.__module__.startswith('antialias_plugins.openmmlab')
    }
    documented = set(
        re.findall(r'id="antialias_plugins\.openmmlab\.[\w.]*\.(\w+)"', page(pages, 'reference/openmmlab'))
    )
    assert 'Antialiased' in ours
    assert not ours - documented
