import platform

import pytest
import torch

from antialias_plugins import utils
from antialias_plugins.utils import Stopwatch, describe_environment, remove_partials, replacing


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


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    whole, other = tmp_path / 'a.txt', tmp_path / '.hidden'
    for path in (whole, other):
        path.touch()
    with replacing(whole) as partial:
        killed = partial.with_name(partial.name.replace('a.txt', 'b.txt'))
        killed.touch()
        partial.touch()
    remove_partials(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([whole, other])


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
