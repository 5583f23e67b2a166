"""Network arguments in files of learnable_polyphase_sampling, from their keys and hyperparameters."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from antialias_plugins.checkpoints.archive import Global, StandIn
from antialias_plugins.checkpoints.read import CheckpointError, read_content

_STEM = 'core.maxpool.0'
_TEMPERATURE = '.component_selection.gumbel_tau'
_CHOICE = 'component_selection.get_logits.conv1.weight'
_FILTER = '_antialias_layer'

# Arguments of their layer under which it computes what ours does.
_LOGITS = 'LPSLogitLayersV2'
_COMPUTED = {'selection_noantialias': False, 'comp_fix_train': False, 'comp_convex': False, 'logits_pad': 'circular'}
_PADDINGS = {'circular': 'circular', 'zeros': 'pools'}


def trained_arguments(path: str | os.PathLike[str], filt_size: int, sha256: str | None = None) -> dict[str, Any]:
    """Read from a file of learnable_polyphase_sampling how its network is built.

    Args:
        path: what `read_checkpoint` reads.
        filt_size: K of the filters that the network is to have.
        sha256: the SHA-256 digest that the file must have, or the first characters of it.

    Returns:
        ``adaptive`` and ``hid_channels`` of `LearnablePolyphasePool2d`; ``stem`` and, where the file holds its
        hyperparameters, ``padding`` of `convert_antialias`. Nothing, if the file is of another project.

    Raises:
        CheckpointError: the file has filters of another size, or its network computes what ours cannot.
    """
    weights, content = read_content(path, sha256)
    if not any(key.endswith(_TEMPERATURE) for key in weights):
        return {}
    if not any(key.endswith(_CHOICE) for key in weights):
        raise CheckpointError(f'{path}: its phases are not chosen by convolutions, as LearnablePolyphasePool2d does')
    taps, layer = _layer(path, weights)
    if taps != filt_size:
        raise CheckpointError(f'{path}: trained with filters of {taps} taps (_lps{taps}), got {filt_size}')
    stem: Any = f'{_STEM}.{_CHOICE}' in weights
    if stem and taps > 1 and not any(key.startswith(f'{_STEM}.{_FILTER}.') for key in weights):
        share = layer['hid_channels']
        stem = 'lps1' if share is None else {'type': 'LearnablePolyphasePool2d', 'hid_channels': share}
    arguments = {**layer, 'stem': stem}
    if isinstance(content, Mapping) and isinstance(trained := content.get('hyper_parameters'), Mapping):
        if complaints := ', '.join(_complaints(trained)):
            raise CheckpointError(f'{path}: trained with {complaints}, which LearnablePolyphasePool2d cannot do')
        arguments['padding'] = _PADDINGS[trained['padding_mode']]
    return arguments


def _layer(path: str | os.PathLike[str], weights: Mapping[str, Tensor]) -> tuple[int, dict[str, Any]]:
    """The width of the filters, and the other arguments of `LearnablePolyphasePool2d`."""
    kernels = (_CHOICE, f'{_FILTER}.filt', f'{_FILTER}.conv.weight')
    if flat := [key for key, it in weights.items() if key.endswith(kernels) and (it.ndim != 4 or not it.numel())]:
        raise CheckpointError(f'{path}: {flat[0]} must be a kernel of four dimensions')
    shares = {tensor.shape[0] / tensor.shape[1] for key, tensor in weights.items() if key.endswith(_CHOICE)}
    widths = {tensor.shape[-1] for key, tensor in weights.items() if key.endswith(f'{_FILTER}.filt')}
    logits = [tensor.shape for key, tensor in weights.items() if key.endswith(f'{_FILTER}.conv.weight')]
    filters = {(shape[-1], shape[0] // shape[-1] ** 2) for shape in logits}
    if len(shares) > 1 or len(widths) + len(filters) > 1:
        raise CheckpointError(
            f'{path}: its layers differ: convolutions of {sorted(shares)} times their channels, filters of '
            f'{sorted(widths)} taps, adaptive filters of (taps, groups) {sorted(filters)}'
        )
    share = shares.pop()
    filt_size, groups = filters.pop() if filters else (widths.pop() if widths else 1, 0)
    adaptive = {'groups': groups, 'softmax': 'joint'} if groups else None
    return filt_size, {'adaptive': adaptive, 'hid_channels': None if share == 1 else share}


def _complaints(hyperparameters: Mapping[str, Any]) -> Iterator[str]:
    """What a network computes that ours cannot."""
    extras = hyperparameters.get('extras_model')
    if isinstance(extras, Mapping) and extras.get('maxpool_zpad'):
        yield 'maxpool_zpad=True'
    layer = _keywords(hyperparameters.get('pooling_layer'))
    yield from (f'{name}={layer[name]!r}' for name, value in _COMPUTED.items() if layer.get(name, value) != value)
    logits = layer.get('get_logits')
    if isinstance(logits, Global) and logits.name != _LOGITS:
        yield f'logits of {logits.name}'
    filters = _keywords(layer.get('antialias_layer'))
    padding = filters.get('padding_mode', filters.get('pad_type', 'circular'))
    if padding != 'circular':
        yield f'filters of border {padding!r}'
    if (padding := hyperparameters.get('padding_mode')) not in [*_PADDINGS]:
        yield f'padding_mode={padding!r}'


def _keywords(partial: Any) -> Mapping[str, Any]:
    """The keyword arguments of a `functools.partial`, whose state is (function, arguments, keywords, attributes)."""
    state = partial.state if isinstance(partial, StandIn) else None
    return state[2] if isinstance(state, tuple) and len(state) == 4 and isinstance(state[2], Mapping) else {}
