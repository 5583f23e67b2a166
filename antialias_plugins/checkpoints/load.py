"""Loading of weights into a network, from a file or another network, and their export in its layout."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from antialias_plugins.checkpoints.convert import CheckpointReport, check_network, match, warn_of_notes
from antialias_plugins.checkpoints.read import CheckpointError, read_checkpoint
from antialias_plugins.utils import as_path, replacing


def load_checkpoint(
    model: nn.Module, path: str | os.PathLike[str], *, skip: Iterable[str] = (), sha256: str | None = None
) -> CheckpointReport:
    """Load a file of any known layout into `model`: all of it, or nothing.

    Args:
        model: the network, antialiased or not. If anything is wrong it stays exactly as it was.
        path: what `read_checkpoint` reads.
        skip: patterns of the network's keys (``'fc.*'``) to leave as they are.
        sha256: the SHA-256 digest that the file must have, or the first characters of it; see `read_checkpoint`.

    Returns:
        What was loaded, renamed, dropped and left, with reasons. Print it.

    Raises:
        CheckpointError: the file cannot be read, is not the one meant, or does not fit `model`: in names, shapes or
            kinds of numbers; or a tensor of `model` cannot be written to, such as one on the meta device.
        ValueError: an argument is of another type, a pattern of `skip` matches nothing, or `sha256` is no part of a
            digest.

    Warns:
        AntialiasWarning: all fits, but the network does not compute what the weights were trained for (another width of
            the filters, another softmax, another window of the max pool), or values are not finite.
    """
    check_network('model', model)
    values, report = match(read_checkpoint(path, sha256), model, skip)
    _load(model, values)
    warn_of_notes(report)
    return report


def copy_weights(source: nn.Module, target: nn.Module, *, skip: Iterable[str] = ()) -> CheckpointReport:
    """Copy parameters and buffers by name, between a network and its antialiased form, in either direction.

    The two may come from different libraries. An adaptive filter of `source` that `target` lacks is left out; one that
    only `target` has stays as it is; the report names both. Results, errors and warnings are as in `load_checkpoint`.

    Args:
        source: the network to copy from.
        target: the network to copy into. If anything is wrong it stays exactly as it was.
        skip: patterns of the target's keys (``'fc.*'``) to leave as they are.

    Example:
        >>> import torchvision
        >>> from antialias_plugins import convert_antialias
        >>> trained = torchvision.models.resnet18()
        >>> print(copy_weights(trained, convert_antialias(torchvision.models.resnet18(), 'lpf4')))
        ResNet from plain keys: 122 loaded (0 renamed), 0 dropped, 0 not loaded
    """
    check_network('source', source)
    values, report = match(source.state_dict(), target, skip, drop_filters=True, argument='target')
    _load(target, values)
    warn_of_notes(report)
    return report


def export_checkpoint(
    model: nn.Module,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    meta: Mapping[str, Any] | None = None,
    skip: Iterable[str] = (),
    sha256: str | None = None,
    overwrite: bool = False,
) -> CheckpointReport:
    """Write the weights of `source` with the keys of `model`, after they were loaded into it without a gap.

    The report, the errors (no file is written then) and the warnings are as in `load_checkpoint`.

    Args:
        model: the network whose layout is wanted; it gets the weights.
        source: what `read_checkpoint` reads, in any layout that `convert_state_dict` knows.
        target: file to write: a state dict, for `safetensors` or `torch.load` by its suffix.
        meta: if given, ``{'state_dict': ..., 'meta': meta}`` is written, the form that mmengine reads.
        skip: patterns of the network's keys (``'fc.*'``) to leave out.
        sha256: the SHA-256 digest that `source` must have, or the first characters of it.
        overwrite: replace `target` if it exists.

    Raises:
        FileExistsError: `target` exists and `overwrite` is not set.
        ValueError: `target` cannot hold `meta`.
    """
    check_network('model', model)
    target = as_path('target', target)
    if target.suffix == '.safetensors' and meta is not None:
        raise ValueError(f'target must end in .pth to hold meta beside tensors, got {str(target)!r}')
    if meta is not None and not isinstance(meta, Mapping):
        raise ValueError(f'meta must be a dict, got {meta!r}')
    if target.exists() and not overwrite:
        raise FileExistsError(f'{target} exists')
    values, report = match(read_checkpoint(source, sha256), model, skip)
    _load(model, values)
    values = {key: value.clone(memory_format=torch.contiguous_format) for key, value in values.items()}  # own storages
    with replacing(target) as partial:
        if target.suffix == '.safetensors':
            save_file(values, partial)
        else:
            torch.save(values if meta is None else {'state_dict': values, 'meta': dict(meta)}, partial)
    warn_of_notes(report)
    return report


def _load(model: nn.Module, values: dict[str, Tensor]) -> None:
    """Copy tensors that are known to fit; what is not among them stays.

    Raises:
        CheckpointError: one of the network's tensors cannot be written to, or is shared by two of the file that differ.
    """
    own = model.state_dict()
    places: dict[tuple, str] = {}
    for key, value in values.items():
        if (reason := _why_fixed(own[key])) or (reason := 'is on the meta device in the source' * value.is_meta):
            raise CheckpointError(f'{type(model).__name__}: {key} {reason}; nothing was loaded')
        if not own[key].numel():
            continue
        first = places.setdefault((own[key].data_ptr(), own[key].shape, own[key].stride()), key)
        if first != key and not torch.equal(values[first], value):
            raise CheckpointError(
                f'{type(model).__name__}: {first} and {key} are one tensor of the network and differ in the file; '
                'nothing was loaded'
            )
    unexpected = model.load_state_dict(values, strict=False).unexpected_keys
    assert not unexpected, unexpected


def _why_fixed(tensor: Tensor) -> str | None:
    """Why no values can be copied into a tensor; None if they can."""
    if tensor.is_meta:
        return "is on the meta device, which holds no values (model.to_empty(device='cpu') first)"
    if tensor.is_inference() and not torch.is_inference_mode_enabled():
        return 'was made under torch.inference_mode, outside of which it cannot be changed'
    if any(step == 0 and size > 1 for size, step in zip(tensor.shape, tensor.stride(), strict=True)):
        return 'is expanded: several of its elements lie in one place (.contiguous() or .clone() first)'
    return None
