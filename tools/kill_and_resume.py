#!/usr/bin/env python
"""Kill a training with SIGKILL at random moments, resume it each time, and compare it with one that nobody killed."""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config

from lab.command import add_config_options, make_parser, run_command
from lab.endurance import draw_phases, find_differences, format_kills, kill_and_resume
from lab.training import Training


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('config', type=Path, help='config that trains for a number of iterations')
    parser.add_argument('out', type=Path, help='new folder for both trainings and all that they print')
    parser.add_argument('--kills', type=int, default=20, metavar='N', help='number of kills')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments')
    add_config_options(parser, 'changes of the config')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Train twice, print the table of the kills, and leave with status 1 where the trainings differ."""
    if args.out.exists():
        raise ValueError(f"out must be a new folder, got '{args.out}', which exists")
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options | {'default_hooks.logger.interval': 1})
    reference, killed = (Training(config, args.out / name) for name in ('undisturbed', 'killed'))
    killing = kill_and_resume(killed, draw_phases(args.kills, args.seed), args.seed)
    print(f'training without a kill in {reference.folder}', file=sys.stderr, flush=True)
    reference.finish()
    kills = []
    for kill in killing:
        kills.append(kill)
        where = f'{kill.phase} at iteration {kill.iteration}, resumes from {kill.resumes_from}'
        print(f'{len(kills)}/{args.kills}: killed while {where}', file=sys.stderr, flush=True)
    print(format_kills(kills))
    differences = find_differences(killed.folder, reference.folder)
    if differences:
        sys.exit('\n'.join(['The killed training is another one:', *differences]))
    print(
        f'\nAfter {args.kills} kills: the same bits in weights, optimizer and schedulers as without a kill, '
        'every iteration and every validation logged with the same numbers, no file half-written.'
    )


def main() -> None:
    """Run, and say in a few lines what is wrong."""
    args = parse_args()
    errors = (ValueError, OSError, ImportError, RuntimeError)
    interrupted = f"interrupted; remove '{args.out}' to begin anew"
    run_command(lambda: run(args), 'kill_and_resume.py', errors, interrupted)


if __name__ == '__main__':
    main()
