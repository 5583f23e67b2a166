"""Pictures in files, as every tool here sees them: RGB with 8 bits, upright, on white."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
from PIL import Image, ImageOps
from timm.data.readers.reader_image_folder import find_images_and_targets

from antialias_plugins.utils import as_path

_TRANSPARENT = ('RGBA', 'RGBa', 'LA', 'La', 'PA')


def read_picture(source: Path | BinaryIO, name: str | Path | None = None) -> Image.Image:
    """Read a file as RGB.

    Grey levels of 16 bits are divided by 257, floating-point ones in [0, 1] multiplied by 255. The picture is turned
    upright as its EXIF entry says. What is transparent shows white, as on most pages, and not the colours that are
    hidden below it.

    Args:
        source: The file, or its path.
        name: What to call it in an error; by default its path.

    Raises:
        ValueError: If it cannot be read, is no picture or several (an animation, pages), or has grey levels of another
            range.
    """
    try:
        with Image.open(source) as file:
            # An MPO is a photograph as phones take them, with a second one for its depth or its brightness.
            if (count := getattr(file, 'n_frames', 1)) > 1 and file.format != 'MPO':
                raise ValueError(f'it holds {count} pictures, as an animation does')
            return _as_rgb(ImageOps.exif_transpose(file))
    except Exception as error:  # Pillow's decoders raise of all kinds where a file is broken
        reason = str(error) or type(error).__name__
        raise ValueError(f'image must be a readable picture, got {name or source}: {reason}') from error


def find_pictures(
    argument: str, paths: str | Path | Iterable[Path], split: str = 'validation'
) -> tuple[list[tuple[Path, int]], int]:
    """Find pictures by the suffixes of their files.

    Args:
        argument: What the paths are called, for messages.
        paths: Pictures; or a folder, of which all pictures below it count, or those below its folder ``split``.
        split: Name of that folder; ``'validation'`` is also ``'val'``.

    Returns:
        The files in natural order, each with the number of its class, which is its folder; and the number of classes, 0
        where pictures lie in no sub-folder.

    Raises:
        ValueError: If there is no such file or folder, or no picture in it.
    """
    several = not isinstance(paths, (str, os.PathLike)) and isinstance(paths, Iterable)
    paths = [as_path(argument, path) for path in (paths if several else [paths])]
    for path in paths:
        if not path.exists():
            raise ValueError(f'{argument} must be a folder of images, or images, got {path}, which is none')
    if len(paths) == 1 and paths[0].is_dir():
        names = (split, 'val') if split == 'validation' else (split,)
        folder = next((paths[0] / name for name in names if (paths[0] / name).is_dir()), paths[0])
        files, classes = find_images_and_targets(str(folder), _suffixes())
        if not files:
            raise ValueError(f'{argument} must hold at least one image, got none in {folder}')
        return [(Path(file), label) for file, label in files], 0 if '' in classes else len(classes)
    files = [file for path in paths for file in (find_pictures(argument, path)[0] if path.is_dir() else [(path, 0)])]
    if not files:
        raise ValueError(f'{argument} must hold at least one image, got none')
    return [(file, 0) for file, _ in files], 0


def readable_pictures(files: Sequence[Path], skip: bool) -> tuple[list[Path], list[str]]:
    """Return the files that can be read, and why the others cannot.

    Raises:
        ValueError: If some cannot, and are not to be skipped, or none can. It lists them.
    """
    readable, reasons = [], []
    for file in files:
        try:
            read_picture(file)
        except ValueError as error:
            reasons.append(f'{file}: {error.__cause__ or error}')
        else:
            readable.append(file)
    if reasons and not (skip and readable):
        raise_unreadable(reasons, len(files))
    return readable, reasons


def raise_unreadable(reasons: Sequence[str], count: int) -> NoReturn:
    """Raise the `ValueError` that lists the pictures which cannot be read, of so many."""
    found = f'{len(reasons)} of {count} that are not (skip_unreadable leaves them out)'
    raise ValueError(f'images must be readable, got {found}: {listed(reasons)}')


def listed(items: Iterable[str], most: int = 10) -> str:
    """Return the first items as one text, and the number of the others."""
    items = list(items)
    more = f'; and {len(items) - most} more' if len(items) > most else ''
    return '; '.join(items[:most]) + more


def _suffixes() -> set[str]:
    """Those of the pictures that Pillow can read."""
    Image.init()
    kinds = {kind for kind in Image.OPEN if Image.MIME.get(kind, '').startswith('image/')} | {'MPO'}
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in kinds}


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ('I', 'F') or picture.mode.startswith('I;16'):
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert('RGB')
    if picture.mode in _TRANSPARENT or 'transparency' in picture.info:
        picture = picture.convert('RGBA')
        return Image.alpha_composite(Image.new('RGBA', picture.size, 'white'), picture).convert('RGB')
    return picture.convert('RGB')


def _eight_bits(levels: np.ndarray) -> np.ndarray:
    """Grey levels of 16 bits, or in [0, 1], as those of 8."""
    most = 1 if levels.dtype.kind == 'f' else 65535
    if not (levels.min() >= 0 and levels.max() <= most):  # false for NaN, too
        raise ValueError(f'grey levels must be from 0 to {most}, got {levels.min()} to {levels.max()}')
    return np.rint(levels.astype(np.float64) * (255 / most)).astype(np.uint8)
