#!/usr/bin/env python
"""Measure the accuracy of a network and its consistency under shifts.

A timm network is measured over a folder of images, a config of mmseg, mmpretrain or mmdet on its own test set.
"""

import argparse
from pathlib import Path

from timm.utils import ParseKwargs

from antialias_plugins.evaluation import (
    ConfigModel,
    HelpFormatter,
    Settings,
    TimmModel,
    add_options,
    report,
    run_command,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    group = parser.add_argument_group('network')
    kind = group.add_mutually_exclusive_group(required=True)
    kind.add_argument('--model', help='name of any timm network, ours included', default=argparse.SUPPRESS)
    kind.add_argument('--config', type=Path, metavar='FILE', help='config of mmseg, mmpretrain or mmdet')
    group.add_argument('--pretrained', action='store_true', help='load the published weights of the name')
    group.add_argument('--checkpoint', type=Path, metavar='FILE', help='load weights from a file, in any known layout')
    group.add_argument(
        '--model-kwargs', nargs='*', default={}, action=ParseKwargs, metavar='K=V', help='arguments of the timm network'
    )
    group.add_argument(
        '--cfg-options', nargs='*', default={}, action=ParseKwargs, metavar='K=V', help='changes of the config'
    )
    add_options(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write settings, figures and versions to a file')
    args = parser.parse_args()
    args.model = getattr(args, 'model', None)
    return args


def choose_model(args: argparse.Namespace) -> TimmModel | ConfigModel:
    """Return what the command line names."""
    if args.config is None:
        if args.cfg_options:
            raise ValueError(f'cfg_options must not be given for a timm network, got {args.cfg_options}')
        return TimmModel(args.model, args.pretrained, args.checkpoint, args.model_kwargs)
    if args.checkpoint is None:
        raise ValueError(f'checkpoint must be given with a config, got none for {args.config}')
    for name in ('pretrained', 'model_kwargs'):
        if getattr(args, name):
            raise ValueError(f'{name} must not be given with a config, got {getattr(args, name)}')
    return ConfigModel(args.config, args.checkpoint, args.cfg_options)


def run(args: argparse.Namespace) -> None:
    """Evaluate, print a table and write the file."""
    model, settings = choose_model(args), Settings.of(args)
    if args.config is not None:
        settings.check_for_configs()
    evaluation = model.evaluate(settings)
    print(model)
    print(f'{args.config or args.data_dir}: {evaluation.consistency.images} images, {report.format_cost(evaluation)}')
    if evaluation.prepared:
        print(
            '{plan}; images resized to {resize_for_views}, {preparation[interpolation]}'.format(**evaluation.prepared)
        )
    print(report.format_report(evaluation))
    if args.json is not None:
        written = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
        report.write_report(args.json, written, evaluation)
        print(f'{args.json}: written')


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    run_command(lambda: run(args), 'eval_consistency.py')


if __name__ == '__main__':
    main()
