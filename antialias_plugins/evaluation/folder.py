"""Evaluation of a classifier over a folder of images, each with the views that are compared."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import torch
from timm.data import create_dataset
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from antialias_plugins.evaluation.classifier import Classifier, DataConfig, label_margins, top_margin
from antialias_plugins.evaluation.pictures import read_picture
from antialias_plugins.evaluation.report import Evaluation
from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.metrics import ShiftConsistency, ViewPlan, mean_interval
from antialias_plugins.metrics.inputs import check_least, check_type
from antialias_plugins.metrics.intervals import group_of
from antialias_plugins.utils import Stopwatch, as_path

RANKS = (1, 5)


class Sample(NamedTuple):
    """One image, or with a leading dimension several.

    Attributes:
        index: Index in the folder.
        label: Class, the number of its folder in alphabetical order.
        centre: The central crop, 8 bits, ``(3, h, w)``.
        views: The views, 8 bits, ``(V, 3, h, w)``.
        enlarged: By what it was resized for the views; above 1 if it is smaller than they are.
    """

    index: int | Tensor
    label: int | Tensor
    centre: Tensor
    views: Tensor
    enlarged: float | Tensor = 1.0


@dataclass(frozen=True)
class UnreadableImage:
    """Stands for an image that could not be read; exceptions lose their type on the way from a worker."""

    path: str
    reason: str


class ViewFolder(Dataset):
    """The images below a folder, one sub-folder per class, as timm reads them, but without skipping unreadable ones.

    Args:
        root: The folder, or one that has the folder of ``split`` in it.
        data_config: How an image is resized and cropped.
        plan: Which views are taken of it.
        split: Name of the split; ``root`` itself is taken if it has no folder of that name.

    Raises:
        ValueError: If there is no such folder, or no image in it.
    """

    def __init__(self, root: Path, data_config: DataConfig, plan: ViewPlan, split: str = 'validation') -> None:
        root = as_path('root', root)
        check_type('data_config', data_config, DataConfig)
        check_type('plan', plan, ViewPlan)
        check_type('split', split, str)
        if not root.is_dir():
            raise ValueError(f'root must be a folder of images, got {root}, which is none')
        try:
            self._reader = create_dataset('', root=str(root), split=split).reader
        except RuntimeError as error:
            raise ValueError(f'root must hold at least one image: {error}') from error
        self.plan = plan
        self._centre = data_config.crop(data_config.size)
        self._frame = data_config.crop(plan.frame_size[0])
        self.frame = data_config.resize_for(plan.frame_size[0])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self._reader.class_to_idx)

    def path(self, index: int) -> str:
        """Return where an image lies."""
        return self._reader.filename(index, absolute=True)

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> Sample | UnreadableImage:
        try:
            file, label = self._reader[index]
            with file:
                image = read_picture(file, self.path(index))
        except (OSError, ValueError) as error:
            return UnreadableImage(self.path(index), str(error.__cause__ or error))
        views = self.plan.cut(index, self._frame(image))
        return Sample(index, label, self._centre(image), views, self.frame / min(image.size))


def collate(samples: Sequence[Sample | UnreadableImage]) -> Sample | UnreadableImage:
    """Stack samples; the first unreadable one stands for all."""
    unreadable = next((sample for sample in samples if isinstance(sample, UnreadableImage)), None)
    if unreadable is not None:
        return unreadable
    indices, labels, centres, views, enlarged = zip(*samples, strict=True)
    numbers = torch.tensor(indices), torch.tensor(labels)
    return Sample(*numbers, torch.stack(centres), torch.stack(views), torch.tensor(enlarged, dtype=torch.float64))


def evaluate(
    classifier: Classifier,
    folder: ViewFolder,
    *,
    labelled: bool = True,
    batch_size: int = 64,
    workers: int = 4,
    progress: bool = True,
    groups: str | None = None,
) -> Evaluation:
    """Measure accuracy on the central crops and consistency on the views, in one pass over the files.

    Neither the batch size nor the number of workers changes the accuracy or the consistency, see `Classifier`; the
    probability's mean absolute change can differ from batch size to batch size by rounding.

    Args:
        classifier: The network.
        folder: The images.
        labelled: Whether the sub-folders are the classes of the network. Without labels there is no accuracy, and no
            correct-consistency.
        batch_size: Number of images per forward pass.
        workers: Number of processes that read images; 0 for none.
        progress: Whether to show a progress bar.
        groups: Regular expression; images whose paths have the same text for its first group belong together, and the
            intervals count groups. By default every image is its own.

    Raises:
        ValueError: If the network does not have as many classes as the folder, an image cannot be read, or a logit
            is not finite.
    """
    check_type('classifier', classifier, Classifier)
    check_type('folder', folder, ViewFolder)
    check_flag('labelled', labelled)
    check_flag('progress', progress)
    if labelled and classifier.network.num_classes != folder.classes:
        raise ValueError(
            f'folder must have one sub-folder for each of the {classifier.network.num_classes} classes of the network, '
            f'got {folder.classes}'
        )
    check_least(batch_size=(batch_size, 1), workers=(workers, 0))
    ranks = tuple(rank for rank in RANKS if rank < folder.classes)
    grouped = None if groups is None else [group_of(folder.path(index), groups) for index in range(len(folder))]
    correct: list[list[bool]] = []  # per image, whether its label is among the top classes, by rank
    consistency = ShiftConsistency(folder.plan)
    enlarged: dict[int, float] = {}
    plain_time, views_time = Stopwatch(), Stopwatch()
    start = time.perf_counter()
    with tqdm(total=len(folder), unit='image', disable=not progress) as bar:
        for sample in _load(folder, batch_size, workers, classifier.device.type == 'cuda'):
            labels = sample.label.tolist() if labelled else [None] * len(sample.index)
            if labelled:
                margins = partial(label_margins, labels=sample.label, ranks=ranks)
                with plain_time.lap(len(labels)):
                    correct += (margins(classifier(sample.centre, margins)) > 0).tolist()
            with views_time.lap(len(labels)):
                views = torch.stack([classifier(view, top_margin) for view in sample.views.unbind(1)], 1)
            for index, logits, label in zip(sample.index.tolist(), views, labels, strict=True):
                consistency.add(index, logits, label, group=grouped and grouped[index])
            factors = zip(sample.index.tolist(), sample.enlarged.tolist(), strict=True)
            enlarged |= {index: factor for index, factor in factors if factor > 1}
            bar.update(len(labels))
    speed = len(folder) / (time.perf_counter() - start)
    by_rank = zip(ranks, zip(*correct, strict=True), strict=False)
    accuracy = {f'top{rank}': mean_interval(values, groups=grouped) for rank, values in by_rank}
    parameters = sum(parameter.numel() for parameter in classifier.network.parameters())
    result, notes = consistency.compute(), ()
    if enlarged:
        worst = max(enlarged, key=enlarged.__getitem__)
        notes = (
            f'{len(enlarged)} of {len(folder)} images are smaller than {folder.frame} pixels and were enlarged, '
            f'by up to {enlarged[worst]:.2f} times: {folder.path(worst)}',
        )
    rates = plain_time.rate, views_time.rate
    return Evaluation(accuracy, result, parameters, speed, *rates, notes=notes)


def _load(folder: ViewFolder, batch_size: int, workers: int, pin_memory: bool) -> Iterator[Sample]:
    loader = DataLoader(
        folder,
        batch_size,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=_leave_interrupts_to_the_main_process,
    )
    for sample in loader:
        if isinstance(sample, UnreadableImage):
            raise ValueError(f'images must be readable, got {sample.path}: {sample.reason}')
        yield sample


def _leave_interrupts_to_the_main_process(worker: int) -> None:
    """Let a worker end quietly when the main process, which was interrupted, hangs up in the middle of a transfer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _report_unless_disconnected


def _report_unless_disconnected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)
