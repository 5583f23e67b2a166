"""What every sub-command checks before its work begins: networks, pictures, and the files that it is to write."""

import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from antialias_plugins.evaluation import ConfigModel, TimmModel, parse_model
from antialias_plugins.evaluation.classifier import as_device
from antialias_plugins.evaluation.models import Model
from antialias_plugins.evaluation.pictures import find_pictures, readable_pictures


def networks_of(args: Namespace, texts: Sequence[str]) -> dict[str, Model]:
    """Read what the command line calls networks; nothing is built.

    Raises:
        ValueError: There is no such network or file, or an option is given that none of them takes.
    """
    if getattr(args, 'device', None) is not None:
        as_device(args.device)
    if len(set(texts)) < len(texts):
        raise ValueError(f'networks must differ, got {" ".join(texts)}')
    cfg_options = config_changes(args.cfg_options)
    options = {'pretrained': args.pretrained, 'model_kwargs': args.model_kwargs, 'cfg_options': cfg_options}
    models = {text: parse_model(text, **options) for text in texts}
    kinds = {type(model) for model in models.values()}
    if ConfigModel not in kinds and cfg_options:
        raise ValueError(f'cfg_options must not be given for timm networks, got {cfg_options}')
    if TimmModel not in kinds and args.model_kwargs:
        raise ValueError(f'model_kwargs must not be given for configs, got {args.model_kwargs}')
    if TimmModel not in kinds and not args.pretrained:
        raise ValueError('pretrained must not be given for configs, got False')
    for model in models.values():
        model.check()
    return models


def names_of(args: Namespace, count: int) -> list[str] | None:
    """Return what the networks are to be called, ``None`` for their own names.

    Raises:
        ValueError: There are not as many names as networks, or two are equal.
    """
    if args.names is not None and not len(set(args.names)) == len(args.names) == count:
        raise ValueError(f'names must be one per network, and differ, got {" ".join(args.names)} for {count}')
    return args.names


def config_changes(texts: Sequence[str] | None) -> dict[str, object]:
    """Read ``KEY=VALUE`` as OpenMMLab's own tools do."""
    if not texts:
        return {}
    from argparse import ArgumentParser

    from mmengine.config import DictAction

    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    if wrong := [text for text in texts if '=' not in text]:
        raise ValueError(f'cfg_options must be KEY=VALUE, got {wrong[0]!r}')
    return parser.parse_args(['--cfg-options', *texts]).cfg_options


def pictures_of(args: Namespace) -> list[Path]:
    """Return the pictures that can be read.

    Raises:
        ValueError: There are none, or some cannot be read and are not to be skipped. It lists them.
    """
    found = [file for file, _ in find_pictures('images', args.images)[0]]
    files, reasons = readable_pictures(found, args.skip_unreadable)
    for reason in reasons:
        print(f'left out: {reason}', file=sys.stderr)
    return files


def check_outputs(args: Namespace, *names: str, keep: Sequence[str] = ()) -> None:
    """Make sure that every file that is asked for can be written.

    Args:
        args: The command line.
        names: Its files.
        keep: Those that may exist: what is in them is kept.

    Raises:
        ValueError: One exists and is not to be replaced, two are the same, or one cannot be written.
    """
    seen: dict[str, str] = {}
    for name in names:
        path = getattr(args, name)
        if path is None or (path.exists() and not path.is_file() and not path.is_dir()):  # /dev/stdout
            continue
        real = os.path.realpath(path)
        if real in seen:
            raise ValueError(f'{seen[real]} and {name} must be different files, got {path} for both')
        seen[real] = name
        if path.is_dir():
            raise ValueError(f'{name} must be a file that can be written, got {path}, which is a folder')
        if path.exists() and not (args.overwrite or name in keep):
            raise ValueError(f'{name} must be a new file, got {path}, which exists (--overwrite replaces it)')
        folder = next(parent for parent in Path(real).parents if parent.exists())
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise ValueError(f'{name} must be a file that can be written, got {path}: {error}') from error


def check_figures(args: Namespace, *names: str) -> None:
    """Make sure that Matplotlib is there, and can write the formats that are asked for."""
    for name in names:
        if (path := getattr(args, name)) is None:
            continue
        from matplotlib.backend_bases import FigureCanvasBase

        import antialias_plugins.visualization  # noqa: F401

        known = FigureCanvasBase.get_supported_filetypes()
        if path.suffix[1:].lower() not in known:
            raise ValueError(f'{name} must end in one of .{", .".join(sorted(known))}, got {path}')
