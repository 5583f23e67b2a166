"""Dual super-resolution: the segmentor, its data preprocessor, and the weights that it leaves for inference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from mmengine.registry import MODELS
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder, SegDataPreProcessor
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss

_UPSAMPLING = (None, 'bilinear', 'learned')
_BRANCH = ('sisr_head.', 'feature_transform.')


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
        for source in set(self._sources).difference(name for name, _ in self.named_modules()):
            name = type(self).__name__
            raise ValueError(f'{name}: source must be the name of one of its modules, got {source!r}')

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Return the losses of a batch, by name."""
        features, captured, logits = self._encode(inputs)
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
        features, captured, logits = self._encode(inputs)
        logits = self.decode_head.predict_by_feat(logits, [sample.metainfo for sample in data_samples])
        images = self._resize(self._rebuild(features, captured)[0], logits.shape[-2:])
        denormalize = self.data_preprocessor.denormalize
        for image, sample in zip(images, data_samples, strict=True):
            target = sample.gt_image.data
            height, width = target.shape[-2:]  # without the padding
            prediction = denormalize(image[:, :height, :width].to(target.dtype)).clamp(0, 255)
            sample.pred_image, sample.gt_image = PixelData(data=prediction), PixelData(data=denormalize(target))
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
        """Logits at `factor` times the size of the input, or as they are if mmseg is to resize them."""
        return self._enlarge(self.decode_head.forward(self.extract_feat(inputs)), inputs.shape[-2:])

    def _encode(self, inputs: Tensor) -> tuple[Sequence[Tensor], dict[str, Tensor], Tensor]:
        """Features, the outputs of the modules that the branch reads, and the logits of `_forward`."""
        features = self.extract_feat(inputs)
        with captured_outputs(self, self._sources) as captured:
            return features, captured, self._enlarge(self.decode_head.forward(features), inputs.shape[-2:])

    def _enlarge(self, logits: Tensor, size: torch.Size) -> Tensor:
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


@contextmanager
def captured_outputs(model: nn.Module, names: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Collect what modules return, by name, while the block runs."""
    outputs: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name in names:
            keep = partial(lambda name, module, inputs, output: outputs.__setitem__(name, output), name)
            hooks.enter_context(model.get_submodule(name).register_forward_hook(keep))
        yield outputs


def _windows(length: int, window: int, stride: int) -> list[tuple[int, int]]:
    """Beginnings and ends of windows along a side; the last one ends with it."""
    starts = range(0, max(length - window, 0) + stride, stride)
    return [(max(min(start, length - window), 0), min(start + window, length)) for start in starts]


def _check_options(
    model: DualSuperResolution, upsampling: str | None, sisr_head: Any, feature_transform: Any, loss_affinity: Any
) -> None:
    def require(holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f'{type(model).__name__}: {rule}')

    preprocessor = model.data_preprocessor
    require(upsampling in _UPSAMPLING, f'upsampling must be one of {_UPSAMPLING}, got {upsampling!r}')
    right = isinstance(preprocessor, LowResolutionPreProcessor)
    require(right, f'data_preprocessor must be LowResolutionPreProcessor, got {type(preprocessor)}')
    kept = sisr_head is None or preprocessor.keep_target
    require(kept, 'sisr_head needs data_preprocessor.keep_target=True, got False')
    require(
        (feature_transform is None) == (loss_affinity is None),
        f'feature_transform and loss_affinity go together, got {feature_transform!r} and {loss_affinity!r}',
    )
    require(feature_transform is None or sisr_head is not None, 'feature_transform needs a sisr_head, got None')
    rebuilds, mode = model.test_cfg.get('super_resolution', False), model.test_cfg.get('mode', 'whole')
    require(
        not rebuilds or (sisr_head is not None and mode == 'whole'),
        f"test_cfg.super_resolution needs a sisr_head and mode='whole', got {sisr_head}, {mode!r}",
    )


class LowResolutionPreProcessor(SegDataPreProcessor):
    """mmseg's data preprocessor; then the images, and not the labels, are reduced.

    The batch is normalized and padded as usual, then interpolated bilinearly, aligned at the corners, to
    ``(H // factor, W // factor)``. The metadata keep describing the full size, so that mmseg's heads resize their
    logits to the full size of the labels, in the loss and in whole-image tests. Of an odd side, nothing is cut off:
    the corners of both images meet, and the sampling is slightly coarser than ``factor``.

    Args:
        factor: How much smaller the network's input is, on each side.
        keep_target: Whether each sample keeps its image at full size, normalized, as ``gt_image`` (`PixelData`, RGB if
            ``bgr_to_rgb``): the target of a super-resolution branch. Test images keep it without their padding.
        **kwargs: Arguments of mmseg's ``SegDataPreProcessor``. ``size`` and ``size_divisor`` are those of full size.

    Raises:
        ValueError: If ``factor`` is not a positive integer.
    """

    def __init__(self, factor: int = 2, keep_target: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(factor, int) or factor < 1:
            raise ValueError(f'LowResolutionPreProcessor: factor must be a positive integer, got {factor!r}')
        self.factor, self.keep_target = factor, keep_target

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return ``inputs``, ``(N, 3, H // factor, W // factor)``, and ``data_samples`` at full size."""
        sizes = [image.shape[-2:] for image in data['inputs']]
        data = super().forward(data, training)
        images, samples = data['inputs'], data['data_samples']
        if self.keep_target and samples is not None:
            for image, sample, (height, width) in zip(images, samples, sizes, strict=True):
                sample.gt_image = PixelData(data=image if training else image[:, :height, :width])
        return dict(inputs=self.reduce(images), data_samples=samples)

    def reduce(self, images: Tensor) -> Tensor:
        """Interpolate images ``(N, C, H, W)`` to ``(N, C, H // factor, W // factor)``."""
        if self.factor == 1:
            return images
        size = [side // self.factor for side in images.shape[-2:]]
        return interpolate(images, size, mode='bilinear', align_corners=True)

    def denormalize(self, images: Tensor) -> Tensor:
        """Return normalized images ``(..., 3, H, W)`` in the units of the files, 0 to 255."""
        if not self._enable_normalize:
            return images
        return images * self.std + self.mean


def inference_weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights that are left without the super-resolution branch and the feature transform.

    They are those of the plain segmentor, which loads them strictly, unless the segmentation has a learned up-sampling:
    then they are those of a `DualSuperResolution` without ``sisr_head``.

    Args:
        state_dict: Weights of a `DualSuperResolution`.

    Raises:
        ValueError: If they have no branch.

    Example:
        >>> weights = {'backbone.conv1.weight': torch.zeros(1), 'sisr_head.low_level.conv.weight': torch.zeros(1)}
        >>> list(inference_weights(weights))
        ['backbone.conv1.weight']
    """
    kept = {key: value for key, value in state_dict.items() if not key.startswith(_BRANCH)}
    if len(kept) == len(state_dict):
        raise ValueError(f'state_dict must have keys that begin with {" or ".join(_BRANCH)}, got none')
    return kept
