"""The labels of mmseg's data sets, as its own transforms load them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

MODES = ('1', 'L', 'P')


def single_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets that `dataset` wraps or concatenates, or itself."""
    if hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from single_datasets(part)
    elif hasattr(dataset, 'dataset'):
        yield from single_datasets(dataset.dataset)
    else:
        yield dataset


def find_transform(dataset: Any, kind: type) -> Any | None:
    """Return the first transform of `kind` in the pipeline of `dataset`, if there is one."""
    return next((step for step in dataset.pipeline.transforms if isinstance(step, kind)), None)


def read_labels(info: dict[str, Any], loader: Any) -> np.ndarray:
    """Load the labels of one picture.

    Args:
        info: What the data set knows about the picture, from its ``get_data_info``.
        loader: The pipeline's ``LoadAnnotations``.

    Returns:
        Ids after ``reduce_zero_label`` and ``label_map``. Shape: H W, uint8.

    Raises:
        ValueError: If the file holds colors, or ids of more than one byte, which the loader would cut.
        OSError: If it cannot be read.
    """
    path = info['seg_map_path']
    if loader.imdecode_backend == 'pillow':
        with Image.open(path) as image:
            if image.mode not in MODES:
                kind = 'colors' if len(image.getbands()) > 1 else 'numbers of several bytes'
                raise ValueError(
                    f"labels must be ids of one byte per pixel, got {kind} (mode {image.mode}) in '{path}'"
                )
    return loader.transform({**info, 'seg_fields': []})['gt_seg_map']
