"""The folder layouts that a data set can be written in: Cityscapes' and PASCAL VOC's."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lab.toyscapes import voc
from lab.toyscapes.classes import CLASSES, DISTINCT

CITIES = {'train': ('brickton', 'fernwick', 'harborough', 'lindenau'), 'val': ('quayside', 'ravensby')}
YEARS = {'train': 2011, 'val': 2012}


class Layout(ABC):
    """Where the files of a scene lie, and what its labels mean.

    Attributes:
        pattern: Where pictures lie below the root. Their names are of three or two words, the second is the number.
        classes: Names of the classes, by id.
        palette: Colors by id, of the classes and perhaps of more.
    """

    pattern: str
    classes: Sequence[str]
    palette: Sequence[tuple[int, int, int]]

    @abstractmethod
    def save(self, root: Path, split: str, index: int, picture: Image.Image, labels: Image.Image) -> None:
        """Write scene `index` of `split`, given with Cityscapes' train ids."""

    @abstractmethod
    def labels_of(self, picture: Path) -> Path:
        """Path of the labels of a picture."""

    @abstractmethod
    def finish(self, root: Path, counts: dict[str, int]) -> None:
        """Write what depends on the number of scenes in each split; `save` wrote all scenes before."""


class Cityscapes(Layout):
    """`leftImg8bit/<split>/<city>/` and, with train ids, `gtFine/<split>/<city>/`; mmseg's ``CityscapesDataset``."""

    pattern = 'leftImg8bit/*/*/*_leftImg8bit.png'
    classes, palette = CLASSES, DISTINCT

    def save(self, root: Path, split: str, index: int, picture: Image.Image, labels: Image.Image) -> None:
        """Write a picture and its train ids as PNG."""
        city = CITIES[split][index % len(CITIES[split])]
        name = f'{city}/{city}_{index:06d}_000019'
        path = _in_new_folder(root / 'leftImg8bit' / split / f'{name}_leftImg8bit.png')
        picture.save(path, compress_level=4)
        labels.save(_in_new_folder(self.labels_of(path)), compress_level=4)

    def labels_of(self, picture: Path) -> Path:
        """Path of the train ids."""
        folder = picture.parents[3] / 'gtFine' / picture.parents[1].name / picture.parent.name
        return folder / picture.name.replace('_leftImg8bit.png', '_gtFine_labelTrainIds.png')

    def finish(self, root: Path, counts: dict[str, int]) -> None:
        """Write nothing: the folders say what is in a split."""


class Voc(Layout):
    """PASCAL VOC 2012 with the extra labels of SBD; mmseg's ``PascalVOCDataset``.

    Pictures of even number are VOC's own: in ``train.txt``, with labels that have VOC's palette and its unlabelled
    borders in `SegmentationClass`. Those of odd number stand for SBD's: in ``aug.txt``, with labels as mmseg's
    converter writes them, gray and without borders, in `SegmentationClassAug`, which has the even ones as well.
    """

    pattern = 'JPEGImages/*.jpg'
    classes, palette = voc.CLASSES, voc.PALETTE

    def save(self, root: Path, split: str, index: int, picture: Image.Image, labels: Image.Image) -> None:
        """Write a picture as JPEG and its labels as PNG."""
        name, ids = _voc_name(split, index), voc.from_train_ids(np.asarray(labels))
        picture.save(_in_new_folder(root / 'JPEGImages' / f'{name}.jpg'), quality=95, subsampling=0)
        if split == 'train':
            Image.fromarray(ids).save(_in_new_folder(root / 'SegmentationClassAug' / f'{name}.png'))
        if split == 'val' or index % 2 == 0:
            bordered = Image.fromarray(voc.with_borders(ids))
            bordered.putpalette(np.array(voc.PALETTE, np.uint8).tobytes())
            bordered.save(_in_new_folder(root / 'SegmentationClass' / f'{name}.png'))

    def finish(self, root: Path, counts: dict[str, int]) -> None:
        """Write the lists of names."""
        names = {split: [_voc_name(split, index) for index in range(count)] for split, count in counts.items()}
        train, aug, val = names['train'][::2], names['train'][1::2], names['val']
        lists = {'train': train, 'val': val, 'trainval': train + val, 'aug': aug, 'trainaug': train + aug}
        for name, lines in lists.items():
            path = _in_new_folder(root / 'ImageSets' / 'Segmentation' / f'{name}.txt')
            path.write_text(''.join(f'{line}\n' for line in lines))

    def labels_of(self, picture: Path) -> Path:
        """Path of VOC's own labels, or of SBD's where those are the only ones."""
        own, extra = (picture.parents[1] / f'SegmentationClass{kind}' / f'{picture.stem}.png' for kind in ('', 'Aug'))
        return own if own.exists() else extra


LAYOUTS: dict[str, Layout] = {'cityscapes': Cityscapes(), 'voc': Voc()}


def _voc_name(split: str, index: int) -> str:
    return f'{YEARS[split]}_{index:06d}'


def _in_new_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
