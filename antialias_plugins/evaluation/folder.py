"""A folder of images, each with the views that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from timm.data import create_dataset
from torch import Tensor
from torch.utils.data import Dataset

from antialias_plugins.evaluation.preparation import Preparation
from antialias_plugins.metrics import ViewPlan


class Sample(NamedTuple):
    """One image, or with a leading dimension several.

    Attributes:
        index: Index in the folder.
        label: Class, the number of its folder in alphabetical order.
        centre: The central crop, 8 bits, ``(3, h, w)``.
        views: The views, 8 bits, ``(V, 3, h, w)``.
    """

    index: int | Tensor
    label: int | Tensor
    centre: Tensor
    views: Tensor


@dataclass(frozen=True)
class UnreadableImage:
    """Stands for an image that could not be read; exceptions lose their type on the way from a worker."""

    path: str
    reason: str


class ViewFolder(Dataset):
    """The images below a folder, one sub-folder per class, as timm reads them, but without skipping unreadable ones.

    Args:
        root: The folder, or one that has the folder of ``split`` in it.
        preparation: How an image is prepared.
        plan: Which views are taken of it.
        split: Name of the split; ``root`` itself is taken if it has no folder of that name.

    Raises:
        ValueError: If there is no such folder, or no image in it.
    """

    def __init__(self, root: Path, preparation: Preparation, plan: ViewPlan, split: str = 'validation') -> None:
        if not root.is_dir():
            raise ValueError(f'root must be a folder of images, got {root}, which is none')
        try:
            self._reader = create_dataset('', root=str(root), split=split).reader
        except RuntimeError as error:
            raise ValueError(f'root must hold at least one image: {error}') from error
        self.plan = plan
        self._centre = preparation.crop(preparation.size)
        self._frame = preparation.crop(plan.frame_size[0])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self._reader.class_to_idx)

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> Sample | UnreadableImage:
        try:
            file, label = self._reader[index]
            with file:
                image = Image.open(file).convert('RGB')
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow: SyntaxError for a broken PNG
            return UnreadableImage(self._reader.filename(index, absolute=True), str(error))
        return Sample(index, label, self._centre(image), self.plan.cut(index, self._frame(image)))


def collate(samples: Sequence[Sample | UnreadableImage]) -> Sample | UnreadableImage:
    """Stack samples; the first unreadable one stands for all."""
    unreadable = next((sample for sample in samples if isinstance(sample, UnreadableImage)), None)
    if unreadable is not None:
        return unreadable
    indices, labels, centres, views = zip(*samples, strict=True)
    return Sample(torch.tensor(indices), torch.tensor(labels), torch.stack(centres), torch.stack(views))
