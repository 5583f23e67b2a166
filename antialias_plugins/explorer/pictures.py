"""Pictures as data URIs, each in the format that makes it small."""

import io
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

FLIP_COLOR = (255, 0, 60)  # as in the figure of flips
_QUALITY = 82


def read_picture(path: Path) -> Image.Image:
    """Read a file as RGB, turned upright as its EXIF entry says.

    Raises:
        ValueError: If it cannot be read, or is no picture.
    """
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert('RGB')
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow: SyntaxError for a broken PNG
        raise ValueError(f'image must be a readable picture, got {path}: {error}') from error


def encode_photograph(image: Tensor) -> str:
    """Encode a photograph, ``(3, H, W)``, uint8, as WebP: what the eye sees, not what the network saw."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    return _data_uri(picture, 'webp', quality=_QUALITY, method=6)


def encode_labels(labels: np.ndarray, palette: Sequence[tuple[int, int, int]]) -> str:
    """Encode a class map, ``(h, w)``, uint8, as a PNG with the classes that occur in its palette."""
    present, indices = np.unique(labels, return_inverse=True)
    picture = Image.fromarray(indices.reshape(labels.shape).astype(np.uint8))
    picture.putpalette([value for index in present for value in palette[index]])
    return _data_uri(picture, 'png', optimize=True)


def encode_mask(mask: np.ndarray) -> str:
    """Encode marked pixels, ``(h, w)``, bool, as a PNG that is transparent elsewhere."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette([*FLIP_COLOR, *FLIP_COLOR])
    return _data_uri(picture, 'png', optimize=True, transparency=0)


def _data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f'data:image/{kind};base64,{b64encode(file.getvalue()).decode()}'
