#!/usr/bin/env python
"""Write a page that shows what two networks predict while a window moves over images, pixel by pixel."""

import argparse
from pathlib import Path

from antialias_plugins.evaluation import run_command
from antialias_plugins.explorer import (
    DIRECTIONS,
    add_options,
    check_writable,
    explore,
    load_networks,
    render_page,
    write_page,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s --model resnet18 --model resnet18_lpf4 --pretrained --image cat.jpg --out cat.html',
    )
    group = add_options(parser, pair=True)
    group.add_argument(
        '--label',
        type=int,
        nargs='+',
        metavar='N',
        help='class to watch in each picture (default: the top class at first)',
    )
    group.add_argument('--max-shift', type=int, default=16, metavar='N', help='pixels to move (default: 16)')
    group.add_argument(
        '--direction', nargs='+', choices=DIRECTIONS, default=['diagonal'], help='where to (default: diagonal)'
    )
    parser.add_argument('--title', help='heading of the page (default: the names of the networks)')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.html', help='the page')
    args = parser.parse_args()
    if len(args.model) != 2 or any(len(model) > 2 for model in args.model):
        parser.error('--model NAME [CHECKPOINT] must be given twice')
    return args


def run(args: argparse.Namespace) -> None:
    """Predict, write the page and say what it shows."""
    check_writable(args.out)
    networks = tuple(load_networks(args))
    exploration = explore(networks, args.image, max_shift=args.max_shift, directions=args.direction, labels=args.label)
    size = write_page(args.out, render_page(exploration, args.title))
    for image in exploration.images:
        for direction, sweep in image['sweeps'].items():
            pairs = zip(exploration.networks, sweep['networks'], strict=True)
            means = ', '.join(f'{name} {network["mean"][-1]:.2%}' for name, network in pairs)
            print(f'{image["name"]}, {direction}: consistency {means}')
    print(f'{args.out}: {size / 1e6:.2f} MB')


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    run_command(lambda: run(args), 'shift_explorer.py')


if __name__ == '__main__':
    main()
