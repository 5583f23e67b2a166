"""Check of mmseg's data sets: their files are there, can be read, and hold the ids of their classes.

mmseg itself says little: a missing list is an ``AssertionError`` without words, an empty split an error of NumPy, and a
label that was never converted ends a training when its turn comes, on a GPU with an assertion of CUDA.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import BaseLoop, Runner
from PIL import Image

from antialias_plugins.metrics.inputs import as_integer

# What makes a data set's labels: a file of mmseg's tools/dataset_converters, and its arguments.
CONVERTERS = {
    'CityscapesDataset': ('cityscapes.py', '{root} --nproc 8'),
    'COCOStuffDataset': ('coco_stuff164k.py', '{root} --nproc 8'),
    'PascalVOCDataset': ('voc_aug.py', '{devkit} {devkit}/VOCaug --nproc 8'),
}
GUIDE = 'docs/datasets.md shows the folders and how to fill them'
# What Pillow raises for files that are no pictures, or broken ones.
UNREADABLE = (OSError, SyntaxError)
# Pillow's modes of one byte per pixel
MODES = ('1', 'L', 'P')


@HOOKS.register_module()
class DatasetCheckHook(Hook):
    """Checks mmseg's data sets before a training or a test starts, and says nothing if all is well.

    All files must exist and not be empty; ``sample`` pictures of each data set are read with their labels, which must
    have an id of a class, or ``ignore_index``, in every pixel. Other data sets pass unchecked.

    With `PortableRunner` the check comes before mmseg builds the data set, so a missing folder or list, or an empty
    split, is explained as well. With mmengine's own runner those errors stay mmseg's, and the rest is the same.

    Args:
        sample: Number of pictures of each data set to read, evenly spread. At least 1.

    Raises:
        ValueError: If ``sample`` is below 1; before the first iteration, if something is wrong with the data.

    Example:
        In a config::

            runner_type = 'PortableRunner'
            custom_hooks = [dict(type='DatasetCheckHook')]
    """

    priority = 'HIGHEST'

    def __init__(self, sample: int = 16) -> None:
        self.sample = as_integer('sample', sample, 1)
        self._checked: set[str] = set()

    def before_build(self, runner: Runner, name: str, dataloader: Any) -> None:
        """Check the data sets of a loader that is a config still; `PortableRunner` calls this."""
        if isinstance(dataloader, Mapping):
            self._check(name, check_config, dataloader['dataset'])

    def before_run(self, runner: Runner) -> None:
        """Check the data sets that another runner has built already."""
        for name in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{name}_loop')
            if isinstance(loop, BaseLoop):
                self._check(f'{name}_dataloader', _check_built, loop.dataloader.dataset)

    def _check(self, name: str, check: Callable[[Any, int], None], dataset: Any) -> None:
        if name in self._checked:
            return
        try:
            check(dataset, self.sample)
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from error
        self._checked.add(name)


def _check_built(dataset: Any, sample: int) -> None:
    from mmseg.datasets import BaseSegDataset

    for single in single_datasets(dataset):
        if isinstance(single, BaseSegDataset):
            check_dataset(single, sample)


def check_config(config: Any, sample: int = 16) -> None:
    """Check the data of a config before mmseg builds it: its folders, its list, then all of `check_dataset`.

    Args:
        config: Config of a data set, which may wrap or concatenate others. Those that are not of mmseg's kind, and
            those whose files are not in a local folder, are not checked.
        sample: As of `check_dataset`, of each data set.

    Raises:
        ValueError: If a folder or the list is missing, or as `check_dataset`.
    """
    for single in single_datasets(config):
        if not isinstance(single, Mapping):
            continue
        if 'seg_map_path' in single.get('data_prefix', {}) and not single.get('backend_args'):
            _check_paths(single)
            # Serialized as usual, an empty list is an error of NumPy.
            dataset = DATASETS.build({**single, 'lazy_init': True, 'serialize_data': False})
            dataset.full_init()
            check_dataset(dataset, sample)


def _check_paths(config: Mapping[str, Any]) -> None:
    """Check that folders and list exist."""
    name, root = getattr(config['type'], '__name__', config['type']), config.get('data_root') or ''
    wanted = [(key, 'folder', os.path.join(root, folder)) for key, folder in config['data_prefix'].items()]
    if config.get('ann_file'):
        wanted.append(('ann_file', 'list', os.path.join(root, config['ann_file'])))
    for key, kind, path in wanted:
        if not (os.path.isdir if kind == 'folder' else os.path.exists)(path):
            made = key != 'img_path' and os.path.isdir(os.path.dirname(path))
            raise ValueError(_message(name, f"there is no {kind} '{path}'", _converter([name], root) if made else None))


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
    sizes = [os.path.getsize(path) if os.path.exists(path) else None for path in paths]
    for fault, value in (('missing', None), ('empty files', 0)):
        found = [path for path, size in zip(paths, sizes, strict=True) if size == value]
        if found:
            what = f"{len(found)} of {len(paths)} {kind} are {fault}, the first is '{found[0]}'"
            raise ValueError(_message(dataset, what, advice))


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
    return _converter((kind.__name__ for kind in type(dataset).__mro__), dataset.data_root)


def _converter(names: Iterable[str], root: str | None) -> str | None:
    """The command that makes the labels of the first of these data sets for which mmseg has one."""
    import mmseg

    for script, arguments in (CONVERTERS[name] for name in names if name in CONVERTERS):
        path = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'dataset_converters' / script
        return f'{sys.executable} {path} ' + arguments.format(root=root, devkit=Path(root or '.').parent)
    return None


def single_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets that `dataset` wraps or concatenates, or itself; of a config, their configs."""
    find = dataset.get if isinstance(dataset, Mapping) else vars(dataset).get
    parts = find('datasets') or [part for part in [find('dataset')] if part is not None]
    for part in parts:
        yield from single_datasets(part)
    if not parts:
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
