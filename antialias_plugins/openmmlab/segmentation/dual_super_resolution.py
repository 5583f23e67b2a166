"""A segmentor that learns from images and labels of a higher resolution than that of its input."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.registry import MODELS
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from antialias_plugins.openmmlab.segmentation.low_resolution import LowResolutionPreProcessor

_UPSAMPLING = (None, 'bilinear', 'learned')


class DualSuperResolution(EncoderDecoder):
    """mmseg's encoder-decoder with a branch that rebuilds the image at full size, in training only.

    `Dual Super-Resolution Learning for Semantic Segmentation
    <https://openaccess.thecvf.com/content_CVPR_2020/html/Wang_Dual_Super-Resolution_Learning_for_Semantic_Segmentation_CVPR_2020_paper.html>`_
    (Wang et al., CVPR 2020): the network reads images of half the size of their labels; the branch learns from the same
    encoder, and a loss on the affinity between pixels ties it to the segmentation. In training the losses are

    - those of the decode head and the auxiliary heads, at the full size of the labels;
    - ``sisr.loss_mse``: `mse_weight` times the mean squared error of the image, in the units of the network's input;
    - ``affinity.loss_fa``: `loss_affinity` between the transformed segmentation and the second branch.

    At test the branch does not run: what runs is the plain network, and the ×2 of its logits where `upsampling` asks
    for one. `inference_weights` returns the weights of that network.

    Args:
        upsampling: How logits become those of full size: None resizes them at once, as mmseg does; ``'bilinear'``
            resizes to the size of the input, then ×2 (as Dootmaan/DSRL); ``'learned'`` resizes to the size of the
            input, then ×2 by a transposed convolution (as the paper), which remains at inference.
        sisr_head: The super-resolution branch, such as ``dict(type='SuperResolutionHead', ...)``; None for the network
            that is left after training.
        feature_transform: Such as ``dict(type='FeatureTransform', in_channels=19, channels=3)``; None for no affinity.
        loss_affinity: Such as ``dict(type='FeatureAffinityLoss')``, with `feature_transform` only.
        mse_weight: Weight of the image's error.
        data_preprocessor: A `LowResolutionPreProcessor`, with ``keep_target=True`` if there is a branch.
        test_cfg: mmseg's. ``mode='slide'`` counts ``crop_size`` and ``stride`` in pixels of the network's input.
            ``super_resolution=True`` runs the branch as well (``mode='whole'`` only): samples get ``pred_image`` and
            ``gt_image``, from 0 to 255, for the metric `PeakSignalNoiseRatio`.
        **kwargs: Arguments of mmseg's ``EncoderDecoder``. The decode head must return one map of logits.

    Raises:
        ValueError: If an option is unknown, or needs another that is missing.
    """

    def __init__(
        self,
        *,
        upsampling: str | None = None,
        sisr_head: dict[str, Any] | None = None,
        feature_transform: dict[str, Any] | None = None,
        loss_affinity: dict[str, Any] | None = None,
        mse_weight: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_options(self, upsampling, sisr_head, feature_transform, loss_affinity)
        self.factor, self.upsampling, self.mse_weight = self.data_preprocessor.factor, upsampling, mse_weight
        parts = {'sisr_head': sisr_head, 'feature_transform': feature_transform, 'loss_affinity': loss_affinity}
        for name, config in parts.items():
            setattr(self, name, None if config is None else MODELS.build(config))
        if upsampling == 'learned':
            self.learned_upsampling = MODELS.build(
                dict(type='LearnedUpsampling', channels=self.out_channels, factor=self.factor)
            )
        branch = (part for part in (self.sisr_head, self.feature_transform) if part is not None)
        self._sources = [part.source for part in branch if part.source is not None]
        _check_sources(self, self._sources)

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Return the losses of a batch, by name."""
        features = self.extract_feat(inputs)
        with captured_outputs(self, self._sources) as captured:
            logits = self._enlarge(self.decode_head.forward(features), inputs.shape[-2:])
        losses = add_prefix(self.decode_head.loss_by_feat(logits, data_samples), 'decode')
        if self.with_auxiliary_head:
            losses |= self._auxiliary_head_forward_train(features, data_samples)
        if self.sisr_head is not None:
            target = torch.stack([sample.gt_image.data for sample in data_samples])
            losses |= self._losses_of_branch(logits, features, captured, target)
        return losses

    def predict(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> list[SegDataSample]:
        """Segment, and rebuild the images if ``test_cfg`` asks for them.

        Args:
            inputs: Images as the data preprocessor reduces them, ``(N, 3, H, W)``.
            data_samples: Their metadata; without them the result has ``factor`` times the size of the input.

        Returns:
            The samples, with ``pred_sem_seg`` and ``seg_logits``.
        """
        if data_samples is None:
            shape = tuple(self.factor * side for side in inputs.shape[-2:])
            metas = [dict(ori_shape=shape, img_shape=shape, pad_shape=shape)] * len(inputs)
            return self.postprocess_result(self.inference(inputs, metas))
        if not self.test_cfg.get('super_resolution', False):
            return super().predict(inputs, data_samples)
        features = self.extract_feat(inputs)
        with captured_outputs(self, self._sources) as captured:
            logits = self._enlarge(self.decode_head.forward(features), inputs.shape[-2:])
        logits = self.decode_head.predict_by_feat(logits, [sample.metainfo for sample in data_samples])
        images = self._resize(self._rebuild(features, captured)[0], logits.shape[-2:])
        self._add_images(images, data_samples)
        return self.postprocess_result(logits, data_samples)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return logits at the full size that the metadata describe."""
        return self.decode_head.predict_by_feat(self._forward(inputs), batch_img_metas)

    def slide_inference(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Average the logits of windows that slide over the input, at ``factor`` times its size."""
        factor, (height, width) = self.factor, inputs.shape[-2:]
        total = inputs.new_zeros(len(inputs), self.out_channels, factor * height, factor * width)
        count = inputs.new_zeros(1, 1, factor * height, factor * width)
        rows, columns = map(_windows, (height, width), self.test_cfg.crop_size, self.test_cfg.stride)
        for top, bottom in rows:
            for left, right in columns:
                logits = self._forward(inputs[..., top:bottom, left:right])
                window = (..., slice(factor * top, factor * bottom), slice(factor * left, factor * right))
                total[window] += self._resize(logits, total[window].shape[-2:])
                count[window] += 1
        return self.decode_head.predict_by_feat(total / count, batch_img_metas)

    def _forward(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> Tensor:
        logits = self.decode_head.forward(self.extract_feat(inputs))
        return self._enlarge(logits, inputs.shape[-2:])

    def _enlarge(self, logits: Tensor, size: torch.Size) -> Tensor:
        """Logits at `factor` times the size of the input, or as they are if mmseg is to resize them."""
        if self.upsampling is None:
            return logits
        logits = self._resize(logits, size)
        if self.upsampling == 'learned':
            return self.learned_upsampling(logits)
        return self._resize(logits, [self.factor * side for side in size])

    def _resize(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        if tuple(maps.shape[-2:]) == tuple(size):
            return maps
        return resize(maps, size, mode='bilinear', align_corners=self.align_corners, warning=False)

    def _rebuild(self, features: Sequence[Tensor], captured: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The image at full size, and the features that it is made from."""
        return self.sisr_head(features, captured.get(self.sisr_head.source))

    def _losses_of_branch(
        self, logits: Tensor, features: Sequence[Tensor], captured: dict[str, Tensor], target: Tensor
    ) -> dict[str, Tensor]:
        size = target.shape[-2:]
        image, decoded = self._rebuild(features, captured)
        image = self._resize(image, size)
        losses = {'sisr.loss_mse': self.mse_weight * mse_loss(image.to(target.dtype), target)}
        if self.feature_transform is not None:
            if self.feature_transform.source is None:
                segmentation, reference = self._resize(logits, size), image
            else:
                reference = decoded
                segmentation = self._resize(captured[self.feature_transform.source], decoded.shape[-2:])
            losses['affinity.loss_fa'] = self.loss_affinity(self.feature_transform(segmentation), reference)
        return losses

    def _add_images(self, images: Tensor, data_samples: Sequence[SegDataSample]) -> None:
        """Leave the rebuilt images, without their padding, and the true ones in the samples, from 0 to 255."""
        denormalize = self.data_preprocessor.denormalize
        for image, sample in zip(images, data_samples, strict=True):
            target = sample.gt_image.data
            height, width = target.shape[-2:]
            prediction = denormalize(image[:, :height, :width].to(target.dtype)).clamp(0, 255)
            sample.pred_image, sample.gt_image = PixelData(data=prediction), PixelData(data=denormalize(target))


@contextmanager
def captured_outputs(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Collect what modules return, by name, while the block runs."""
    outputs: dict[str, Tensor] = {}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: outputs.__setitem__(name, output)
        )
        for name in names
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _windows(length: int, window: int, stride: int) -> list[tuple[int, int]]:
    """Beginnings and ends of windows along a side; the last one ends with it."""
    starts = range(0, max(length - window, 0) + stride, stride)
    return [(max(min(start, length - window), 0), min(start + window, length)) for start in starts]


def _check_options(
    model: DualSuperResolution, upsampling: str | None, sisr_head: Any, feature_transform: Any, loss_affinity: Any
) -> None:
    preprocessor, name = model.data_preprocessor, type(model).__name__
    if upsampling not in _UPSAMPLING:
        raise ValueError(f'{name}: upsampling must be one of {_UPSAMPLING}, got {upsampling!r}')
    if not isinstance(preprocessor, LowResolutionPreProcessor):
        raise ValueError(f'{name}: data_preprocessor must be LowResolutionPreProcessor, got {type(preprocessor)}')
    if sisr_head is not None and not preprocessor.keep_target:
        raise ValueError(f'{name}: sisr_head needs data_preprocessor.keep_target=True, got False')
    if (feature_transform is None) != (loss_affinity is None):
        raise ValueError(
            f'{name}: feature_transform and loss_affinity go together, got {feature_transform!r} and {loss_affinity!r}'
        )
    if feature_transform is not None and sisr_head is None:
        raise ValueError(f'{name}: feature_transform needs a sisr_head, got None')
    rebuilds, mode = model.test_cfg.get('super_resolution', False), model.test_cfg.get('mode', 'whole')
    if rebuilds and (sisr_head is None or mode != 'whole'):
        raise ValueError(
            f"{name}: test_cfg.super_resolution needs a sisr_head and mode='whole', got {sisr_head}, {mode!r}"
        )


def _check_sources(model: nn.Module, names: Iterable[str]) -> None:
    known = {name for name, _ in model.named_modules()}
    for name in names:
        if name not in known:
            raise ValueError(f'{type(model).__name__}: source must be the name of one of its modules, got {name!r}')
