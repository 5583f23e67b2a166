#!/usr/bin/env python
"""Turn a published file of antialiased-cnns, DDAC or LPS into a checkpoint of timm."""

import argparse

import timm
from converter import ARCH, make_parser, run

from antialias_plugins.checkpoints import published_arguments
from antialias_plugins.checkpoints.load import export_checkpoint


def convert(args: argparse.Namespace) -> str:
    arguments = published_arguments(args.arch, args.src, args.sha256)
    if args.num_classes is not None:
        arguments['num_classes'] = args.num_classes
    model = timm.create_model(args.arch, **arguments)
    report = export_checkpoint(model, args.src, args.dst, sha256=args.sha256, overwrite=args.overwrite)
    also = ''.join(f', {name}={value!r}' for name, value in arguments.items())
    load = f'timm.create_model({args.arch!r}, checkpoint_path={args.dst!r}{also})'
    return f'{report}\nwritten to {args.dst}; load it with\n  {load}'


if __name__ == '__main__':
    parser = make_parser(__doc__, target='.safetensors or .pth')
    parser.add_argument('--arch', **ARCH)
    parser.add_argument('--num-classes', type=int, metavar='N', help='classes of SRC (default: 1000)')
    run(parser, convert, (RuntimeError,))  # timm does not know the architecture
