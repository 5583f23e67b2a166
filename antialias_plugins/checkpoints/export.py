"""Rewrite a file of weights in the layout of a network."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from antialias_plugins.checkpoints.convert import match, warn_of_notes
from antialias_plugins.checkpoints.read import read_checkpoint
from antialias_plugins.checkpoints.report import CheckpointReport
from antialias_plugins.files import replacing


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

    Args:
        model: the network whose layout is wanted; it gets the weights.
        source: what `read_checkpoint` reads, in any layout that `convert_state_dict` knows.
        target: file to write: a state dict, for `safetensors` or `torch.load` by its suffix.
        meta: if given, ``{'state_dict': ..., 'meta': meta}`` is written, the form that mmengine reads.
        skip: patterns of the network's keys (``'fc.*'``) to leave out.
        sha256: the SHA-256 digest that `source` must have, or the first characters of it.
        overwrite: replace `target` if it exists.

    Returns:
        What was written, renamed, dropped and left out, with reasons.

    Raises:
        FileExistsError: `target` exists and `overwrite` is not set.
        CheckpointError: `source` cannot be read or does not fit; no file was written.
        ValueError: `target` cannot hold `meta`, or a pattern of `skip` matches nothing.

    Warns:
        AntialiasWarning: as `convert_state_dict`.
    """
    target = Path(target)
    if target.suffix == '.safetensors' and meta is not None:
        raise ValueError(f'target must end in .pth to hold meta beside tensors, got {str(target)!r}')
    if target.exists() and not overwrite:
        raise FileExistsError(f'{target} exists')
    values, report = match(read_checkpoint(source, sha256), model, skip)
    missing = model.load_state_dict(values, strict=not report.kept).missing_keys
    assert sorted(missing) == sorted(place.name for place in report.kept)
    values = {key: value.clone(memory_format=torch.contiguous_format) for key, value in values.items()}  # own storages
    _write(values if meta is None else {'state_dict': values, 'meta': dict(meta)}, target)
    warn_of_notes(report)
    return report


def _write(content: dict[str, Any], target: Path) -> None:
    with replacing(target) as partial:
        if target.suffix == '.safetensors':
            save_file(content, partial)
        else:
            torch.save(content, partial)
