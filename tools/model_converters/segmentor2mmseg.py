#!/usr/bin/env python
"""Turn a published DeepLab, of DDAC, VainF, DeepLabv3.pytorch or pytorch-deeplab-xception, into weights for mmseg."""

import argparse

from converter import make_parser, run
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import __version__
from antialias_plugins.checkpoints.load import export_checkpoint


def convert(args: argparse.Namespace) -> str:
    config = Config.fromfile(args.config)
    init_default_scope(config.get('default_scope', 'mmseg'))
    model = MODELS.build(config.model.backbone if args.backbone else config.model)
    meta = {'config': config.pretty_text, 'antialias_plugins_version': __version__}
    report = export_checkpoint(model, args.src, args.dst, meta=meta, sha256=args.sha256, overwrite=args.overwrite)
    use = f'test it with\n  test.py {args.config} {args.dst}'
    if args.backbone:
        use = f"in a config:\n  backbone=dict(init_cfg=dict(type='Pretrained', checkpoint={args.dst!r}))"
    return f'{report}\nwritten to {args.dst}; {use}'


if __name__ == '__main__':
    parser = make_parser(__doc__)
    parser.add_argument('--config', required=True, help='config of the network that SRC is for')
    parser.add_argument('--backbone', action='store_true', help='SRC is the backbone alone (R-101-GN-WS.pth.tar)')
    run(parser, convert)
