"""Checkpoint files and the state dicts in them, read without running what they contain."""

import json
import logging
import os
import pickle
import re
import reprlib
import stat
import zipfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from antialias_plugins.checkpoints.archive import MOST_DIMENSIONS, UNREADABLE, Archive, Global, StandIn, StoredTensor
from antialias_plugins.utils import as_path, sha256_of

logger = logging.getLogger(__name__)

_WRAPPERS = ('state_dict_ema', 'model_ema', 'state_dict', 'model_state_dict', 'model_state', 'model')
_DEEPEST = 8  # wrappers in wrappers; a dict may hold itself
_LONGEST = 512  # characters of a tensor's name
# Neither a date nor a number of steps with zeros in front.
_NAMED_DIGEST = re.compile(r'-(?!(?:19|20)\d{6}\.|0\d{7}\.)([0-9a-f]{8}|[0-9a-f]{64})(?=\.)')


class CheckpointError(ValueError):
    """Weights that cannot be fetched, read or loaded; network and files have been left as they were."""


def read_checkpoint(path: str | os.PathLike[str], sha256: str | None = None) -> dict[str, Tensor]:
    """Read the weights in a file, on the CPU, without running any code that the file may contain.

    Whatever else it holds (the classes and arguments that a training script has pickled) is not loaded.

    A training checkpoint is unwrapped: the first of the entries ``state_dict_ema``, ``model_ema``, ``state_dict``,
    ``model_state_dict``, ``model_state`` and ``model`` that holds a dict is taken, as `timm` does, and said in the log
    at INFO. A prefix ``module.`` (DDP, EMA) is removed where every key has it.

    Args:
        path: a file written by `torch.save`, in its present or its old format, whatever its suffix; or one that ends in
            ``.safetensors``.
        sha256: the SHA-256 digest that the file must have, or the first characters of it. If None, a file whose name
            ends in 8 hexadecimal digits (``'resnet18_lpf4_finetune-8cc58f59.pth'``) must have those.

    Returns:
        Tensors by name, in the order of the file.

    Raises:
        CheckpointError: the file is missing, empty, cut short, damaged, not the one meant, or not a state dict. A file
            that was made to do harm ends here too: nothing in it is run, and reading it takes no more memory than its
            size, but for some objects of Python.
        ValueError: `sha256` is no part of a digest.

    Example:
        >>> import tempfile, torch
        >>> path = f'{tempfile.mkdtemp()}/net.pth.tar'
        >>> torch.save({'epoch': 90, 'state_dict': {'module.fc.bias': torch.zeros(2)}}, path)
        >>> read_checkpoint(path)
        {'fc.bias': tensor([0., 0.])}
    """
    return read_content(path, sha256)[0]


def read_content(path: str | os.PathLike[str], sha256: str | None = None) -> tuple[dict[str, Tensor], Any]:
    """The weights in a file, as `read_checkpoint` reads them, and all that it holds.

    In the latter tensors are not made, and other objects of Python are stand-ins; see `archive`.
    """
    path = as_path('path', path)
    if not (sha256 is None or (isinstance(sha256, str) and re.fullmatch('[0-9a-fA-F]{1,64}', sha256))):
        raise ValueError(f'sha256 must be 1 to 64 hexadecimal digits, got {sha256!r}')
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = 'no such file' if isinstance(error, (FileNotFoundError, ValueError)) else error.strerror
        raise CheckpointError(f'{path}: {reason}') from error
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f'{path}: must be a file, got a folder, a device or a pipe')
    if status.st_size == 0:
        raise CheckpointError(f'{path}: the file is empty')
    _check_digest(path, sha256)
    if path.suffix == '.safetensors':
        content = weights = _load_safetensors(path)
    else:
        weights, content = _load_archive(path)
    return _checked(path, weights), content


def check_sha256(path: str | os.PathLike[str], expected: str) -> None:
    """Compare the SHA-256 digest of a file with one in hexadecimal, or with the first characters of one.

    Raises:
        CheckpointError: the file has another digest, or there is none.
    """
    path = as_path('path', path)
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file')
    if not (digest := sha256_of(path)).startswith(expected.lower()):
        raise CheckpointError(f'{path}: SHA-256 {digest}, expected {expected}: not the file that was meant')


