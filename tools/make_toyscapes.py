#!/usr/bin/env python
"""Make ToyScapes, a data set of generated street scenes in the layout of Cityscapes or of PASCAL VOC."""

import argparse
import sys
from pathlib import Path

from antialias_plugins.toyscapes import contact_sheet, make_dataset, parse_size
from antialias_plugins.toyscapes.layouts import LAYOUTS


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--out', type=Path, required=True, help='folder to make', default=argparse.SUPPRESS)
    parser.add_argument('--layout', choices=sorted(LAYOUTS), default='cityscapes', help='folders, classes and labels')
    parser.add_argument('--size', default='512x256', help='width and height in pixels, WxH')
    parser.add_argument('--train', type=int, default=200, help='number of pictures to train on')
    parser.add_argument('--val', type=int, default=50, help='number of pictures to validate on')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same bytes')
    parser.add_argument('--workers', type=int, default=1, help='number of processes; changes nothing but the time')
    parser.add_argument('--preview', type=Path, metavar='FILE.png', help='also write a contact sheet')
    parser.add_argument('--overwrite', action='store_true', help='replace a ToyScapes made with other arguments')
    return parser, parser.parse_args()


def main() -> None:
    """Make the data set and say what was done."""
    parser, args = parse_args()
    try:
        size = parse_size(args.size)
        counts = (args.train, args.val, args.seed)
        options = dict(layout=args.layout, workers=args.workers, overwrite=args.overwrite)
        made = make_dataset(args.out, size, *counts, **options)
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


if __name__ == '__main__':
    main()
