#!/usr/bin/env python
"""Write a child config that antialiases the backbone of any existing OpenMMLab config."""

import argparse

from mmengine.config import DictAction

from antialias_plugins.openmmlab.child_config import write_child_config


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('base', metavar='BASE', help='config file, or name of a config of mmseg, mmdet or mmpretrain')
    parser.add_argument('-o', '--out', required=True, metavar='OUT', help='config file to write')
    parser.add_argument('--pool', default='lpf4', help='filter: lpf<k> or ddac<k> (default: %(default)s)')
    parser.add_argument(
        '--convert',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='options of convert_antialias: dilated=blur',
    )
    parser.add_argument(
        '--cfg-options',
        dest='options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='other values that differ from those of BASE: model.backbone.depth=101',
    )
    parser.add_argument('--consistency', action='store_true', help='measure the shift consistency in the test loop')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT if it exists')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        print(write_child_config(**vars(args)))
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))


if __name__ == '__main__':
    main()
