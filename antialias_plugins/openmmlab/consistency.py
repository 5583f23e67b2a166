"""Consistency of a model under shifts, measured next to the usual metrics: in a test, or at every validation."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS, LOOPS
from mmengine.runner import Runner, TestLoop, autocast
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.utils.data import DataLoader

from antialias_plugins.metrics import MeanShare
from antialias_plugins.metrics.base import Result
from antialias_plugins.metrics.inputs import as_integer
from antialias_plugins.metrics.intervals import group_of
from antialias_plugins.metrics.offsets import as_pair
from antialias_plugins.metrics.views import centre_part
from antialias_plugins.openmmlab.consistency_tasks import TASKS, SegmentationTask, Task
from antialias_plugins.utils import Stopwatch, now

# Options that the loop and the hook name themselves. Their defaults are the same for every kind of model.
_COMMON = ('max_shift', 'seed', 'circular', 'subpixel')


class ConsistencyMetric(BaseMetric):
    """One more metric of an evaluator, which lets the model predict views of the images that it is given.

    A loop or a hook calls `start` before the first batch and `prepare` before each forward pass, and puts the metric
    into the loop's evaluator. What is measured, the model's first prediction decides. Nothing of an image is kept but
    how its views agree, by its index in the data set.

    Args:
        images: Measure the first so many images of the data set only; ``None`` for all.
        groups, **options: As those of `ShiftConsistencyTestLoop`.

    Attributes:
        options: Those of them that are not the default of every kind of model.
        result: What the last evaluation found, as the metric of `antialias_plugins.metrics` computes it; ``None``
            before.
        metrics: The same by the names of the metrics, in percent.
        plain: Time of the usual forward passes on this process.
        views: Time of predicting and comparing the views.
        classes: Names of the classes of the data set, if it has names for them.

    Raises:
        ValueError: If ``images`` or an option is outside its range, or no kind of model takes all of the options.
    """

    default_prefix = ''

    def __init__(self, images: int | None = None, groups: str | None = None, **options: Any) -> None:
        super().__init__()
        if images is not None:
            as_integer('images', images, 1)
        self.images, self.groups = images, groups
        common = {name: default for name, default in SegmentationTask.defaults.items() if name in _COMMON}
        self.options = {name: it for name, it in options.items() if name not in common or it != common[name]}
        self._candidates = [task(**self.options) for task in TASKS if self.options.keys() <= task.defaults.keys()]
        if not self._candidates:
            known = '; '.join(f'for {task.kind} {", ".join(sorted(task.defaults))}' for task in TASKS)
            raise ValueError(f'options must all be of one kind ({known}), got {", ".join(self.options)}')
        self.result: Result | None = None
        self.metrics: dict[str, float] = {}

    def start(self, test_step: Callable[[dict], Sequence[BaseDataElement]], dataloader: DataLoader, fp16: bool) -> None:
        """Forget all images, and get ready for those of ``dataloader``.

        Raises:
            ValueError: If the sampler of ``dataloader`` does not visit the images in the same order each time.
        """
        self._test_step, self._fp16 = test_step, fp16
        self._batches = _batches_of_indices(dataloader)
        self.classes: Sequence[str] | None = getattr(dataloader.dataset, 'metainfo', {}).get('classes')
        self._task: Task | None = None
        self.plain, self.views = Stopwatch(), Stopwatch()

    def prepare(self, data_batch: dict) -> None:
        """Keep the images of a batch, and leave in it what the usual metrics are to see of them.

        Raises:
            ValueError: If the batch holds several versions of an image, or an image is too small.
        """
        self._inputs = data_batch['inputs']
        if not all(isinstance(image, Tensor) and image.ndim == 3 for image in self._inputs):
            raise ValueError(
                'dataloader must give one (C, H, W) tensor per image as inputs: consistency is not measured under '
                f'test-time augmentation, got a {type(self._inputs[0]).__name__} per image'
            )
        if self.options.get('crop_size') is not None:
            size = as_pair(self.options['crop_size'])
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
            self._task.start(self.classes or ())
        images = zip(next(self._batches), self._inputs, data_batch['data_samples'], strict=True)
        chosen = [image for image in images if self.images is None or image[0] < self.images]
        for index, image, sample in chosen:
            group = None if self.groups is None else group_of(sample.img_path, self.groups)
            self._task.add(index, image, sample, partial(self._predict, sample), group)
        del self._inputs
        if chosen:
            self.views.add(len(chosen), now() - start)

    def evaluate(self, size: int) -> dict[str, float]:
        """Return the metrics over the images of all processes."""
        # Not by BaseMetric's own gathering: it drops repeated images by position, here they are known by index.
        merged, *others = [task for task in all_gather_object(self._task) if task is not None]
        for other in others:
            merged.merge(other)
        self.result = merged.metric.compute()
        self.metrics = in_percent(self.result.figures)
        for warning in filter(None, (merged.missing(self.result), self.result.note)):
            print_log(warning, logger='current', level=logging.WARNING)
        if table := self.result.table(self.classes or ()):
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
                others = ', '.join(sorted(self.options.keys() - task.defaults.keys()))
                raise ValueError(f'options must be for {task.kind}, which the model does, got {others}')
        known = ' or '.join(f'{task.field} ({task.kind})' for task in TASKS)
        raise ValueError(f'model must predict {known}, got {", ".join(sorted(prediction)) or "nothing"}')

    def _predict(self, sample: BaseDataElement, views: Tensor) -> Sequence[BaseDataElement]:
        """Predict views, ``(V, C, h, w)``, of the image that ``sample`` describes, as one batch."""
        samples = [_sample_of_view(sample, views.shape[-2:]) for _ in views]
        with autocast(enabled=self._fp16):
            return self._test_step({'inputs': _like(self._inputs, list(views)), 'data_samples': samples})


@LOOPS.register_module()
class ShiftConsistencyTestLoop(TestLoop):
    """mmengine's test loop, and consistency under shifts in the same pass.

    After the usual forward pass of a batch and the usual metrics, the views of each image, cut from it as the test
    pipeline made it, go through ``model.test_step`` as one batch, and their predictions are compared: for two views
    about two more forward passes per image. What is measured depends on what the model predicts; metrics are in
    percent, and each has ``…_low`` and ``…_high`` next to it, the limits of its 95 % interval over images (absent for a
    single image); see `antialias_plugins.metrics.mean_interval`.

    **Semantic segmentation** (``pred_sem_seg``, as mmseg's segmentors): two crops, ``max_shift`` smaller than the
    input, compared on their overlap; see `antialias_plugins.metrics.mean_segmentation_consistency`.

    - ``mASSC``: mean share of pixels with the same class in both crops;
    - ``mASSC_labelled``: the same over labelled pixels (absent without labels);
    - with ``boundary``, ``mASSC_boundary`` and ``mASSC_interior``: the same within so many pixels of a boundary between
      predicted classes, and elsewhere; ``mASSC_labelled_boundary`` and ``mASSC_labelled_interior`` by the label map;
    - with ``per_class``, a table of every class in the log.

    **Classification** (``pred_score``, as mmpretrain's classifiers): the share of images on which all views get the
    same class; see `antialias_plugins.metrics.shift_consistency`.

    - ``consistency``: that share;
    - ``correct_consistency``: the same among images of which a view is classified correctly (absent without labels);
    - ``probability_change``: mean absolute change of the top class's probability.

    **Object detection** (``pred_instances``, as mmdet's detectors): two crops, ``max_shift`` smaller than the input,
    whose instances are matched on their overlap; see `antialias_plugins.metrics.mean_instance_consistency`.

    - ``mAISC``: mean share of instances with a partner of the same class in the other crop, by the IoU of masks (absent
      without masks);
    - ``mAISC_box``: the same by the IoU of boxes.

    Instances count from ``score_threshold=0.5`` on. If there are none in any image, both are absent, with a warning.

    A classifier's crop has to have room to move in: let the test pipeline make the image ``max_shift`` larger than the
    network's input, and say with ``crop_size`` how large that is. The usual metrics then see the central crop of that
    size, the same pixels as before. Without ``crop_size`` they see the whole image, and the views are ``max_shift``
    smaller, which suits networks that take any size. Circular views are as large as the input, and need no larger
    image.

    The offsets of an image depend on ``seed`` and on its index in the data set alone, images are counted by that index,
    and no two images share a batch of views: the numbers do not change with batch size, workers or processes, nor with
    the images that a distributed sampler repeats to fill the last batch.

    Args:
        runner, dataloader, evaluator, fp16: As of mmengine's `TestLoop`. The sampler of the data loader must visit the
            images in the same order each time, as ``DefaultSampler`` does.
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``, in pixels of the network's input.
        seed: Seed of the offsets.
        circular: Shift the image circularly instead of moving a crop over it; not for detection.
        subpixel: Offsets are multiples of ``1 / subpixel`` pixels; above 1 for circular shifts, and not for detection.
        images: Measure the first so many images only; ``None`` for all.
        groups: Regular expression; images whose paths have the same text for its first group belong together, such as
            frames of one video, and the intervals count groups. By default every image is its own.
        **options: Those of the metric, with its defaults: for segmentation of `mean_segmentation_consistency` (with
            ``per_class=False`` for the number of classes), for classification of `shift_consistency` (with
            ``crop_size=None``), for detection of `mean_instance_consistency`.

    Raises:
        ValueError: If an option is out of range or for another kind of model, the sampler's order is not fixed, the
            input holds several versions of an image (test-time augmentation), or the model predicts something else.

    Example:
        In a config of mmseg, and in one of mmpretrain::

            test_cfg = dict(type='ShiftConsistencyTestLoop', max_shift=32, seed=0)

            test_pipeline = [
                dict(type='LoadImageFromFile'),
                dict(type='ResizeEdge', scale=256, edge='short'),
                dict(type='CenterCrop', crop_size=256),  # 224 before
                dict(type='PackInputs'),
            ]
            test_cfg = dict(type='ShiftConsistencyTestLoop', max_shift=32, crop_size=224)
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        fp16: bool = False,
        *,
        max_shift: int = 32,
        seed: int = 0,
        circular: bool = False,
        subpixel: int = 1,
        images: int | None = None,
        groups: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        common = dict(max_shift=max_shift, seed=seed, circular=circular, subpixel=subpixel)
        self.consistency = ConsistencyMetric(images, groups, **common, **options)

    def run(self) -> dict:
        """Test all images and return the metrics."""
        self.consistency.start(self.runner.model.test_step, self.dataloader, self.fp16)
        self.evaluator.metrics.append(self.consistency)
        try:
            return super().run()
        finally:
            self.evaluator.metrics.remove(self.consistency)

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Test one batch as usual, and each of its images in several views."""
        self.consistency.prepare(data_batch)
        super().run_iter(idx, data_batch)


@HOOKS.register_module()
class ShiftConsistencyHook(Hook):
    """Measures consistency on the first images of the validation set, as `ShiftConsistencyTestLoop` does on all.

    The metrics are those of that loop. They join the usual ones of the validation, so that they are printed, reach the
    visualizer and its backends (``TensorboardVisBackend`` draws their curves) and can choose a checkpoint:
    ``CheckpointHook(save_best='mASSC', rule='greater')``. Every validation measures the same images at the same
    offsets, on one process or several. (Where each process trains running statistics of its own, batch norm without
    ``SyncBN``, each also validates with its own, and a checkpoint has those of the first; that goes for all metrics.)

    A detector has no ``mAISC`` before it is sure of some instance, and ``CheckpointHook`` stops where its metric is
    missing: let ``coco/segm_mAP`` choose the checkpoint of a detector that begins from nothing.

    Args:
        images: Number of images, the first of the data set; ``None`` for all. The interval tells how far so few images
            can be trusted.
        max_shift, seed, circular, subpixel, groups, **options: As those of `ShiftConsistencyTestLoop`. ``crop_size``
            asks that the pipeline of the validation makes larger images, as there.

    Raises:
        ValueError: If an option is out of range; at the first validation, if it is for another kind of model.

    Example:
        In a config::

            custom_hooks = [dict(type='ShiftConsistencyHook', images=50)]
    """

    def __init__(
        self,
        images: int | None = 50,
        *,
        max_shift: int = 32,
        seed: int = 0,
        circular: bool = False,
        subpixel: int = 1,
        groups: str | None = None,
        **options: Any,
    ) -> None:
        common = dict(max_shift=max_shift, seed=seed, circular=circular, subpixel=subpixel)
        self.consistency = ConsistencyMetric(images, groups, **common, **options)

    def before_val_epoch(self, runner: Runner) -> None:
        """Join the validation's metrics."""
        loop = runner.val_loop
        self.consistency.start(runner.model.val_step, loop.dataloader, loop.fp16)
        loop.evaluator.metrics.append(self.consistency)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Keep the images of the batch."""
        self.consistency.prepare(data_batch)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Leave them."""
        runner.val_loop.evaluator.metrics.remove(self.consistency)


def in_percent(figures: Mapping[str, MeanShare]) -> dict[str, float]:
    """Return a metric for each mean and each limit of an interval, in percent as the OpenMMLab packages do.

    Example:
        >>> in_percent({'mASSC': MeanShare(0.75, (0.5, 0.875), 9), 'mASSC_boundary': MeanShare(None, None, 0)})
        {'mASSC': 75.0, 'mASSC_low': 50.0, 'mASSC_high': 87.5}
    """
    metrics = {}
    for name, share in figures.items():
        low, high = share.interval or (None, None)
        metrics |= {name: share.mean, f'{name}_low': low, f'{name}_high': high}
    return {name: 100 * value for name, value in metrics.items() if value is not None}


def _batches_of_indices(dataloader: DataLoader) -> Iterator[list[int]]:
    """Return the data set's indices that each batch on this process will hold."""
    sampler, limit = dataloader.batch_sampler, len(dataloader.dataset)
    if sampler is not None:
        batches = list(islice(sampler, limit + 1))
        if len(batches) <= limit and batches == list(sampler):
            return iter(batches)
    raise ValueError(
        'dataloader.sampler must visit the images once, in the same order each time, as DefaultSampler with '
        f'shuffle=False does, got {type(dataloader.sampler).__name__}'
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
