"""``antialias plan``, ``antialias report`` and ``antialias explore``."""

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from antialias_cli.checks import check_figures, check_outputs, config_changes, names_of, networks_of, pictures_of
from antialias_plugins import AntialiasPlan, plan_antialias
from antialias_plugins.conversion.plan import Options
from antialias_plugins.evaluation import TimmModel, parse_model
from antialias_plugins.explorer import (
    Signals,
    load_networks,
    measure_signals,
    render_page,
    write_page,
)
from antialias_plugins.explorer.explore import explore as predict
from antialias_plugins.layers import resolve_pool
from antialias_plugins.utils import describe_environment, replacing, write_text


def plan(args: Namespace) -> Callable[[], None]:
    """Return what prints the plan of a conversion."""
    text, path = args.network, Path(args.network.partition('@')[0])
    build = _backbones_of_config if path.suffix == '.py' else _timm_network
    networks, pool, options = build(args)
    pool, options = args.pool or pool or 'lpf4', args.convert or options
    resolve_pool(pool)
    try:
        Options(**options)
    except TypeError as error:
        raise ValueError(f'convert must be options of convert_antialias, got {options}: {error}') from error
    check_outputs(args, 'json')

    def work() -> None:
        example = None if args.size is None else torch.zeros(1, 3, args.size, args.size)
        plans: dict[str, AntialiasPlan] = {}
        for name, create in networks.items():
            plans[name] = plan_antialias(create(), pool, **{'example_input': example, **options})
            print(plans[name] if len(networks) == 1 else f'{name}: {plans[name]}')
        if args.json is not None:
            described = {'network': text, 'pool': pool, 'plans': {name: asdict(plan) for name, plan in plans.items()}}
            write_text(args.json, json.dumps(described, indent=2) + '\n')
            print(f'{args.json}: written')

    return work


# What builds each network, and the filter and the options of the conversion that they name themselves.
_Plain = tuple[dict[str, Callable[[], torch.nn.Module]], Any, dict[str, Any]]


def _timm_network(args: Namespace) -> _Plain:
    model = parse_model(args.network, pretrained=False, model_kwargs=args.model_kwargs)
    if args.cfg_options or not isinstance(model, TimmModel):
        raise ValueError(f'network must be a timm network or a config, got {args.network}')
    if model.pool is not None and args.pool is not None:
        raise ValueError(f'pool must be given once, got {args.network} and {args.pool}')
    model.check()
    plain = TimmModel(model.name, options=model.options)
    return {model.name: plain.create}, model.pool, {}


def _backbones_of_config(args: Namespace) -> _Plain:
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from antialias_plugins.openmmlab.child_config import check_installed, find_backbones, find_config

    config = Config.fromfile(find_config(args.network.partition('@')[0]))
    config.merge_from_dict(config_changes(args.cfg_options))
    backbones = find_backbones(config)
    if not backbones:
        raise ValueError(f'network must have a backbone to antialias, got {args.network}')
    check_installed(config.get('default_scope', 'mmengine'))
    init_default_scope(config.get('default_scope', 'mmengine'))
    networks, pool, options = {}, None, {}
    for name, backbone in backbones.items():
        plain = dict(backbone)
        if plain['type'] == 'Antialiased':
            plain['type'], pool, options = plain.pop('base'), plain.pop('pool', pool), dict(plain.pop('convert', {}))
        networks[name] = partial(MODELS.build, plain)
    return networks, pool, options


def report(args: Namespace) -> Callable[[], None]:
    """Return what measures aliasing and equivariance, prints the tables and writes the files."""
    models = networks_of(args, args.networks)
    names = names_of(args, len(models))
    files = ('json', 'figure', 'equivariance_figure')
    check_outputs(args, *files)
    check_figures(args, *files[1:])
    pictures = pictures_of(args)
    window = None if args.window == 'none' else args.window

    def work() -> None:
        networks = load_networks(list(models.values()), size=args.size, seed=args.seed, device=args.device, names=names)
        options = {
            'layers': args.layers,
            'shifts': args.shift,
            'margin': args.margin,
            'window': window,
            'progress': True,
        }
        signals = measure_signals(networks, pictures, **options)
        print(signals)
        if args.json is not None:
            settings = {
                name: value for name, value in vars(args).items() if name not in ('parser', 'module', 'function')
            }
            written = {'settings': settings, 'environment': describe_environment(), **signals.as_dict()}
            write_text(args.json, json.dumps(written, default=str) + '\n')  # paths as text
        _draw(args, signals)
        for name in files:
            if (path := getattr(args, name)) is not None:
                print(f'{path}: written')

    return work


def _draw(args: Namespace, signals: Signals) -> None:
    """Draw what is asked for; Matplotlib is not needed otherwise."""
    if args.figure is None and args.equivariance_figure is None:
        return
    from antialias_plugins.explorer.figures import curves_of, spectra_of
    from antialias_plugins.visualization import plot_equivariance, plot_spectra

    for path, draw in (
        (args.figure, lambda: plot_spectra(spectra_of(signals.aliasing))),
        (args.equivariance_figure, lambda: plot_equivariance(curves_of(signals.equivariance))),
    ):
        if path is not None:
            with replacing(path) as partial:
                draw().savefig(partial, format=path.suffix[1:], facecolor='white')


def explore(args: Namespace) -> Callable[[], None]:
    """Return what predicts all views, writes the page and says what it shows."""
    models = networks_of(args, args.networks)
    if len(models) > 2:
        raise ValueError(f'networks must be one or two, got {len(models)}')
    names = names_of(args, len(models))
    check_outputs(args, 'out')
    pictures = pictures_of(args)
    if args.label is not None and len(args.label) != len(pictures):
        raise ValueError(f'label must be one class per picture, got {len(args.label)} for {len(pictures)}')

    def work() -> None:
        networks = load_networks(list(models.values()), size=args.size, seed=args.seed, device=args.device, names=names)
        options = {'max_shift': args.max_shift, 'directions': args.direction, 'labels': args.label}
        exploration = predict(tuple(networks), pictures, **options)
        size = write_page(args.out, render_page(exploration, args.title))
        for image in exploration.images:
            for direction, sweep in image['sweeps'].items():
                pairs = zip(exploration.networks, sweep['networks'], strict=True)
                means = ', '.join(f'{name} {network["mean"][-1]:.2%}' for name, network in pairs)
                print(f'{image["name"]}, {direction}: consistency {means}')
        print(f'{args.out}: {size / 1e6:.2f} MB')

    return work
