"""Measures consistency while a loop of mmengine runs its usual evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.runner import autocast
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.utils.data import DataLoader

from antialias_plugins.metrics.views import centre_part
from antialias_plugins.openmmlab.consistency.classification import ClassificationTask
from antialias_plugins.openmmlab.consistency.instances import InstanceTask
from antialias_plugins.openmmlab.consistency.order import batches_of_indices
from antialias_plugins.openmmlab.consistency.segmentation import SegmentationTask
from antialias_plugins.openmmlab.consistency.task import Task, in_percent
from antialias_plugins.utils import Stopwatch, now

TASKS: tuple[type[Task], ...] = (SegmentationTask, ClassificationTask, InstanceTask)


class ConsistencyMetric(BaseMetric):
    """One more metric of an evaluator, which lets the model predict views of the images that it is given.

    A loop or a hook calls `start` before the first batch and `prepare` before each forward pass, and puts the metric
    into the loop's evaluator. What is measured, the model's first prediction decides. Nothing of an image is kept but
    how its views agree, by its index in the data set.

    Args:
        images: Measure the first so many images of the data set only; ``None`` for all.
        **options: Fields of `SegmentationTask`, `ClassificationTask` or `InstanceTask`.

    Attributes:
        result: What the last evaluation found, as the accumulator of the task computes it; ``None`` before.
        metrics: The same by the names of the metrics, in percent.
        plain: Time of the usual forward passes on this process.
        views: Time of predicting and comparing the views.
        classes: Names of the classes of the data set, if it has names for them.

    Raises:
        ValueError: If ``images`` or an option is outside its range, or no task takes all of the options.
    """

    default_prefix = ''

    def __init__(self, images: int | None = None, **options: Any) -> None:
        super().__init__()
        if images is not None and images < 1:
            raise ValueError(f'images must be at least 1, or None for all, got {images}')
        self.images = images
        self.options = options
        self._candidates = [task(**options) for task in TASKS if options.keys() <= _names(task)]
        if not self._candidates:
            known = '; '.join(f'for {task.kind} {", ".join(sorted(_names(task)))}' for task in TASKS)
            raise ValueError(f'options must all be of one kind ({known}), got {", ".join(options)}')
        self.result: Any = None
        self.metrics: dict[str, float] = {}
        self.classes: Sequence[str] | None = None
        self.plain, self.views = Stopwatch(), Stopwatch()

    def start(self, test_step: Callable[[dict], Sequence[BaseDataElement]], dataloader: DataLoader, fp16: bool) -> None:
        """Forget all images, and get ready for those of ``dataloader``.

        Raises:
            ValueError: If the sampler of ``dataloader`` does not visit the images in the same order each time.
        """
        self._test_step, self._fp16 = test_step, fp16
        self._batches = iter(batches_of_indices(dataloader))
        self.classes = getattr(dataloader.dataset, 'metainfo', {}).get('classes')
        self._task: Task | None = None
        self.plain, self.views = Stopwatch(), Stopwatch()

    def prepare(self, data_batch: dict) -> None:
        """Keep the images of a batch, and leave in it what the usual metrics are to see of them.

        Raises:
            ValueError: If the batch holds several versions of an image, or an image is too small.
        """
        self._inputs = data_batch['inputs']
        _check_single_views(self._inputs)
        size = self.options.get('crop_size')
        if size is not None:
            size = (size, size) if isinstance(size, int) else tuple(size)
            data_batch['inputs'] = _like(self._inputs, [centre_part(image, size) for image in self._inputs])
            for sample in data_batch['data_samples']:
                sample.set_metainfo({'img_shape': size})
        self._start_of_plain = now()

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Predict the views of the images of one batch, after the usual prediction."""
        start = now()
        self.plain.add(len(data_samples), start - self._start_of_plain)
        if self._task is None:
            self._task = self._choose(data_samples[0])
            self._task.start(self.classes)
        images = zip(next(self._batches), self._inputs, data_batch['data_samples'], strict=True)
        chosen = [image for image in images if self.images is None or image[0] < self.images]
        for index, image, sample in chosen:
            self._task.add(index, image, sample, partial(self._predict, sample))
        del self._inputs
        if chosen:
            self.views.add(len(chosen), now() - start)

    def evaluate(self, size: int) -> dict[str, float]:
        """Return the metrics over the images of all processes."""
        # Not by BaseMetric's own gathering: it drops repeated images by position, here they are known by index.
        merged, *others = [task for task in all_gather_object(self._task) if task is not None]
        for other in others:
            merged.merge(other)
        self.result = merged.compute()
        self.metrics = in_percent(merged.figures(self.result))
        table = merged.table(self.result)
        if table is not None:
            print_log(f'consistency per class\n{table}', logger='current')
        return dict(self.metrics)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not called, since `evaluate` gathers by itself."""
        raise NotImplementedError

    def _choose(self, prediction: dict) -> Task:
        for task in self._candidates:
            if task.field in prediction:
                return task
        for task in TASKS:
            if task.field in prediction:
                others = ', '.join(sorted(self.options.keys() - _names(task)))
                raise ValueError(f'options must be for {task.kind}, which the model does, got {others}')
        known = ' or '.join(f'{task.field} ({task.kind})' for task in TASKS)
        raise ValueError(f'model must predict {known}, got {", ".join(sorted(prediction)) or "nothing"}')

    def _predict(self, sample: BaseDataElement, views: Tensor) -> Sequence[BaseDataElement]:
        """Predict views, ``(V, C, h, w)``, of the image that ``sample`` describes, as one batch."""
        samples = [_sample_of_view(sample, views.shape[-2:]) for _ in views]
        with autocast(enabled=self._fp16):
            return self._test_step({'inputs': _like(self._inputs, list(views)), 'data_samples': samples})


def _names(task: type[Task]) -> set[str]:
    return {field.name for field in fields(task)}


def _check_single_views(inputs: Sequence[Tensor] | Tensor) -> None:
    if not all(isinstance(image, Tensor) and image.ndim == 3 for image in inputs):
        raise ValueError(
            'dataloader must give one (C, H, W) tensor per image as inputs: consistency is not measured under '
            f'test-time augmentation, got a {type(inputs[0]).__name__} per image'
        )


def _like(inputs: Sequence[Tensor] | Tensor, images: list[Tensor]) -> list[Tensor] | Tensor:
    """Collate images as the data loader collated ``inputs``."""
    return torch.stack(images) if isinstance(inputs, Tensor) else images


def _sample_of_view(sample: BaseDataElement, size: torch.Size) -> BaseDataElement:
    """A data sample without annotation for a view that is an image of its own, neither resized nor flipped."""
    shapes = dict.fromkeys(('img_shape', 'ori_shape', 'pad_shape'), tuple(size))
    return type(sample)(
        metainfo=sample.metainfo | shapes | dict(scale_factor=(1.0, 1.0), flip=False, flip_direction=None)
    )
