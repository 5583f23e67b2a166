#!/usr/bin/env python
"""Turn a published DeepLab, of DDAC, VainF, DeepLabv3.pytorch or pytorch-deeplab-xception, into weights for mmseg."""

import argparse

from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import __version__
from antialias_plugins.checkpoints.load import export_checkpoint


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', metavar='SRC', help='published file')
    parser.add_argument('dst', metavar='DST', help='file to write (.pth)')
    parser.add_argument('--config', required=True, help='config of the network that SRC is for')
    parser.add_argument('--backbone', action='store_true', help='SRC is the backbone alone (R-101-GN-WS.pth.tar)')
    parser.add_argument('--sha256', metavar='HEX', help='digest of SRC, or its first characters')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        config = Config.fromfile(args.config)
        init_default_scope(config.get('default_scope', 'mmseg'))
        network = config.model.backbone if args.backbone else config.model
        meta = {'config': config.pretty_text, 'antialias_plugins_version': __version__}
        report = export_checkpoint(
            MODELS.build(network), args.src, args.dst, meta=meta, sha256=args.sha256, overwrite=args.overwrite
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(report)
    print(f'written to {args.dst}; {_use(args)}')


def _use(args: argparse.Namespace) -> str:
    if args.backbone:
        return f"in a config:\n  backbone=dict(init_cfg=dict(type='Pretrained', checkpoint={args.dst!r}))"
    return f'test it with\n  test.py {args.config} {args.dst}'


if __name__ == '__main__':
    main()
