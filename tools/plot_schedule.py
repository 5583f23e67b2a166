#!/usr/bin/env python
"""Draw the learning rates of configs, from mmengine's own schedulers, on top of the published ones."""

import argparse
from pathlib import Path

from mmengine.logging import MMLogger

import antialias_plugins  # noqa: F401 - its types are in the configs
from antialias_plugins.utils import replacing
from lab.command import make_parser
from lab.schedules import ScheduleCurves, learning_rates, plot_learning_rates, published_schedule


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line."""
    parser = make_parser(__doc__, show_defaults=False)
    parser.add_argument('configs', type=Path, nargs='+', metavar='CONFIG', help='config, one panel each')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE.png', help='file to write')
    parser.add_argument(
        '--title', nargs='+', metavar='TEXT', help='titles of the panels, else the names of the configs'
    )
    return parser, parser.parse_args()


def read_panel(config: Path, title: str) -> ScheduleCurves:
    """Run the schedulers of a config, and find what was published."""
    published = published_schedule(config)
    return ScheduleCurves(title, learning_rates(config), published.rates() if published else {})


def main() -> None:
    """Draw the figure."""
    parser, args = parse_args()
    titles = args.title or [path.stem for path in args.configs]
    if len(titles) != len(args.configs):
        parser.error(f'--title must have {len(args.configs)} texts, one per config, got {len(titles)}')
    # mmengine tells the rate of each parameter otherwise.
    MMLogger.get_instance('plot_schedule', log_level='WARNING')
    try:
        panels = [read_panel(config, title) for config, title in zip(args.configs, titles, strict=True)]
        figure = plot_learning_rates(panels)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    with replacing(args.out) as partial:
        figure.savefig(partial, format=args.out.suffix[1:] or 'png', dpi=130)
    print(f'{args.out}: {len(panels)} schedules')


if __name__ == '__main__':
    main()