def _check_digest(path: Path, sha256: str | None) -> None:
    """Compare with the digest that is asked for or, as `torch.hub` and OpenMMLab write it, with that in the name."""
    if sha256 is not None:
        check_sha256(path, sha256)
    elif (named := _NAMED_DIGEST.search(path.name)) is not None:
        try:
            check_sha256(path, named[1])
        except CheckpointError as error:
            raise CheckpointError(f'{error}; rename it if {named[1]} in its name is no digest') from error


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError('its header has two entries of one name')
        return dict(pairs)

    try:
        weights = load_file(path)
        with path.open('rb') as file:  # a header that safetensors has found good
            json.loads(file.read(int.from_bytes(file.read(8), 'little')), object_pairs_hook=without_repeats)
        return weights
    except (SafetensorError, *UNREADABLE) as error:
        raise CheckpointError(f'{path}: not a safetensors file, or cut short ({_shorten(error)})') from error


def _load_archive(path: Path) -> tuple[dict[str, Tensor], Any]:
    """The weights of a file of `torch.save`, or whatever is in their place, and all that it holds."""
    try:
        with path.open('rb') as file:
            start = file.read(512)
            if start.lstrip()[:1] == b'<':
                raise CheckpointError(f'{path}: a web page, not a checkpoint; the download went wrong')
            if not start.startswith((b'PK\3\4', b'\x80')):  # what a zip archive and a pickle begin with
                what = 'a tar archive (of torch < 0.1.10?)' if start[257:262] == b'ustar' else 'not a checkpoint'
                raise CheckpointError(f'{path}: {what}')
            file.seek(0)
            archive = Archive(file)
            weights = _unwrap(path, archive.content)
            made = {key: archive.tensor(it) if isinstance(it, StoredTensor) else it for key, it in weights.items()}
            return made, archive.content
    except UNREADABLE as error:
        if isinstance(error, CheckpointError):
            raise
        said = isinstance(error, (pickle.UnpicklingError, zipfile.BadZipFile, OSError))  # others speak of our reading
        why = f' ({_shorten(error)})' if said else ''
        raise CheckpointError(f'{path}: cut short, damaged, or not a checkpoint{why}') from error


def _unwrap(path: Path, content: Any) -> dict[Any, Any]:
    for _ in range(_DEEPEST):
        if not isinstance(content, dict):
            raise CheckpointError(f'{path}: holds {_describe(content)}, not a state dict')
        held = [key for key in _WRAPPERS if isinstance(content.get(key), dict)]
        if not held:
            return content
        if len(held) > 1:
            logger.info('%s holds %s; %r is taken', path, ', '.join(held), held[0])
        content = content[held[0]]
    raise CheckpointError(f'{path}: holds dicts in dicts, {_DEEPEST} deep or without end, not a state dict')


def _checked(path: Path, weights: dict[Any, Any]) -> dict[str, Tensor]:
    """The weights, without the prefix that all of them have."""
    if not any(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f'{path}: holds {_describe(weights)}, not a state dict')
    foreign = [key for key, value in weights.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if foreign:
        names = ', '.join(_describe_item(key, weights[key]) for key in foreign[:8])
        raise CheckpointError(f'{path}: not a state dict: {names} are not tensors by name')
    for key, value in weights.items():
        if len(key) > _LONGEST or value.ndim > MOST_DIMENSIONS:
            raise CheckpointError(
                f'{path}: names must have at most {_LONGEST} characters and tensors {MOST_DIMENSIONS} dimensions, got '
                f'{_describe_key(key)} of {value.ndim} dimensions'
            )
    depth = 0
    while all(key.startswith('module.', depth) for key in weights):
        depth += len('module.')
    return {key[depth:]: value for key, value in weights.items()}


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        return (
            f'a dict of {", ".join(_describe_item(*item) for item in [*content.items()][:8])}'
            if content
            else 'an empty dict'
        )
    if isinstance(content, (StandIn, Global)):
        name = content if isinstance(content, Global) else content.kind
        return f'the Python object {_shorten(name)}, which is not loaded'
    return f'an object of type {"Tensor" if isinstance(content, StoredTensor) else type(content).__name__}'


def _describe_item(key: Any, value: Any) -> str:
    return _describe_key(key) + (f' ({_describe(value)})' if isinstance(value, (StandIn, Global)) else '')


def _describe_key(key: Any) -> str:
    return reprlib.repr(key) if isinstance(key, (str, int, float)) else 'a key that is no name'


def _shorten(text: Any) -> str:
    text = str(text)
    return text if len(text) <= 200 else f'{text[:200]} ...'
