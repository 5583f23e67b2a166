#!/usr/bin/env python
"""Turn a published file of antialiased-cnns, DDAC or LPS into weights for a backbone of mmseg, mmdet or mmpretrain."""

import argparse

from mmengine.registry import MODELS

from antialias_plugins import __version__
from antialias_plugins.checkpoints import published_arguments
from antialias_plugins.checkpoints.load import export_checkpoint
from antialias_plugins.openmmlab.backbones import published_backbone


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', metavar='SRC', help='published file')
    parser.add_argument('dst', metavar='DST', help='file to write (.pth)')
    parser.add_argument(
        '--arch', required=True, help='what SRC was trained as: resnet50_lpf4, resnet101_ddac3, resnet18_lps2'
    )
    libraries = ('mmseg', 'mmdet', 'mmpretrain')
    parser.add_argument('--library', default='mmseg', choices=libraries, help='whose backbone (default: %(default)s)')
    parser.add_argument('--sha256', metavar='HEX', help='digest of SRC, or its first characters')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        config = published_backbone(args.arch, args.library, published_arguments(args.arch, args.src, args.sha256))
        meta = {'arch': args.arch, 'backbone': config, 'antialias_plugins_version': __version__}
        report = export_checkpoint(
            MODELS.build(config), args.src, args.dst, meta=meta, sha256=args.sha256, overwrite=args.overwrite
        )
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    print(report)
    config['init_cfg'] = {'type': 'Pretrained', 'checkpoint': args.dst}
    print(f'written to {args.dst}; in a config:\n  backbone={config}')


if __name__ == '__main__':
    main()
