"""Command lines of the laboratory: the parsers and options that tools share, and runs of surveys and of generators.

It imports nothing large: a generator's processes import it too.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from PIL import Image
from tqdm import tqdm

from lab.generated import parse_size

if TYPE_CHECKING:
    from lab.coverage import Outcome


def make_parser(description: str, show_defaults: bool = True) -> argparse.ArgumentParser:
    """Make the parser of a tool.

    Args:
        description: what the tool does.
        show_defaults: whether every help text ends with its option's default.
    """
    formatter = argparse.ArgumentDefaultsHelpFormatter if show_defaults else argparse.HelpFormatter
    return argparse.ArgumentParser(description=description, formatter_class=formatter)


def parse_counts(parser: argparse.ArgumentParser, *names: str) -> argparse.Namespace:
    """Read the command line, and make sure that these options are at least 1."""
    args = parser.parse_args()
    for name in names:
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1, got {getattr(args, name)}')
    return args


def run_command(
    run: Callable[[], None],
    name: str,
    errors: tuple[type[Exception], ...] = (ValueError, OSError),
    interrupted: str = 'interrupted, nothing written',
) -> None:
    """Run a command line; say in one line what is wrong, and leave with status 1, or 130 where it is interrupted."""
    try:
        run()
    except errors as error:
        sys.exit(f'{name}: {error}')
    except KeyboardInterrupt:
        print(f'{name}: {interrupted}', file=sys.stderr)
        sys.exit(130)


def add_quick(parser: argparse._ActionsContainer, how: str) -> None:
    """Add ``--quick``, and say how it is quick."""
    parser.add_argument('--quick', action='store_true', help=f'{how}, to see that all runs')


def add_threads(parser: argparse._ActionsContainer, default: int, help: str) -> None:
    """Add ``--threads``; `parse_counts` checks it."""
    parser.add_argument('--threads', type=int, default=default, metavar='N', help=help)


def add_config_options(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--cfg-options``, as OpenMMLab's own tools have it."""
    from mmengine.config import DictAction

    parser.add_argument('--cfg-options', nargs='+', default={}, action=DictAction, metavar='K=V', help=help)


class Checked(Protocol):
    """What is known of every result of a survey.

    Attributes:
        key: ``library/.../name``.
        outcome: what came out.
        reason: why.
    """

    key: str
    outcome: 'Outcome'
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
    parser = make_parser(description, show_defaults=False)
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
                if result.outcome.value in ('wrong', 'refused', 'not run'):
                    progress.write(f'{result.key}: {result.outcome.value}: {result.reason}')
    except KeyboardInterrupt:
        sys.exit(f'interrupted after {len(found)} of {total}; call again to go on')
    return found


def finish_survey(
    results: Sequence[AnyResult], args: argparse.Namespace, document: Path, render: Callable[[str], str]
) -> None:
    """Write the document if one is asked for or nothing was left out, and exit with 1 if a result is wrong.

    Args:
        results: all of them.
        args: what `survey_parser` read.
        document: where it lies by default.
        render: makes its new text of its old one, which is empty if there is none.
    """
    from antialias_plugins.utils import write_text

    out = args.out or (None if args.library or args.only != '*' else document)
    if out is not None:
        text = render(out.read_text(encoding='utf-8') if out.exists() else '')
        write_text(out, text)
        print(f'{out}: {len(results)} written')
    sys.exit(any(result.outcome.value == 'wrong' for result in results))


def generator_parser(description: str, name: str, size: str) -> argparse.ArgumentParser:
    """Make the parser of the options that all generators of data sets take.

    Args:
        description: what the command does.
        name: name of the data set.
        size: default size of a picture, 'WxH' in pixels.
    """
    parser = make_parser(description)
    parser.add_argument('--out', type=Path, required=True, help='folder to make', default=argparse.SUPPRESS)
    parser.add_argument('--size', default=size, help='width and height in pixels, WxH')
    parser.add_argument('--train', type=int, default=200, help='number of pictures to train on')
    parser.add_argument('--val', type=int, default=50, help='number of pictures to validate on')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same bytes')
    parser.add_argument('--workers', type=int, default=1, help='number of processes; changes nothing but the time')
    parser.add_argument('--preview', type=Path, metavar='FILE.png', help='also write a contact sheet')
    parser.add_argument('--overwrite', action='store_true', help=f'replace a {name} made with other arguments')
    return parser


def run_generator(
    parser: argparse.ArgumentParser,
    make_dataset: Callable[..., bool],
    contact_sheet: Callable[[Path], Image.Image],
    own: Sequence[str] = (),
) -> None:
    """Make the data set that the command line asks for and say what was done.

    Args:
        parser: tells of wrong arguments.
        make_dataset: the generator.
        contact_sheet: shows what it made.
        own: names of the options that this generator alone takes.
    """
    from antialias_plugins.utils import replacing

    args = parser.parse_args()
    options = {name: getattr(args, name) for name in (*own, 'workers', 'overwrite')}
    try:
        made = make_dataset(args.out, parse_size(args.size), args.train, args.val, args.seed, **options)
        if args.preview is not None:
            kind = Image.registered_extensions().get(args.preview.suffix.lower(), 'PNG')
            with replacing(args.preview) as partial:
                contact_sheet(args.out).save(partial, kind)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(f'interrupted; {args.out} is as it was before')
    print(f'{args.out}: {args.train} + {args.val} pictures, {args.size}, ' + ('written' if made else 'already there'))
    if args.preview is not None:
        print(f'{args.preview}: contact sheet')
