"""What an operation does to a map, told from its type or from its behaviour; never from the network it is in."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn import functional as F

# roles of a node
CONV, MAX_POOL, AVG_POOL = 'conv', 'max pool', 'avg pool'
NORM, ACTIVATION, IDENTITY, JOIN = 'norm', 'activation', 'identity', 'join'
# pixel by pixel: a scale and an offset; a product of maps; statistics of the channels; the channels behind, in front
AFFINE, PRODUCT, CHANNELS, TO_LAST, TO_FIRST = 'affine', 'product', 'channels', 'to last', 'to first'
OTHER = 'other'

# where a strided result lies on the one at stride 1
ALIGNED, SAME = 'aligned', 'same'

# functions of torch with a role, by their bare names: relu_ is relu, __iadd__ is iadd
_FUNCTIONS = {
    NORM: 'batch_norm group_norm layer_norm instance_norm',
    ACTIVATION: (
        'relu relu6 leaky_relu elu selu celu silu mish gelu hardswish hardsigmoid hardtanh sigmoid tanh softplus prelu '
        'clamp threshold exp log pow rpow square sqrt rsqrt reciprocal rdiv rtruediv abs erf sin cos gt ge lt le where '
        'maximum minimum'
    ),
    IDENTITY: 'dropout dropout2d feature_dropout contiguous clone detach to type_as float half',
    JOIN: 'add radd iadd cat concat concatenate',
    PRODUCT: 'mul rmul imul multiply div truediv idiv itruediv divide sub rsub isub subtract neg',
    CHANNELS: 'mean sum var std var_mean amax amin',
}
_FUNCTION_ROLE = {name: role for role, names in _FUNCTIONS.items() for name in names.split(' ')}
_LAYOUTS = {(0, 2, 3, 1): TO_LAST, (0, 3, 1, 2): TO_FIRST}  # orders of axes
# functions whose result has as many values as a mask is true
SELECTING = ('getitem', 'masked_select')
# functions that read a map where boxes say, whatever its size
REGION_POOLS = ('roi_align', 'roi_pool', 'ps_roi_align', 'ps_roi_pool')
# position of the argument `stride` of the functions that convolve or pool
FUNCTIONAL_DOWNSAMPLING = {'conv2d': 3, 'max_pool2d': 2, 'avg_pool2d': 2}
# functions that rearrange pixels, and what is said of them
_REARRANGING = {
    'pixel_unshuffle': 'reduces the map without a strided convolution or pool',
    'pixel_shuffle': 'enlarges the map by rearranging its channels',
    'unfold': 'takes windows of the map',
}
_TRANSPOSED = 'enlarges the map, transposed'
# position of the argument `stride` of convolutions and pools in 1 and 3 dimensions
_OTHER_DIMENSIONS = {'conv': 3, 'max_pool': 2, 'avg_pool': 2, 'lp_pool': 3}


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """An argument of torch's 2-D layers, an int or a sequence, as (vertical, horizontal)."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def is_conv(module: nn.Module) -> bool:
    """Whether the module is a 2-D convolution; deformable ones too, which do not derive from torch's."""
    if isinstance(module, nn.Conv2d):
        return True
    weight = getattr(module, 'weight', None)
    has_geometry = all(hasattr(module, name) for name in ('stride', 'padding', 'dilation', 'kernel_size'))
    is_transposed = getattr(module, 'transposed', False)
    return has_geometry and isinstance(weight, Tensor) and weight.dim() == 4 and not is_transposed


def is_norm(module: nn.Module) -> bool:
    """Whether the module is a normalisation and nothing else (timm's norms may hold an activation)."""
    norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    return isinstance(module, norms) and not any(True for _ in module.children())


def class_before(module: nn.Module) -> type[nn.Module]:
    """Class of a module before any conversion."""
    cls = type(module)
    while hasattr(cls, '_aa_base'):
        cls = cls._aa_base
    return cls


def is_leaf(module: nn.Module, *inputs: Any) -> bool:
    """Whether `torch.fx` is tracing, and would not have looked into a module before its conversion."""
    proxies = [it for it in inputs if isinstance(it, Proxy)]  # no `next`, which PyTorch 2.5 does not compile
    if not proxies:
        return False
    original = class_before(module)
    return proxies[0].tracer.is_leaf_module(original.__new__(original), '')


def stride_of(module: nn.Module | None) -> tuple[int, int]:
    """Stride of a convolution or pool; (1, 1) for anything else."""
    stride = getattr(module, 'stride', 1)
    return (1, 1) if stride is None else pair(stride)


def call_strides(name: str, args: tuple, kwargs: dict) -> bool:
    """Whether a call of a function of :data:`FUNCTIONAL_DOWNSAMPLING` strides; a pool of the whole map does not."""
    position = FUNCTIONAL_DOWNSAMPLING[name]
    stride = kwargs.get('stride', args[position] if len(args) > position else None)
    if name != 'conv2d':
        window = kwargs['kernel_size'] if 'kernel_size' in kwargs else args[1]
        sides = (kwargs['input'] if 'input' in kwargs else args[0]).shape[-2:]
        if all(k >= n for k, n in zip(pair(window), sides, strict=True)):
            return False
        stride = stride or window
    return stride is not None and pair(stride) != (1, 1)


