"""How networks are evaluated."""

from argparse import Action, ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

DTYPES = {'float16': torch.float16, 'bfloat16': torch.bfloat16}

_OF_TIMM = ('data_dir', 'split', 'unlabelled', 'img_size', 'crop_pct', 'interpolation')
_OF_TIMM += ('device', 'amp_dtype', 'channels_last')


@dataclass(frozen=True)
class Settings:
    """What the command lines that evaluate networks have in common; see `add_options` for what each field means.

    A field that is ``None`` was not given: a timm network then has the default that is said there, a config its own
    value, or that of `ShiftConsistencyTestLoop`.
    """

    data_dir: Path | None = None
    split: str | None = None
    unlabelled: bool = False
    img_size: int | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    protocol: str | None = None
    views: int | None = None
    max_shift: int = 32
    circular: bool = False
    seed: int = 0
    per_class: bool = False
    boundary: int | None = None
    score_threshold: float | None = None
    batch_size: int | None = None
    workers: int | None = None
    device: str | None = None
    amp: bool = False
    amp_dtype: str | None = None
    channels_last: bool = False

    @classmethod
    def of(cls, args: Namespace) -> 'Settings':
        """Return those of a command line."""
        return cls(**{field.name: getattr(args, field.name) for field in fields(cls)})

    def check_for_configs(self) -> None:
        """Check that nothing is given that only timm networks obey.

        Raises:
            ValueError: If something is.
        """
        for name in _OF_TIMM:
            if getattr(self, name):
                raise ValueError(
                    f'{name} must not be given for configs, which say it themselves, got {getattr(self, name)}'
                )

    def loop_options(self) -> dict[str, Any]:
        """Return the options of `ShiftConsistencyTestLoop`."""
        options = {'max_shift': self.max_shift, 'seed': self.seed}
        names = ('circular', 'protocol', 'views', 'per_class', 'boundary', 'score_threshold')
        given = {name: getattr(self, name) for name in names}
        if self.protocol == 'legacy':
            given['batch_size'] = self.batch_size
        return options | {name: value for name, value in given.items() if value is not None and value is not False}


class HelpFormatter(ArgumentDefaultsHelpFormatter):
    """Adds to the help of an option its default, if it has one."""

    def _get_help_string(self, action: Action) -> str | None:
        return action.help if action.default is None or action.default is False else super()._get_help_string(action)


def add_options(parser: ArgumentParser) -> None:
    """Add an option for every field of `Settings`."""
    group = parser.add_argument_group('images of a timm network (a config names its own)')
    group.add_argument('--data-dir', type=Path, metavar='DIR', help='folder with one sub-folder per class')
    group.add_argument('--split', help='folder in the data folder to take, if there is one (default: validation)')
    group.add_argument('--unlabelled', action='store_true', help="the sub-folders are not the network's classes")
    group.add_argument('--img-size', type=int, metavar='N', help="side of the input, if not the network's own")
    group.add_argument('--crop-pct', type=float, metavar='X', help='side of the input / side of the resized image')
    group.add_argument('--interpolation', help='of the resizing: bilinear, bicubic, …')
    group = parser.add_argument_group('consistency')
    group.add_argument(
        '--protocol',
        choices=('per_image', 'legacy'),
        help='legacy: the published evaluation, offsets shared by a batch, mean of five repeats (default: per_image)',
    )
    group.add_argument(
        '--views', type=int, metavar='K', help='number of shifted views that must all agree (default: 2)'
    )
    group.add_argument('--max-shift', type=int, default=32, metavar='N', help='offsets are 0 to N-1 pixels')
    group.add_argument('--circular', action='store_true', help='shift the image circularly')
    group.add_argument('--seed', type=int, default=0, help='of the offsets, and of weights that are not loaded')
    group.add_argument('--per-class', action='store_true', help='of a segmentation, every class too')
    group.add_argument('--boundary', type=int, metavar='N', help='of a segmentation, within N pixels of boundaries too')
    group.add_argument(
        '--score-threshold', type=float, metavar='X', help='of a detector, lowest score that counts (default: 0.5)'
    )
    group = parser.add_argument_group('computation')
    group.add_argument(
        '--batch-size', type=int, metavar='N', help="images per forward pass (default: 64, or the config's)"
    )
    group.add_argument(
        '--workers', type=int, metavar='N', help="processes that read images (default: 4, or the config's)"
    )
    group.add_argument('--device', help='where a timm network computes (default: the GPU, if there is one)')
    group.add_argument('--amp', action='store_true', help='mixed precision')
    group.add_argument('--amp-dtype', choices=tuple(DTYPES), help='of mixed precision (default: float16)')
    group.add_argument('--channels-last', action='store_true', help='memory format of the network and the images')
