"""Operators of mmcv by PyTorch and torchvision, for an mmcv that was installed without its compiled ones.

Importing this module lets ``mmcv.ops``, and with it mmdet, be imported where ``mmcv._ext`` is missing; where it was
compiled, nothing happens. In a config::

    custom_imports = dict(imports=['antialias_plugins.openmmlab.mmcv_ops'])

The functions below have the names and the arguments that mmcv's Python code calls, and write into the tensors that it
passes. One that is not here raises by its name when it is called.

Shapes: N pictures of C channels; R regions or boxes, ``(x1, y1, x2, y2)``, with the picture's number before them for
pools; K classes.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NoReturn

import torch
import torchvision
from torch import Tensor
from torch.nn.functional import interpolate, logsigmoid, unfold

__all__ = [
    'carafe_backward',
    'carafe_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'get_compiler_version',
    'get_compiling_cuda_version',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'roi_align_backward',
    'roi_align_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
    'softnms',
]

AVERAGE = 1
LINEAR, GAUSSIAN = 1, 2


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the boxes that no better one covers, the best first; a box is ``offset`` pixels larger."""
    return torchvision.ops.nms(_grown(boxes, offset), scores, iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Lower the scores of boxes that a better one covers (Bodla et al., ICCV 2017, arXiv:1704.04503).

    Args:
        boxes: ``(R, 4)``.
        scores: ``(R,)``.
        dets: The boxes that are left, with their scores: its first rows are written, ``(R, 5)``.
        iou_threshold: Share of the union from which a box counts as covered, for methods 0 and 1.
        sigma: Width of method 2.
        min_score: Boxes below it are dropped.
        method: 0: to nothing; 1: by the share that is not covered; 2: by a Gaussian of the share.
        offset: A box is that many pixels larger than its corners say.

    Returns:
        Indices of the boxes that are left, the best first.
    """
    left, scores = torch.arange(len(boxes), device=boxes.device), scores.clone()
    kept = []
    while len(left):
        best = scores[left].argmax()
        index = left[best]
        dets[len(kept)] = torch.cat([boxes[index], scores[index, None]])
        kept.append(index)
        left = torch.cat([left[:best], left[best + 1 :]])
        iou = torchvision.ops.box_iou(_grown(boxes[index, None], offset), _grown(boxes[left], offset))[0]
        if method == GAUSSIAN:
            weight = (-(iou**2) / sigma).exp()
        else:
            weight = torch.where(iou < iou_threshold, 1.0, 1 - iou if method == LINEAR else 0.0).to(iou)
        scores[left] *= weight
        left = left[scores[left] >= min_score]
    return torch.stack(kept) if kept else left


def roi_align_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **options: Any
) -> None:
    """Average regions of ``(N, C, H, W)`` into ``output``, ``(R, C, aligned_height, aligned_width)``."""
    output.copy_(_roi_align(input, rois, **options))


def roi_align_backward(
    grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor, **options: Any
) -> None:
    """Write the gradient by the input, whose shape ``grad_input`` has."""
    input = torch.zeros_like(grad_input)
    _write_gradients(lambda x: _roi_align(x, rois, **options), [input], grad_output, [grad_input])


def _roi_align(
    input: Tensor,
    rois: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> Tensor:
    if pool_mode != AVERAGE:
        raise NotImplementedError("pool_mode of roi_align must be 'avg' without the compiled operators, got 'max'")
    size = aligned_height, aligned_width
    return torchvision.ops.roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned)


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the focal loss of every class on its own, ``(R, K)`` (Lin et al., ICCV 2017, arXiv:1708.02002)."""
    output.copy_(_sigmoid_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the gradient of the loss's sum."""
    loss = torch.ones_like(input)
    _write_gradients(lambda x: _sigmoid_focal_loss(x, target, weight, gamma, alpha), [input], loss, [grad_input])


def _sigmoid_focal_loss(input: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    is_class = target[:, None] == torch.arange(input.shape[1], device=input.device)
    right = torch.where(is_class, input, -input)  # its sigmoid is the probability of the right answer
    loss = -torch.where(is_class, alpha, 1 - alpha) * (-right).sigmoid() ** gamma * logsigmoid(right)
    return loss * weight[target][:, None] if weight.numel() else loss


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the focal loss of the target's class, ``(R,)``, from the softmax, ``(R, K)``; 0 for targets below 0."""
    chosen, counts = _probability(softmax, target, weight)
    output.copy_(-alpha * counts * (1 - chosen) ** gamma * chosen.log())


def softmax_focal_loss_backward(
    softmax: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the gradient by the logits."""
    chosen, counts = _probability(softmax, target, weight)
    rest = 1 - chosen
    buff.copy_(alpha * counts * (gamma * rest ** (gamma - 1) * chosen * chosen.log() - rest**gamma))
    is_class = target[:, None] == torch.arange(softmax.shape[1], device=softmax.device)
    grad_input.copy_(buff[:, None] * (is_class.to(softmax) - softmax))


def _probability(softmax: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The probability of each target, and what it counts."""
    known = target.clamp(min=0)
    chosen = softmax.gather(1, known[:, None])[:, 0].clamp(min=torch.finfo(torch.float32).tiny)
    return chosen, (target >= 0) * (weight[known] if weight.numel() else 1)


def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor, **options: int
) -> None:
    """Convolve where ``offset`` points (Dai et al., ICCV 2017, arXiv:1703.06211)."""
    output.copy_(_deform_conv(input, weight, offset, **_named(options)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **options: int,
) -> None:
    """Write the gradients by the input and by the offsets."""
    named = _named(options)
    _write_gradients(
        lambda x, o: _deform_conv(x, weight, o, **named), [input, offset], grad_output, [grad_input, grad_offset]
    )


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **options: int,
) -> None:
    """Write ``scale`` times the gradient by the weight, whose shape ``grad_weight`` has."""
    named = _named(options)
    weight = torch.zeros_like(grad_weight)
    _write_gradients(lambda w: _deform_conv(input, w, offset, **named), [weight], scale * grad_output, [grad_weight])


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **options: int,
) -> None:
    """Convolve where ``offset`` points, each place weighted by ``mask`` (Zhu et al., CVPR 2019, arXiv:1811.11168)."""
    output.copy_(_deform_conv(input, weight, offset, mask, bias if with_bias else None, **options))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **options: int,
) -> None:
    """Write all gradients."""
    inputs, grads = [input, weight, offset, mask], [grad_input, grad_weight, grad_offset, grad_mask]
    if with_bias:
        inputs, grads = [*inputs, bias], [*grads, grad_bias]
    _write_gradients(lambda *tensors: _deform_conv(*tensors, **options), inputs, grad_output, grads)


def _named(options: dict[str, int]) -> dict[str, int]:
    """Options of the plain operator by the names of the modulated one; ``im2col_step`` has no meaning here."""
    names = {'kernel': 'k', 'stride': 'd', 'pad': 'pad', 'dilation': 'dilation'}
    sides = {f'{name}_{side}': options[f'{old}{side.upper()}'] for name, old in names.items() for side in 'hw'}
    return sides | {name: options[name] for name in ('group', 'deformable_group')}


def _deform_conv(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    **known: int,  # the kernel's size and the groups, which the shapes say
) -> Tensor:
    stride, padding, dilation = (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w)
    return torchvision.ops.deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


def ms_deform_attn_forward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, attention: Tensor, im2col_step: int
) -> Tensor:
    """Return multi-scale deformable attention, ``(N, Q, C)`` (Zhu et al., ICLR 2021, arXiv:2010.04159)."""
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(value, shapes, locations, attention)


