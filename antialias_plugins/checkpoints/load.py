"""Load weights into a network, from a file or from another network."""

import os
from collections.abc import Iterable

from torch import Tensor, nn

from antialias_plugins.checkpoints.convert import match, warn_of_notes
from antialias_plugins.checkpoints.read import read_checkpoint
from antialias_plugins.checkpoints.report import CheckpointReport


def load_checkpoint(
    model: nn.Module, path: str | os.PathLike[str], *, skip: Iterable[str] = (), sha256: str | None = None
) -> CheckpointReport:
    """Load a file of any known layout into `model`: all of it, or nothing.

    Args:
        model: the network, antialiased or not. If anything is wrong it stays exactly as it was.
        path: what `read_checkpoint` reads.
        skip: patterns of the network's keys (``'fc.*'``) to leave as they are.
        sha256: the SHA-256 digest that the file must have, or the first characters of it.

    Returns:
        What was loaded, renamed, dropped and left, with reasons. Print it.

    Raises:
        CheckpointError: the file cannot be read, is not the one meant, or does not fit `model`.
        ValueError: a pattern of `skip` matches nothing, or `sha256` is no part of a digest.

    Warns:
        AntialiasWarning: all fits, but the network does not compute what the weights were trained for: another width
            of the filters, another softmax, another window of the max pool.
    """
    values, report = match(read_checkpoint(path, sha256), model, skip)
    _load(model, values)
    warn_of_notes(report)
    return report


def copy_weights(source: nn.Module, target: nn.Module, *, skip: Iterable[str] = ()) -> CheckpointReport:
    """Copy parameters and buffers by name, between a network and its antialiased form, in either direction.

    The two may come from different libraries. An adaptive filter of `source` that `target` lacks is left out; one that
    only `target` has stays as it is; the report names both.

    Args:
        source: the network to copy from.
        target: the network to copy into. If anything is wrong it stays exactly as it was.
        skip: patterns of the target's keys (``'fc.*'``) to leave as they are.

    Returns:
        What was copied, renamed, dropped and left, with reasons. Print it.

    Raises:
        CheckpointError: the networks do not fit.
        ValueError: a pattern of `skip` matches nothing.

    Warns:
        AntialiasWarning: all fits, but `target` does not compute what the weights were trained for.

    Example:
        >>> import torchvision
        >>> from antialias_plugins import convert_antialias
        >>> trained = torchvision.models.resnet18()
        >>> print(copy_weights(trained, convert_antialias(torchvision.models.resnet18(), 'lpf4')))
        ResNet from plain keys: 122 loaded (0 renamed), 0 dropped, 0 not loaded
    """
    values, report = match(source.state_dict(), target, skip, drop_filters=True)
    _load(target, values)
    warn_of_notes(report)
    return report


def _load(model: nn.Module, values: dict[str, Tensor]) -> None:
    """Copy tensors that are known to fit; what is not among them stays."""
    unexpected = model.load_state_dict(values, strict=False).unexpected_keys
    assert not unexpected, unexpected
