#!/usr/bin/env python
"""Turn a published file of antialiased-cnns, DDAC or LPS into a checkpoint of timm."""

import argparse

import timm

from antialias_plugins.checkpoints import published_arguments
from antialias_plugins.checkpoints.load import export_checkpoint


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', metavar='SRC', help='published file')
    parser.add_argument('dst', metavar='DST', help='file to write (.safetensors or .pth)')
    parser.add_argument(
        '--arch', required=True, help='what SRC was trained as: resnet50_lpf4, resnet101_ddac3, resnet18_lps2'
    )
    parser.add_argument('--num-classes', type=int, metavar='N', help='classes of SRC (default: 1000)')
    parser.add_argument('--sha256', metavar='HEX', help='digest of SRC, or its first characters')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        arguments = published_arguments(args.arch, args.src, args.sha256)
        if args.num_classes is not None:
            arguments['num_classes'] = args.num_classes
        model = timm.create_model(args.arch, **arguments)
        report = export_checkpoint(model, args.src, args.dst, sha256=args.sha256, overwrite=args.overwrite)
    except (ValueError, RuntimeError, FileExistsError) as error:  # RuntimeError: timm does not know the architecture
        parser.error(str(error))
    print(report)
    also = ''.join(f', {name}={value!r}' for name, value in arguments.items())
    print(
        f'written to {args.dst}; load it with\n  timm.create_model({args.arch!r}, checkpoint_path={args.dst!r}{also})'
    )


if __name__ == '__main__':
    main()
