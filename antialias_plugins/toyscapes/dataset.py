"""Write a data set of scenes in the folder layout of Cityscapes or of PASCAL VOC."""

import functools
import json
import multiprocessing
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from antialias_plugins.toyscapes.generator import SPLITS, render_scene
from antialias_plugins.toyscapes.layouts import LAYOUTS

MANIFEST = 'toyscapes.json'
# To be raised whenever the same arguments make other pictures.
GENERATOR = 1
SMALLEST = (64, 32)


def make_dataset(
    out: str | Path,
    size: tuple[int, int] = (512, 256),
    train: int = 200,
    val: int = 50,
    seed: int = 0,
    *,
    layout: str = 'cityscapes',
    workers: int = 1,
    overwrite: bool = False,
) -> bool:
    """Make a data set that mmseg reads as it reads Cityscapes, or PASCAL VOC 2012 with SBD.

    See `antialias_plugins.toyscapes.layouts` for what lies where. A picture depends on `seed`, its split, its number
    and `size` alone. The folder appears at once when everything is written; what an interrupted run leaves beside it,
    if it was killed, is cleared away by the next.

    Args:
        out: folder to make; its manifest tells what it holds.
        size: width and height of the pictures in pixels, at least 64 and 32.
        train: number of pictures to train on.
        val: number of pictures to validate on.
        seed: which data set; not negative.
        layout: 'cityscapes' with its 19 classes, or 'voc' with the 21 of PASCAL VOC; the pictures are the same.
        workers: number of processes; changes nothing but the time.
        overwrite: replace a ToyScapes that was made with other arguments.

    Returns:
        Whether anything was written: False if `out` holds this very data set already.

    Raises:
        ValueError: if an argument breaks its rule, or `out` holds something else.
    """
    out = Path(out).absolute()
    _check(size, train, val, seed, layout, workers)
    manifest = {'generator': GENERATOR, 'layout': layout, 'size': 'x'.join(map(str, size))}
    manifest |= {'train': train, 'val': val, 'seed': seed}
    if not _needed(out, manifest, overwrite):
        return False
    partial, old = out.with_name(f'.{out.name}.partial'), out.with_name(f'.{out.name}.old')
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        _write(partial, manifest, size, workers)
        if out.exists():
            out.rename(old)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return True


def parse_size(text: str) -> tuple[int, int]:
    """Read 'WxH' in pixels, as in '512x256'.

    Raises:
        ValueError: if it is anything else.
    """
    width, cross, height = text.partition('x')
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise ValueError(f"size must be WIDTHxHEIGHT in pixels, like 512x256, got '{text}'")
    return int(width), int(height)


def _check(size: tuple[int, int], train: int, val: int, seed: int, layout: str, workers: int) -> None:
    if size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
        raise ValueError(f'size must be at least {SMALLEST[0]}x{SMALLEST[1]}, got {size[0]}x{size[1]}')
    for name, value, least in (('train', train, 0), ('val', val, 0), ('seed', seed, 0), ('workers', workers, 1)):
        if value < least:
            raise ValueError(f'{name} must be at least {least}, got {value}')
    if layout not in LAYOUTS:
        raise ValueError(f'layout must be one of {", ".join(LAYOUTS)}, got {layout!r}')
    if train + val == 0:
        raise ValueError('train + val must be at least 1, got 0')


def _needed(out: Path, manifest: dict, overwrite: bool) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return True
    if not out.is_dir():
        raise ValueError(f"out must be a folder, got the file '{out}'")
    path = out / MANIFEST
    if not path.is_file():
        raise ValueError(
            f"out must be a new folder or a ToyScapes, got '{out}', which holds other things; name another folder"
        )
    # Version 0.1 wrote one layout, and did not say which.
    found = {'layout': 'cityscapes'} | json.loads(path.read_text())
    if found == manifest:
        return False
    if not overwrite:
        asked = ', '.join(
            f'{key} {found.get(key)} instead of {value}' for key, value in manifest.items() if found.get(key) != value
        )
        raise ValueError(
            f"out must not hold another ToyScapes, got '{out}' with {asked}; name another or use --overwrite"
        )
    return True


def _write(root: Path, manifest: dict, size: tuple[int, int], workers: int) -> None:
    jobs = [(split, index) for split in SPLITS for index in range(manifest[split])]
    root.mkdir(parents=True)
    work = functools.partial(_write_scene, root, manifest['layout'], manifest['seed'], size)
    for _ in tqdm(_map(work, jobs, workers), total=len(jobs), desc='ToyScapes', unit='image'):
        pass
    LAYOUTS[manifest['layout']].finish(root, {split: manifest[split] for split in SPLITS})
    (root / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n')


def _write_scene(root: Path, layout: str, seed: int, size: tuple[int, int], job: tuple[str, int]) -> None:
    split, index = job
    LAYOUTS[layout].save(root, split, index, *render_scene(seed, split, index, *size))


def _map(work: functools.partial, jobs: list[tuple[str, int]], workers: int) -> Iterator[None]:
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
