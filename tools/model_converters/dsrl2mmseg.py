#!/usr/bin/env python
"""Take the super-resolution branch out of a checkpoint of DualSuperResolution: what is left is the plain segmentor's.

Dootmaan/DSRL's own file is first converted by segmentor2mmseg.py, with a config of configs/dsrl.
"""

import argparse
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from converter import make_parser, run
from mmengine.runner import CheckpointLoader

from antialias_plugins.openmmlab.segmentation.dual_super_resolution import inference_weights
from antialias_plugins.utils import replacing


def convert(args: argparse.Namespace) -> str:
    """Write the weights and the `meta` of SRC, without the branch and without what only resuming needs."""
    if Path(args.dst).exists() and not args.overwrite:
        raise FileExistsError(f'{args.dst} exists')
    checkpoint = CheckpointLoader.load_checkpoint(args.src, map_location='cpu')
    if not isinstance(checkpoint, Mapping) or 'state_dict' not in checkpoint:
        raise ValueError(f'source must be a checkpoint of mmengine, with a state_dict, got {args.src!r}')
    weights = inference_weights(checkpoint['state_dict'])
    with replacing(Path(args.dst)) as partial:
        torch.save({'meta': checkpoint.get('meta', {}), 'state_dict': weights}, partial)
    return f'written to {args.dst}'


if __name__ == '__main__':
    parser = make_parser(__doc__, 'checkpoint of a training; it is unpickled, so use only your own', digest=False)
    run(parser, convert, (RuntimeError, pickle.UnpicklingError))
