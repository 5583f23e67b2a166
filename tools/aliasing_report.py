#!/usr/bin/env python
"""Measure what aliases in networks, place by place, and how far their maps are from moving with the image."""

import argparse
import json
from pathlib import Path

from antialias_plugins import UnsupportedModelError
from antialias_plugins.evaluation import run_command
from antialias_plugins.explorer import Signals, add_options, load_networks, measure_signals
from antialias_plugins.utils import describe_environment, replacing


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s --model resnet18 --model resnet18_lpf4 --pretrained --image *.jpg --figure a.png',
    )
    add_options(parser)
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
    window = None if args.window == 'none' else args.window
    signals = measure_signals(
        load_networks(args), args.image, layers=args.layers, shifts=args.shift, margin=args.margin, window=window
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
    run_command(lambda: run(args), 'aliasing_report.py', (ValueError, OSError, UnsupportedModelError), 'interrupted')


if __name__ == '__main__':
    main()
