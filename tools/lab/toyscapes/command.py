"""The command line of a generator of data sets."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from lab.toyscapes.generated import parse_size


def generator_parser(description: str, name: str, size: str) -> argparse.ArgumentParser:
    """Make the parser of the options that all generators take.

    Args:
        description: what the command does.
        name: name of the data set.
        size: default size of a picture, 'WxH' in pixels.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
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
    args = parser.parse_args()
    options = {name: getattr(args, name) for name in (*own, 'workers', 'overwrite')}
    try:
        made = make_dataset(args.out, parse_size(args.size), args.train, args.val, args.seed, **options)
        if args.preview is not None:
            args.preview.parent.mkdir(parents=True, exist_ok=True)
            contact_sheet(args.out).save(args.preview)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(f'interrupted; {args.out} is as it was before')
    print(f'{args.out}: {args.train} + {args.val} pictures, {args.size}, ' + ('written' if made else 'already there'))
    if args.preview is not None:
        print(f'{args.preview}: contact sheet')
