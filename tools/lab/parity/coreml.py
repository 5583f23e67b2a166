"""Core ML programs, run operator by operator in PyTorch: Apple's own runtime exists on macOS only."""

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antialias_plugins.deployment import explicit_padding

_LARGEST = (16, 512, 512)  # batch, height and width that a program takes


def convert(model: nn.Module, example: Tensor, is_dynamic: bool) -> Callable[[Tensor], Tensor]:
    """Convert the trace of a network, and return what runs the program.

    Circular convolutions are written out by `antialias_plugins.deployment.explicit_padding`, since Core ML has none.

    Args:
        model: the network, in eval mode.
        example: a batch of at least two images.
        is_dynamic: whether the program is for all batches and sizes.

    Raises:
        ImportError: without coremltools.
        KeyError: if the program has an operator that is not in `OPERATORS`.
    """
    logging.getLogger('coremltools').setLevel(logging.CRITICAL)  # it has no runtime here, and says so eight times
    import coremltools as ct

    shape = list(example.shape)
    if is_dynamic:
        for axis, largest in zip((0, 2, 3), _LARGEST, strict=True):
            shape[axis] = ct.RangeDim(1, largest, shape[axis])
    wraps = any(module.padding_mode == 'circular' for module in model.modules() if isinstance(module, nn.Conv2d))
    with explicit_padding() if wraps else nullcontext():
        traced = torch.jit.trace(model, example, check_trace=False)
    package = ct.convert(
        traced,
        inputs=[ct.TensorType('image', shape=shape)],
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    function = package._mil_program.functions['main']
    missing = {operation.op_type for operation in function.operations} - {*OPERATORS, 'const'}
    if missing:
        raise KeyError(f'operators of Core ML that are not known here: {", ".join(sorted(missing))}')
    return lambda image: run(function, image)


def run(function: Any, image: Tensor) -> Tensor:
    """Run the function of a program, of one input and one output."""
    values: dict[str, Any] = dict.fromkeys(function.inputs, image)

    def value_of(operand: Any) -> Any:
        if isinstance(operand, (list, tuple)):
            return [value_of(part) for part in operand]
        if operand.name in values:
            return values[operand.name]
        if not isinstance(operand.val, np.ndarray):
            return operand.val
        return torch.from_numpy(operand.val if operand.val.size else np.zeros(operand.val.shape, np.int32))

    for operation in function.operations:
        if operation.op_type != 'const':
            operands = {name: value_of(operand) for name, operand in operation.inputs.items() if operand is not None}
            result = OPERATORS[operation.op_type](**operands)
            results = result if isinstance(result, (list, tuple)) else [result]
            values |= {output.name: part for output, part in zip(operation.outputs, results, strict=True)}
    return values[function.outputs[0].name]


def _integers(values: Any) -> list[int]:
    return [int(value) for value in values]


def _slice(x: Tensor, begin: Any, end: Any, stride: Any = None, **masks: Any) -> Tensor:
    from_start, to_end, single = (
        masks[name] if masks.get(name) is not None else [False] * x.dim()
        for name in ('begin_mask', 'end_mask', 'squeeze_mask')
    )
    for axis in reversed(range(x.dim())):
        first, last, step = int(begin[axis]), int(end[axis]), 1 if stride is None else int(stride[axis])
        cut = slice(None if from_start[axis] else first, None if to_end[axis] else last, step)
        x = x[(slice(None),) * axis + (first if single[axis] else cut,)]
    return x


def _pad(x: Tensor, pad: Any, mode: str, constant_val: Any) -> Tensor:
    before, after = _integers(pad)[::2][::-1], _integers(pad)[1::2][::-1]
    amounts = [amount for pair in zip(before, after, strict=True) for amount in pair]
    if mode == 'constant':
        return F.pad(x, amounts, value=float(constant_val))
    return F.pad(x, amounts[:4], mode)  # only the sides of a map are mirrored or repeated


def _conv(x: Tensor, weight: Tensor, bias: Any = None, **options: Any) -> Tensor:
    strides, dilations = (_integers(options[name]) for name in ('strides', 'dilations'))
    return F.conv2d(_around(x, 0, options), weight, bias, strides, 0, dilations, int(options['groups']))


def _max_pool(x: Tensor, kernel_sizes: Any, **options: Any) -> Tensor:
    x = _around(x, float('-inf'), options)
    return F.max_pool2d(x, _integers(kernel_sizes), _integers(options['strides']), ceil_mode=bool(options['ceil_mode']))


def _around(x: Tensor, value: float, options: Mapping[str, Any]) -> Tensor:
    """What a window sees around a map."""
    if options['pad_type'] == 'valid':
        return x
    if options['pad_type'] != 'custom':
        raise ValueError(f'pad_type must be valid or custom, got {options["pad_type"]}')
    top, bottom, left, right = _integers(options['pad'])
    return F.pad(x, (left, right, top, bottom), value=value)


def _gather(x: Tensor, indices: Any, axis: Any, **_: Any) -> Tensor:
    indices, axis = torch.as_tensor(indices).long(), int(axis) % x.dim()
    found = x.index_select(axis, torch.where(indices < 0, indices + x.shape[axis], indices).flatten())
    return found.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _reshape(x: Tensor, shape: Any) -> Tensor:
    return x.reshape(tuple(x.shape[axis] if size == 0 else size for axis, size in enumerate(_integers(shape))))


def _split(x: Tensor, axis: Any, num_splits: Any = None, split_sizes: Any = None) -> tuple[Tensor, ...]:
    if split_sizes is not None:
        return x.split(_integers(split_sizes), int(axis))
    return x.chunk(int(num_splits), int(axis))


def _reduced(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def apply(x: Tensor, axes: Any = None, keep_dims: Any = False) -> Tensor:
        return reduce(x, tuple(range(x.dim())) if axes is None else tuple(_integers(axes)), bool(keep_dims))

    return apply


def _elementwise(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, y: compute(*map(torch.as_tensor, (x, y)))


_TYPES = {'fp32': torch.float32, 'int32': torch.int32, 'bool': torch.bool}

# The operators of Apple's Model Intermediate Language (iOS 17), as its reference defines them.
OPERATORS: dict[str, Callable[..., Any]] = {
    'abs': lambda x: x.abs(),
    'add': _elementwise(torch.add),
    'batch_norm': lambda x, mean, variance, gamma, beta, epsilon: F.batch_norm(
        x, mean, variance, gamma, beta, eps=float(epsilon)
    ),
    'cast': lambda x, dtype: torch.as_tensor(x).to(_TYPES[dtype]),
    'clip': lambda x, alpha, beta: x.clamp(float(alpha), float(beta)),
    'concat': lambda values, axis, interleave: torch.cat([torch.atleast_1d(torch.as_tensor(v)) for v in values], axis),
    'conv': _conv,
    'cos': lambda x: x.cos(),
    'equal': _elementwise(torch.eq),
    'expand_dims': lambda x, axes: _expand(torch.as_tensor(x), _integers(axes)),
    'floor_div': _elementwise(torch.floor_divide),
    'gather': _gather,
    'greater': _elementwise(torch.gt),
    'greater_equal': _elementwise(torch.ge),
    'less': _elementwise(torch.lt),
    'linear': lambda x, weight, bias=None: F.linear(x, weight, bias),
    'logical_and': _elementwise(torch.logical_and),
    'matmul': lambda x, y, transpose_x, transpose_y: (x.mT if transpose_x else x) @ (y.mT if transpose_y else y),
    'max_pool': _max_pool,
    'mul': _elementwise(torch.mul),
    'pad': _pad,
    'range_1d': lambda end, start, step: torch.arange(int(start), int(end), int(step), dtype=torch.int32),
    'real_div': _elementwise(torch.true_divide),
    'reduce_argmax': lambda x, axis, keep_dims, **_: x.argmax(int(axis), bool(keep_dims)),
    'reduce_l2_norm': _reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    'reduce_max': _reduced(torch.amax),
    'reduce_mean': _reduced(torch.mean),
    'reduce_sum': _reduced(torch.sum),
    'relu': lambda x: x.relu(),
    'reshape': _reshape,
    'select': lambda cond, a, b: torch.where(cond, torch.as_tensor(a), torch.as_tensor(b)),
    'shape': lambda x: torch.tensor(x.shape),
    'slice_by_index': _slice,
    'softmax': lambda x, axis: x.softmax(int(axis)),
    'split': _split,
    'sqrt': lambda x: x.sqrt(),
    'squeeze': lambda x, axes: x.squeeze(tuple(_integers(axes))),
    'stack': lambda values, axis: torch.stack([torch.as_tensor(value) for value in values], int(axis)),
    'sub': _elementwise(torch.sub),
    'transpose': lambda x, perm: x.permute(_integers(perm)),
    'upsample_bilinear': lambda x, scale_factor_height, scale_factor_width, align_corners, **_: F.interpolate(
        x,
        scale_factor=(float(scale_factor_height), float(scale_factor_width)),
        mode='bilinear',
        align_corners=bool(align_corners),
        recompute_scale_factor=True,
    ),
}


def _expand(x: Tensor, axes: list[int]) -> Tensor:
    for axis in axes:
        x = x.unsqueeze(axis)
    return x
