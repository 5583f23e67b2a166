#!/usr/bin/env python
"""Take the super-resolution branch out of a checkpoint of DualSuperResolution: what is left is the plain segmentor's.

Dootmaan/DSRL's own file is first converted by segmentor2mmseg.py, with a config of configs/dsrl.
"""

import argparse
import pickle

from antialias_plugins.openmmlab.segmentation.dual_super_resolution import export_inference_weights


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', metavar='SRC', help='checkpoint of a training; it is unpickled, so use only your own')
    parser.add_argument('dst', metavar='DST', help='file to write (.pth)')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it exists')
    return parser, parser.parse_args()


def main() -> None:
    parser, args = parse_args()
    try:
        export_inference_weights(args.src, args.dst, args.overwrite)
    except (ValueError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        parser.error(str(error))
    print(f'written to {args.dst}')


if __name__ == '__main__':
    main()
