"""Helpers that every subpackage shares: environment, files, Markdown tables, name patterns, and a stopwatch."""

import hashlib
import os
import platform
import re
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

DISTRIBUTIONS = (
    *('antialias-plugins', 'torch', 'torchvision', 'timm', 'numpy'),
    *('mmengine', 'mmcv', 'mmsegmentation', 'mmdet', 'mmpretrain'),
    *('onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation', 'onedl-mmpretrain'),
)


def describe_environment() -> dict[str, str]:
    """Return machine, Python, versions of the installed packages and commit, each as one line of text.

    The commit, with ``-dirty`` for uncommitted changes, is missing where the package does not run from a git checkout.
    """
    described = {'machine': _machine(), 'python': platform.python_version()}
    described |= {name: found for name in DISTRIBUTIONS if (found := _version(name))}
    commit = _commit()
    return described | ({'commit': commit} if commit else {})


def installed_stack() -> str:
    """Return ``'onedl'`` or ``'openmmlab'``: whose mmengine is installed."""
    return 'onedl' if _version('onedl-mmengine') else 'openmmlab'


def _machine() -> str:
    parts = [_processor(), f'{os.cpu_count()} cores', f'{torch.get_num_threads()} threads', platform.system()]
    if torch.cuda.is_available():
        parts.insert(0, torch.cuda.get_device_name())
    return ', '.join(parts)


def _processor() -> str:
    """Name of the processor, which Linux keeps in a file and `platform` does not read."""
    info = Path('/proc/cpuinfo')
    named = re.search(r'^model name\s*:(.*)', info.read_text() if info.exists() else '', re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    root = Path(__file__).parents[1]
    if not (root / '.git').exists():
        return None
    command = ['git', '-C', str(root), 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):  # no git, or a checkout that belongs to someone else
        return None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under another name, which becomes `path` once it is complete.

    An error or an interruption leaves what was there before. The folder is made if need be.

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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def remove_partials(folder: Path) -> None:
    """Remove from a folder what processes that were killed inside `replacing` have left there."""
    for partial in folder.glob('.*.partial'):
        partial.unlink()


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns: the first to the left, the others to the right.

    Example:
        >>> print(markdown_table(['model', 'top-1 (%)'], [['resnet18', '69.74'], ['resnet18_lpf4', '71.69']]))
        | model         | top-1 (%) |
        | ------------- | --------: |
        | resnet18      |     69.74 |
        | resnet18_lpf4 |     71.69 |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    signs = ['<'] + ['>'] * (len(widths) - 1)
    line = '| ' + ' | '.join(f'{{:{sign}{width}}}' for sign, width in zip(signs, widths, strict=True)) + ' |'
    return '\n'.join(line.format(*cells) for cells in (header, rule, *rows))


def matching_names(argument: str, meaning: str, patterns: Iterable[str], names: Collection[str]) -> set[str]:
    """Return the names that any of the patterns matches.

    Args:
        argument: The argument that holds the patterns, for messages.
        meaning: What the names are, for messages.
        patterns: Patterns as in a shell, such as ``'layer1.*'``.
        names: All names.

    Raises:
        ValueError: If the patterns are a single string, or one of them matches nothing.

    Example:
        >>> sorted(matching_names('skip', 'keys', ['fc.*'], ['fc.bias', 'conv.weight', 'fc.weight']))
        ['fc.bias', 'fc.weight']
    """
    if isinstance(patterns, str):
        raise ValueError(f'{argument} must be a list of name patterns, got the string {patterns!r}')
    matches: set[str] = set()
    for pattern in patterns:
        found = {name for name in names if fnmatchcase(name, pattern)}
        if not found:
            raise ValueError(f'{argument} must name {meaning} of the network, {pattern!r} matches none')
        matches |= found
    return matches


class Stopwatch:
    """Adds up the time of what is done to images, lap by lap.

    The first lap, which also pays for what a library prepares once, counts only if it is the only one.
    """

    def __init__(self) -> None:
        self._laps: list[tuple[int, float]] = []

    @contextmanager
    def lap(self, images: int) -> Iterator[None]:
        """Time what is done inside to ``images`` images; on a GPU, until it is done."""
        start = now()
        yield
        self.add(images, now() - start)

    def add(self, images: int, seconds: float) -> None:
        """Add a lap that was timed elsewhere."""
        self._laps.append((images, seconds))

    @property
    def rate(self) -> float | None:
        """Images per second; ``None`` before the first lap."""
        laps = self._laps[1:] or self._laps
        return sum(images for images, _ in laps) / sum(seconds for _, seconds in laps) if laps else None


def now() -> float:
    """Return a time in seconds, at which everything that was started on the GPU is done."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()
