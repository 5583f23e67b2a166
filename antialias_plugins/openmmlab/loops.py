"""Test loop that measures consistency next to the usual metrics."""

from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import LOOPS
from mmengine.runner import Runner, TestLoop
from torch.utils.data import DataLoader

from antialias_plugins.openmmlab.consistency import ConsistencyMetric


@LOOPS.register_module()
class ShiftConsistencyTestLoop(TestLoop):
    """mmengine's test loop, and consistency under shifts in the same pass.

    After the usual forward pass of a batch and the usual metrics, the views of each image, cut from it as the test
    pipeline made it, go through ``model.test_step`` as one batch, and their predictions are compared: for two views
    about two more forward passes per image. What is measured depends on what the model predicts; metrics are in
    percent, and each has its ``…_interval`` next to it, the half-width of its 95 % interval over images (absent for a
    single image).

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
        runner: The runner, passed by mmengine.
        dataloader: Loader of the test images, or its config; passed by mmengine. Its sampler must visit the images in
            the same order each time, as ``DefaultSampler`` does.
        evaluator: The usual metrics, passed by mmengine.
        fp16: Whether to test under autocast.
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``, in pixels of the network's input.
        seed: Seed of the offsets.
        circular: Shift the image circularly instead of moving a crop over it; not for detection.
        subpixel: Offsets are multiples of ``1 / subpixel`` pixels; above 1 for circular shifts, and not for detection.
        images: Measure the first so many images only; ``None`` for all.
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
        **options: Any,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        common = dict(max_shift=max_shift, seed=seed, circular=circular, subpixel=subpixel)
        self.consistency = ConsistencyMetric(images, **common, **options)

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
