#!/usr/bin/env python
"""Take the super-resolution branch out of a checkpoint of DualSuperResolution: what is left is the plain segmentor's.

Dootmaan/DSRL's own file is first converted by segmentor2mmseg.py, with a config of configs/dsrl.
"""

import argparse
import pickle

from converter import make_parser, run

from antialias_plugins.openmmlab.segmentation.dual_super_resolution import export_inference_weights


def convert(args: argparse.Namespace) -> str:
    export_inference_weights(args.src, args.dst, args.overwrite)
    return f'written to {args.dst}'


if __name__ == '__main__':
    parser = make_parser(__doc__, 'checkpoint of a training; it is unpickled, so use only your own', digest=False)
    run(parser, convert, (RuntimeError, pickle.UnpicklingError))
