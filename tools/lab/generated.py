"""Folders that a generator fills: whole or not there, and made once."""

import json
import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

Job = TypeVar('Job')
Result = TypeVar('Result')


def make_folder(
    out: str | Path,
    name: str,
    manifest: Mapping[str, Any],
    fill: Callable[[Path], None],
    *,
    overwrite: bool = False,
    assumed: Mapping[str, Any] | None = None,
) -> bool:
    """Make a folder that says in a manifest, ``<name>.json`` in small letters, what it holds.

    The folder appears at once when everything is written; what an interrupted run leaves beside it, if it was killed,
    is cleared away by the next. A second process that makes the same folder waits for the first. The sizes of all
    files are in ``<name>.files.json``, against which a folder that is there already is held.

    Args:
        out: folder to make.
        name: name of the data set.
        manifest: all that the content depends on.
        fill: writes the content into the folder that it gets.
        overwrite: replace a folder of the same name of data set that has another manifest, or is damaged.
        assumed: what a manifest without these keys means.

    Returns:
        Whether anything was written: False if `out` holds this very data set already.

    Raises:
        ValueError: if `out` holds something else, or not all that it should.
    """
    from antialias_plugins.utils import locked, partial_of, remove_partials, write_text  # large: not in the workers

    out, file = Path(out).absolute(), f'{name.lower()}.json'
    with locked(out):
        if not _needed(out, name, file, manifest, overwrite, assumed or {}):
            return False
        remove_partials(out.parent)
        partial, old = partial_of(out), partial_of(out)
        try:
            partial.mkdir()
            fill(partial)
            sizes = {path.relative_to(partial).as_posix(): path.stat().st_size for path in sorted(partial.rglob('*.*'))}
            write_text(partial / _listing(file), json.dumps(sizes, indent=0) + '\n')
            write_text(partial / file, json.dumps(manifest, indent=2) + '\n')
            if out.exists():
                out.rename(old)
            partial.rename(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return True


def _listing(file: str) -> str:
    return file.replace('.json', '.files.json')


def run_jobs(work: Callable[[Job], Result], jobs: list[Job], workers: int, name: str) -> Iterator[Result]:
    """Run the jobs, with a bar on the terminal; yield their results in the order of the jobs.

    Args:
        work: what to do for a job; can be pickled if there are several workers.
        jobs: its arguments.
        workers: number of processes.
        name: what the bar says.
    """
    yield from tqdm(_map(work, jobs, workers), total=len(jobs), desc=name, unit='image')


def parse_size(text: str) -> tuple[int, int]:
    """Read 'WxH' in pixels, as in '512x256'.

    Raises:
        ValueError: if it is anything else.
    """
    width, cross, height = text.partition('x')
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise ValueError(f"size must be WIDTHxHEIGHT in pixels, like 512x256, got '{text}'")
    return int(width), int(height)


def check_arguments(
    size: tuple[int, int], smallest: tuple[int, int], train: int, val: int, seed: int, workers: int
) -> None:
    """Check what all generators take.

    Raises:
        ValueError: if a picture is smaller than `smallest`, a number below its least, or there is no picture to make.
    """
    if size[0] < smallest[0] or size[1] < smallest[1]:
        raise ValueError(f'size must be at least {smallest[0]}x{smallest[1]}, got {size[0]}x{size[1]}')
    for name, value, least in (('train', train, 0), ('val', val, 0), ('seed', seed, 0), ('workers', workers, 1)):
        if value < least:
            raise ValueError(f'{name} must be at least {least}, got {value}')
    if train + val == 0:
        raise ValueError('train + val must be at least 1, got 0')


def _needed(
    out: Path, name: str, file: str, manifest: Mapping[str, Any], overwrite: bool, assumed: Mapping[str, Any]
) -> bool:
    from antialias_plugins.utils import read_json

    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return True
    if not out.is_dir():
        raise ValueError(f"out must be a folder, got the file '{out}'")
    path = out / file
    if not path.is_file():
        raise ValueError(
            f"out must be a new folder or a {name}, got '{out}', which holds other things; name another folder"
        )
    try:
        found = {**assumed, **read_json(path, f'the manifest of a {name}')}
        missing = _missing(out, _listing(file))
    except ValueError:
        if overwrite:
            return True
        raise
    if found == manifest and not missing:
        return False
    if not overwrite and found == manifest:
        raise ValueError(
            f"out must hold all that was made, got '{out}', where {len(missing)} files are missing or have changed "
            f'({missing[0]}); delete it, or use --overwrite to have it made anew'
        )
    if not overwrite:
        asked = ', '.join(
            f'{key} {found.get(key)} instead of {value}' for key, value in manifest.items() if found.get(key) != value
        )
        raise ValueError(f"out must not hold another {name}, got '{out}' with {asked}; name another or use --overwrite")
    return True


def _missing(out: Path, listing: str) -> list[str]:
    """The files that are not there as they were written; those of older versions are not known."""
    from antialias_plugins.utils import read_json

    if not (out / listing).exists():
        return []
    sizes = read_json(out / listing, 'the sizes of the files beside it')
    return [name for name, size in sizes.items() if not (out / name).is_file() or (out / name).stat().st_size != size]


def _map(work: Callable[[Job], Result], jobs: list[Job], workers: int) -> Iterator[Result]:
    if workers == 1:
        yield from map(work, jobs)
        return
    # Spawned, not forked: the parent may run threads of torch.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context('spawn'), _ignore_interrupt)
    try:
        yield from pool.map(work, jobs, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the parent, which stops its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
