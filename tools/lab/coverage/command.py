"""The command line of a survey: what a run shows while it goes, and how it goes on."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from tqdm import tqdm

from lab.coverage.result import Outcome


class Checked(Protocol):
    """What is known of every result.

    Attributes:
        key: ``library/.../name``.
        outcome: what came out.
        reason: why.
    """

    key: str
    outcome: Outcome
    reason: str


AnyResult = TypeVar('AnyResult', bound=Checked)


def survey_parser(description: str, libraries: Sequence[str], document: Path, example: str) -> argparse.ArgumentParser:
    """Make the parser of the options that all surveys take.

    Args:
        description: what the command does.
        libraries: those installed.
        document: what is written if all of them are checked. The results are kept in ``work_dirs``, under its name.
        example: a pattern of keys.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--library', choices=libraries, help='this one only')
    parser.add_argument('--only', metavar='PATTERN', default='*', help=f'these only, such as "{example}"')
    parser.add_argument(
        '--out', type=Path, help=f'Markdown file to write; default: {document}, or none with --only or --library'
    )
    parser.add_argument(
        '--jsonl',
        type=Path,
        default=Path('work_dirs') / f'{document.stem}.jsonl',
        help='where results are kept, so that the next call goes on where this one stopped; default: %(default)s',
    )
    return parser


def run_survey(results: Iterable[AnyResult], total: int, unit: str) -> list[AnyResult]:
    """Go through the results with a progress bar, print what was not converted, and return all of them.

    Args:
        results: made one by one.
        total: their number.
        unit: what each is about.
    """
    found = []
    try:
        with tqdm(results, total=total, unit=unit) as progress:
            for result in progress:
                found.append(result)
                progress.set_postfix_str(result.key)
                if result.outcome in (Outcome.WRONG, Outcome.REFUSED, Outcome.NOT_RUN):
                    progress.write(f'{result.key}: {result.outcome.value}: {result.reason}')
    except KeyboardInterrupt:
        sys.exit(f'interrupted after {len(found)} of {total}; call again to go on')
    return found


def finish_survey(
    results: Sequence[AnyResult], args: argparse.Namespace, document: Path, write: Callable[[Path], None]
) -> None:
    """Write the document if one is asked for or nothing was left out, and exit with 1 if a result is wrong.

    Args:
        results: all of them.
        args: what `survey_parser` read.
        document: where it lies by default.
        write: writes it.
    """
    out = args.out or (None if args.library or args.only != '*' else document)
    if out is not None:
        write(out)
        print(f'{out}: {len(results)} written')
    sys.exit(any(result.outcome is Outcome.WRONG for result in results))