def reads_shape_only(name: str) -> bool:
    """Whether a function makes a constant of a tensor's shape, as ``zeros_like`` does."""
    return name.endswith('_like') or name.startswith('new_')


def function_role(name: str, args: tuple, kwargs: dict, maps: list[Tensor], constants: list[Tensor]) -> str:
    """Role of a call of a function by its bare name: of the maps that it reads, and the constants beside them."""
    role, is_map = _FUNCTION_ROLE.get(name, OTHER), maps[0].dim() == 4
    if name == 'permute':
        order = args[1] if len(args) == 2 else args[1:]
        return _LAYOUTS.get(tuple(order), OTHER)
    if role == CHANNELS:
        dim = kwargs.get('dim', args[1] if len(args) > 1 else None)
        dims = tuple(dim) if isinstance(dim, (list, tuple)) else (dim,)
        return CHANNELS if is_map and dims in ((1,), (-3,)) and kwargs.get('keepdim') else OTHER
    if role == JOIN and not constants and len(maps) == 1:
        return IDENTITY  # a number was added: nothing was joined
    if role == PRODUCT or name in ('add', 'radd', 'iadd'):
        is_even = all(it.numel() == 1 or (is_map and it.shape[-2:] == (1, 1)) for it in constants)
        return role if len(maps) > 1 else AFFINE if is_even else OTHER
    return role


def resampling(name: str, args: tuple, kwargs: dict) -> str:
    """How a function strides or rearranges a map that is no convolution or pool of one, in words; empty for others."""
    given = dict(enumerate(args)) | kwargs
    if name == 'getitem':
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        steps = [it.step for it in index if isinstance(it, slice) and it.step not in (None, 1)]
        return f'takes every {_ordinal(steps[0])} position of an axis' if steps else ''
    if name == 'max_pool2d' and set(pair(given.get('kernel_size', given.get(1)))) == {1}:
        return 'takes every other pixel: the window is a single one' if _function_stride(given, 2) != (1, 1) else ''
    if name in _REARRANGING:
        return _REARRANGING[name]
    family, dims = name[:-2], name[-2:]
    if family == 'conv_transpose':
        return _TRANSPOSED if set(_function_stride(given, 3)) != {1} else ''
    if dims in ('1d', '3d') and family in _OTHER_DIMENSIONS:
        stride = _function_stride(given, _OTHER_DIMENSIONS[family])
        return _strides_in(int(dims[0])) if set(stride) != {1} else ''
    return ''


def _function_stride(given: dict, position: int) -> tuple[int, ...]:
    """The stride of a call with these arguments, by position and by name; that of a pool is its window by default."""
    stride = given.get('stride', given.get(position))
    if stride is None or stride == []:
        stride = given.get('kernel_size', given.get(1)) if position == 2 else 1  # the window of a pool
    return (stride,) if isinstance(stride, int) else tuple(stride)


def resampling_of(module: nn.Module) -> str:
    """The same of a convolution of torch in another dimension, or a transposed one."""
    if not isinstance(module, nn.modules.conv._ConvNd) or set(module.stride) == {1}:
        return ''
    return _TRANSPOSED if module.transposed else _strides_in(len(module.stride))


def _strides_in(dimensions: int) -> str:
    return f'strides in {dimensions} dimension{"s" * (dimensions > 1)}: only maps (N, C, H, W) are filtered'


def _ordinal(n: int) -> str:
    return {2: '2nd', 3: '3rd'}.get(n, f'{n}th')


def role_of(module: nn.Module, args: tuple, kwargs: dict) -> str | None:
    """Role of a module that is about to be called; None if its ``forward`` has to be looked into."""
    if is_conv(module):
        return CONV
    if isinstance(module, nn.MaxPool2d):
        return MAX_POOL
    if isinstance(module, nn.AvgPool2d):
        return AVG_POOL
    if is_norm(module):
        return NORM
    if any(True for _ in module.children()):
        return None
    if isinstance(module, nn.PReLU):
        return ACTIVATION
    if not any(True for _ in module.parameters()) and not any(True for _ in module.buffers()):
        is_map = len(args) == 1 and not kwargs and isinstance(args[0], Tensor) and args[0].dim() == 4
        return _probe(module.forward, args[0]) if is_map else None
    return OTHER if type(module).__module__.startswith('torch.nn.') else None


def _probe(function: Callable[[Tensor], Tensor], x: Tensor) -> str | None:
    """Tell an activation and an identity by what they do: their result at a pixel depends on that pixel alone.

    They are tried on maps of the size at hand, which are all that a stateless module of a user need take, and on values
    of both signs: on a map without negative values a ReLU is an identity.
    """
    x = scattered(x)
    moved = x.flip(-1).roll(1, -2)
    other = torch.cat([x[..., :1], -moved[..., 1:]], -1)
    with suppress(Exception):  # whatever it says to values that it was not made for
        y, of_moved, of_other = (function(it.clone()) for it in (x, moved, other))
        if not isinstance(y, Tensor) or y.shape != x.shape:
            return None
        if torch.equal(x, y):
            return IDENTITY
        commutes = torch.equal(of_moved, y.flip(-1).roll(1, -2))
        return ACTIVATION if commutes and torch.equal(of_other[..., :1], y[..., :1]) else None
    return None


