"""The command line that the converters share: SRC, DST, --sha256 and --overwrite, and errors in one line."""

import argparse
from collections.abc import Callable

ARCH = {'required': True, 'help': 'what SRC was trained as: resnet50_lpf4, resnet101_ddac3, resnet18_lps2'}


def make_parser(
    description: str, source: str = 'published file', target: str = '.pth', digest: bool = True
) -> argparse.ArgumentParser:
    """A parser of what all converters take; `digest` says whether SRC can be checked."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('src', metavar='SRC', help=source)
    parser.add_argument('dst', metavar='DST', help=f'file to write ({target})')
    if digest:
        parser.add_argument('--sha256', metavar='HEX', help='digest of SRC, or its first characters')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    return parser


def run(
    parser: argparse.ArgumentParser,
    convert: Callable[[argparse.Namespace], str],
    errors: tuple[type[Exception], ...] = (),
) -> None:
    """Convert, and print what `convert` returns; OSError, ValueError and `errors` end the process with their text."""
    args = parser.parse_args()
    try:
        text = convert(args)
    except (OSError, ValueError, *errors) as error:
        parser.error(str(error))
    print(text)
