"""One builder for all names: timm's sibling, converted, inside timm's own ``build_model_with_cfg``."""

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from timm.models import PretrainedCfg, build_model_with_cfg, resolve_pretrained_cfg
from torch import Size, Tensor, nn

from antialias_plugins.checkpoints import fetch_weights, read_checkpoint
from antialias_plugins.checkpoints.convert import match, warn_of_notes
from antialias_plugins.checkpoints.learnable_polyphase import trained_arguments
from antialias_plugins.conversion import AntialiasWarning
from antialias_plugins.layers.pool import METHODS, Method
from antialias_plugins.timm_models.architectures import Architecture
from antialias_plugins.timm_models.weights import find_published, warn_of_license

# What timm leaves out of an EfficientNet that has no head: arguments, and keys of its weights.
HEAD_ARGUMENTS = ('num_classes', 'num_features', 'head_conv', 'global_pool')
HEAD_KEYS = (
    *('conv_head.weight', 'classifier.weight', 'classifier.bias'),
    *(f'bn2.{name}' for name in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')),
)


def build_antialiased(
    name: str,
    architecture: Architecture,
    method: Method,
    filt_size: int,
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
        method: the filter that it gets wherever it downsamples.
        filt_size: the taps of that filter.
        pretrained: load published weights, or a local copy of them: ``pretrained_cfg_overlay=dict(file=...)``, which
            must be one if their tag is named, and may otherwise hold weights of one's own. Sources of timm's own
            (``hf-hub:``, ``local-dir:``, ``checkpoint_path``) are left to timm.
        pretrained_cfg: tag or config of the weights; the default tag if None.
        pretrained_cfg_overlay: entries that replace those of the config.
        cache_dir: where downloads are kept; torch.hub's folder if None.
        padding_mode: border of the filters; ``'reflect'`` if None. The polyphase names have ``'circular'`` borders in
            all layers instead, which makes them exactly invariant to circular shifts; with any other word all layers
            but the filters keep the border they have.
        kwargs: ``stem=True`` filters the first strided convolution too, ``stem='lps1'`` by a filter of its own (the
            polyphase names always do, unless told otherwise); ``dilated`` ('skip' or 'blur'; ResNets) says what becomes
            of the filter where ``output_stride`` replaces a stride by dilation; ``recompute`` (ResNets and MobileNetV2)
            and ``padding`` (polyphase names; by default what `padding_mode` asks for) are those of
            `antialias_plugins.convert_antialias`; those of the table of methods (``groups``, ``softmax``, …)
            belong to the filters; all others are timm's.

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
    published = find_published(cfg, is_default=not pretrained_cfg) if is_ours else None
    path = None
    if is_ours and (published or cfg.file):
        path = cfg.file or fetch_weights(published, cache_dir)
    source = published.key if published else path
    # the arguments without which the network does not compute what the weights were trained for
    trained = dict(published.model_args) if published else {}
    if path is not None and method is METHODS['lps']:
        trained |= trained_arguments(path, filt_size)
    for argument, needed in trained.items():
        asked = kwargs.get(argument)
        if asked is not None and asked != needed:
            raise ValueError(f'{argument} must be {needed!r} with the weights {source}, got {asked!r}')
    kwargs |= trained
    border = padding_mode or ('circular' if method.chooses_phase else 'reflect')
    arguments = {'padding_mode': border}
    for argument, default in method.defaults.items():
        asked = kwargs.pop(argument, None)
        arguments[argument] = default if asked is None else asked
    options = _pop_options(architecture, method, border, kwargs)
    pool = {'type': method.layer.__name__, 'filt_size': filt_size, **arguments}
    whole: dict[str, Tensor] = {}

    def build(**arguments: Any) -> nn.Module:
        model = architecture.build(pool, options, **arguments)
        whole.update(model.state_dict(keep_vars=True))
        return model

    overlay = dict(pretrained_cfg_overlay or {})
    if path is not None:
        overlay['state_dict'] = read_checkpoint(path)
    asks_for_class = {'feature_cls', 'feature_cfg'} & kwargs.keys()
    if architecture.own_features and not asks_for_class and kwargs.pop('features_only', False):
        build = partial(build, features_only=True)
        whole.update(dict.fromkeys(HEAD_KEYS))
        kwargs.update(pretrained_strict=False, kwargs_filter=HEAD_ARGUMENTS)
    is_dilated = kwargs.get('output_stride') is not None

    def to_layout(state_dict: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """The weights by its keys, in the shapes of their training: timm adapts them to other classes and channels."""
        values, report = match(state_dict, model, trained_shapes=dict(_trained_shapes(model, cfg)))
        with warnings.catch_warnings():
            if is_dilated:  # which drops the fixed filters of its stages
                message = r'.* trained with \d+ filters; the network has \d+'
                warnings.filterwarnings('ignore', message, AntialiasWarning)
            warn_of_notes(report)
        return values

    model = build_model_with_cfg(
        build,
        name,
        pretrained,
        pretrained_cfg=pretrained_cfg,
        pretrained_cfg_overlay=overlay,
        feature_cfg={**architecture.feature_cfg, **kwargs.pop('feature_cfg', {})},
        pretrained_filter_fn=to_layout if path is not None else None,
        cache_dir=cache_dir,
        **kwargs,
    )
    if whole.keys() - model.state_dict().keys():
        _take_whole_networks(model, whole)
    if published:
        warn_of_license(published, is_default=not pretrained_cfg)
    if is_ours:
        model.pretrained_cfg.pop('state_dict', None)  # or a copy of all weights would go wherever the config goes
    model._model_args = {**arguments, **options}  # timm saves these, so that the network can be built again
    return model


def _take_whole_networks(extractor: nn.Module, whole: dict[str, Tensor]) -> None:
    """Let a feature extractor load a state dict of its whole network, as `checkpoint_path` does: what it lacks goes."""
    names = {id(tensor): name for name, tensor in extractor.state_dict(keep_vars=True).items()}
    kept = {key: names.get(id(tensor)) for key, tensor in whole.items()}
    extractor._register_load_state_dict_pre_hook(partial(_rename, kept))


def _rename(kept: dict[str, str | None], state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for key, name in kept.items():
        tensor = state_dict.pop(prefix + key, None)
        if tensor is not None and name is not None:
            state_dict[prefix + name] = tensor


def _pop_options(architecture: Architecture, method: Method, border: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The options of the conversion among the arguments."""
    options = {option: kwargs.pop(option) for option in architecture.options if kwargs.get(option) is not None}
    if 'dilated' in architecture.options:
        # an adaptive filter has weights, which a dilated network needs a place for; a fixed one is dropped as published
        options.setdefault('dilated', 'blur' if method is METHODS['ddac'] else 'skip')
    if method.chooses_phase:
        padding = kwargs.pop('padding', None) or ('circular' if border == 'circular' else 'keep')
        if padding != 'keep' and border != 'circular':
            raise ValueError(f"padding_mode must be 'circular' with padding={padding!r}, got {border!r}")
        options = {'stem': True, **options, 'padding': padding}
    return options


def _trained_shapes(model: nn.Module, cfg: PretrainedCfg) -> Iterator[tuple[str, Size]]:
    """The shapes of the head and of the first convolution as the weights were trained."""
    for key, tensor in model.state_dict().items():
        module, _, kind = key.rpartition('.')
        if module == cfg.classifier:
            yield key, Size((cfg.num_classes, *tensor.shape[1:]))
        elif module == cfg.first_conv and kind == 'weight':
            yield key, Size((tensor.shape[0], cfg.input_size[0], *tensor.shape[2:]))
