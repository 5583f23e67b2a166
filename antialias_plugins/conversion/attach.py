"""Hang a filter on a module in place, and take it off again.

The class of the existing module is swapped for a subclass whose ``forward`` runs the filter before or after the
original one. The module stays the same object: references, hooks, parameters, ``isinstance`` checks and state-dict keys
survive.
"""

from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType

from torch import Tensor, nn
from torch.nn import functional as F

from antialias_plugins.conversion import operators as ops
from antialias_plugins.functional.max_blur_pool import dense_max_pool2d
from antialias_plugins.kernels.shape import static_shape


def _pre_forward(self, input: Tensor) -> Tensor:
    return self._aa_base_forward(self.aa(input))


def _post_forward(self, input: Tensor) -> Tensor:
    return self.aa(self._aa_base_forward(input))


def _same_forward(self, input: Tensor) -> Tensor:
    """The dense result from where the strided one begins; its padding is that of the stride it had."""
    dense = self._aa_base_forward(input)
    top, left = ops.same_origin(self, self._aa_stride, static_shape(input)[-2:])
    return dense[..., top:, left:]


def _same_pre_forward(self, input: Tensor) -> Tensor:
    return _same_forward(self, self.aa(input))


def _same_post_forward(self, input: Tensor) -> Tensor:
    return self.aa(_same_forward(self, input))


def _max_pool_forward(self, input: Tensor) -> Tensor:
    dense = dense_max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
    return self.aa(dense)


def _avg_pool_forward(self, input: Tensor) -> Tensor:
    """The filter alone, on the part of the map that gives the pool's own output size."""
    height, width = (
        n if s == 1 else min(n, s * _pooled_size(n, k, s, p, self.ceil_mode))
        for n, k, s, p in zip(static_shape(input)[-2:], *_geometry(self), strict=True)
    )
    return self.aa(input[..., :height, :width])


def _whole_avg_pool_forward(self, input: Tensor) -> Tensor:
    """The filter alone, on the whole map: an odd size is rounded up."""
    return self.aa(input)


def _dense_avg_pool_forward(self, input: Tensor) -> Tensor:
    """The average at stride 1, then the filter: the pool's own values wherever the filter only subsamples."""
    (top, left), missing = ops.pair(self.padding), []
    for n, k, s, p in zip(static_shape(input)[-2:], *_geometry(self), strict=True):
        missing.append(max(0, (_pooled_size(n, k, s, p, self.ceil_mode) - 1) * s + k - n - 2 * p))
    pad, overhang = (left, left, top, top), (0, missing[1], 0, missing[0])
    counted = F.pad(input.new_ones(1, 1, *static_shape(input)[-2:]), pad, value=float(self.count_include_pad))
    share = F.avg_pool2d(F.pad(counted, overhang), self.kernel_size, 1)
    mean = F.avg_pool2d(F.pad(F.pad(input, pad), overhang), self.kernel_size, 1)
    if self.divisor_override:
        k_h, k_w = ops.pair(self.kernel_size)
        return self.aa(mean * (k_h * k_w / self.divisor_override))
    return self.aa(mean / share)


def _geometry(pool: nn.AvgPool2d) -> tuple[tuple[int, int], ...]:
    return ops.pair(pool.kernel_size), ops.stride_of(pool), ops.pair(pool.padding)


