"""A data set of scenes in the folder layout of Cityscapes or of PASCAL VOC."""

import functools
from pathlib import Path

from lab.generated import check_arguments, make_folder, run_jobs
from lab.toyscapes.generator import SPLITS, render_scene
from lab.toyscapes.layouts import LAYOUTS

NAME = 'ToyScapes'
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

    See `lab.toyscapes.layouts` for what lies where. A picture depends on `seed`, its split, its number
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
    check_arguments(size, SMALLEST, train, val, seed, workers)
    if layout not in LAYOUTS:
        raise ValueError(f'layout must be one of {", ".join(LAYOUTS)}, got {layout!r}')
    manifest = {'generator': GENERATOR, 'layout': layout, 'size': 'x'.join(map(str, size))}
    manifest |= {'train': train, 'val': val, 'seed': seed}
    fill = functools.partial(_fill, layout, size, {'train': train, 'val': val}, seed, workers)
    # Version 0.1 wrote one layout, and did not say which.
    return make_folder(out, NAME, manifest, fill, overwrite=overwrite, assumed={'layout': 'cityscapes'})


def _fill(layout: str, size: tuple[int, int], counts: dict[str, int], seed: int, workers: int, root: Path) -> None:
    jobs = [(split, index) for split in SPLITS for index in range(counts[split])]
    work = functools.partial(_write_scene, root, layout, seed, size)
    for _ in run_jobs(work, jobs, workers, NAME):
        pass
    LAYOUTS[layout].finish(root, counts)


def _write_scene(root: Path, layout: str, seed: int, size: tuple[int, int], job: tuple[str, int]) -> None:
    split, index = job
    LAYOUTS[layout].save(root, split, index, *render_scene(seed, split, index, *size))
