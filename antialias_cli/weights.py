"""``antialias weights``: fetch, verify and convert published weights."""

import pickle
from argparse import Namespace
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import timm
import torch

from antialias_cli.checks import check_outputs
from antialias_plugins.checkpoints import PUBLISHED, CheckpointReport, fetch_weights, published_arguments
from antialias_plugins.checkpoints.load import export_checkpoint
from antialias_plugins.timm_models.weights import published_weights
from antialias_plugins.utils import replacing, sha256_of
from antialias_plugins.version import __version__


def fetch(args: Namespace) -> Callable[[], None]:
    """Return what downloads published weights and prints where they lie."""
    found = [PUBLISHED[args.name]] if args.name in PUBLISHED else published_weights(args.name)
    if not found:
        known = [*PUBLISHED, *{weights.name for weights in PUBLISHED.values()}]
        close = ' or '.join(get_close_matches(args.name, known, n=3)) or 'something else'
        raise ValueError(f'name must be a network with published weights, got {args.name!r}; did you mean {close}?')
    return lambda: print(fetch_weights(found[0]))


def verify(args: Namespace) -> Callable[[], None]:
    """Return what says which published weights a file holds."""
    if not args.file.is_file():
        raise ValueError(f'file must be a file, got {args.file}, which is none')

    def work() -> None:
        digest = sha256_of(args.file)
        keys = [key for key, weights in PUBLISHED.items() if weights.sha256 and digest.startswith(weights.sha256)]
        if not keys:
            known = 'the files of DDAC and LPS have no published digest'
            raise ValueError(f'file must be published weights, got {args.file} with SHA-256 {digest} ({known})')
        print(f'{args.file}: {", ".join(keys)}, SHA-256 {digest}')

    return work


def convert(args: Namespace) -> Callable[[], None]:
    """Return what rewrites a file for timm or OpenMMLab."""
    for name, condition, needed in (
        ('library', args.arch, 'arch'),
        ('num_classes', args.arch and not args.library, 'arch, and no library'),
        ('backbone', args.config, 'config'),
    ):
        if getattr(args, name) and not condition:
            raise ValueError(f'{name} must come with {needed}, got {getattr(args, name)}')
    if args.dsrl and args.sha256:
        raise ValueError(f'sha256 must not be given with dsrl, got {args.sha256}')
    if not args.src.is_file():
        raise ValueError(f'src must be a file, got {args.src}, which is none')
    if args.dst.exists() and args.dst.samefile(args.src):
        raise ValueError(f'src and dst must be different files, got {args.dst} for both')
    check_outputs(args, 'dst')
    if args.dsrl:
        return lambda: _without_super_resolution(args)
    if args.config:
        build = _segmentor(args)
    elif args.library:
        build = _backbone(args)
    else:
        build = _timm(args)

    def work() -> None:
        model, meta, use = build()
        print(f'{_export(args, model, meta)}\nwritten to {args.dst}; {use}')

    return work


# A network, what is written beside its weights, and how these are used.
_Target = tuple[torch.nn.Module, Mapping[str, Any] | None, str]


def _export(args: Namespace, model: torch.nn.Module, meta: Mapping[str, Any] | None) -> CheckpointReport:
    return export_checkpoint(model, args.src, args.dst, meta=meta, sha256=args.sha256, overwrite=args.overwrite)


def _timm(args: Namespace) -> Callable[[], _Target]:
    if not timm.is_model(args.arch):
        close = ', '.join(get_close_matches(args.arch, timm.list_models(), n=3)) or 'none'
        raise ValueError(f'arch must be a timm network, got {args.arch!r} (similar names: {close})')

    def build() -> _Target:
        arguments = published_arguments(args.arch, args.src, args.sha256)
        if args.num_classes is not None:
            arguments['num_classes'] = args.num_classes
        also = ''.join(f', {name}={value!r}' for name, value in arguments.items())
        load = f'timm.create_model({args.arch!r}, checkpoint_path={str(args.dst)!r}{also})'
        return timm.create_model(args.arch, **arguments), None, f'load it with\n  {load}'

    return build


def _backbone(args: Namespace) -> Callable[[], _Target]:
    from mmengine.registry import MODELS

    from antialias_plugins.openmmlab.child_config import check_installed
    from antialias_plugins.openmmlab.published_backbones import published_backbone

    check_installed(args.library)
    published_backbone(args.arch, args.library)  # is there one?

    def build() -> _Target:
        config = published_backbone(args.arch, args.library, published_arguments(args.arch, args.src, args.sha256))
        meta = {'arch': args.arch, 'backbone': config, 'antialias_plugins_version': __version__}
        use = config | {'init_cfg': {'type': 'Pretrained', 'checkpoint': str(args.dst)}}
        return MODELS.build(config), meta, f'in a config:\n  backbone={use}'

    return build


def _segmentor(args: Namespace) -> Callable[[], _Target]:
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from antialias_plugins.openmmlab.child_config import check_installed

    if not args.config.is_file():
        raise ValueError(f'config must be a file, got {args.config}, which is none')
    config = Config.fromfile(args.config)
    check_installed(config.get('default_scope', 'mmseg'))

    def build() -> _Target:
        init_default_scope(config.get('default_scope', 'mmseg'))
        meta = {'config': config.pretty_text, 'antialias_plugins_version': __version__}
        use = f'test it with\n  test.py {args.config} {args.dst}'
        if args.backbone:
            use = f"in a config:\n  backbone=dict(init_cfg=dict(type='Pretrained', checkpoint={str(args.dst)!r}))"
        return MODELS.build(config.model.backbone if args.backbone else config.model), meta, use

    return build


def _without_super_resolution(args: Namespace) -> None:
    """Write the weights and the ``meta`` of SRC, without the branch and without what only resuming needs."""
    from mmengine.runner import CheckpointLoader

    from antialias_plugins.openmmlab.segmentation.dual_super_resolution import inference_weights

    try:
        checkpoint = CheckpointLoader.load_checkpoint(str(args.src), map_location='cpu')
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f'src must be a checkpoint of mmengine, got {args.src}: {error}') from error
    if not isinstance(checkpoint, Mapping) or 'state_dict' not in checkpoint:
        raise ValueError(f'src must be a checkpoint of mmengine, with a state_dict, got {args.src}')
    weights = inference_weights(checkpoint['state_dict'])
    with replacing(args.dst) as partial:
        torch.save({'meta': checkpoint.get('meta', {}), 'state_dict': weights}, partial)
    print(f'written to {args.dst}')
