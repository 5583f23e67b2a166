"""Polyphase components, and the adaptive choice of one. Shapes: N batch, C channels, H W sides, S stride.

A map has P = S_h S_w components, each of C channels and M_h x M_w positions, M = ceil(H / S).
"""

import math

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_choice, check_map, check_pair, described, one_or_many
from antialias_plugins.kernels import is_transformed, static_shape, static_sizes
from antialias_plugins.kernels.maps import as_input, as_type, is_on_cpu, widest_type
from antialias_plugins.kernels.padding import pad_by_slices

NORMS = {'l1': 1, 'l2': 2, 'linf': math.inf}


@one_or_many()
def polyphase_components(input: Tensor, stride: int | tuple[int, int] = 2) -> Tensor:
    """Part a map into the S_h S_w maps that subsampling can keep.

    Component ``a S_w + b`` holds the positions ``[a::S_h, b::S_w]``. A circular shift of the map permutes the
    components, and shifts some of them by one position. A side that S does not divide is first extended circularly at
    the bottom or right, so that all components have one size; then this holds no longer, because no position is left
    that a shift could bring back.

    Args:
        input: floating-point map (N, C, H, W) or (C, H, W).
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.

    Returns:
        (N, P, C, M_h, M_w) in the type of `input`.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> polyphase_components(torch.arange(8.0).reshape(1, 1, 2, 4)).reshape(4, 2)
        tensor([[0., 2.],
                [1., 3.],
                [4., 6.],
                [5., 7.]])
    """
    check_map(input)
    rows, columns = strides = check_pair('stride', stride)
    if is_transformed() and all(step <= side + 1 for step, side in zip(strides, static_shape(input)[2:], strict=True)):
        # No size is computed: exporters cannot tell that the side of a dynamic map is a multiple of the stride.
        extended = pad_by_slices(input, (0, columns - 1, 0, rows - 1), 'circular')
        top, left = ([slice(phase, phase - step + 1 or None, step) for phase in range(step)] for step in strides)
        lines = [extended[..., cut, :] for cut in top]
        return torch.stack([line[..., cut] for line in lines for cut in left], 1)
    extended = _extend(_extend(input, 2, rows), 3, columns)
    grid = extended.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
    return grid.permute(0, 3, 5, 1, 2, 4).flatten(1, 2)


@one_or_many(dim=5)
def polyphase_norms(components: Tensor, norm: str = 'l2') -> Tensor:
    """Norm of each component over all of its values, summed in float64.

    A shift of the map changes the order of the sum. In float64 its rounding cannot reorder the norms of float32 values
    unless they agree in about fifteen digits. Devices other than CPU and CUDA may lack it: there the sum is in float32,
    and norms that agree in about six digits may change places.

    Args:
        components: (N, P, C, M_h, M_w), or without N.
        norm: ``'l1'``, ``'l2'`` or ``'linf'``.

    Returns:
        (N, P) in float64, or in float32 on such a device.

    Raises:
        ValueError: if an argument breaks a rule above.
    """
    _check_components(components)
    check_choice('norm', norm, tuple(NORMS))
    dtype = torch.promote_types(components.dtype, widest_type(components.device))
    if is_transformed():  # ONNX's exporter of traces drops the type of the sum, and OpenVINO the axes of this one
        components = components.to(dtype)
        if norm == 'l1':
            return components.abs().sum((2, 3, 4))
    return torch.linalg.vector_norm(components, NORMS[norm], dim=(2, 3, 4), dtype=dtype)


@one_or_many('selection', dim=5)
def select_component(components: Tensor, selection: Tensor) -> Tensor:
    """Take one component per sample, or a weighted sum of them.

    Args:
        components: (N, P, C, M_h, M_w), or without N, like `selection` then.
        selection: the phases (N,), integers from 0 to P - 1, whose components are taken unchanged; or floating-point
            weights (N, P), or (N, P, C) with one per channel, where even a weight of 0 passes on infinities and NaNs.

    Returns:
        (N, C, M_h, M_w) in the type of `components`; the sum is computed in the wider of both types.

    Raises:
        ValueError: if an argument breaks a rule above.
    """
    _check_components(components)
    _check_selection('selection', selection, components, static_shape(components)[:3])
    return take(components, selection)


def take(components: Tensor, selection: Tensor) -> Tensor:
    """Compute `select_component` of what is known to fit."""
    if selection.is_floating_point():
        return as_type((components * _spread(selection)).sum(1), components.dtype)
    if is_transformed():  # not every runtime knows how large an expanded index is
        first = torch.arange(components.shape[0], device=components.device) * static_shape(components)[1]
        return components.flatten(0, 1).index_select(0, first + selection)
    return components.gather(1, _spread(selection.long()).expand_as(components[:, :1])).squeeze(1)


@one_or_many()
def adaptive_polyphase_pool2d(
    input: Tensor, stride: int | tuple[int, int] = 2, norm: str = 'l2'
) -> tuple[Tensor, Tensor]:
    """Subsample each map where its polyphase component has the largest norm.

    From `Truly shift-invariant convolutional neural networks <https://arxiv.org/abs/2011.14214>`_ (Chaman and
    Dokmanić, 2021). The choice moves with the map: the output of a circularly shifted map is the circularly shifted
    output, to the last bit, if S divides the sides and the largest norm is unique. Among equal norms the first phase
    wins, which need not be the one that moved; maps of few distinct values (constant, binary, periodic) have such ties.

    Args:
        input: floating-point map (N, C, H, W) or (C, H, W).
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        norm: ``'l1'``, ``'l2'`` or ``'linf'``.

    Returns:
        The component (N, C, ceil(H / S), ceil(W / S)), contiguous in the memory format of `input`, in its type; and its
        phases (N,), ``a S_w + b`` for positions ``[a::S_h, b::S_w]``.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> output, phase = adaptive_polyphase_pool2d(torch.arange(8.0).reshape(1, 1, 2, 4))
        >>> output, phase
        (tensor([[[[5., 7.]]]]), tensor([3]))
    """
    components = polyphase_components(input, stride)
    phase = polyphase_norms(components.detach(), norm).argmax(1)
    return as_input(take(components, phase), input), phase


