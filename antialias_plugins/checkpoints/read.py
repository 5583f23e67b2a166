"""Checkpoint files and the state dicts in them, read without running what they contain."""

import argparse
import contextlib
import logging
import os
import pickle
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from antialias_plugins.utils import sha256_of

logger = logging.getLogger(__name__)

_WRAPPERS = ('state_dict_ema', 'model_ema', 'state_dict', 'model_state_dict', 'model_state', 'model')

# What torch.load raises on bytes that are no checkpoint, or only the beginning of one.
_UNREADABLE = (
    *(pickle.UnpicklingError, struct.error, EOFError, RuntimeError),
    *(AttributeError, LookupError, TypeError, ValueError, AssertionError),
)


class CheckpointError(ValueError):
    """Weights that cannot be fetched, read or loaded; network and files have been left as they were."""


class StandIn:
    """In the place of a Python object that a file refers to: keeps what it is made of, and runs nothing.

    Attributes:
        arguments: what the object is made from.
        state: what is set on it then, or None.
    """

    state: Any = None

    def __new__(cls, *arguments: Any) -> 'StandIn':
        """Keep the arguments."""
        self = super().__new__(cls)
        self.arguments = arguments
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_checkpoint(path: str | os.PathLike[str], sha256: str | None = None) -> dict[str, Tensor]:
    """Read the weights in a file, on the CPU, without running any code that the file may contain.

    Whatever else it holds (the classes and arguments that a training script has pickled) is not loaded.

    A training checkpoint is unwrapped: the first of the entries ``state_dict_ema``, ``model_ema``, ``state_dict``,
    ``model_state_dict``, ``model_state`` and ``model`` that holds a dict is taken, as `timm` does, and said in the log
    at INFO. A prefix ``module.`` (DDP, EMA) is removed where every key has it.

    Args:
        path: a file written by `torch.save`, in its present or its old format, whatever its suffix; or one that ends in
            ``.safetensors``.
        sha256: the SHA-256 digest that the file must have, or the first characters of it.

    Returns:
        Tensors by name, in the order of the file.

    Raises:
        CheckpointError: the file is missing, empty, cut short, not the one meant, or not a state dict.
        ValueError: `sha256` is no part of a digest.

    Example:
        >>> import tempfile, torch
        >>> path = f'{tempfile.mkdtemp()}/net.pth.tar'
        >>> torch.save({'epoch': 90, 'state_dict': {'module.fc.bias': torch.zeros(2)}}, path)
        >>> read_checkpoint(path)
        {'fc.bias': tensor([0., 0.])}
    """
    return state_dict_in(path, read_content(path, sha256))


def read_content(path: str | os.PathLike[str], sha256: str | None = None) -> Any:
    """All that a file holds, as :func:`read_checkpoint` reads it; objects that torch does not know are stand-ins."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file')
    if path.stat().st_size == 0:
        raise CheckpointError(f'{path}: the file is empty')
    if sha256 is not None:
        check_sha256(path, sha256)
    if path.suffix != '.safetensors':
        return _load_pickle(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f'{path}: not a safetensors file, or cut short ({error})') from error


def check_sha256(path: Path, expected: str) -> None:
    """Compare the SHA-256 digest of an existing file with one in hexadecimal, or with the first characters of one.

    Raises:
        ValueError: `expected` is no part of a digest.
        CheckpointError: the file has another digest.
    """
    if not re.fullmatch('[0-9a-fA-F]{1,64}', expected):
        raise ValueError(f'sha256 must be 1 to 64 hexadecimal digits, got {expected!r}')
    if not (digest := sha256_of(path)).startswith(expected.lower()):
        raise CheckpointError(f'{path}: SHA-256 {digest}, expected {expected}: not the file that was meant')


def _load_pickle(path: Path) -> Any:
    with path.open('rb') as file:
        start = file.read(64)
    if start.lstrip()[:1] == b'<':
        raise CheckpointError(f'{path}: a web page, not a checkpoint; the download went wrong')
    stand_ins: dict[str, type] = {}
    while True:
        try:
            with _allow(*stand_ins.values()):
                return torch.load(path, map_location='cpu', weights_only=True)
        except _UNREADABLE as error:
            refused = re.search(r'GLOBAL (\S+)', str(error))
            if refused is None or refused[1] in stand_ins or not hasattr(torch.serialization, 'safe_globals'):
                names = ', '.join([*stand_ins] if refused is None else [refused[1]])
                raise CheckpointError(f'{path}: {_reason(names, start)}') from error
            module, _, name = refused[1].rpartition('.')
            stand_ins[refused[1]] = type(name, (StandIn,), {'__module__': module})


def _reason(needed: str, start: bytes) -> str:
    """In words; torch's own text advises to run whatever the file contains."""
    if needed:
        return f'needs the Python object {needed}, which is not loaded; save a state dict alone (or is cut short)'
    if start.startswith((b'PK', b'\x80')):  # what a zip archive and a pickle begin with
        return 'cut short, damaged, or not a checkpoint'
    return 'not a checkpoint'


def _allow(*stand_ins: type) -> contextlib.AbstractContextManager:
    """Lets what training scripts save with their weights through, where torch can be told to, and what stands in.

    That is the command line of timm's, and the best score of DeepLabV3Plus-Pytorch's and others', a number of NumPy.
    """
    allow = getattr(torch.serialization, 'safe_globals', None)
    own_scalar, (float64, _) = np.float64(0).__reduce__()
    known = [argparse.Namespace, np.dtype, type(float64), own_scalar, scalar]
    return allow([*known, *stand_ins]) if allow else contextlib.nullcontext()


def scalar(dtype: np.dtype, data: bytes) -> np.generic:
    """Stands in for the function that NumPy < 2 restores a number with, which NumPy 2 keeps elsewhere."""
    return np.frombuffer(data, dtype)[0]


scalar.__module__ = 'numpy.core.multiarray'


def state_dict_in(path: str | os.PathLike[str], content: Any) -> dict[str, Tensor]:
    """The weights in what :func:`read_content` has read from `path`."""
    while isinstance(content, Mapping):
        held = [key for key in _WRAPPERS if isinstance(content.get(key), Mapping)]
        if not held:
            break
        if len(held) > 1:
            logger.info('%s holds %s; %r is taken', path, ', '.join(held), held[0])
        content = content[held[0]]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f'{path}: holds {_describe(content)}, not a state dict')
    foreign = [key for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if foreign:
        raise CheckpointError(f'{path}: not a state dict: {", ".join(map(repr, foreign[:8]))} are not tensors by name')
    while all(key.startswith('module.') for key in content):
        content = {key.removeprefix('module.'): value for key, value in content.items()}
    return dict(content)


def _describe(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f'an object of type {type(content).__name__}'
    return f'a dict of {", ".join(map(repr, list(content)[:8]))}' if content else 'an empty dict'
