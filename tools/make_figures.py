#!/usr/bin/env python
"""Draw the figures of docs/consistency.md from the networks of the quickstart."""

import argparse
from pathlib import Path

from lab.command import make_parser, run_command
from lab.gallery import FIGURES, draw_gallery

METHODS = ('baseline', 'lpf3', 'ddac3')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument(
        '--folders',
        type=Path,
        nargs='+',
        default=[Path('work_dirs/quickstart/onedl', method) for method in METHODS],
        metavar='FOLDER',
        help='work dirs of trainings, the baseline first',
    )
    parser.add_argument('--photograph', type=Path, metavar='FILE', help='a picture (default: the one matplotlib ships)')
    parser.add_argument(
        '--only', nargs='+', choices=FIGURES, default=list(FIGURES), metavar='NAME', help='these figures'
    )
    parser.add_argument('--out', type=Path, default=Path('docs/images/consistency'), help='folder')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Draw, and say how large the files are."""
    for path in draw_gallery(args.folders, args.out, args.photograph, args.only):
        print(f'{path}: {path.stat().st_size / 1e3:.0f} kB')


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    run_command(lambda: run(args), 'make_figures.py', interrupted='interrupted')


if __name__ == '__main__':
    main()
