#!/usr/bin/env python
"""Compare models: accuracy, consistency under shifts, parameters and speed, in one table.

A model is NAME[.TAG], a timm network with its published weights; NAME=CHECKPOINT, one with weights from a file; or
CONFIG.py:CHECKPOINT, a config of mmseg, mmpretrain or mmdet, tested on its own test set.
"""

import argparse
import sys
from pathlib import Path

from antialias_plugins.evaluation import ConfigModel, HelpFormatter, Settings, add_options, parse_model, run_command
from antialias_plugins.evaluation import comparison as tables
from antialias_plugins.utils import replacing


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument('models', nargs='+', metavar='MODEL', help='what to compare, see above')
    parser.add_argument('--names', nargs='+', metavar='NAME', help='what to call them, in the same order')
    add_options(parser)
    group = parser.add_argument_group('results')
    group.add_argument(
        '--json',
        type=Path,
        metavar='FILE',
        help='keep the results of every model; what is there already is not repeated',
    )
    group.add_argument('--csv', type=Path, metavar='FILE', help='write the table with all digits')
    group.add_argument('--markdown', type=Path, metavar='FILE', help='write the table as it is printed')
    group.add_argument('--figure', type=Path, metavar='FILE', help='draw accuracy over consistency')
    group.add_argument('--published', action='store_true', help='with the published results on ImageNet in the figure')
    args = parser.parse_args()
    if len(set(args.models)) < len(args.models):
        parser.error(f'models must differ, got {" ".join(args.models)}')
    if args.names is not None and not len(set(args.names)) == len(args.names) == len(args.models):
        parser.error(f'--names must be as many as models, and differ, got {" ".join(args.names)}')
    if args.published and args.figure is None:
        parser.error('--published must come with --figure')
    return args


def compare(args: argparse.Namespace) -> None:
    """Measure what has not been measured yet, print the table and write the files."""
    models = {text: parse_model(text) for text in args.models}
    settings = Settings.of(args)
    if all(isinstance(model, ConfigModel) for model in models.values()):
        settings.check_for_configs()
    if args.figure is not None:
        import antialias_plugins.visualization  # noqa: F401 before the work: is matplotlib there?
    comparison = tables.Comparison(settings, args.json)
    records = {}
    for name, (text, model) in zip(args.names or tables.short_names(models), models.items(), strict=True):
        print(name, file=sys.stderr)
        records[name] = comparison.measure(text, model)
        tables.headline(records)  # do they do the same?
    table = tables.format_comparison(records)
    print(table)
    if args.csv is not None:
        tables.write_csv(args.csv, records)
    if args.markdown is not None:
        with replacing(args.markdown) as partial:
            partial.write_text(table + '\n')
    if args.figure is not None:
        draw(args.figure, records, args.published)
    for path in filter(None, (args.json, args.csv, args.markdown, args.figure)):
        print(f'{path}: written')


def draw(path: Path, records: dict[str, dict], published: bool) -> None:
    """Draw accuracy over consistency."""
    from antialias_plugins.visualization import PUBLISHED_RESULTS, Result, plot_pareto

    accuracy = tables.headline(records)
    if accuracy is None:
        raise ValueError('figure needs the accuracy of the models, got none: their images are not labelled')
    results = [Result(row['model'], row[accuracy], row['consistency'], 'measured') for row in tables.rows(records)]
    figure = plot_pareto(results, PUBLISHED_RESULTS if published else ())
    if accuracy != 'top1':
        figure.axes[0].set(xlabel=f'{tables.consistency_name(accuracy)} / %', ylabel=f'{accuracy} / %')
    with replacing(path) as partial:
        figure.savefig(partial, format=path.suffix[1:] or 'png')


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    kept = 'what was measured is kept: run it again to go on' if args.json else 'nothing kept, for want of --json'
    run_command(lambda: compare(args), 'compare.py', (ValueError, OSError, ImportError), f'interrupted, {kept}')


if __name__ == '__main__':
    main()
