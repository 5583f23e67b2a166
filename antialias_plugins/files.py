"""Files that are whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under another name, which becomes `path` once it is complete.

    An error or an interruption leaves what was there before. The folder is made if need be.

    Args:
        path: The file.

    Yields:
        Where to write, in the same folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(Path(folder) / 'new' / 'a.txt') as partial:
        ...         _ = partial.write_text('all of it')
        ...     [file.name for file in Path(folder).glob('*/*')]
        ['a.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove from a folder what processes that were killed inside `replacing` have left there."""
    for partial in folder.glob('.*.partial'):
        partial.unlink()
