"""Weights that balance the classes of a data set in a loss, from the labels of its training set.

`C` is the number of classes.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image
from tqdm import tqdm

from antialias_plugins.openmmlab.dataset_check import check_config, find_transform, read_labels, single_datasets
from antialias_plugins.utils import replacing


@dataclass(frozen=True)
class LabelCounts:
    """How often each class occurs.

    Attributes:
        classes: Names of the classes.
        pixels: Pixels of each class. Shape: C, int64.
        present: Labelled pixels of the pictures that have the class. Shape: C, int64.
    """

    classes: tuple[str, ...]
    pixels: np.ndarray
    present: np.ndarray


def inverse_log_weights(counts: LabelCounts) -> np.ndarray:
    """Weigh a class of share `p` by ``1 / ln(1.02 + p)``: from 1.4 for all pixels to 50.5 for none.

    The rule of ENet (https://arxiv.org/abs/1606.02147), with the share of jfzhang95/pytorch-deeplab-xception: of all
    labelled pixels.

    Returns:
        Weights. Shape: C, float64.
    """
    return 1 / np.log(1.02 + counts.pixels / counts.pixels.sum())


def median_frequency_weights(counts: LabelCounts) -> np.ndarray:
    """Weigh a class by the median frequency over its own (https://arxiv.org/abs/1411.4734), one that is absent by 0.

    The frequency of a class is its share of the labelled pixels of the pictures that have it.

    Returns:
        Weights. Shape: C, float64.
    """
    found = counts.pixels > 0
    frequency = counts.pixels[found] / counts.present[found]
    weights = np.zeros(len(counts.pixels))
    weights[found] = np.median(frequency) / frequency
    return weights


METHODS = {'inverse-log': inverse_log_weights, 'median-frequency': median_frequency_weights}


def write_class_weights(
    config: str | Path | Config, out: str | Path, method: str = 'inverse-log', *, workers: int = 2
) -> tuple[LabelCounts, np.ndarray]:
    """Write the weights of the classes of a config's training set, for ``class_weight='<out>'`` in mmseg's losses.

    The counts stay in ``<out>.json``. They are used again as long as the label files, by name, size and time, and what
    the config makes of them are the same.

    Args:
        config: A config of mmseg, or its path.
        out: File to write, ``*.npy``.
        method: A key of `METHODS`.
        workers: Number of threads that read labels; changes nothing but the time.

    Returns:
        The counts, and the weights as they were written.

    Raises:
        ValueError: If an argument breaks its rule, or the training set lacks a file (`check_config`), loads no labels,
            holds an id without a class, or has no labelled pixel.

    Note:
        pytorch-deeplab-xception counts the labels of one augmented epoch, in which the black filling around small
        pictures is background; here each pixel of the training set counts once.
    """
    out = Path(out)
    if out.suffix != '.npy':
        raise ValueError(f"out must be a .npy file, which mmseg's losses read, got '{out}'")
    if method not in METHODS:
        raise ValueError(f'method must be one of {", ".join(METHODS)}, got {method!r}')
    if workers < 1:
        raise ValueError(f'workers must be at least 1, got {workers}')
    counts = _cached_counts(_training_sets(config), out.with_name(f'{out.name}.json'), workers)
    if not counts.pixels.any():
        raise ValueError('the training set must have labelled pixels, got none')
    weights = METHODS[method](counts)
    with replacing(out) as partial, partial.open('wb') as file:
        np.save(file, weights)
    return counts, weights


def count_labels(datasets: list[Any], workers: int = 2) -> LabelCounts:
    """Count the labels of mmseg's data sets, as their own transforms load them; what is ignored does not count.

    Args:
        datasets: Data sets of the same classes.
        workers: Number of threads that read labels.

    Raises:
        ValueError: If a pipeline loads no labels, or a label has no class.
    """
    from mmcv.transforms import LoadAnnotations

    jobs = []
    for dataset in datasets:
        loader = find_transform(dataset, LoadAnnotations)
        if loader is None:
            raise ValueError(f'the pipeline of {type(dataset).__name__} must load labels, got no LoadAnnotations in it')
        jobs += [(dataset, dataset.get_data_info(index), loader) for index in range(len(dataset))]
    classes = tuple(datasets[0].metainfo['classes'])
    pixels, present = np.zeros((2, len(classes)), np.int64)
    for found in tqdm(_map(jobs, workers), total=len(jobs), desc='labels', unit='image'):
        pixels += found
        present[found > 0] += found.sum()
    return LabelCounts(classes, pixels, present)


def _map(jobs: list[tuple], workers: int) -> Iterator[np.ndarray]:
    # Threads are enough: reading and decoding release the interpreter.
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(_count, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _count(job: tuple[Any, dict[str, Any], Any]) -> np.ndarray:
    """Count the pixels of each class in one picture. Shape: C, int64."""
    dataset, info, loader = job
    classes = len(dataset.metainfo['classes'])
    # Four times as fast as NumPy's bincount on a picture of Cityscapes' size.
    counts = np.array(Image.fromarray(read_labels(info, loader)).histogram())
    counts[dataset.ignore_index] = 0
    unknown = np.flatnonzero(counts[classes:]) + classes
    if unknown.size:
        raise ValueError(
            f'labels must be ids from 0 to {classes - 1}, or {dataset.ignore_index} for what is ignored, got '
            f"{', '.join(map(str, unknown))} in '{info['seg_map_path']}': were they converted? See docs/datasets.md"
        )
    return counts[:classes]


def _training_sets(config: str | Path | Config) -> list[Any]:
    config = config if isinstance(config, Config) else Config.fromfile(config)
    init_default_scope(config.get('default_scope', 'mmseg'))
    check_config(config.train_dataloader.dataset)
    return list(single_datasets(DATASETS.build(config.train_dataloader.dataset)))


def _cached_counts(datasets: list[Any], cache: Path, workers: int) -> LabelCounts:
    fingerprint = _fingerprint(datasets)
    if cache.exists() and (found := json.loads(cache.read_text()))['fingerprint'] == fingerprint:
        return LabelCounts(tuple(found['classes']), np.array(found['pixels']), np.array(found['present']))
    counts = count_labels(datasets, workers)
    content = {'fingerprint': fingerprint, 'classes': counts.classes}
    content |= {'pixels': counts.pixels.tolist(), 'present': counts.present.tolist()}
    with replacing(cache) as partial:
        partial.write_text(json.dumps(content, indent=2) + '\n')
    return counts


def _fingerprint(datasets: list[Any]) -> str:
    """Tell label files apart by path, size and time of their last change, and what becomes of their ids."""
    digest = hashlib.sha256()
    for dataset in datasets:
        digest.update(repr((dataset.metainfo['classes'], dataset.ignore_index)).encode())
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            status = os.stat(info['seg_map_path'])
            item = (info['seg_map_path'], status.st_size, status.st_mtime_ns)
            digest.update(repr((*item, info['label_map'], info['reduce_zero_label'])).encode())
    return digest.hexdigest()
