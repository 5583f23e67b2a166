#!/usr/bin/env python
"""Measure what aliases in networks, place by place, and how far their maps are from moving with the image."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from antialias_plugins import UnsupportedModelError
from antialias_plugins.explorer import Signals, load_network, measure_signals
from antialias_plugins.utils import describe_environment, replacing


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s --model resnet18 --model resnet18_lpf4 --pretrained --image *.jpg --figure a.png',
    )
    group = parser.add_argument_group('networks')
    group.add_argument(
        '--model',
        nargs='+',
        action='append',
        required=True,
        metavar=('NAME', 'CHECKPOINT'),
        help='once per network, the baseline first: a timm name with or without a checkpoint, an mmseg config with its '
        'checkpoint, or the work dir of a training of the quickstart',
    )
    group.add_argument('--names', nargs='+', metavar='NAME', help='what the networks are called')
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
    group = parser.add_argument_group('measurement')
    group.add_argument(
        '--window',
        choices=('hann', 'none'),
        default='hann',
        help='of the spectra: fade the maps out, or not (default: hann)',
    )
    group.add_argument(
        '--layers', nargs='+', metavar='PATTERN', help='modules whose error is measured (default: the outermost ones)'
    )
    group.add_argument(
        '--shift', type=int, nargs='+', default=[1], metavar='N', help='diagonal shifts in pixels (default: 1)'
    )
    group.add_argument(
        '--margin', type=int, default=0, metavar='N', help='pixels at the borders that do not count (default: 0)'
    )
    group = parser.add_argument_group('results')
    group.add_argument('--json', type=Path, metavar='FILE', help='write all numbers to a file')
    group.add_argument('--figure', type=Path, metavar='FILE', help='draw the spectra')
    group.add_argument('--equivariance-figure', type=Path, metavar='FILE', help='draw the errors through the depth')
    args = parser.parse_args()
    if any(len(model) > 2 for model in args.model):
        parser.error('--model must be a name and at most one checkpoint')
    if args.names is not None and len(args.names) != len(args.model):
        parser.error(f'--names must be one per network, got {len(args.names)} for {len(args.model)}')
    return args


def run(args: argparse.Namespace) -> None:
    """Measure, print the tables, and write the files."""
    options = {name: getattr(args, name) for name in ('pretrained', 'size', 'seed', 'device')}
    networks = [load_network(name, *map(Path, checkpoint), **options) for name, *checkpoint in args.model]
    if args.names is not None:
        networks = [replace(network, name=name) for network, name in zip(networks, args.names, strict=True)]
    window = None if args.window == 'none' else args.window
    signals = measure_signals(
        networks, args.image, layers=args.layers, shifts=args.shift, margin=args.margin, window=window
    )
    print(signals)
    if args.json is not None:
        report = {'settings': vars(args), 'environment': describe_environment(), **signals.as_dict()}
        with replacing(args.json) as partial:
            partial.write_text(json.dumps(report, default=str) + '\n')  # paths as text
        print(f'{args.json}: written')
    if args.figure is not None or args.equivariance_figure is not None:
        draw(args, signals)


def draw(args: argparse.Namespace, signals: Signals) -> None:
    """Draw what is asked for; Matplotlib is not needed otherwise."""
    from antialias_plugins.visualization import plot_equivariance, plot_spectra
    from lab.gallery import curves_of, save_figure, spectra_of

    if args.figure is not None:
        print(f'{save_figure(plot_spectra(spectra_of(signals.aliasing)), args.figure)}: written')
    if args.equivariance_figure is not None:
        print(f'{save_figure(plot_equivariance(curves_of(signals.equivariance)), args.equivariance_figure)}: written')


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    try:
        run(args)
    except (ValueError, OSError, UnsupportedModelError) as error:
        sys.exit(f'aliasing_report.py: {error}')
    except KeyboardInterrupt:
        print('aliasing_report.py: interrupted', file=sys.stderr)
        sys.exit(130)


if __name__ == '__main__':
    main()
