"""The tables of ``docs/configs.md``: how to have each config that was dropped.

``data/dropped.json`` holds, of some of them, the values in which the dropped file differed from what its command begins
with, as both stood in the repository before any was dropped.
"""

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest
from mmengine.config import Config, DictAction

from antialias_cli import main
from antialias_plugins.openmmlab.child_config import find_config
from tests.configs.leaves import DETECTORS, ROOT, leaves, readable

TOP = ROOT.parent
TEXT = (TOP / 'docs' / 'configs.md').read_text()
VALUES = dict(re.findall(r"^(\w+)='([^']*)'$", TEXT, re.MULTILINE))
DROPPED = json.loads((Path(__file__).parent / 'data' / 'dropped.json').read_text())
# What composes a file, and what is noted of where a part of it comes from.
SILENT = {'train_pipeline', 'val_pipeline', 'test_pipeline', 'norm_cfg', 'dataset_train', 'dataset_aug', 'metainfo'}


def rows():
    """The command, or the file, of each dropped name."""
    found = {}
    for section in TEXT.split('\n### ')[1:]:
        folder = section.partition('\n')[0]
        for name, is_file, content in re.findall(r'^\| `([^`]+)` \| (a file: )?`([^`]+)` \|$', section, re.MULTILINE):
            assert f'{folder}/{name}' not in found
            found[f'{folder}/{name}'] = content if is_file else expand(content)
    return found


def expand(command):
    """The words of a command, with the values that its variables hold."""
    return [word for each in shlex.split(command) for word in (VALUES[each[1:]].split() if each[0] == '$' else [each])]


ROWS = rows()


def base_of(name):
    content = ROWS[name]
    if isinstance(content, str):
        return re.search(r'mmdet::([^\']+)', content)[0]
    return content[2] if content[0] == 'antialias' else content[1]


def run(name, folder, monkeypatch):
    """The config that a row leads to."""
    content = ROWS[name]
    if isinstance(content, str):
        path = folder / 'configs' / name.partition('/')[0] / 'file.py'
        path.parent.mkdir(parents=True)
        (folder / 'configs' / '_base_').symlink_to(ROOT / '_base_')
        path.write_text(content)
        return Config.fromfile(path)
    if content[0] == 'train.py':
        _, base, *arguments = content
        parser = argparse.ArgumentParser()
        parser.add_argument('--cfg-options', nargs='+', action=DictAction)
        config = Config.fromfile(base)
        config.merge_from_dict(parser.parse_args(arguments).cfg_options)
        return config
    main([*content[1:], '-o', str(folder / 'child.py')])
    return Config.fromfile(folder / 'child.py')


def flat(node, key=''):
    """The values of a config by their dotted key, as text."""
    if isinstance(node, dict | list) and node:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return {k: v for name, value in items if name != '_scope_' for k, v in flat(value, f'{key}.{name}').items()}
    return {key[1:]: repr(node)}


def values(config):
    return flat({key: value for key, value in config.to_dict().items() if key not in SILENT})


def test_every_row_begins_with_a_config_that_exists():
    names = {f'{path.parent.name}/{path.stem}' for path in [*leaves(), *leaves(TOP / 'tests' / 'configs' / 'toy')]}
    assert len(ROWS) == 258
    assert not ROWS.keys() & names
    bases = {base_of(name) for name in ROWS} - {base for base in map(base_of, ROWS) if 'caffe' in base}
    assert all((TOP / base).is_file() for base in bases)
    assert {content[0] for content in ROWS.values() if isinstance(content, list)} == {
        'train.py',
        'antialias',
    }


@pytest.mark.parametrize('name', DROPPED)
def test_command_gives_what_the_dropped_config_held(name, tmp_path, monkeypatch, capsys):
    if not readable(ROOT / name):
        pytest.skip('mmdet is not installed')
    monkeypatch.chdir(TOP)
    before, after = values(Config.fromfile(find_config(base_of(name)))), values(run(name, tmp_path, monkeypatch))
    for content in (before, after):  # younger than the dropped configs
        if content.get('custom_imports.imports.1') == "'antialias_plugins.openmmlab.mmcv_ops'":
            del content['custom_imports.imports.1']
    changed = {key: after.get(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed == DROPPED[name]


def test_sample_has_every_family():
    assert {name.partition('/')[0] for name in DROPPED} == {name.partition('/')[0] for name in ROWS}
    assert len(DROPPED) >= 20
    assert sum(name.partition('/')[0] in DETECTORS for name in DROPPED) >= 4
