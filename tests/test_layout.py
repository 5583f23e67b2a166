"""Imports, held against the table of CONTRIBUTING.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE, COMMAND = 'antialias_plugins', 'antialias_cli'


def rows():
    """The table, top to bottom: the modules of a row, and what it says that they import."""
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    found = re.findall(r'^\| (`.+?`) \|.*\| ([^|]*) \|$', text, re.MULTILINE)
    return [(set(re.findall(r'`(\w+)(?:\.py)?`', names)), allowed) for names, allowed in found]


def table():
    """What each part of the package may import; the last row is the laboratory."""
    allowed, above = {}, set()
    for names, text in rows():
        may = above if text == 'all above' else set(re.findall(r'`(\w+)`', text))
        assert may <= above, f'the table must be in order, got {names} above one of {may}'
        allowed |= {name: may | names for name in names}
        above = above | names
    return allowed


def imported(path):
    """Every module of ours that a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{path} imports relatively: the table could not be held against it'
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition('.')[0] in (PACKAGE, COMMAND, 'lab', 'tests', 'tools'))


def parts():
    package = ROOT / PACKAGE
    return sorted(
        {COMMAND, *(path.relative_to(package).parts[0].removesuffix('.py') for path in package.rglob('*.py'))}
    )


def files_of(part):
    package = ROOT / PACKAGE
    folder = ROOT / COMMAND if part == COMMAND else package / part
    return sorted(folder.rglob('*.py')) or [package / f'{part}.py']


def part_of(name):
    """The part that a module of ours belongs to."""
    package, part, *_ = [*name.split('.'), '__init__']
    return part if package == PACKAGE else package


def test_table_names_every_part():
    assert set(table()) == {*parts(), 'lab'} - {'__init__', 'version'}


def test_what_can_be_run_has_its_run_bit():
    scripts = [path for path in (ROOT / 'tools').rglob('*') if path.suffix in ('.py', '.sh')]
    started = [path for path in scripts if path.read_bytes().startswith(b'#!')]
    assert len(started) > 12
    assert [path.name for path in started if not path.stat().st_mode & 0o100] == []


@pytest.mark.parametrize('part', parts())
def test_imports_go_one_way(part):
    allowed = table().get(part, set(parts())) | {'version'} | ({'__init__'} if part == COMMAND else set())
    broken = [
        f'{path.relative_to(ROOT)} imports {name}'
        for path in files_of(part)
        for name in imported(path)
        if part_of(name) in {*parts(), 'lab', 'tests', 'tools'} - allowed
    ]
    assert not broken
