"""``antialias info``."""

import json
from argparse import Namespace
from collections.abc import Callable
from importlib.util import find_spec

import torch

from antialias_cli.checks import check_outputs
from antialias_plugins.kernels.backend import describe_choice
from antialias_plugins.utils import describe_environment, installed_stack, write_text

_LIBRARIES = ('mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmpretrain')


def info(args: Namespace) -> Callable[[], None]:
    """Return what prints versions, machine, and how the filters are computed."""
    check_outputs(args, 'json')

    def work() -> None:
        found = [name for name in _LIBRARIES if find_spec(name)]
        described = describe_environment() | {
            'stack': f'{installed_stack()}: {", ".join(found)}' if found else 'timm alone, without OpenMMLab',
            'GPU': torch.cuda.get_device_name() if torch.cuda.is_available() else 'none that torch can use',
            'kernels': describe_choice(),
        }
        width = max(map(len, described))
        print('\n'.join(f'{name:{width}}  {value}' for name, value in described.items()))
        if args.json is not None:
            write_text(args.json, json.dumps(described, indent=2) + '\n')
            print(f'{args.json}: written')

    return work
