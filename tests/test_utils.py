import ast
import os
import platform
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from antialias_plugins import utils
from antialias_plugins.utils import (
    Stopwatch,
    describe_environment,
    locked,
    markdown_table,
    read_json,
    remove_partials,
    replacing,
    write_text,
)


def test_environment_names_machine_and_versions():
    described = describe_environment()
    assert described['python'] == platform.python_version()
    assert torch.__version__.startswith(described['torch'])
    assert platform.system() in described['machine']
    assert all(isinstance(text, str) and text for text in described.values())


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), replacing(path) as partial:
        partial.write_text('half')
        raise KeyboardInterrupt
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [('a.txt', 'old')]


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'folder' / 'a.txt'
    with replacing(path) as partial:
        partial.write_text('new')
        assert not path.exists()
    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [('a.txt', 'new')]


def test_threads_do_not_get_in_each_others_way(tmp_path):
    path = tmp_path / 'a.txt'
    with replacing(path) as one, replacing(path) as two:
        one.write_text('one')
        two.write_text('two')
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [('a.txt', 'one')]


@pytest.mark.parametrize('name', ['x' * 240, 'ü' * 120])
def test_long_names_are_written(name, tmp_path):
    write_text(tmp_path / name, 'ö')
    assert (tmp_path / name).read_bytes() == 'ö'.encode()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match='is a folder, where a file is to be written'), replacing(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != 'posix', reason='links and devices of POSIX')
def test_links_are_followed_and_devices_stay(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'elsewhere' / 'a.txt')
    write_text(tmp_path / 'link', 'new')
    assert (tmp_path / 'link').is_symlink() and (tmp_path / 'elsewhere' / 'a.txt').read_text() == 'new'
    os.mkfifo(tmp_path / 'pipe')
    reader = subprocess.Popen(['cat', tmp_path / 'pipe'], stdout=subprocess.PIPE, text=True)
    write_text(tmp_path / 'pipe', 'through')
    assert reader.communicate()[0] == 'through' and (tmp_path / 'pipe').is_fifo()


@pytest.mark.skipif(os.name != 'posix', reason='limits of POSIX')
def test_a_full_disk_leaves_what_was_there(tmp_path):
    """A limit on the size of files stands for the disk."""
    import resource

    (tmp_path / 'a.txt').write_text('old')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError, match='File too large'):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            write_text(tmp_path / 'a.txt', 'new' * 1000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [('a.txt', 'old')]


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    """And nothing else: not what is being written, and nothing that only looks like it."""
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    others = [tmp_path / name for name in ('a.txt', '.hidden', '.b.partial', '.c.4711.partial', '.d.e-1-0.partial')]
    for path in others:
        path.touch()
    (tmp_path / '.q.partial').mkdir()
    with replacing(tmp_path / 'a.txt') as partial:
        partial.touch()
        name = partial.name.replace(f'-{os.getpid()}-', f'-{dead.pid}-')
        (tmp_path / name).touch()
        (tmp_path / name.replace('a.txt', 'folder')).mkdir()
        elsewhere = tmp_path / partial.name.replace(f'.{utils._host()}-', '.elsewhere-').replace(
            f'-{os.getpid()}-', f'-{dead.pid}-'
        )
        elsewhere.touch()
        remove_partials(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / '.q.partial', partial, elsewhere])


def test_one_at_a_time(tmp_path, capfd):
    steps = []

    def work(number):
        with locked(tmp_path / 'new' / 'a'):
            steps.append(number)
            time.sleep(0.5)
            steps.append(number)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert steps in ([0, 0, 1, 1], [1, 1, 0, 0])
    assert capfd.readouterr().err.count('another process is at work on it; waiting for it to end') == 1


@pytest.mark.parametrize('text', ['', '{"a": ', '\x00'])
def test_a_broken_file_of_ours_is_named(text, tmp_path):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ValueError, match=r'a\.json must be a record, but it is empty or broken .*: delete it to go on'):
        read_json(tmp_path / 'a.json', 'a record')


def test_cells_of_a_table_are_one_line_of_text():
    table = markdown_table(['a|b', 'c'], [['x\n| y |', '1']])
    assert [line.count(' | ') for line in table.splitlines()] == [1, 1, 1] and r'x \| y \|' in table


