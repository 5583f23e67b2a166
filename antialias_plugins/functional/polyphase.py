"""Polyphase components, and the adaptive choice of one. Shapes: N batch, C channels, H W sides, S stride.

A map has P = S_h S_w components, each of C channels and M_h x M_w positions, M = ceil(H / S).
"""

import math

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_choice, check_map, check_pair
from antialias_plugins.kernels import is_transformed, static_shape
from antialias_plugins.kernels.maps import as_input, modulo

NORMS = {'l1': 1, 'l2': 2, 'linf': math.inf}


def polyphase_components(input: Tensor, stride: int | tuple[int, int] = 2) -> Tensor:
    """Part a map into the S_h S_w maps that subsampling can keep.

    Component ``a S_w + b`` holds the positions ``[a::S_h, b::S_w]``. A circular shift of the map permutes the
    components, and shifts some of them by one position. A side that S does not divide is first extended circularly at
    the bottom or right, so that all components have one size; then this holds no longer, because no position is left
    that a shift could bring back.

    Args:
        input: floating-point map (N, C, H, W).
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
    rows, columns = check_pair('stride', stride)
    extended = _extend(_extend(input, 2, rows), 3, columns)
    if is_transformed():  # exporters cannot tell that the side of a dynamic map is a multiple of the stride
        return torch.stack([extended[..., a::rows, b::columns] for a in range(rows) for b in range(columns)], 1)
    grid = extended.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
    return grid.permute(0, 3, 5, 1, 2, 4).flatten(1, 2)


def polyphase_norms(components: Tensor, norm: str = 'l2') -> Tensor:
    """Norm of each component over all of its values, summed in float64.

    A shift of the map changes the order of the sum. In float64 its rounding cannot reorder the norms of float32 values
    unless they agree in about fifteen digits.

    Args:
        components: (N, P, C, M_h, M_w).
        norm: ``'l1'``, ``'l2'`` or ``'linf'``.

    Returns:
        (N, P) in float64.

    Raises:
        ValueError: if an argument breaks a rule above.
    """
    _check_components(components)
    check_choice('norm', norm, tuple(NORMS))
    if is_transformed():  # ONNX's exporter of traces drops the type of the sum
        components = components.double()
    return torch.linalg.vector_norm(components, NORMS[norm], dim=(2, 3, 4), dtype=torch.float64)


def select_component(components: Tensor, selection: Tensor) -> Tensor:
    """Take one component per sample, or a weighted sum of them.

    Args:
        components: (N, P, C, M_h, M_w).
        selection: the phases (N,), integers from 0 to P - 1, whose components are taken unchanged; or floating-point
            weights (N, P), or (N, P, C) with one per channel, where even a weight of 0 passes on infinities and NaNs.

    Returns:
        (N, C, M_h, M_w) in the type of `components`; the sum is computed in the wider of both types.

    Raises:
        ValueError: if an argument breaks a rule above.
    """
    _check_components(components)
    _check_selection(selection, static_shape(components)[:3])
    if selection.is_floating_point():
        return (components * _spread(selection)).sum(1).to(components.dtype)
    return components.gather(1, _spread(selection).expand_as(components[:, :1])).squeeze(1)


def adaptive_polyphase_pool2d(
    input: Tensor, stride: int | tuple[int, int] = 2, norm: str = 'l2'
) -> tuple[Tensor, Tensor]:
    """Subsample each map where its polyphase component has the largest norm.

    From `Truly shift-invariant convolutional neural networks <https://arxiv.org/abs/2011.14214>`_ (Chaman and
    Dokmanić, 2021). The choice moves with the map: the output of a circularly shifted map is the circularly shifted
    output, to the last bit, if S divides the sides and the largest norm is unique. Among equal norms the first phase
    wins, which need not be the one that moved; maps of few distinct values (constant, binary, periodic) have such ties.

    Args:
        input: floating-point map (N, C, H, W), not empty but for N.
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
    return as_input(select_component(components, phase), input), phase


def polyphase_unpool2d(
    input: Tensor, phase: Tensor, stride: int | tuple[int, int] = 2, size: tuple[int, int] | None = None
) -> Tensor:
    """Put a map back to the positions that it was taken from, with zeros elsewhere.

    This is the transpose of `select_component` after `polyphase_components`. It keeps the sum of the map, so its mean
    drops to 1 / P; `antialias_plugins.layers.PolyphaseUnpool2d` interpolates, and makes up for that.

    Args:
        input: floating-point map (N, C, M_h, M_w).
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
    _check_selection(phase, (samples, math.prod(strides), channels))
    if size is not None and [-(-side // step) for side, step in zip(size, strides, strict=True)] != kept:
        raise ValueError(f'size must be one that stride {strides} takes to {tuple(kept)}, got {tuple(size)}')
    if phase.is_floating_point():
        components = (input[:, None] * _spread(phase)).to(input.dtype)
    else:
        chosen = phase[:, None] == torch.arange(math.prod(strides), device=phase.device)
        components = torch.where(_spread(chosen), input[:, None], 0)
    grid = components.unflatten(1, strides)
    output = grid.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)
    if size is not None:
        output = _fold(_fold(output, 2, size[0]), 3, size[1])
    return as_input(output, input)


def _extend(input: Tensor, dim: int, stride: int) -> Tensor:
    """Continue an axis circularly to the next multiple of the stride."""
    side = input.shape[dim]
    if not is_transformed() and side % stride == 0:  # a recorded program has to hold for any side
        return input
    kept = (side + stride - 1) // stride * stride
    return input.index_select(dim, modulo(torch.arange(kept, device=input.device), side))


def _fold(extended: Tensor, dim: int, side: int) -> Tensor:
    """Apply the transpose of `_extend`."""
    kept = extended.shape[dim]
    if not is_transformed() and kept == side:
        return extended
    shape = [*extended.shape[:dim], side, *extended.shape[dim + 1 :]]
    return extended.new_zeros(shape).index_add(dim, modulo(torch.arange(kept, device=extended.device), side), extended)


def _spread(selection: Tensor) -> Tensor:
    """Give (N,), (N, P) or (N, P, C) the five axes of the components."""
    return selection[(..., *[None] * (5 - selection.dim()))]


def _check_components(components: Tensor) -> None:
    if components.dim() != 5 or not components.is_floating_point():
        raise ValueError(
            'components must be a floating-point tensor (N, P, C, H, W), '
            f'got shape {tuple(components.shape)} of {components.dtype}'
        )


def _check_selection(selection: Tensor, axes: tuple[int, int, int]) -> None:
    shape = static_shape(selection)
    if selection.is_floating_point():
        fits = shape in (axes[:2], axes)
    else:
        fits = shape == axes[:1] and selection.dtype != torch.bool and not selection.is_complex()
    if not fits:
        raise ValueError(
            f'selection must be integers {axes[:1]} or floating-point weights {axes[:2]} or {axes}, '
            f'got shape {shape} of {selection.dtype}'
        )
