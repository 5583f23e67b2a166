#!/usr/bin/env python
"""The parts of tools/quickstart.sh that read configs, logs and checkpoints."""

import argparse
import sys
from pathlib import Path

from lab.command import make_parser
from lab.quickstart.experiment import begin
from lab.quickstart.report import summarize


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, show_defaults=False)
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser('next', help='print the next step of one training: train, resume, test or nothing')
    command.add_argument('config', type=Path, help='config file')
    command.add_argument('folder', type=Path, help='work dir of the training')
    command.add_argument('--inputs', type=Path, nargs='+', default=[], help='text files that it depends on as well')
    command = commands.add_parser('summary', help='compare finished trainings in a table and a figure')
    command.add_argument('folders', type=Path, nargs='+', help='work dirs, the baseline first')
    command.add_argument('--out', type=Path, required=True, help='folder for summary.json, summary.md and shift.png')
    return parser.parse_args()


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    try:
        if args.command == 'next':
            print(begin(args.config, args.folder, args.inputs))
        else:
            summarize(args.folders, args.out)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f'quickstart.py: {error}')


if __name__ == '__main__':
    main()
