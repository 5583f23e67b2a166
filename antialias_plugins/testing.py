"""Measurements for tests and benchmarks: they return numbers, and the caller decides what is good enough."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_map, check_pair
from antialias_plugins.metrics.equivariance import as_moves, equivariance_error
from antialias_plugins.metrics.inputs import as_tensor, check_least, check_shape


def shift_equivariance_error(
    module: Callable[[Tensor], Tensor],
    input: Tensor,
    shifts: Iterable[int | tuple[int, int]],
    stride: int | tuple[int, int] = 1,
    margin: int = 0,
) -> Tensor:
    """How far a map-to-map module is from moving its output when its input moves.

    The input is shifted circularly by whole pixels, the output by ``shift / stride`` of its own, and their difference
    is that of `equivariance_error`. A module that subsamples without a filter commutes with multiples of its stride and
    with nothing else.

    Args:
        module: takes (N, C, H, W), returns (N, C', H', W').
        input: floating-point map (N, C, H, W) with sides that are multiples of `stride`.
        shifts: pixels of the input, each for both axes or as ``(vertical, horizontal)``.
        stride: how many input pixels one output pixel is, for both axes or as ``(vertical, horizontal)``.
        margin: output pixels at each border that do not count; for modules whose own border is not circular.

    Returns:
        (len(shifts),) in float64, 0 for an equivariant module.

    Raises:
        ValueError: if the sides are not multiples of `stride`, or `module` does not shrink them by it.

    Example:
        >>> from antialias_plugins.layers import BlurPool2d
        >>> wave = torch.cos(torch.arange(32.0) * 2.5).expand(1, 1, 32, 32)
        >>> subsampled, blurred = (
        ...     shift_equivariance_error(BlurPool2d(1, size, padding_mode='circular'), wave, [1], stride=2)
        ...     for size in (1, 5)
        ... )
        >>> bool(blurred < subsampled)
        True
    """
    if not callable(module):
        raise ValueError(f'module must be callable, got {type(module).__name__}')
    check_map(as_tensor('input', input))
    check_shape('input', input, '(N, C, H, W)')
    check_least(margin=(margin, 0))
    moves = as_moves(shifts)
    stride = check_pair('stride', stride)
    if any(side % step for side, step in zip(input.shape[2:], stride, strict=True)):
        raise ValueError(f'sides of input must be multiples of stride {stride}, got {tuple(input.shape[2:])}')
    sides = tuple(side // step for side, step in zip(input.shape[2:], stride, strict=True))
    with torch.no_grad():
        still = as_tensor('maps of module', module(input))
        if tuple(still.shape[2:]) != sides:
            raise ValueError(f'module must return maps of {sides} for stride {stride}, got {tuple(still.shape[2:])}')
        errors = []
        for rows, columns in moves:
            moved = module(input.roll((rows, columns), (2, 3)))
            errors.append(equivariance_error(still, moved, (rows / stride[0], columns / stride[1]), margin))
    return torch.tensor(errors, dtype=torch.float64, device='cpu')