@one_or_many('phase')
def polyphase_unpool2d(
    input: Tensor, phase: Tensor, stride: int | tuple[int, int] = 2, size: tuple[int, int] | None = None
) -> Tensor:
    """Put a map back to the positions that it was taken from, with zeros elsewhere.

    This is the transpose of `select_component` after `polyphase_components`. It keeps the sum of the map, so its mean
    drops to 1 / P; `antialias_plugins.layers.PolyphaseUnpool2d` interpolates, and makes up for that.

    Args:
        input: floating-point map (N, C, M_h, M_w), or without N, like `phase` then.
        phase: the phases (N,) or weights (N, P) or (N, P, C) that it was selected with.
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        size: sides H and W of the map that it was taken from, ``(S_h M_h, S_w M_w)`` by default. Positions beyond them
            wrap around.

    Returns:
        (N, C, H, W), contiguous in the memory format of `input`, in its type.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> polyphase_unpool2d(torch.tensor([[[[5.0, 7.0]]]]), torch.tensor([3]))
        tensor([[[[0., 0., 0., 0.],
                  [0., 5., 0., 7.]]]])
    """
    check_map(input)
    strides = check_pair('stride', stride)
    samples, channels, *kept = static_shape(input)
    _check_selection('phase', phase, input, (samples, math.prod(strides), channels))
    if size is not None and not is_transformed():  # where sizes are symbols
        size = check_pair('size', size)
    if size is not None and [-(-side // step) for side, step in zip(static_sizes(size), strides, strict=True)] != kept:
        raise ValueError(f'size must be one that stride {strides} takes to {tuple(kept)}, got {tuple(size)}')
    if phase.is_floating_point():
        components = [as_type(input * weight, input.dtype) for weight in _spread(phase).unbind(1)]
    else:
        components = [torch.where((phase == index).view(-1, 1, 1, 1), input, 0) for index in range(math.prod(strides))]
    # An axis after the other: not every runtime has more than five, and not every exporter can split one.
    rows = [components[first : first + strides[1]] for first in range(0, len(components), strides[1])]
    output = torch.stack([torch.stack(row, 4).flatten(3) for row in rows], 3).flatten(2, 3)
    if size is not None:
        output = _fold(_fold(output, 2, size[0], strides[0]), 3, size[1], strides[1])
    return as_input(output, input)


def _extend(input: Tensor, dim: int, stride: int) -> Tensor:
    """Continue an axis circularly to the next multiple of the stride."""
    side = input.shape[dim]
    if not is_transformed() and side % stride == 0:  # a recorded program has to hold for any side
        return input
    kept = (side + stride - 1) // stride * stride
    return input.index_select(dim, torch.arange(kept, device=input.device) % side)


def _fold(extended: Tensor, dim: int, side: int, stride: int) -> Tensor:
    """Apply the transpose of `_extend`: add what wrapped around, of the last S positions, to the first S ones."""
    kept = extended.shape[dim]
    if not is_transformed() and kept == side:
        return extended
    lines = extended.transpose(dim, 3)  # not an `index_add`, in which ONNX's exporter of traces forgets to add
    first, last, positions = lines[..., :stride], lines[..., -stride:], torch.arange(kept, device=lines.device)
    for turn in range(1, 2 if static_shape(extended)[dim] > stride else stride):
        wraps = positions[-stride:] - turn * side == positions[:stride, None]
        first = first + torch.where(wraps, last.unsqueeze(3), 0).sum(4)
    # not a slice, for which `torch.export` asks whether it is all there is
    return torch.cat([first, lines[..., stride:]], 3).index_select(3, positions[:side]).transpose(dim, 3)


def _spread(selection: Tensor) -> Tensor:
    """Give (N,), (N, P) or (N, P, C) the five axes of the components."""
    return selection[(..., *[None] * (5 - selection.dim()))]


def _check_components(components: Tensor) -> None:
    is_real = isinstance(components, Tensor) and components.is_floating_point()
    if not is_real or components.dim() != 5 or 0 in static_shape(components)[1:]:
        raise ValueError(
            'components must be a floating-point tensor (N, P, C, H, W) or (P, C, H, W), empty along N at most, '
            f'got {described(components)}'
        )


def _check_selection(name: str, selection: Tensor, map: Tensor, axes: tuple[int, int, int]) -> None:
    rule = f'{name} must be integers {axes[:1]} from 0 to {axes[1] - 1} or floating-point weights {axes[:2]} or {axes}'
    if not isinstance(selection, Tensor):
        raise ValueError(f'{rule}, got {described(selection)}')
    shape, is_weighted = static_shape(selection), selection.is_floating_point()
    is_integer = not is_weighted and selection.dtype != torch.bool and not selection.is_complex()
    if not ((is_weighted and shape in (axes[:2], axes)) or (is_integer and shape == axes[:1])):
        raise ValueError(f'{rule}, got {described(selection)}')
    if selection.device != map.device:
        raise ValueError(f'{name} must be on {map.device} with the map, got {selection.device}')
    if is_weighted or is_transformed():
        return
    fits = ((selection >= 0) & (selection < axes[1])).all()
    if selection.is_cuda:  # which is asked without waiting for it
        torch._assert_async(fits)
    elif is_on_cpu(selection) and not fits:
        raise ValueError(f'{rule}, got {selection.tolist()}')
