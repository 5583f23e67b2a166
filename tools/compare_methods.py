#!/usr/bin/env python
"""Compare all ways to downsample: accuracy, consistency, time and memory, trained alike on scikit-learn's digits."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from antialias_plugins.utils import replacing
from lab.command import add_quick, add_threads, make_parser, parse_counts, run_command


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, show_defaults=False)
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder of the results; what is there already is not repeated',
    )
    parser.add_argument(
        '--methods',
        nargs='+',
        metavar='NAME',
        help="'baseline', or a filter such as lpf3, with -circular behind it for circular borders; default: all",
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='N', help='default: 0 1 2')
    parser.add_argument('--epochs', type=int, metavar='N', help="default: the recipe's")
    add_quick(parser, 'one epoch of 64 images')
    add_threads(parser, 1, 'default: 1; figures depend on it a little')
    args = parse_counts(parser, 'threads')
    if args.quick and args.epochs is not None:
        parser.error('--epochs must be left out with --quick')
    return args


def compare(args: argparse.Namespace) -> None:
    """Measure what has not been measured yet, print the tables and write the files."""
    import antialias_plugins.visualization  # noqa: F401 before the work: is matplotlib there?
    from lab.comparison import METHODS, Method, Recipe, Study, summarize

    torch.set_num_threads(args.threads)
    options = {'epochs': args.epochs} if args.epochs is not None else {}
    recipe = Recipe(epochs=1, train_images=64, test_images=16) if args.quick else Recipe(**options)
    study = Study(args.out, [Method(name) for name in args.methods or METHODS], args.seeds, recipe)
    records = []
    with tqdm(study.runs, unit='run') as bar:
        for method, seed in bar:
            bar.set_description(f'{method.name}, seed {seed}')
            records.append(study.measure(method, seed, bar.set_postfix_str))
    print('time and memory, all methods in turns', file=sys.stderr)
    costs = study.measure_costs(*((1, 0.001) if args.quick else ()))
    write(args.out, recipe, records, summarize(records, costs['costs']))


def write(folder: Path, recipe, records: list[dict], rows: list[dict]) -> None:
    """Print the tables, and write them, the numbers and the figure."""
    from lab.comparison import describe_runs, format_costs, format_qualities
    from lab.comparison.figure import draw

    text = '\n\n'.join([format_qualities(rows), format_costs(rows), describe_runs(records)])
    print(text)
    with replacing(folder / 'comparison.md') as partial:
        partial.write_text(text + '\n')
    with replacing(folder / 'comparison.json') as partial:
        partial.write_text(json.dumps({'recipe': asdict(recipe), 'methods': rows, 'runs': records}, indent=2) + '\n')
    with replacing(folder / 'comparison.png') as partial:
        draw(rows).savefig(partial, format='png', dpi=150)
    for name in ('md', 'json', 'png'):
        print(f'{folder / f"comparison.{name}"}: written')


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    kept = 'interrupted, what was measured is kept: run it again to go on'
    run_command(lambda: compare(args), 'compare_methods.py', (ValueError, OSError, ImportError), kept)


if __name__ == '__main__':
    main()