def scattered(x: Tensor) -> Tensor:
    """A map like ``x`` whose values spread over [-10, 10): multiples of the golden ratio, modulo 20."""
    device = 'cpu' if x.is_meta else x.device  # which has no values to compare
    values = torch.arange(x.numel(), dtype=torch.float32, device=device) * 12.36068 % 20 - 10
    return values.view(x.shape).to(x.dtype)


def dense_grid(module: nn.Module, *args: Any, **kwargs: Any) -> str | None:
    """Where the module's result lies on the denser one that it computes at stride 1.

    Only a class with a ``forward`` of its own can do otherwise than torch's; it is tried on the input at hand, of an
    even and of an odd size.

    Returns:
        :data:`ALIGNED`, on the multiples of the stride; :data:`SAME`, there as well once the denser map has lost the
        first rows and columns that :func:`same_origin` counts; None if it is no part of it, or if a pool does more than
        to pool.
    """
    if type(module).forward in (nn.Conv2d.forward, nn.MaxPool2d.forward, nn.AvgPool2d.forward):
        return ALIGNED
    if kwargs or len(args) != 1:
        return None
    (x,) = args
    if not torch.isfinite(module.forward(x)).all():
        x = scattered(x)  # standardized weights make an untrained network overflow
    inputs = (x, x[..., :-1, :-1].contiguous())
    for grid in (ALIGNED, SAME):
        if all(_lies_on(grid, module, y) for y in inputs):
            return grid
    return None


def same_origin(module: nn.Module, stride: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """First row and column of TensorFlow's 'same' grid at ``stride``, on the result of the same module at stride 1.

    'Same' padding brings a side of n to ⌈n/S⌉, and puts ⌊half⌋ of what that takes on the left. At stride 1 it takes
    more, so the strided positions begin later: for K = 3 and S = 2 at 1 on an even side, at 0 on an odd one.

    Args:
        module: a convolution or pool of kernel size K and dilation D.
        stride: S, the stride that it had, (vertical, horizontal).
        size: of its input, (H, W).
    """
    top, left = (
        _same_padding(n, 1, reach) // 2 - _same_padding(n, s, reach) // 2
        for n, s, reach in zip(size, stride, reaches(module), strict=True)
    )
    return top, left


def _same_padding(n: int, stride: int, reach: int) -> int:
    return max(0, (-(-n // stride) - 1) * stride + reach + 1 - n)


def reaches(module: nn.Module) -> list[int]:
    """How far its window reaches beyond a pixel, (vertical, horizontal)."""
    kernel, dilation = pair(module.kernel_size), pair(getattr(module, 'dilation', 1))
    return [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]


def _lies_on(grid: str, module: nn.Module, x: Tensor) -> bool:
    """Whether the result is the one at stride 1 on that grid, and, of a pool, nothing but pooled."""
    stride, size = stride_of(module), tuple(x.shape[-2:])
    expected = module.forward(x)
    top, left = same_origin(module, stride, size) if grid == SAME else (0, 0)
    if not is_close(at_stride_1(module, x)[..., top :: stride[0], left :: stride[1]], expected):
        return False
    pool = next((base for base in (nn.MaxPool2d, nn.AvgPool2d) if isinstance(module, base)), None)
    if pool and grid == SAME:
        totals = [_same_padding(n, s, r) for n, s, r in zip(size, stride, reaches(module), strict=True)]
        border = [side for total in reversed(totals) for side in (total // 2, total - total // 2)]
        x = F.pad(x, border, value=-torch.inf if pool is nn.MaxPool2d else 0.0)
    return pool is None or is_close(pool.forward(module, x), expected)


def at_stride_1(module: nn.Module, x: Tensor) -> Tensor:
    """What the module computes from ``x`` with stride 1; the module is as before when it returns."""
    strides = {m: m.stride for m in strided_parts(module)}
    try:
        for part in strides:
            part.stride = (1, 1)
        return module.forward(x)
    finally:
        for part, stride in strides.items():
            part.stride = stride


def is_close(actual: Tensor, expected: Tensor) -> bool:
    """Equal up to the rounding of another order of summation, in any floating type."""
    if actual.shape != expected.shape:
        return False
    return bool((actual - expected).abs().max() <= torch.finfo(expected.dtype).eps ** 0.5 * expected.abs().max())


def strided_parts(module: nn.Module) -> list[nn.Module]:
    """The module and the convolutions inside it that share its stride (the offsets of a deformable one)."""
    parts = [m for m in module.modules() if m is not module and is_conv(m) and stride_of(m) == stride_of(module)]
    return [module, *parts]
