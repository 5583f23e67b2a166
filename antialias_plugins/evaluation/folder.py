"""Evaluation of a classifier over a folder of images, each with the views that are compared."""

import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from antialias_plugins.evaluation.classifier import Classifier, DataConfig, label_margins, top_margin
from antialias_plugins.evaluation.pictures import find_pictures, listed, raise_unreadable, read_picture
from antialias_plugins.evaluation.report import Evaluation
from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.metrics import ShiftConsistency, ViewPlan, mean_interval
from antialias_plugins.metrics.inputs import check_least, check_type
from antialias_plugins.metrics.intervals import group_of
from antialias_plugins.utils import Stopwatch

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
    """Pictures with their views: those below a folder, with one sub-folder per class or none, or those of a list.

    Args:
        root: The folder, or one that has the folder of ``split`` in it; or pictures.
        data_config: How an image is resized and cropped.
        plan: Which views are taken of it.
        split: Name of the split; ``root`` itself is taken if it has no folder of that name.

    Raises:
        ValueError: If there is no such folder or picture, or no picture in it.
    """

    def __init__(
        self, root: Path | Iterable[Path], data_config: DataConfig, plan: ViewPlan, split: str = 'validation'
    ) -> None:
        check_type('data_config', data_config, DataConfig)
        check_type('plan', plan, ViewPlan)
        check_type('split', split, str)
        self._files, self.classes = find_pictures('root', root, split)
        self.plan = plan
        self._centre = data_config.crop(data_config.size)
        self._frame = data_config.crop(plan.frame_size[0])
        self.frame = data_config.resize_for(plan.frame_size[0])

    def path(self, index: int) -> str:
        """Return where an image lies."""
        return str(self._files[index][0])

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample | UnreadableImage:
        path, label = self._files[index]
        try:
            image = read_picture(path)
        except ValueError as error:
            return UnreadableImage(str(path), str(error.__cause__ or error))
        views = self.plan.cut(index, self._frame(image))
        return Sample(index, label, self._centre(image), views, self.frame / min(image.size))


def collate(samples: Sequence[Sample | UnreadableImage]) -> tuple[Sample | None, list[UnreadableImage]]:
    """Stack the samples that could be read, ``None`` if there are none, and list the others."""
    unreadable = [sample for sample in samples if isinstance(sample, UnreadableImage)]
    readable = [sample for sample in samples if isinstance(sample, Sample)]
    if not readable:
        return None, unreadable
    indices, labels, centres, views, enlarged = zip(*readable, strict=True)
    numbers = torch.tensor(indices), torch.tensor(labels)
    factors = torch.tensor(enlarged, dtype=torch.float64)
    return Sample(*numbers, torch.stack(centres), torch.stack(views), factors), unreadable


def evaluate(
    classifier: Classifier,
    folder: ViewFolder,
    *,
    labelled: bool = True,
    batch_size: int = 64,
    workers: int = 4,
    progress: bool = True,
    groups: str | None = None,
    skip_unreadable: bool = False,
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
        skip_unreadable: Whether images that cannot be read are left out, rather than an error; a note counts them.

    Raises:
        ValueError: If the network does not have as many classes as the folder, images cannot be read (the others are
            then still read, so that all are listed), or a logit is not finite.
    """
    check_type('classifier', classifier, Classifier)
    check_type('folder', folder, ViewFolder)
    check_flag('labelled', labelled)
    check_flag('progress', progress)
    check_flag('skip_unreadable', skip_unreadable)
    if labelled and classifier.network.num_classes != folder.classes:
        raise ValueError(
            f'folder must have one sub-folder for each of the {classifier.network.num_classes} classes of the network, '
            f'got {folder.classes}'
        )
    check_least(batch_size=(batch_size, 1), workers=(workers, 0))
    ranks = tuple(rank for rank in RANKS if rank < folder.classes)
    grouped = None if groups is None else [group_of(folder.path(index), groups) for index in range(len(folder))]
    read: list[int] = []  # indices
    unreadable: list[UnreadableImage] = []
    correct: list[list[bool]] = []  # per image, whether its label is among the top classes, by rank
    consistency = ShiftConsistency(folder.plan)
    enlarged: dict[int, float] = {}
    plain_time, views_time = Stopwatch(), Stopwatch()
    start = time.perf_counter()
    with tqdm(total=len(folder), unit='image', disable=not progress) as bar:
        for sample, broken in _load(folder, batch_size, workers, classifier.device.type == 'cuda'):
            unreadable += broken
            bar.update(len(broken))
            if sample is None or (unreadable and not skip_unreadable):
                bar.update(0 if sample is None else len(sample.index))
                continue
            labels = sample.label.tolist() if labelled else [None] * len(sample.index)
            if labelled:
                margins = partial(label_margins, labels=sample.label, ranks=ranks)
                with plain_time.lap(len(labels)):
                    correct += (margins(classifier(sample.centre, margins)) > 0).tolist()
            with views_time.lap(len(labels)):
                views = torch.stack([classifier(view, top_margin) for view in sample.views.unbind(1)], 1)
            for index, logits, label in zip(sample.index.tolist(), views, labels, strict=True):
                consistency.add(index, logits, label, group=grouped and grouped[index])
            read += sample.index.tolist()
            factors = zip(sample.index.tolist(), sample.enlarged.tolist(), strict=True)
            enlarged |= {index: factor for index, factor in factors if factor > 1}
            bar.update(len(labels))
    if unreadable and not (skip_unreadable and read):
        raise_unreadable([f'{it.path}: {it.reason}' for it in unreadable], len(folder))
    speed = len(read) / (time.perf_counter() - start)
    by_rank = zip(ranks, zip(*correct, strict=True), strict=False)
    of_group = grouped and [grouped[index] for index in read]
    accuracy = {f'top{rank}': mean_interval(values, groups=of_group) for rank, values in by_rank}
    parameters = sum(parameter.numel() for parameter in classifier.network.parameters())
    result, notes = consistency.compute(), []
    if unreadable:
        left_out = listed(it.path for it in unreadable)
        notes.append(f'{len(unreadable)} of {len(folder)} images could not be read and are left out: {left_out}')
    if enlarged:
        worst = max(enlarged, key=enlarged.__getitem__)
        notes.append(
            f'{len(enlarged)} of {len(read)} images are smaller than {folder.frame} pixels and were enlarged, '
            f'by up to {enlarged[worst]:.2f} times: {folder.path(worst)}'
        )
    rates = plain_time.rate, views_time.rate
    return Evaluation(accuracy, result, parameters, speed, *rates, notes=tuple(notes))


def _load(
    folder: ViewFolder, batch_size: int, workers: int, pin_memory: bool
) -> Iterator[tuple[Sample | None, list[UnreadableImage]]]:
    return iter(
        DataLoader(
            folder,
            batch_size,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=pin_memory,
            worker_init_fn=_leave_interrupts_to_the_main_process,
        )
    )


def _leave_interrupts_to_the_main_process(worker: int) -> None:
    """Let a worker end quietly when the main process, which was interrupted, hangs up in the middle of a transfer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _report_unless_disconnected


def _report_unless_disconnected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)
