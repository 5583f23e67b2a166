#!/usr/bin/env python
"""Antialias every config of the installed zoos of mmseg, mmdet and mmpretrain, and write docs/zoos.md."""

from pathlib import Path

from antialias_plugins.openmmlab.child_config import installed_zoos
from antialias_plugins.utils import describe_environment, installed_stack
from lab.command import finish_survey, run_survey, survey_parser
from lab.zoos import check_configs, list_zoo, render_stack, replace_stack, summarize

DOCUMENT = Path('docs/zoos.md')


def main() -> None:
    """Check config after config, print what is not converted, and write this stack's section."""
    parser = survey_parser(__doc__, installed_zoos(), DOCUMENT, example='mmdet/retinanet/*')
    args = parser.parse_args()
    libraries = [args.library] if args.library else installed_zoos()
    configs = [config for library in libraries for config in list_zoo(library, args.only)]
    if not configs:
        parser.error(f'--only must match a config as library/folder/name, got {args.only!r}')
    results = run_survey(check_configs(configs, args.jsonl), len(configs), 'config')
    print(summarize(results))

    def render(before: str) -> str:
        stack = installed_stack()
        return replace_stack(before, stack, render_stack(results, stack, describe_environment()))

    finish_survey(results, args, DOCUMENT, render)


if __name__ == '__main__':
    main()
