"""Settings of an evaluation, each of them an option of the command line, and how a command line ends."""
# ruff: noqa: RUF009 (`_option` is a `dataclasses.field`)

import sys
from argparse import Action, ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from inspect import signature
from pathlib import Path
from typing import Any, get_args

import torch

from antialias_plugins.metrics import mean_instance_consistency, shift_consistency

DTYPES = {'float16': torch.float16, 'bfloat16': torch.bfloat16}

_IMAGES = 'images of a timm network (a config names its own)'
_CONSISTENCY, _COMPUTATION = 'consistency', 'computation'

# The metrics own the options of the consistency.
_DEFAULTS = {
    name: option.default
    for metric in (mean_instance_consistency, shift_consistency)
    for name, option in signature(metric).parameters.items()
}


def _option(group: str, help: str, *, default: Any = None, timm: bool = False, **keywords: Any) -> Any:
    """Declare a field with its group, its help and further keywords of `add_argument`; timm: no config obeys it."""
    return field(default=default, metadata={'group': group, 'timm': timm, 'keywords': {'help': help, **keywords}})


@dataclass(frozen=True)
class Settings:
    """What the command lines that evaluate networks have in common: each field is an option, see `add_options`.

    A field that is ``None`` was not given: a timm network then has the default that its help names, a config its own
    value, or that of `ShiftConsistencyTestLoop`.
    """

    data_dir: Path | None = _option(_IMAGES, 'folder with one sub-folder per class', metavar='DIR', timm=True)
    split: str | None = _option(
        _IMAGES, 'folder in the data folder to take, if there is one (default: validation)', timm=True
    )
    unlabelled: bool = _option(_IMAGES, "the sub-folders are not the network's classes", default=False, timm=True)
    img_size: int | None = _option(_IMAGES, "side of the input, if not the network's own", metavar='N', timm=True)
    crop_pct: float | None = _option(_IMAGES, 'side of the input / side of the resized image', metavar='X', timm=True)
    interpolation: str | None = _option(_IMAGES, 'of the resizing: bilinear, bicubic, …', timm=True)
    protocol: str | None = _option(
        _CONSISTENCY,
        'legacy: the published evaluation, offsets shared by a batch, mean of five repeats '
        f'(default: {_DEFAULTS["protocol"]})',
        choices=get_args(signature(shift_consistency).parameters['protocol'].annotation),
    )
    views: int | None = _option(
        _CONSISTENCY, f'number of shifted views that must all agree (default: {_DEFAULTS["views"]})', metavar='K'
    )
    max_shift: int = _option(_CONSISTENCY, 'offsets are 0 to N-1 pixels', default=_DEFAULTS['max_shift'], metavar='N')
    circular: bool = _option(_CONSISTENCY, 'shift the image circularly', default=False)
    seed: int = _option(_CONSISTENCY, 'of the offsets, and of weights that are not loaded', default=_DEFAULTS['seed'])
    groups: str | None = _option(
        _CONSISTENCY,
        'regular expression: images whose paths have the same text for its first group belong together (frames of a '
        'video, tiles of a scene), and the intervals count groups',
        metavar='REGEX',
    )
    per_class: bool = _option(_CONSISTENCY, 'of a segmentation, every class too', default=False)
    boundary: int | None = _option(_CONSISTENCY, 'of a segmentation, within N pixels of boundaries too', metavar='N')
    score_threshold: float | None = _option(
        _CONSISTENCY,
        f'of a detector, lowest score that counts (default: {_DEFAULTS["score_threshold"]})',
        metavar='X',
    )
    batch_size: int | None = _option(
        _COMPUTATION, "images per forward pass (default: 64, or the config's)", metavar='N'
    )
    workers: int | None = _option(_COMPUTATION, "processes that read images (default: 4, or the config's)", metavar='N')
    device: str | None = _option(
        _COMPUTATION, 'where a timm network computes (default: the GPU, if there is one)', timm=True
    )
    amp: bool = _option(_COMPUTATION, 'mixed precision', default=False)
    amp_dtype: str | None = _option(
        _COMPUTATION, 'of mixed precision (default: float16)', choices=tuple(DTYPES), timm=True
    )
    channels_last: bool = _option(_COMPUTATION, 'memory format of the network and the images', default=False, timm=True)

    @classmethod
    def of(cls, args: Namespace) -> 'Settings':
        """Return those of a command line."""
        return cls(**{option.name: getattr(args, option.name) for option in fields(cls)})

    def check_for_configs(self) -> None:
        """Raise a `ValueError` if something is given that only timm networks obey."""
        for option in fields(self):
            if option.metadata['timm'] and (value := getattr(self, option.name)):
                raise ValueError(f'{option.name} must not be given for configs, which say it themselves, got {value}')

    def loop_options(self) -> dict[str, Any]:
        """Return the options of the consistency that are given, as `ShiftConsistencyTestLoop` takes them."""
        names = [option.name for option in fields(self) if option.metadata['group'] == _CONSISTENCY]
        if self.protocol == 'legacy':
            names.append('batch_size')
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None and value is not False}


class HelpFormatter(ArgumentDefaultsHelpFormatter):
    """Adds to the help of an option its default, if it has one."""

    def _get_help_string(self, action: Action) -> str | None:
        return action.help if action.default is None or action.default is False else super()._get_help_string(action)


def add_options(parser: ArgumentParser) -> None:
    """Add an option for every field of `Settings`."""
    groups = {}
    for option in fields(Settings):
        title, keywords = option.metadata['group'], {'default': option.default, **option.metadata['keywords']}
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        kind, *_ = get_args(option.type) or [option.type]
        keywords |= {'action': 'store_true'} if kind is bool else {'type': kind}
        groups[title].add_argument(f'--{option.name.replace("_", "-")}', **keywords)


def run_command(
    run: Callable[[], None],
    name: str,
    errors: tuple[type[Exception], ...] = (ValueError, OSError),
    interrupted: str = 'interrupted, nothing written',
) -> None:
    """Run a command line; say in one line what is wrong, and leave with status 1, or 130 where it is interrupted."""
    try:
        run()
    except errors as error:
        sys.exit(f'{name}: {error}')
    except KeyboardInterrupt:
        print(f'{name}: {interrupted}', file=sys.stderr)
        sys.exit(130)
