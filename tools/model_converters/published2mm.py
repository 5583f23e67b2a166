#!/usr/bin/env python
"""Turn a published file of antialiased-cnns, DDAC or LPS into weights for a backbone of mmseg, mmdet or mmpretrain."""

import argparse

from converter import ARCH, make_parser, run
from mmengine.registry import MODELS
from published_backbones import published_backbone

from antialias_plugins import __version__
from antialias_plugins.checkpoints import published_arguments
from antialias_plugins.checkpoints.load import export_checkpoint


def convert(args: argparse.Namespace) -> str:
    config = published_backbone(args.arch, args.library, published_arguments(args.arch, args.src, args.sha256))
    meta = {'arch': args.arch, 'backbone': config, 'antialias_plugins_version': __version__}
    report = export_checkpoint(
        MODELS.build(config), args.src, args.dst, meta=meta, sha256=args.sha256, overwrite=args.overwrite
    )
    config['init_cfg'] = {'type': 'Pretrained', 'checkpoint': args.dst}
    return f'{report}\nwritten to {args.dst}; in a config:\n  backbone={config}'


if __name__ == '__main__':
    parser = make_parser(__doc__)
    parser.add_argument('--arch', **ARCH)
    libraries = ('mmseg', 'mmdet', 'mmpretrain')
    parser.add_argument('--library', default='mmseg', choices=libraries, help='whose backbone (default: %(default)s)')
    run(parser, convert)
