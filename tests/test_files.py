import pytest

from antialias_plugins.files import remove_partials, replacing


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
