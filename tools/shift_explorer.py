#!/usr/bin/env python
"""Write a page that shows what two networks predict while a window moves over images, pixel by pixel."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from antialias_plugins.explorer import DIRECTIONS, check_writable, explore, load_network, render_page, write_page


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s --model resnet18 --model resnet18_lpf4 --pretrained --image cat.jpg --out cat.html',
    )
    group = parser.add_argument_group('networks')
    group.add_argument(
        '--model',
        nargs='+',
        action='append',
        required=True,
        metavar=('NAME', 'CHECKPOINT'),
        help='twice, the baseline first: a timm name with or without a checkpoint, an mmseg config with its '
        'checkpoint, or the work dir of a training of the quickstart',
    )
    group.add_argument('--names', nargs=2, metavar=('A', 'B'), help='what the networks are called on the page')
    group.add_argument('--pretrained', action='store_true', help='load the published weights of the timm names')
    group.add_argument('--seed', type=int, default=0, help='of weights that are not loaded (default: 0)')
    group.add_argument('--device', help='where to compute (default: the GPU if there is one)')
    group = parser.add_argument_group('images')
    group.add_argument('--image', type=Path, nargs='+', required=True, metavar='FILE', help='the pictures')
    group.add_argument(
        '--size',
        type=int,
        metavar='N',
        help="side of a classifier's input, or width to which a segmentor's images are resized (default: their own)",
    )
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
    options = {name: getattr(args, name) for name in ('pretrained', 'size', 'seed', 'device')}
    networks = [load_network(name, *map(Path, checkpoint), **options) for name, *checkpoint in args.model]
    if args.names is not None:
        networks = [replace(network, name=name) for network, name in zip(networks, args.names, strict=True)]
    exploration = explore(
        tuple(networks), args.image, max_shift=args.max_shift, directions=args.direction, labels=args.label
    )
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
    try:
        run(args)
    except (ValueError, OSError) as error:
        sys.exit(f'shift_explorer.py: {error}')
    except KeyboardInterrupt:
        print('shift_explorer.py: interrupted, nothing written', file=sys.stderr)
        sys.exit(130)


if __name__ == '__main__':
    main()
