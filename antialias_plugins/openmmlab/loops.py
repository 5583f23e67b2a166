"""The test loop that measures consistency next to the usual metrics."""

from collections.abc import Sequence
from functools import partial
from itertools import islice

import torch
from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import LOOPS
from mmengine.runner import Runner, TestLoop, autocast
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader

from antialias_plugins.metrics import MeanSegmentationConsistency


@LOOPS.register_module()
class ShiftConsistencyTestLoop(TestLoop):
    """mmengine's test loop, and mASSC in the same pass.

    After the usual forward pass of a batch and the usual metrics, two crops of each image, as the test pipeline made
    it, go through ``model.test_step`` as one batch, and their predictions are compared on the overlap: about two more
    forward passes per image. See `antialias_plugins.metrics.mean_segmentation_consistency` for the definition.

    The metrics gain, in percent as mmseg's:

    - ``mASSC``: mean share of pixels with the same class in both crops;
    - ``mASSC_interval``: half-width of its 95 % interval over images (absent for a single image);
    - ``mASSC_labelled``, ``mASSC_labelled_interval``: the same over labelled pixels (absent without labels).

    The offsets of an image depend on ``seed`` and on its index in the data set alone, and images are counted by that
    index: the numbers do not change with batch size, workers or processes, nor with the images that a distributed
    sampler repeats to fill the last batch.

    Args:
        runner: The runner, passed by mmengine.
        dataloader: Loader of the test images, or its config; passed by mmengine. Its sampler must visit the images in
            the same order each time, as ``DefaultSampler`` does.
        evaluator: The usual metrics, passed by mmengine.
        fp16: Whether to test under autocast.
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``, in pixels of the network's input; crops are that
            much smaller than it. From 2 to half its shorter side.
        seed: Seed of the offsets.
        circular: Shift circularly and compare the whole map, instead of cropping.
        ignore_index: Label of the pixels that do not count as labelled.

    Raises:
        ValueError: If ``max_shift`` or ``seed`` is out of range, the sampler's order is not fixed, the input holds
            several versions of an image (test-time augmentation), or the model does not predict ``pred_sem_seg``.

    Example:
        In a config::

            test_cfg = dict(type='ShiftConsistencyTestLoop', max_shift=32, seed=0)
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
        ignore_index: int = 255,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self._new_consistency = partial(MeanSegmentationConsistency, max_shift, seed, circular, ignore_index)
        self._metric = _SegmentationConsistencyMetric(self._new_consistency())
        self.evaluator.metrics.append(self._metric)

    def run(self) -> dict:
        """Test all images and return the metrics."""
        self._batches = _batches_of_indices(self.dataloader)
        self._metric.consistency = self._new_consistency()
        return super().run()

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Test one batch as usual, then each of its images in two crops."""
        _check_single_views(data_batch['inputs'])
        super().run_iter(idx, data_batch)
        images = zip(self._batches[idx], data_batch['inputs'], data_batch['data_samples'], strict=True)
        for index, image, sample in images:
            predict = partial(self._predict, sample)
            self._metric.consistency.update(index, image, predict, _label_map(sample, image.shape[-2:]))

    def _predict(self, sample: BaseDataElement, views: Tensor) -> Tensor:
        """Predict class maps, ``(K, h, w)``, of views, ``(K, C, h, w)``, of the image that ``sample`` describes."""
        samples = [_sample_of_view(sample, views.shape[-2:]) for _ in views]
        with autocast(enabled=self.fp16):
            outputs = self.runner.model.test_step(dict(inputs=list(views), data_samples=samples))
        return torch.stack([_class_map(output) for output in outputs])


class _SegmentationConsistencyMetric(BaseMetric):
    """Carries what the loop measures into the evaluator's results; processes nothing itself."""

    default_prefix = ''

    def __init__(self, consistency: MeanSegmentationConsistency) -> None:
        super().__init__()
        self.consistency = consistency

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        pass

    def evaluate(self, size: int) -> dict[str, float]:
        # Not by BaseMetric's own gathering: it drops repeated images by position, here they are known by index.
        return self.compute_metrics(all_gather_object(self.consistency))

    def compute_metrics(self, results: list[MeanSegmentationConsistency]) -> dict[str, float]:
        merged, *others = results
        for other in others:
            merged.merge(other)
        result = merged.compute()
        metrics = {
            'mASSC': result.mean,
            'mASSC_interval': result.interval,
            'mASSC_labelled': result.labelled_mean,
            'mASSC_labelled_interval': result.labelled_interval,
        }
        return {name: 100 * value for name, value in metrics.items() if value is not None}


def _batches_of_indices(dataloader: DataLoader) -> list[list[int]]:
    """The data set's indices that each batch on this process will hold."""
    sampler, limit = dataloader.batch_sampler, len(dataloader.dataset)
    if sampler is not None:
        batches = list(islice(sampler, limit + 1))
        if len(batches) <= limit and batches == list(sampler):
            return batches
    raise ValueError(
        'test_dataloader.sampler must visit the images once, in the same order each time, as DefaultSampler with '
        f'shuffle=False does, got {type(dataloader.sampler).__name__}'
    )


def _check_single_views(inputs: Sequence[Tensor] | Tensor) -> None:
    if not all(isinstance(image, Tensor) and image.ndim == 3 for image in inputs):
        raise ValueError(
            'test_dataloader must give one (C, H, W) tensor per image as inputs: consistency is not measured under '
            f'test-time augmentation, got a {type(inputs[0]).__name__} per image'
        )


def _label_map(sample: BaseDataElement, size: torch.Size) -> Tensor | None:
    """The sample's label map at the size of the network's input, ``(H, W)``; ``None`` without annotation."""
    if 'gt_sem_seg' not in sample:
        return None
    label = sample.gt_sem_seg.data.squeeze(0)
    if sample.metainfo.get('flip'):
        # mmseg evaluates in the frame of the annotation, which the flip of the test pipeline does not touch.
        label = label.flip(-1 if sample.metainfo['flip_direction'] == 'horizontal' else -2)
    if label.shape == size:
        return label
    return interpolate(label[None, None].double(), tuple(size), mode='nearest-exact')[0, 0].to(label.dtype)


def _sample_of_view(sample: BaseDataElement, size: torch.Size) -> BaseDataElement:
    """A data sample without annotation for a view that is an image of its own, neither resized nor flipped."""
    shapes = dict.fromkeys(('img_shape', 'ori_shape', 'pad_shape'), tuple(size))
    return type(sample)(
        metainfo=sample.metainfo | shapes | dict(scale_factor=(1.0, 1.0), flip=False, flip_direction=None)
    )


def _class_map(output: BaseDataElement) -> Tensor:
    if 'pred_sem_seg' not in output:
        raise ValueError(
            'model must predict pred_sem_seg, class maps of a semantic segmentation, got '
            f'{type(output).__name__} with {sorted(output.keys()) or "nothing"}'
        )
    return output.pred_sem_seg.data.squeeze(0)