ROOT = Path(__file__).parents[1]
WRITERS = {'write_text', 'write_bytes', 'savefig', 'save', 'save_file', 'dump', 'savetxt', 'savez', 'imwrite', 'to_csv'}
ELSEWHERE = {  # what writes otherwise: file, call and why
    ('antialias_plugins/explorer/networks.py', 'save'): 'into memory',
    ('antialias_plugins/timm_models/hub.py', 'save_for_hf'): 'into a folder of its own, whose files are then moved',
    ('tools/lab/journal.py', 'open'): 'lines are appended, and one that was cut off is dropped',
    ('tools/lab/training.py', 'open'): 'the output of a process is appended',
    ('tools/lab/toyscapes/dataset.py', 'save'): 'calls the one of layouts.py',
    ('tools/lab/toyscapes/layouts.py', 'save'): 'into a folder that appears when it is whole',
    ('tools/lab/toyscapes/layouts.py', 'write_text'): 'into a folder that appears when it is whole',
    ('tools/lab/toyshapes/dataset.py', 'save'): 'into a folder that appears when it is whole',
    ('tools/lab/toyshapes/dataset.py', 'write_text'): 'into a folder that appears when it is whole',
    ('antialias_plugins/checkpoints/published.py', 'open'): 'a download, which has its name once it is whole',
}


def direct_writes(path):
    """The calls in a file that write to a file, and not inside a ``with replacing(...)``."""

    def name(call):
        return getattr(call.func, 'attr', getattr(call.func, 'id', None))

    def calls(node, inside):
        if isinstance(node, ast.With):
            inside |= any(
                isinstance(it.context_expr, ast.Call) and name(it.context_expr) == 'replacing' for it in node.items
            )
        if isinstance(node, ast.Call) and not inside:
            yield node
        for child in ast.iter_child_nodes(node):
            yield from calls(child, inside)

    for call in calls(ast.parse(path.read_text()), False):
        words = [it.value for it in ast.walk(call) if isinstance(it, ast.Constant) and isinstance(it.value, str)]
        mode = any(re.fullmatch('[rbt]*[wax+][bt+]*', word) for word in words)
        ours = isinstance(call.func, ast.Name) and call.func.id == 'write_text'
        if (
            (name(call) in WRITERS and not ours)
            or name(call) == 'save_for_hf'
            or (name(call) in ('open', 'fdopen') and mode)
        ):
            yield name(call), call.lineno


def test_every_file_is_written_by_replacing():
    found = {
        (path.relative_to(ROOT).as_posix(), name): line
        for folder in ('antialias_plugins', 'tools')
        for path in sorted((ROOT / folder).rglob('*.py'))
        for name, line in direct_writes(path)
    }
    direct = [f'{path}:{line} calls {name}' for (path, name), line in found.items() if (path, name) not in ELSEWHERE]
    assert not direct, 'to be written inside `with utils.replacing(path) as partial`, or by utils.write_text'
    assert ELSEWHERE.keys() == found.keys()


@pytest.mark.parametrize(
    ('code', 'writes'),
    [
        ("open(p, 'w')", 1),
        ("p.open('r+b')", 1),
        ("open(p, mode='x')", 1),
        ("open(p, 'ab' if a else 'wb')", 1),
        ('open(p)', 0),
        ("p.open('rb')", 0),
        ("p.open(encoding='utf-8')", 0),
        ('p.write_text(t)', 1),
        ('write_text(p, t)', 0),
        ('figure.savefig(p)', 1),
        ('json.dump(a, f)', 1),
        ('json.dumps(a)', 0),
        ('with replacing(p) as q:\n    torch.save(a, q)', 0),
        ('with suppress(OSError):\n    torch.save(a, q)', 1),
    ],
)
def test_direct_writes_are_found(code, writes, tmp_path):
    (tmp_path / 'a.py').write_text(code)
    assert len(list(direct_writes(tmp_path / 'a.py'))) == writes


@pytest.mark.parametrize(
    ('laps', 'rate'),
    [([], None), ([(4, 2.0)], 2.0), ([(4, 100.0), (6, 2.0), (2, 2.0)], 2.0)],
    ids=['none', 'one', 'the-first-does-not-count'],
)
def test_rate(laps, rate):
    watch = Stopwatch()
    for images, seconds in laps:
        watch.add(images, seconds)
    assert watch.rate == rate


def test_lap(monkeypatch):
    times = iter([10.0, 14.0])
    monkeypatch.setattr(utils, 'now', lambda: next(times))
    watch = Stopwatch()
    with watch.lap(8):
        pass
    assert watch.rate == 2.0
