"""The names in timm's registry, with their tags and default configs.

timm files models under the last part of their module's name: ``timm.list_models(module='antialiased')`` lists them all.
"""

from collections.abc import Callable
from typing import Any

from timm.models import generate_default_cfgs, is_model, model_entrypoint, register_model
from torch import nn

from antialias_plugins.layers.pool import METHODS
from antialias_plugins.timm_models.architectures import ARCHITECTURES, POLYPHASE, RESNETS
from antialias_plugins.timm_models.builder import build_antialiased
from antialias_plugins.timm_models.weights import pretrained_cfgs

# the sizes and architectures that have a name, by method
NAMES: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    'lpf': ((2, 3, 4, 5), tuple(ARCHITECTURES)),
    'ddac': ((3, 5), RESNETS),
    'aps': ((1, 2, 3), POLYPHASE),
    'lps': ((1, 2, 3), POLYPHASE),
}


def _make_entry(base: str, word: str, filt_size: int) -> Callable[..., nn.Module]:
    name, method = f'{base}_{word}{filt_size}', METHODS[word]

    def entry(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        return build_antialiased(name, ARCHITECTURES[base], method, filt_size, pretrained, **kwargs)

    layer = method.layer.__name__
    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f'{base} with {layer} of {filt_size} taps wherever it downsamples, from {method.paper}.'
    return entry


def _register(entries: dict[str, Callable[..., nn.Module]]) -> None:
    """Give all names to timm or, if one of them is someone else's, none."""
    known = {name: model_entrypoint(name).__module__ for name in entries if is_model(name)}
    taken = [f'{name} (from {module})' for name, module in known.items() if module != __name__]
    if taken:
        raise ValueError(f'names of models must be new to timm, which already has {", ".join(taken)}')
    for name in entries.keys() - known.keys():
        register_model(entries[name])


_ENTRIES = {
    f'{base}_{word}{filt_size}': _make_entry(base, word, filt_size)
    for word, (sizes, architectures) in NAMES.items()
    for base in architectures
    for filt_size in sizes
}
__all__ = [*_ENTRIES]
default_cfgs = generate_default_cfgs(
    {
        key: cfg
        for name in _ENTRIES
        for key, cfg in pretrained_cfgs(name, ARCHITECTURES[name.rpartition('_')[0]].cfg).items()
    }
)
_register(_ENTRIES)
# What timm has: after a reload of this module, the functions of the first time.
globals().update({name: model_entrypoint(name) for name in _ENTRIES})