def ms_deform_attn_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    attention: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_locations: Tensor,
    grad_attention: Tensor,
    im2col_step: int,
) -> None:
    """Write the gradients by the values, the places and the weights."""
    _write_gradients(
        lambda v, p, a: ms_deform_attn_forward(v, shapes, starts, p, a, im2col_step),
        [value, locations, attention],
        grad_output,
        [grad_value, grad_locations, grad_attention],
    )


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    **options: int,
) -> None:
    """Upsample ``(N, C, H, W)`` by filters of each output place (Wang et al., ICCV 2019, arXiv:1905.02188).

    ``masks`` are ``(N, G·k², sH, sW)``; ``rfeatures``, which the backward pass is given, keeps the features.
    """
    rfeatures.copy_(features)
    output.copy_(_carafe(features, masks, **options))


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    **options: int,
) -> None:
    """Write the gradients by the features and by the masks."""
    _write_gradients(lambda x, m: _carafe(x, m, **options), [rfeatures, masks], grad_output, [grad_input, grad_masks])


def _carafe(features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale_factor: int) -> Tensor:
    (n, c, h, w), taps, groups = features.shape, kernel_size**2, group_size
    patches = unfold(features, kernel_size, padding=kernel_size // 2).view(n, c * taps, h, w)
    patches = interpolate(patches, scale_factor=scale_factor, mode='nearest')
    size = patches.shape[2:]
    filtered = patches.view(n, groups, c // groups, taps, *size) * masks.view(n, groups, 1, taps, *size)
    return filtered.sum(3).view(n, c, *size)


def get_compiler_version() -> str:
    """Say so in what mmengine logs of the environment."""
    return 'none: PyTorch and torchvision compute the operators (antialias_plugins.openmmlab.mmcv_ops)'


def get_compiling_cuda_version() -> str:
    """Say so in what mmengine logs of the environment."""
    return 'not available'


def _grown(boxes: Tensor, offset: int) -> Tensor:
    return boxes + boxes.new_tensor([0, 0, offset, offset])


def _write_gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], grad_output: Tensor, gradients: Sequence[Tensor]
) -> None:
    """Compute the function again, and write its gradients by the inputs."""
    with torch.enable_grad():
        inputs = [tensor.detach().requires_grad_() for tensor in inputs]
        found = torch.autograd.grad(function(*inputs), inputs, grad_output)
    for gradient, tensor in zip(gradients, found, strict=True):
        gradient.copy_(tensor)


class _Operators(ModuleType):
    """Stands for ``mmcv._ext``."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise NotImplementedError(f"mmcv's operator {name} must be compiled: this mmcv was installed without them")

        return missing


if find_spec('mmcv._ext') is None:
    operators = _Operators('mmcv._ext')
    operators.__spec__ = ModuleSpec('mmcv._ext', None)
    vars(operators).update({name: globals()[name] for name in __all__})
    sys.modules['mmcv._ext'] = operators
