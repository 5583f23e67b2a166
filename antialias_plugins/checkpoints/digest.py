"""Is a file the file that was meant?"""

import hashlib
import re
from pathlib import Path

from antialias_plugins.checkpoints.errors import CheckpointError

_CHUNK = 1 << 20


def check_sha256(path: Path, expected: str) -> None:
    """Compare the SHA-256 digest of a file.

    Args:
        path: an existing file.
        expected: the digest in hexadecimal, or its first characters.

    Raises:
        ValueError: `expected` is no part of a digest.
        CheckpointError: the file has another digest.
    """
    if not re.fullmatch('[0-9a-fA-F]{1,64}', expected):
        raise ValueError(f'sha256 must be 1 to 64 hexadecimal digits, got {expected!r}')
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if not digest.hexdigest().startswith(expected.lower()):
        raise CheckpointError(f'{path}: SHA-256 {digest.hexdigest()}, expected {expected}: not the file that was meant')
