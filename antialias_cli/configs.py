"""``antialias config``."""

from argparse import Namespace
from collections.abc import Callable

from antialias_cli.checks import check_outputs, config_changes
from antialias_plugins.openmmlab.child_config import write_child_config


def write(args: Namespace) -> Callable[[], None]:
    """Return what writes the child of a config."""
    check_outputs(args, 'out')
    options = {'convert': args.convert, 'options': config_changes(args.cfg_options), 'consistency': args.consistency}
    print(write_child_config(args.base, args.out, args.pool, **options, overwrite=args.overwrite))
    return lambda: None
