"""Whether the files of one of mmseg's data sets are there, can be read, and hold the ids of its classes.

mmseg itself says little: a missing list is an ``AssertionError`` without words, an empty split an error of NumPy, and a
label that was never converted ends a training when its turn comes, on a GPU with an assertion of CUDA.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DATASETS
from PIL import Image

from antialias_plugins.openmmlab.labels import find_transform, read_labels

# What makes a data set's labels: a file of mmseg's tools/dataset_converters, and its arguments.
CONVERTERS = {
    'CityscapesDataset': ('cityscapes.py', '{root} --nproc 8'),
    'COCOStuffDataset': ('coco_stuff164k.py', '{root} --nproc 8'),
    'PascalVOCDataset': ('voc_aug.py', '{devkit} {devkit}/VOCaug --nproc 8'),
}
GUIDE = 'docs/datasets.md shows the folders and how to fill them'
# What Pillow raises for files that are no pictures, or broken ones.
UNREADABLE = (OSError, SyntaxError)


def check_config(config: Any, sample: int = 16) -> None:
    """Check the data of a config before mmseg builds it: its folders, its list, then all of `check_dataset`.

    Args:
        config: Config of a data set, which may wrap or concatenate others. Those that are not of mmseg's kind, and
            those whose files are not in a local folder, are not checked.
        sample: Number of pictures of each data set to read.

    Raises:
        ValueError: If something is wrong.
    """
    for single in _single_configs(config):
        if 'seg_map_path' in single.get('data_prefix', {}) and not single.get('backend_args'):
            _check_paths(single)
            # Serialized as usual, an empty list is an error of NumPy.
            dataset = DATASETS.build({**single, 'lazy_init': True, 'serialize_data': False})
            dataset.full_init()
            check_dataset(dataset, sample)


def _single_configs(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the configs of data sets that `config` wraps or concatenates, or itself."""
    if not isinstance(config, Mapping):
        return
    parts = config.get('datasets') or [part for part in [config.get('dataset')] if part]
    for part in parts:
        yield from _single_configs(part)
    if not parts:
        yield config


def _check_paths(config: Mapping[str, Any]) -> None:
    """Check that folders and list exist."""
    name, root = getattr(config['type'], '__name__', config['type']), config.get('data_root') or ''
    for key, folder in config['data_prefix'].items():
        if not os.path.isdir(path := os.path.join(root, folder)):
            made = key == 'seg_map_path' and os.path.isdir(os.path.dirname(path))
            raise ValueError(_message(name, f"there is no folder '{path}'", _converter(name, root) if made else None))
    path = os.path.join(root, config.get('ann_file') or '')
    if config.get('ann_file') and not os.path.exists(path):
        made = os.path.isdir(os.path.dirname(path))
        raise ValueError(_message(name, f"there is no list '{path}'", _converter(name, root) if made else None))


def check_dataset(dataset: Any, sample: int = 16) -> None:
    """Check that all files of a data set exist and are not empty, and read some of them.

    Labels are checked if the pipeline loads them. Files that are not in a local folder are not checked.

    Args:
        dataset: One of mmseg's data sets, with its list of pictures.
        sample: Number of pictures to read, with their labels, evenly spread over the data set.

    Raises:
        ValueError: If a file is missing, empty or cannot be read, if a picture and its labels differ in size, if labels
            hold colors or an id without a class, or if there is no picture at all.
    """
    from mmcv.transforms import LoadAnnotations, LoadImageFromFile

    if dataset.backend_args:
        return
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    loader = find_transform(dataset, LoadAnnotations) if all('seg_map_path' in info for info in infos) else None
    image_loader = find_transform(dataset, LoadImageFromFile)
    _check_files(dataset, [info['img_path'] for info in infos], 'pictures', None)
    if loader is not None:
        _check_files(dataset, [info['seg_map_path'] for info in infos], 'labels', _advice(dataset))
    for index in np.unique(np.linspace(0, len(infos) - 1, sample).round().astype(int)):
        size = None
        if image_loader is not None and image_loader.imdecode_backend != 'tifffile':
            size = _check_picture(dataset, infos[index]['img_path'])
        if loader is not None:
            _check_labels(dataset, infos[index], loader, size)


def _check_files(dataset: Any, paths: list[str], kind: str, advice: str | None) -> None:
    if not paths:
        where = f"the list '{dataset.ann_file}'" if dataset.ann_file else f"'{dataset.data_prefix['img_path']}'"
        raise ValueError(_message(dataset, f'there is no picture (*{dataset.img_suffix}) in {where}'))
    sizes = [_size(path) for path in paths]
    for fault, value in (('missing', None), ('empty files', 0)):
        found = [path for path, size in zip(paths, sizes, strict=True) if size == value]
        if found:
            what = f"{len(found)} of {len(paths)} {kind} are {fault}, the first is '{found[0]}'"
            raise ValueError(_message(dataset, what, advice))


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_picture(dataset: Any, path: str) -> tuple[int, int]:
    """Read a picture to its last byte; return its width and height."""
    try:
        with Image.open(path) as image:
            image.load()
            return image.size
    except UNREADABLE as error:
        raise ValueError(_message(dataset, f"the picture '{path}' cannot be read ({error})")) from error


def _check_labels(dataset: Any, info: dict[str, Any], loader: Any, size: tuple[int, int] | None) -> None:
    path = info['seg_map_path']
    try:
        labels = read_labels(info, loader)
    except ValueError as error:
        raise ValueError(_message(dataset, str(error), _advice(dataset))) from error
    except UNREADABLE as error:
        raise ValueError(_message(dataset, f"the labels '{path}' cannot be read ({error})")) from error
    if size is not None and labels.shape[::-1] != size:
        what = f"the picture '{info['img_path']}' is {size[0]}x{size[1]} pixels, its labels are "
        raise ValueError(_message(dataset, what + 'x'.join(map(str, labels.shape[::-1]))))
    classes = len(dataset.metainfo['classes'])
    unknown = [int(label) for label in np.unique(labels) if label >= classes and label != dataset.ignore_index]
    if unknown:
        what = f"the labels '{path}' hold {', '.join(map(str, unknown))}; the ids are 0 to {classes - 1}"
        what += f', and {dataset.ignore_index} for what is ignored: were they converted?'
        raise ValueError(_message(dataset, what, _advice(dataset)))


def _message(dataset: Any, what: str, advice: str | None = None) -> str:
    name = dataset if isinstance(dataset, str) else type(dataset).__name__
    return '; '.join([f'{name}: {what}', *([f'labels are made by {advice}'] if advice else []), GUIDE])


def _advice(dataset: Any) -> str | None:
    names = (kind.__name__ for kind in type(dataset).__mro__)
    return next((_converter(name, dataset.data_root) for name in names if name in CONVERTERS), None)


def _converter(name: str, root: str | None) -> str | None:
    if name not in CONVERTERS:
        return None
    import mmseg

    script, arguments = CONVERTERS[name]
    path = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'dataset_converters' / script
    return f'{sys.executable} {path} ' + arguments.format(root=root, devkit=Path(root or '.').parent)
