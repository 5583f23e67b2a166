#!/usr/bin/env python
"""Antialias every config of the installed zoos of mmseg, mmdet and mmpretrain, and write docs/zoos.md."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from antialias_plugins.coverage import Outcome
from antialias_plugins.environment import describe_environment
from antialias_plugins.files import replacing
from antialias_plugins.openmmlab.zoo import installed_zoos
from antialias_plugins.zoos import check_configs, list_zoo, render_stack, replace_stack, summarize

DOCUMENT = Path('docs/zoos.md')


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--library', choices=installed_zoos(), help='this one only')
    parser.add_argument('--only', metavar='PATTERN', default='*', help='these only, such as "mmdet/retinanet/*"')
    parser.add_argument(
        '--out', type=Path, help=f'Markdown file to write; default: {DOCUMENT}, or none with --only or --library'
    )
    parser.add_argument(
        '--jsonl',
        type=Path,
        default=Path('work_dirs/zoos.jsonl'),
        help='where results are kept, so that the next call goes on where this one stopped; default: %(default)s',
    )
    return parser, parser.parse_args()


def main() -> None:
    """Check config after config, print what is not converted, and write this stack's section."""
    parser, args = parse_args()
    libraries = [args.library] if args.library else installed_zoos()
    configs = [config for library in libraries for config in list_zoo(library, args.only)]
    if not configs:
        parser.error(f'--only must match a config as library/folder/name, got {args.only!r}')
    results = []
    try:
        with tqdm(check_configs(configs, args.jsonl), total=len(configs), unit='config') as progress:
            for result in progress:
                results.append(result)
                progress.set_postfix_str(result.name)
                if result.outcome in (Outcome.WRONG, Outcome.REFUSED, Outcome.NOT_RUN):
                    progress.write(f'{result.library}/{result.name}: {result.outcome.value}: {result.reason}')
    except KeyboardInterrupt:
        sys.exit(f'interrupted after {len(results)} of {len(configs)}; call again to go on')
    print(summarize(results))
    out = args.out or (None if args.library or args.only != '*' else DOCUMENT)
    if out is not None:
        environment = describe_environment()
        stack = 'onedl' if 'onedl-mmengine' in environment else 'openmmlab'
        before = out.read_text(encoding='utf-8') if out.exists() else ''
        with replacing(out) as partial:
            section = render_stack(results, stack, environment)
            partial.write_text(replace_stack(before, stack, section), encoding='utf-8')
        print(f'{out}: {len(results)} configs on {stack}')
    sys.exit(any(result.outcome is Outcome.WRONG for result in results))


if __name__ == '__main__':
    main()
