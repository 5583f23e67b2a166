#!/usr/bin/env python
"""Write the weights that balance the classes of a config's training set, for class_weight= in mmseg's losses."""

import argparse
import sys
from pathlib import Path

from lab.class_weights import METHODS, write_class_weights
from lab.command import make_parser


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('config', type=Path, help="one of mmseg's configs, of which the training set is read")
    parser.add_argument(
        '--out', type=Path, required=True, metavar='WEIGHTS.npy', help='file to write', default=argparse.SUPPRESS
    )
    parser.add_argument('--method', choices=METHODS, default='inverse-log', help='how a weight follows from a count')
    parser.add_argument('--workers', type=int, default=4, help='number of threads; changes nothing but the time')
    return parser, parser.parse_args()


def main() -> None:
    """Write the file, and print what is in it."""
    parser, args = parse_args()
    try:
        counts, weights = write_class_weights(args.config, args.out, args.method, workers=args.workers)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(f'interrupted; {args.out} is as it was before')
    total = counts.pixels.sum()
    for name, count, weight in zip(counts.classes, counts.pixels, weights, strict=True):
        print(f'{name:>16} {count / total:9.4%} {weight:9.3f}')
    print(f'{args.out}: {args.method} weights of {len(weights)} classes, from {total} labelled pixels')


if __name__ == '__main__':
    main()
