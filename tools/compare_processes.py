#!/usr/bin/env python
"""Train the same batches on one process and on several, and draw the losses."""

import argparse
from pathlib import Path

import numpy as np
from mmengine.config import Config

from antialias_plugins.utils import markdown_table, replacing
from lab.command import add_config_options, make_parser, run_command
from lab.scaling import ProcessCurves, largest_difference, losses_by_processes, plot_processes, without_batch_statistics

TOY = 'tests/configs/toy/ddac'
CONFIGS = [f'{TOY}/deeplabv3plus_r18{pool}-d16_1xb2-30_toyscapes-96x192.py' for pool in ('', '-lpf3', '-ddac3')]
AS_IT_IS, INDEPENDENT = 'batch norm', 'no batch statistics'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--configs', type=Path, nargs='+', default=list(map(Path, CONFIGS)), metavar='FILE')
    parser.add_argument('--titles', nargs='+', default=['baseline', 'lpf3', 'ddac3'], metavar='NAME')
    parser.add_argument('--processes', type=int, nargs='+', default=[1, 2, 4], metavar='N')
    parser.add_argument('--batch', type=int, default=4, metavar='N', help='images of a batch, over all processes')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/processes'), help='folder of the trainings')
    parser.add_argument('--out', type=Path, default=Path('docs/images/processes.png'), help='figure')
    add_config_options(parser, 'changes of the configs')
    return parser.parse_args()


def train(path: Path, folder: Path, args: argparse.Namespace) -> dict[str, dict[int, np.ndarray]]:
    """Train a config with its batch norms, where each process has two images at least, and without."""
    config = Config.fromfile(path)
    config.merge_from_dict({'train_dataloader.batch_size': args.batch} | args.cfg_options)
    with_statistics = [count for count in args.processes if 2 * count <= args.batch]
    return {
        AS_IT_IS: losses_by_processes(config, folder / 'batch_norm', with_statistics),
        INDEPENDENT: losses_by_processes(without_batch_statistics(config), folder / 'independent', args.processes),
    }


def run(args: argparse.Namespace) -> None:
    """Train all, draw the figure and print a table."""
    if len(args.configs) != len(args.titles):
        raise ValueError(f'titles must be as many as configs, {len(args.configs)}, got {len(args.titles)}')
    panels = []
    for path, title in zip(args.configs, args.titles, strict=True):
        panels.append(ProcessCurves(title, train(path, args.work_dir / title, args)))
    with replacing(args.out) as partial:
        plot_processes(panels).savefig(partial, format=args.out.suffix[1:] or 'png', dpi=150)
    rows = [[one.title, *(f'{largest_difference(losses):.1e}' for losses in one.losses.values())] for one in panels]
    print(markdown_table(['largest relative difference', AS_IT_IS, INDEPENDENT], rows))
    print(f'\n{args.out}: written')


def main() -> None:
    """Run, and say in a line what is wrong."""
    args = parse_args()
    errors = (ValueError, OSError, RuntimeError)
    run_command(lambda: run(args), 'compare_processes.py', errors, 'interrupted, no figure written')


if __name__ == '__main__':
    main()