def _pooled_size(n: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """Output size of torch's pools; in ceil mode the last window must start inside the input or its left padding."""
    span = n + 2 * padding - kernel
    size = (-(-span // stride) if ceil_mode else span // stride) + 1
    return size - 1 if ceil_mode and (size - 1) * stride >= n + padding else size


FORWARDS: dict[str, Callable] = {
    'pre': _pre_forward,
    'post': _post_forward,
    'max pool': _max_pool_forward,
    'avg pool': _avg_pool_forward,
    'dense avg pool': _dense_avg_pool_forward,
    'whole avg pool': _whole_avg_pool_forward,
    'same': _same_forward,
    'same pre': _same_pre_forward,
    'same post': _same_post_forward,
    'same max pool': _same_post_forward,
    'same avg pool': _whole_avg_pool_forward,  # 'same' rounds up, as the filter does
    'same dense avg pool': _same_post_forward,
    'same whole avg pool': _whole_avg_pool_forward,
}


def attach(module: nn.Module, layer: nn.Module, forward: str) -> None:
    """Hang ``layer`` on ``module`` as its child ``aa``; ``forward`` is a key of :data:`FORWARDS`."""
    module.add_module('aa', layer)
    if _keeps_padding(module):
        module.__class__ = _subclass(f'same {forward}', type(module)._aa_base)
    else:
        module.__class__ = _subclass(forward, type(module))


def keep_padding(module: nn.Module) -> None:
    """Let a module that pads as TensorFlow's 'same' keep the padding of its stride, before that stride is taken."""
    module._aa_stride = ops.stride_of(module)
    module.__class__ = _subclass('same', type(module))


def _keeps_padding(module: nn.Module) -> bool:
    return getattr(type(module), '_aa_forward', None) == 'same'


def fill_slot(parent: nn.Module, layer: nn.Module) -> None:
    """Put ``layer`` in the place of the identity ``parent.aa``."""
    layer._aa_fills_slot = True
    parent.aa = layer


def override(module: nn.Module, **attributes: object) -> None:
    """Set attributes of ``module`` and remember what they were."""
    module._aa_undo = {name: getattr(module, name) for name in attributes}
    for name, value in attributes.items():
        setattr(module, name, value)


def changed_modules(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that a conversion has changed or put in."""
    for module in model.modules():
        if hasattr(type(module), '_aa_base') or '_aa_undo' in vars(module) or '_aa_fills_slot' in vars(module):
            yield module


def detach_all(model: nn.Module) -> int:
    """Undo every change below ``model``; returns how many filters were taken off."""
    count = 0
    for module in list(model.modules()):
        layer = getattr(module, 'aa', None)
        if isinstance(layer, nn.Module) and '_aa_fills_slot' in vars(layer):
            module.aa = nn.Identity().train(layer.training)
            count += 1
        base = getattr(type(module), '_aa_base', None)
        if base is not None:
            module.__class__ = base
            module.__dict__.pop('_aa_stride', None)
            if layer is not None:
                del module.aa
                count += 1
        for name, value in module.__dict__.pop('_aa_undo', {}).items():
            setattr(module, name, value)
    return count


@cache
def _subclass(forward: str, base: type[nn.Module]) -> type[nn.Module]:
    """The subclass of ``base`` that filters; one class for each pair, so that instances of it compare equal by type."""
    members = {
        '__module__': __name__,
        '__doc__': f'{base.__name__} with a low-pass filter, its child ``aa``.',
        '__reduce_ex__': _reduce,
        'forward': _clone(FORWARDS[forward], 'forward'),
        '_aa_base': base,
        '_aa_forward': forward,
        '_aa_base_forward': _clone(base.forward, '_aa_base_forward'),
    }
    return type('Antialiased' + base.__name__, (base,), members)


def _clone(function: FunctionType, name: str) -> FunctionType:
    """The same function under another name.

    TorchScript names a method by its function, and dynamo of torch 2.1 calls the module again when it meets a function
    called ``forward`` from ``torch.nn``: the filter would run twice.
    """
    clone = FunctionType(function.__code__, function.__globals__, name, function.__defaults__, function.__closure__)
    clone.__kwdefaults__, clone.__annotations__ = function.__kwdefaults__, dict(function.__annotations__)
    clone.__module__, clone.__qualname__ = __name__, name
    return clone


def _reduce(self: nn.Module, protocol: int) -> tuple:
    return _rebuild, (self._aa_forward, self._aa_base), self.__dict__


def _rebuild(forward: str, base: type[nn.Module]) -> nn.Module:
    cls = _subclass(forward, base)
    return cls.__new__(cls)
