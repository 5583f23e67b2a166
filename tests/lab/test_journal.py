import pytest

from lab.journal import Journal


def test_entries_are_there_again_and_the_latest_counts(tmp_path):
    path = tmp_path / 'new' / 'journal.jsonl'
    journal = Journal(path, 'name')
    assert journal.get('a') == {}
    assert journal.add('a', sides=(1, 2)) == {'name': 'a', 'sides': [1, 2]} == journal.get('a')
    journal.add('b', value=1)
    journal.add('b', value=2)
    again = Journal(path, 'name')
    assert (again.get('a'), again.get('b')['value']) == (journal.get('a'), 2)
    assert len(path.read_text().splitlines()) == 3


def test_what_an_interruption_left_of_a_line_is_cut_off(tmp_path):
    path = tmp_path / 'journal.jsonl'
    Journal(path, 'name').add('a')
    whole = path.read_text()
    path.write_text(whole + '{"name": "b", "val')
    assert Journal(path, 'name').get('a') and path.read_text() == whole


def test_only_entries_with_the_common_fields_count(tmp_path):
    path = tmp_path / 'journal.jsonl'
    Journal(path, 'name', {'versions': {'torch': '1'}}).add('a')
    assert not Journal(path, 'name', {'versions': {'torch': '2'}}).get('a')
    assert Journal(path, 'name', {'versions': {'torch': '1'}}).get('a')


def test_nothing_is_kept_without_a_file(tmp_path):
    assert Journal(None, 'name').add('a', value=1)['value'] == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('text', ['text', '[]', '{}', '7', '{"other": 1}'])
def test_files_of_something_else_are_refused(tmp_path, text):
    path = tmp_path / 'journal.jsonl'
    path.write_text(f'{text}\n')
    with pytest.raises(ValueError, match=r"journal must hold JSON lines with a 'name' each, got '.*journal.jsonl'"):
        Journal(path, 'name')
    assert path.read_text() == f'{text}\n'
