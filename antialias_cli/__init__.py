"""The command ``antialias``: what the package does, without a line of Python.

The parsers import nothing that is large; a sub-command imports what it needs when it runs.
"""

import importlib
import re
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from antialias_cli.parsers import COMMANDS, Parser, make_parser

__all__ = ['main']

# What has to be installed for a module that is not among the requirements.
_EXTRAS = {'matplotlib': 'visualization', 'mmdet': 'openmmlab'}
_EXTRAS |= dict.fromkeys(('mmengine', 'mmcv', 'mmseg', 'mmpretrain'), 'onedl')


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line, by default that of the process.

    It leaves with status 2 and one line for wrong use, before any work begins; 1 for work that failed; 130 and one line
    where it is interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] not in COMMANDS and arguments[0].endswith('.py'):
        arguments.insert(0, 'run')  # as `python -m antialias_plugins SCRIPT` did before there were sub-commands
    parser = make_parser()
    prog = f'antialias {arguments[0]}' if arguments and arguments[0] in COMMANDS else 'antialias'
    try:
        if arguments[:1] == ['run'] and len(arguments) > 1 and arguments[1] not in ('-h', '--help'):
            from antialias_cli.script import run_script

            try:
                return run_script(arguments[1:])  # whose errors are the script's own
            except KeyboardInterrupt:
                raise KeyboardInterrupt('what the script wrote stays') from None
        args = _parse(parser, arguments)
        prog = args.parser.prog
        with _brief_warnings(prog):
            work = _attempt(prog, 2, lambda: _command(args)(args))
            _attempt(prog, 1, work)
    except KeyboardInterrupt as interrupt:
        print(f'{prog}: interrupted, {str(interrupt) or "nothing written"}', file=sys.stderr)
        sys.exit(130)


def _parse(parser: Parser, arguments: Sequence[str]) -> Namespace:
    """Parse, and suggest what may be meant where a command or an option is unknown."""
    first = next(iter(arguments), None)
    if first is None:
        parser.print_help()
        sys.exit(2)
    if not first.startswith('-') and first not in COMMANDS:
        parser.error(f'{first!r} is no command{_suggest(first, COMMANDS)}')
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        args.parser.error(f'unknown argument {unknown[0]}{_suggest(unknown[0], args.parser.option_names())}')
    return args


def _command(args: Namespace) -> Callable[[Namespace], Callable[[], None]]:
    """Import what a sub-command does: it checks a command line, and returns the work."""
    with warnings.catch_warnings():
        # What libraries say of each other when they are imported; torch lets some of it through every filter.
        warnings.showwarning = lambda *others, **options: None
        module = importlib.import_module(f'antialias_cli.{args.module}')
    return getattr(module, args.function)


@contextmanager
def _brief_warnings(prog: str) -> Iterator[None]:
    """Show a warning as a line, without the place in the code that it comes from."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *others, **options: f'{prog}: warning: {message}\n'
    try:
        yield
    finally:
        warnings.formatwarning = before


def _attempt(prog: str, status: int, run: Callable[[], object]) -> object:
    """Run; say in one line what is wrong, and leave with a status."""
    try:
        result = run()
        sys.stdout.flush()
        return result
    except ModuleNotFoundError as error:
        module = re.match(r'\w*', error.name or str(error))[0]  # mmengine names a package in its text alone
        if module not in _EXTRAS:
            raise
        reason = f"needs {module}, which is not installed: pip install 'antialias-plugins[{_EXTRAS[module]}]'"
        status = 1
    except BrokenPipeError:  # whoever read the output has gone
        sys.stdout = None
        sys.exit(1)
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        reason = str(error)
    print(f'{prog}: {reason}', file=sys.stderr)
    sys.exit(status)


def _expected() -> tuple[type[Exception], ...]:
    """Errors that say what is wrong; all others are faults of ours, and keep their traceback."""
    from torch.cuda import OutOfMemoryError

    from antialias_plugins import UnsupportedModelError

    return ValueError, OSError, UnsupportedModelError, OutOfMemoryError


def _suggest(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=3)
    return f'; did you mean {" or ".join(close)}?' if close else ''
