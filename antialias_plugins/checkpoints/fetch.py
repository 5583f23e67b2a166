"""Download published weights, once."""

import logging
import os
from http.client import HTTPException
from pathlib import Path

import torch

from antialias_plugins.checkpoints.digest import check_sha256
from antialias_plugins.checkpoints.errors import CheckpointError
from antialias_plugins.checkpoints.published import PublishedWeights

logger = logging.getLogger(__name__)


def fetch_weights(weights: PublishedWeights, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of `weights`, downloaded if it is not there yet, with a progress bar.

    Its digest is checked every time, also that of a file that is there. A download that fails or is interrupted leaves
    nothing behind.

    Args:
        weights: an entry of `PUBLISHED`.
        cache_dir: folder of the file; default: ``checkpoints`` in `torch.hub.get_dir()`.

    Raises:
        CheckpointError: the file cannot be downloaded, or is another one; says how to use a local file.
    """
    folder = Path(cache_dir) if cache_dir is not None else Path(torch.hub.get_dir()) / 'checkpoints'
    if weights.sha256 is None:
        raise CheckpointError(f'{weights.key} cannot be downloaded automatically. {_by_hand(weights)}')
    path = folder / weights.url.rpartition('/')[2]
    if path.exists():
        try:
            check_sha256(path, weights.sha256)
        except CheckpointError as error:
            raise CheckpointError(f'{error}; delete it to have {weights.url} downloaded again') from error
        return path
    logger.info('downloading %s to %s (%s, %s)', weights.url, path, weights.license or 'no licence', weights.paper)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(path), hash_prefix=weights.sha256)
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: another digest
        raise CheckpointError(f'{weights.key} could not be downloaded ({error}). {_by_hand(weights)}') from error
    return path


def _by_hand(weights: PublishedWeights) -> str:
    arguments = ''.join(f', {name}={value!r}' for name, value in weights.model_args.items())
    digest = f', sha256={weights.sha256!r}' if weights.sha256 else ''
    page = f'{weights.file} of {weights.url}' if weights.file else weights.url
    expected = f' (SHA-256 {weights.sha256}...)' if weights.sha256 else ''
    return (
        f'Get {page}{expected} in another way and pass the file:\n'
        f"  timm.create_model({weights.key!r}, pretrained=True, pretrained_cfg_overlay=dict(file='FILE'){arguments})\n"
        f"  antialias_plugins.checkpoints.load_checkpoint(model, 'FILE'{digest})"
        + (f'  # model built with{arguments[1:]}' if arguments else '')
    )
