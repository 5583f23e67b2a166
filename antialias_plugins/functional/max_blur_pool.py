"""Max pooling without aliasing. Shapes: N batch, C channels, H W sides, K taps per axis, S stride."""

from torch import Tensor

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import (
    PADDING_MODES,
    check_choice,
    check_count,
    check_flag,
    check_map,
    check_pair,
    one_or_many,
)
from antialias_plugins.functional.blur_pool import check_filter


@one_or_many()
def max_blur_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] = 2,
    padding: int | tuple[int, int] = 0,
    filt_size: int = 4,
    padding_mode: str = 'reflect',
    ceil_mode: bool = False,
    *,
    filt: Tensor | None = None,
    backend: str | None = None,
) -> Tensor:
    """Take the maximum at every position, then `blur_pool2d` it at stride S.

    From `Making Convolutional Networks Shift-Invariant Again <https://arxiv.org/abs/1904.11486>`_ (Zhang, 2019). The
    output has the size that `torch.nn.MaxPool2d` gives for the same arguments, and for K = 1 its values.

    Args:
        input: floating-point map (N, C, H, W) or (C, H, W).
        kernel_size: window of the maximum, for both axes or as ``(vertical, horizontal)``.
        stride: S, at least 1.
        padding: padding of the maximum (minus infinity), at most half the window.
        filt_size: K of the filter, at least 1.
        padding_mode: padding of the filter, as in `blur_pool2d`.
        ceil_mode: whether a last window that is only partly on the map counts, as in `torch.nn.MaxPool2d`.
        filt: the taps, if they are at hand, as in `blur_pool2d`.
        backend: as in `blur_pool2d`.

    Returns:
        (N, C, H', W'), contiguous in the memory format of `input`, in its type.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> import torch
        >>> max_blur_pool2d(torch.arange(8.0).expand(1, 1, 8, 8), filt_size=3)[0, 0, 1]
        tensor([1.5000, 3.0000, 5.0000, 6.5000])
    """
    check_map(input)
    window, stride = check_window(kernel_size, padding), check_pair('stride', stride)
    filt = check_filter(filt, check_count('filt_size', filt_size))
    check_choice('padding_mode', padding_mode, PADDING_MODES)
    if check_flag('ceil_mode', ceil_mode):
        window = window.reaching(input.shape[2:], stride)
    return kernels.max_blur_pool2d(input, window, filt, stride, padding_mode, backend)


@one_or_many()
def dense_max_pool2d(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Max pool at stride 1 over as many positions as a max pool of stride S covers.

    Every S-th position of the result is what `torch.nn.functional.max_pool2d` returns for the same arguments, in size
    and value: ``ceil(H'' / S)`` of its sides (H'', W'') are those of the replaced pool. With `ceil_mode` that takes
    minus infinities at the right and bottom, because at stride 1 there is no partly covered window that torch would add
    by itself.
    """
    window, stride = check_window(kernel_size, padding, dilation), check_pair('stride', stride)
    return kernels.dense_max_pool2d(input, window.reaching(input.shape[2:], stride) if ceil_mode else window)


def check_window(
    kernel_size: int | tuple[int, int], padding: int | tuple[int, int], dilation: int | tuple[int, int] = 1
) -> kernels.MaxWindow:
    """Return the window of a max pool, or raise if one of the arguments or their ratio is wrong."""
    kernel_size, padding = check_pair('kernel_size', kernel_size), check_pair('padding', padding, minimum=0)
    if any(2 * padding[axis] > kernel_size[axis] for axis in (0, 1)):
        raise ValueError(f'padding must be at most half of kernel_size {kernel_size}, got {padding}')
    return kernels.MaxWindow(kernel_size, padding, check_pair('dilation', dilation))
