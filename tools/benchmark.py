#!/usr/bin/env python
"""Compare the layers and networks with other implementations: agreement, memory and time."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import torch

from lab.benchmark import SUITES, Settings, describe, make_cases, run, select, write_report
from lab.command import add_quick, add_threads, make_parser, parse_counts, run_command

DTYPES = {name: getattr(torch, name) for name in ('float32', 'bfloat16', 'float16', 'float64')}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    group = parser.add_argument_group('what')
    group.add_argument('--suite', choices=(*SUITES, 'all'), default='all', help='kind of thing to compare')
    group.add_argument(
        '--only', metavar='PATTERN', help="cases whose title contains it, such as 'blur_pool2d K=3*56x56'"
    )
    add_quick(group, 'small shapes and short timings')
    group.add_argument('--memory-only', action='store_true', help='no times: what is the same on every machine')
    group = parser.add_argument_group('how')
    group.add_argument('--device', choices=('cpu', 'cuda', 'all'), default='all', help='all: CUDA only if there is one')
    group.add_argument('--dtype', choices=tuple(DTYPES), default='float32', help='of parameters and inputs')
    group.add_argument('--channels-last', action='store_true', help='memory format of parameters and inputs')
    add_threads(group, torch.get_num_threads(), 'on the CPU')
    group.add_argument('--rounds', type=int, default=5, metavar='N', help='turns of each implementation')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write settings, figures and versions to a file')
    args = parse_counts(parser, 'threads', 'rounds')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: torch finds no CUDA device')
    return args


def compare(args: argparse.Namespace) -> None:
    """Measure, print, write the file, and leave with status 1 where implementations disagree."""
    torch.set_num_threads(args.threads)
    for name, text in describe().items():
        print(f'{name}: {text}')
    print(f'{args.dtype}, {"channels last" if args.channels_last else "channels first"}, {args.threads} threads\n')
    results, verdicts = [], {}
    for device in _devices(args.device):
        cases = make_cases(SUITES if args.suite == 'all' else (args.suite,), device, args.quick)
        cases = select(cases, args.only or '')
        measured, verdicts[device] = run(cases, _settings(args, device), write=partial(print, flush=True))
        results += measured
    if args.json is not None:
        settings = {name: value for name, value in vars(args).items() if name != 'json'}
        write_report(args.json, settings, results, verdicts)
        print(f'{args.json}: written')
    if not all(result.agreement is None or result.agreement.holds for result in results):
        sys.exit('benchmark.py: some implementations disagree')


def _devices(name: str) -> tuple[str, ...]:
    if name != 'all':
        return (name,)
    return ('cpu', 'cuda') if torch.cuda.is_available() else ('cpu',)


def _settings(args: argparse.Namespace, device: str) -> Settings:
    rounds, seconds = (2, 0.01) if args.quick else (args.rounds, 0.1)
    return Settings(device, DTYPES[args.dtype], args.channels_last, not args.memory_only, rounds, seconds)


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    # The profiler, which counts memory, would greet on stderr at every measurement.
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')
    run_command(lambda: compare(args), 'benchmark.py')


if __name__ == '__main__':
    main()
