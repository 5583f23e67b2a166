"""Helpers that every subpackage shares: environment, files, Markdown tables, name patterns, and a stopwatch."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

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
    """Write a file under another name, which becomes `path` once it is complete and on the disk.

    An error, a full disk or an interruption leaves what was there before. The folder is made if need be; a link is
    followed, and what is no file (``/dev/stdout``) is written to as it is. Every file that the package and its tools
    make is written in this way; only what grows line by line is not.

    Yields:
        Where to write, in the same folder.

    Raises:
        IsADirectoryError: `path` is a folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(Path(folder) / 'new' / 'a.txt') as partial:
        ...         _ = partial.write_text('all of it')
        ...     [file.name for file in Path(folder).glob('*/*')]
        ['a.txt']
    """
    if path.is_dir():
        raise IsADirectoryError(f'{path} is a folder, where a file is to be written')
    if path.exists() and not path.is_file():
        yield path
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    try:
        yield partial
        with partial.open('rb') as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file by `replacing`, in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding='utf-8')


def partial_of(path: Path) -> Path:
    """Return a name beside `path` that no other process and no thread has, and that tells whose it is."""
    return path.with_name(f'.{path.name[:100]}.{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.partial')


def remove_partials(folder: Path) -> None:
    """Remove from a folder what processes of this machine that were killed while they wrote have left there.

    What processes that live are writing stays, and so does everything with a name of another kind.
    """
    for path in folder.glob('.*.partial'):
        named = re.fullmatch(rf'\..*\.{re.escape(_host())}-(\d+)-[0-9a-f]{{8}}\.partial', path.name, re.DOTALL)
        if named is None or _is_alive(int(named[1])):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _host() -> str:
    return re.sub(r'\W', '', platform.node().partition('.')[0]) or 'host'


def _is_alive(process: int) -> bool:
    if os.name != 'posix':  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be alone at work on a file or folder, among all processes that ask; wait for others, and say so.

    The lock is a hidden file beside it, which stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f'.{path.name[:100]}.lock'))
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        print(f'{path}: another process is at work on it; waiting for it to end', file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def as_path(argument: str, value: Any) -> Path:
    """Return a path, given as text or as a path.

    Raises:
        ValueError: it is anything else.
    """
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str) or not os.fspath(value):
        raise ValueError(f'{argument} must be a path, got {value!r}')
    return Path(value)


def read_json(path: Path, what: str) -> Any:
    """Return what a JSON file of ours holds.

    Raises:
        ValueError: it is empty or broken; names the file and `what` it should be.
    """
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} must be {what}, but it is empty or broken ({error}): delete it to go on') from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns: the first to the left, the others to the right; cells are one line of text.

    Example:
        >>> print(markdown_table(['model', 'top-1 (%)'], [['resnet18', '69.74'], ['resnet18_lpf4', '71.69']]))
        | model         | top-1 (%) |
        | ------------- | --------: |
        | resnet18      |     69.74 |
        | resnet18_lpf4 |     71.69 |
    """
    header, *rows = ([cell.replace('|', '\\|').replace('\n', ' ') for cell in cells] for cells in (header, *rows))
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
    patterns = list(patterns) if isinstance(patterns, Iterable) else patterns
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(f'{argument} must be a list of name patterns, got {patterns!r}')
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
