"""One builder for all names: timm's sibling, converted, inside timm's own ``build_model_with_cfg``."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from timm.models import PretrainedCfg, build_model_with_cfg, resolve_pretrained_cfg
from torch import Tensor, nn

from antialias_plugins.checkpoints import PublishedWeights, convert_state_dict, fetch_weights, read_checkpoint
from antialias_plugins.timm_models.architectures import Architecture
from antialias_plugins.timm_models.weights import find_published, warn_of_license

# What timm leaves out of an EfficientNet that has no head.
HEAD_ARGUMENTS = ('num_classes', 'num_features', 'head_conv', 'global_pool')


def build_antialiased(
    name: str,
    architecture: Architecture,
    pool: dict[str, Any],
    pretrained: bool = False,
    pretrained_cfg: str | dict[str, Any] | PretrainedCfg | None = None,
    pretrained_cfg_overlay: dict[str, Any] | None = None,
    cache_dir: str | Path | None = None,
    padding_mode: str | None = None,
    **kwargs: Any,
) -> nn.Module:
    """Build one of the registered networks; what the functions in timm's registry call.

    Args:
        name: as registered.
        architecture: how to build it.
        pool: type and size of its filter.
        pretrained: load published weights, or a local copy of them: ``pretrained_cfg_overlay=dict(file=...)``. Sources
            of timm's own (``hf-hub:``, ``local-dir:``, ``checkpoint_path``) are left to timm.
        pretrained_cfg: tag or config of the weights; the default tag if None.
        pretrained_cfg_overlay: entries that replace those of the config.
        cache_dir: where downloads are kept; torch.hub's folder if None.
        padding_mode: border of the filters; ``'reflect'`` if None. The polyphase names have ``'circular'`` borders in
            all layers instead, which makes them exactly invariant to circular shifts; with any other word all layers
            but the filters keep the border they have.
        kwargs: ``stem=True`` filters the first strided convolution too (the polyphase names always do, unless told
            otherwise); ``dilated`` ('skip' or 'blur'; ResNets) says
            what becomes of the filter where ``output_stride`` replaces a stride by dilation; ``groups`` and
            ``softmax`` belong to the adaptive filter; all others are timm's.

    Returns:
        The network, or its feature extractor with ``features_only=True``.

    Raises:
        ValueError: an argument has none of its values.
        CheckpointError: the weights cannot be had or do not fit.
    """
    if kwargs.get('aa_layer') is not None:
        raise ValueError(f'aa_layer must be left out: {name} brings its own filters, got {kwargs["aa_layer"]!r}')
    cfg = resolve_pretrained_cfg(name, pretrained_cfg, pretrained_cfg_overlay)
    is_ours = pretrained and not (cfg.source or cfg.state_dict or cfg.hf_hub_id)
    published = find_published(cfg) if is_ours else None
    border = padding_mode or ('circular' if _chooses_phase(pool) else 'reflect')
    pool = _resolve_filter({**pool, 'padding_mode': border}, published, kwargs)
    build = partial(architecture.build, pool, _pop_options(architecture, pool, kwargs))
    overlay = dict(pretrained_cfg_overlay or {})
    if is_ours and (published or cfg.file):
        overlay['state_dict'] = _read(cfg, published, cache_dir, build)
        if published:
            warn_of_license(published, is_default=not pretrained_cfg)
    if architecture.own_features:
        build = _take_own_features(build, kwargs)
    model = build_model_with_cfg(
        build,
        name,
        pretrained,
        pretrained_cfg=pretrained_cfg,
        pretrained_cfg_overlay=overlay,
        feature_cfg={**architecture.feature_cfg, **kwargs.pop('feature_cfg', {})},
        cache_dir=cache_dir,
        **kwargs,
    )
    if is_ours:
        model.pretrained_cfg.pop('state_dict', None)  # or a copy of all weights would go wherever the config goes
    if 'softmax' in pool:
        model._model_args = {'softmax': pool['softmax']}  # timm saves these, so that the network can be built again
    return model


def _resolve_filter(pool: dict[str, Any], published: PublishedWeights | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The config of the filter with the arguments that belong to it: as its weights were trained, if it has any."""
    if pool['type'] != 'AdaptiveBlurPool2d':
        return pool
    trained = published.model_args if published else {}
    arguments = {}
    for argument, default in {'groups': 8, 'softmax': 'group'}.items():
        asked, needed = kwargs.pop(argument, None), trained.get(argument)
        if None not in (asked, needed) and asked != needed:
            raise ValueError(f'{argument} must be {needed!r} with the weights {published.key}, got {asked!r}')
        arguments[argument] = next(value for value in (asked, needed, default) if value is not None)
    return {**pool, **arguments}


def _pop_options(architecture: Architecture, pool: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The options of the conversion among the arguments."""
    options = {option: kwargs.pop(option) for option in architecture.options if kwargs.get(option) is not None}
    if 'dilated' in architecture.options:
        # an adaptive filter has weights, which a dilated network needs a place for; a fixed one is dropped as published
        options.setdefault('dilated', 'blur' if pool['type'] == 'AdaptiveBlurPool2d' else 'skip')
    if _chooses_phase(pool):
        circular = 'circular' if pool['padding_mode'] == 'circular' else 'keep'
        options = {'stem': True, **options, 'padding': circular}
    return options


def _chooses_phase(pool: dict[str, Any]) -> bool:
    """Whether its layers keep a phase that depends on the map."""
    return pool['type'] in ('AdaptivePolyphasePool2d', 'LearnablePolyphasePool2d')


def _read(
    cfg: PretrainedCfg,
    published: PublishedWeights | None,
    cache_dir: str | Path | None,
    build: Callable[..., nn.Module],
) -> dict[str, Tensor]:
    """The weights in the layout of the network as it was trained, whatever classes and channels are asked for now."""
    path = cfg.file or fetch_weights(published, cache_dir)
    trained = build(num_classes=cfg.num_classes, in_chans=cfg.input_size[0])
    return convert_state_dict(read_checkpoint(path), trained)[0]


def _take_own_features(build: Callable[..., nn.Module], kwargs: dict[str, Any]) -> Callable[..., nn.Module]:
    """Let the sibling build its own feature extractor, unless another class of timm's is asked for."""
    if {'feature_cls', 'feature_cfg'} & kwargs.keys() or not kwargs.pop('features_only', False):
        return build
    kwargs.update(pretrained_strict=False, kwargs_filter=HEAD_ARGUMENTS)
    return partial(build, features_only=True)
