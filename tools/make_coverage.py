#!/usr/bin/env python
"""Convert every family of networks in the installed libraries, check the results, and write docs/coverage.md."""

from pathlib import Path

from antialias_plugins.utils import describe_environment
from lab.command import finish_survey, run_survey, survey_parser
from lab.coverage import check_families, installed_libraries, list_families, render_table, summarize

DOCUMENT = Path('docs/coverage.md')


def main() -> None:
    """Check network after network, print what is not converted, and write the table."""
    parser = survey_parser(__doc__, installed_libraries(), DOCUMENT, example='timm/res2net/*')
    args = parser.parse_args()
    libraries = [args.library] if args.library else installed_libraries()
    families = [family for library in libraries for family in list_families(library, args.only)]
    if not families:
        parser.error(f'--only must match a network as library/module/name, got {args.only!r}')
    results = run_survey(check_families(families, args.jsonl), len(families), 'network')
    print(summarize(results))
    finish_survey(results, args, DOCUMENT, lambda before: render_table(results, describe_environment()))


if __name__ == '__main__':
    main()
