"""Surveys on the command line: what they print, write and return to the shell."""

from pathlib import Path

import pytest

from lab.command import finish_survey, run_survey, survey_parser
from lab.coverage import Outcome, Result

DOCUMENT = Path('docs/table.md')
CONVERTED = Result('timm', 'resnet', 'resnet18', 3, Outcome.CONVERTED)
REFUSED = Result('timm', 'vit', 'vit_tiny', 1, Outcome.REFUSED, 'nothing there')
WRONG = Result('timm', 'vgg', 'vgg11', 1, Outcome.WRONG, 'other sizes')


def parse(*args):
    return survey_parser('Survey.', ['timm', 'mmseg'], DOCUMENT, 'timm/res2net/*').parse_args(args)


@pytest.fixture
def finish(tmp_path, monkeypatch):
    """Finishes a survey in an empty folder; returns the exit status, and the files that were written."""

    def finish(results, *args):
        with pytest.raises(SystemExit) as stop:
            finish_survey(results, parse(*args), DOCUMENT, lambda before: f'{before}new')
        return int(stop.value.code), [path.relative_to(tmp_path) for path in tmp_path.rglob('*') if path.is_file()]

    monkeypatch.chdir(tmp_path)
    return finish


def test_what_is_not_converted_is_told(capsys):
    assert run_survey(iter([CONVERTED, REFUSED, WRONG]), 3, 'network') == [CONVERTED, REFUSED, WRONG]
    output = capsys.readouterr().out
    assert output.splitlines() == [
        'timm/vit/vit_tiny: refused: nothing there',
        'timm/vgg/vgg11: wrong: other sizes',
    ]


def test_interruption_says_how_far_it_came():
    def check():
        yield CONVERTED
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match='interrupted after 1 of 7; call again to go on'):
        run_survey(check(), 7, 'network')


@pytest.mark.parametrize(
    ('args', 'written'),
    [((), [DOCUMENT]), (('--only', 'timm/*'), []), (('--library', 'timm'), []), (('--only', 'x', '--out', 'o'), ['o'])],
    ids=['all', 'some', 'one library', 'asked for'],
)
def test_a_part_does_not_replace_the_whole(args, written, finish):
    assert finish([CONVERTED, REFUSED], *args) == (0, [Path(path) for path in written])


def test_a_broken_promise_is_written_and_fails(finish):
    assert finish([CONVERTED, WRONG]) == (1, [DOCUMENT])
    finish([CONVERTED])
    assert DOCUMENT.read_text() == 'newnew'  # made of what there was


def test_results_are_kept_under_the_name_of_the_document():
    assert parse().jsonl == Path('work_dirs/table.jsonl')
