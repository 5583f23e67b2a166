"""Pictures in files, as every tool here sees them: RGB with 8 bits, upright, on white."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

_TRANSPARENT = ('RGBA', 'RGBa', 'LA', 'La', 'PA')


def read_picture(source: Path | BinaryIO, name: str | Path | None = None) -> Image.Image:
    """Read a file as RGB.

    Grey levels of 16 bits are divided by 257, floating-point ones in [0, 1] multiplied by 255. The picture is turned
    upright as its EXIF entry says. What is transparent shows white, as on most pages, and not the colours that are
    hidden below it. Of several pictures in a file, such as an animation, the first counts.

    Args:
        source: The file, or its path.
        name: What to call it in an error; by default its path.

    Raises:
        ValueError: If it cannot be read, is no picture, or has grey levels of another range.
    """
    try:
        with Image.open(source) as file:
            return _as_rgb(ImageOps.exif_transpose(file))
    except Exception as error:  # Pillow's decoders raise of all kinds where a file is broken
        reason = str(error) or type(error).__name__
        raise ValueError(f'image must be a readable picture, got {name or source}: {reason}') from error


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
