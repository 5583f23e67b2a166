#!/usr/bin/env python
"""Convert every family of networks in the installed libraries, check the results, and write docs/coverage.md."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from antialias_plugins.coverage import (
    Outcome,
    Result,
    check_families,
    installed_libraries,
    list_families,
    render_table,
    summarize,
)
from antialias_plugins.environment import describe_environment
from antialias_plugins.files import replacing

DOCUMENT = Path('docs/coverage.md')


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--library', choices=installed_libraries(), help='this one only')
    parser.add_argument('--only', metavar='PATTERN', default='*', help='these only, such as "timm/res2net/*"')
    parser.add_argument(
        '--out', type=Path, help=f'Markdown file to write; default: {DOCUMENT}, or none with --only or --library'
    )
    parser.add_argument(
        '--jsonl',
        type=Path,
        default=Path('work_dirs/coverage.jsonl'),
        help='where results are kept, so that the next call goes on where this one stopped; default: %(default)s',
    )
    return parser, parser.parse_args()


def main() -> None:
    """Check network after network, print what is not converted, and write the table."""
    parser, args = parse_args()
    libraries = [args.library] if args.library else installed_libraries()
    families = [family for library in libraries for family in list_families(library, args.only)]
    if not families:
        parser.error(f'--only must match a network as library/module/name, got {args.only!r}')
    results = []
    try:
        with tqdm(check_families(families, args.jsonl), total=len(families), unit='network') as progress:
            for result in progress:
                results.append(result)
                progress.set_postfix_str(result.name)
                if result.outcome in (Outcome.WRONG, Outcome.REFUSED, Outcome.NOT_RUN):
                    progress.write(describe(result))
    except KeyboardInterrupt:
        sys.exit(f'interrupted after {len(results)} of {len(families)}; call again to go on')
    print(summarize(results))
    out = args.out or (None if args.library or args.only != '*' else DOCUMENT)
    if out is not None:
        with replacing(out) as partial:
            partial.write_text(render_table(results, describe_environment()), encoding='utf-8')
        print(f'{out}: {len(results)} families')
    sys.exit(any(result.outcome is Outcome.WRONG for result in results))


def describe(result: Result) -> str:
    """One line about a network."""
    return f'{result.library}/{result.module}/{result.name}: {result.outcome.value}: {result.reason}'


if __name__ == '__main__':
    main()
