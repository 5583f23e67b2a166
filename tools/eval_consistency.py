#!/usr/bin/env python
"""Measure the accuracy of a classifier and its consistency under shifts, over a folder of images."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from timm.utils import ParseKwargs

from antialias_plugins.evaluation import (
    Classifier,
    Preparation,
    ViewFolder,
    create_network,
    evaluate,
    format_report,
    write_report,
)
from antialias_plugins.metrics import ViewPlan

DTYPES = {'float16': torch.float16, 'bfloat16': torch.bfloat16}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    group = parser.add_argument_group('network')
    group.add_argument(
        '--model', required=True, help='name of any timm network, ours included', default=argparse.SUPPRESS
    )
    group.add_argument('--pretrained', action='store_true', help='load the published weights of the name')
    group.add_argument('--checkpoint', type=Path, metavar='FILE', help='load weights from a file, in any known layout')
    group.add_argument(
        '--model-kwargs', nargs='*', default={}, action=ParseKwargs, metavar='K=V', help='arguments of the network'
    )
    group = parser.add_argument_group('images')
    group.add_argument(
        '--data-dir', type=Path, required=True, help='folder with one sub-folder per class', default=argparse.SUPPRESS
    )
    group.add_argument('--split', default='validation', help='folder in the data folder to take, if there is one')
    group.add_argument('--unlabelled', action='store_true', help="the sub-folders are not the network's classes")
    group.add_argument('--img-size', type=int, metavar='N', help="side of the input, if not the network's own")
    group.add_argument('--crop-pct', type=float, metavar='X', help='side of the input / side of the resized image')
    group.add_argument('--interpolation', help='of the resizing: bilinear, bicubic, …')
    group = parser.add_argument_group('consistency')
    group.add_argument(
        '--protocol',
        choices=('per_image', 'legacy'),
        default='per_image',
        help='legacy: the published evaluation, offsets shared by a batch, mean of five repeats',
    )
    group.add_argument('--views', type=int, default=2, metavar='K', help='number of shifted views that must all agree')
    group.add_argument('--max-shift', type=int, default=32, metavar='N', help='offsets are 0 to N-1 pixels')
    group.add_argument('--circular', action='store_true', help='shift the central crop circularly')
    group.add_argument('--seed', type=int, default=0, help='of the offsets, and of weights that are not loaded')
    group = parser.add_argument_group('computation')
    group.add_argument('--batch-size', type=int, default=64, help='images per forward pass')
    group.add_argument('--workers', type=int, default=4, help='processes that read images')
    group.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu', help='where to compute')
    group.add_argument('--amp', action='store_true', help='mixed precision')
    group.add_argument('--amp-dtype', choices=tuple(DTYPES), default='float16', help='of mixed precision')
    group.add_argument('--channels-last', action='store_true', help='memory format of the network and the images')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write settings, figures and versions to a file')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Evaluate, print a table and write the file."""
    torch.manual_seed(args.seed)
    network = create_network(
        args.model, pretrained=args.pretrained, checkpoint=args.checkpoint, options=args.model_kwargs
    )
    preparation = Preparation.of(
        network, img_size=args.img_size, crop_pct=args.crop_pct, interpolation=args.interpolation
    )
    shared = args.batch_size if args.protocol == 'legacy' else None
    plan = ViewPlan(args.max_shift, preparation.size, args.views, args.circular, args.seed, args.protocol, shared)
    folder = ViewFolder(args.data_dir, preparation, plan, args.split)
    dtype = DTYPES[args.amp_dtype] if args.amp else torch.float32
    classifier = Classifier(network, preparation.mean, preparation.std, args.device, dtype, args.channels_last)
    evaluation = evaluate(
        classifier, folder, labelled=not args.unlabelled, batch_size=args.batch_size, workers=args.workers
    )
    resize = preparation.resize_for(plan.frame_size[0])
    weights = args.checkpoint or ('published weights' if args.pretrained else 'RANDOM weights')
    print(f'{args.model}, {weights}')
    print(f'{args.data_dir}: {len(folder)} images, {evaluation.images_per_second:.1f} per second')
    print(f'{plan}; images resized to {resize}, {preparation.interpolation}')
    print(format_report(evaluation))
    if args.json is not None:
        settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
        write_report(args.json, settings | {'preparation': asdict(preparation), 'resize_for_views': resize}, evaluation)
        print(f'{args.json}: written')


def main() -> None:
    """Run, and say in one line what is wrong."""
    args = parse_args()
    try:
        run(args)
    except (ValueError, OSError) as error:
        sys.exit(f'eval_consistency.py: {error}')
    except KeyboardInterrupt:
        print('eval_consistency.py: interrupted, nothing written', file=sys.stderr)
        sys.exit(130)


if __name__ == '__main__':
    main()
