#!/usr/bin/env python
"""Record antialiased networks with every exporter, compare the records with the networks, and write the table."""

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from antialias_plugins.deployment import fuse_for_inference
from antialias_plugins.utils import replacing
from lab.command import make_parser, run_command
from lab.parity.exporters import EXPORTERS
from lab.parity.networks import NETWORKS, build_network, settle_norms
from lab.parity.parity import Parity, check_parity, example_images
from lab.parity.report import insert_report, render_parity

DOCUMENT = Path('docs/deployment.md')
ALL_POOLS = ('none', 'lpf3', 'lpf4', 'ddac3', 'flc', 'aps3', 'lps3', 'tips')
POOLS = {'resnet18': ALL_POOLS, 'resnet50': ('lpf4', 'ddac3', 'aps3')}
COMMON = ('lpf4', 'ddac3')
FUSED = 'resnet18'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__, show_defaults=False)
    parser.add_argument(
        '--network', nargs='+', choices=NETWORKS, metavar='NETWORK', help=f'these only, of: {"; ".join(NETWORKS)}'
    )
    parser.add_argument('--pool', nargs='+', metavar='POOL', help='print results for these filters only, such as lpf4')
    names = [exporter.name for exporter in EXPORTERS]
    parser.add_argument(
        '--recorder',
        nargs='+',
        choices=names,
        metavar='WAY',
        help=f'print results of these ways only, of: {"; ".join(names)}',
    )
    parser.add_argument(
        '--results',
        type=Path,
        default=Path('work_dirs/export_parity'),
        help='folder with one file per version of torch and network, which make up the table; default: %(default)s',
    )
    parser.add_argument('--out', type=Path, default=DOCUMENT, help='document with the table; default: %(default)s')
    return parser.parse_args()


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    logging.disable(logging.WARNING)  # the exporters'
    kept = 'interrupted, the networks that were finished are kept'
    run_command(lambda: sys.exit(run(args)), 'export_parity.py', interrupted=kept)


def run(args: argparse.Namespace) -> bool:
    """Check, print every result, and write the table of this and all other versions of torch.

    Returns:
        Whether a record computes something else than its network.
    """
    is_whole = not (args.pool or args.recorder)
    if is_whole:  # now, not behind the first network
        insert_report(args.out.read_text(encoding='utf-8'), '')
        args.results.mkdir(parents=True, exist_ok=True)
    wrong = False
    for network in args.network or NETWORKS:
        results = check(network, args)
        wrong |= any(result.error is not None and not result.holds for result in results)
        if is_whole:
            write(network, results, args.results, args.out)
    return wrong


def check(network: str, args: argparse.Namespace) -> list[Parity]:
    """All results of one network."""
    results = []
    exporters = [exporter for exporter in EXPORTERS if args.recorder is None or exporter.name in args.recorder]
    for pool in args.pool or POOLS.get(network, COMMON):
        model = build_network(network, None if pool == 'none' else pool)
        settle_norms(model, example_images()[-1])
        models = {network: model}
        if network == FUSED and pool in COMMON:
            models[f'{network} fused'] = fuse_for_inference(model)
        for name, model in models.items():
            for result in check_parity(model, name, pool, exporters):
                print(f'{name}, {pool}, {result.exporter}: {result.reason or result.error}', flush=True)
                results.append(result)
    return results


def write(network: str, results: list[Parity], folder: Path, document: Path) -> None:
    """Keep the results of a network and this version of torch, and write all that were kept into the document."""
    with replacing(folder / results[0].torch / f'{network}.json') as partial:
        partial.write_text(json.dumps([asdict(result) for result in results]) + '\n', encoding='utf-8')
    files = [version / f'{name}.json' for version in sorted(folder.iterdir()) for name in NETWORKS]
    rows = [Parity(**row) for file in files if file.exists() for row in json.loads(file.read_text('utf-8'))]
    text = insert_report(document.read_text(encoding='utf-8'), render_parity(rows))
    with replacing(document) as partial:
        partial.write_text(text, encoding='utf-8')
    print(f'{document}: {len(rows)} results', flush=True)


if __name__ == '__main__':
    main()
