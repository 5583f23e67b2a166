"""Hook that measures consistency at every validation of a training."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from antialias_plugins.openmmlab.consistency import ConsistencyMetric


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
        images: Number of images, the first of the data set; ``None`` for all. A pair of views costs about two more
            forward passes per image. The interval tells how far so few images can be trusted.
        max_shift, seed, circular, subpixel, **options: As those of `ShiftConsistencyTestLoop`. ``crop_size`` asks that
            the pipeline of the validation makes larger images, as there.

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
        **options: Any,
    ) -> None:
        common = dict(max_shift=max_shift, seed=seed, circular=circular, subpixel=subpixel)
        self.consistency = ConsistencyMetric(images, **common, **options)

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
