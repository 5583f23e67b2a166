"""Hang a filter on a module in place, and take it off again.

The class of the existing module is swapped for a subclass whose ``forward`` runs the filter before or after the
original one. The module stays the same object: references, hooks, parameters, ``isinstance`` checks and state-dict keys
survive.
"""

from collections.abc import Iterator
from functools import cache
from types import FunctionType

from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion import recompute
from antialias_plugins.conversion.forwards import FORWARDS
from antialias_plugins.conversion.segments import Segment

_OF_THE_CLASS = ...  # stands for an attribute that the instance does not have; it stays itself in a pickle


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


def wrap_around(module: nn.Module) -> None:
    """Let a max pool without a filter take what lies beyond its border from the other side of the map."""
    module.__class__ = _subclass('circular', type(module))


def fill_slot(parent: nn.Module, layer: nn.Module) -> None:
    """Put ``layer`` in the place of the identity ``parent.aa``."""
    layer._aa_fills_slot = True
    parent.aa = layer


def recompute_in_backward(model: nn.Module, segment: Segment) -> None:
    """Let a segment be computed again in backward; its modules may have changed their class before."""
    block = model.get_submodule(segment.block)
    segments = vars(block).setdefault('_aa_segments', {})
    changes = {} if segments else {'recompute block': ''}
    if segment.start == segment.filter:
        changes['recompute module'] = segment.start
    else:
        changes |= {'recompute start': segment.start, 'recompute filter': segment.filter}
    for forward, name in changes.items():
        module = block.get_submodule(name)
        module.__class__ = _subclass(forward, type(module))
    segments[segment] = None  # whether repeating it gives the same is seen in the first pass


def override(module: nn.Module, **attributes: object) -> None:
    """Set attributes of ``module`` and remember what they were."""
    undo = vars(module).setdefault('_aa_undo', {})
    for name, value in attributes.items():
        undo.setdefault(name, vars(module).get(name, _OF_THE_CLASS))
        setattr(module, name, value)


def forward_of(module: nn.Module) -> str | None:
    """The kind of ``forward`` that the module got, or None if it has its own."""
    return getattr(type(module), '_aa_forward', None)


def take_off(module: nn.Module) -> nn.Module:
    """Take the filter off one module and return it; whatever was made dense stays so."""
    layer = module.aa
    module.__class__ = type(module)._aa_base
    del module.aa
    return layer


def forget_changes(model: nn.Module) -> None:
    """Let the attributes that a conversion has changed be the network's own: nothing of them is left to undo."""
    for module in model.modules():
        module.__dict__.pop('_aa_undo', None)


def changed_modules(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that a conversion has changed or put in."""
    for module in model.modules():
        if hasattr(type(module), '_aa_base') or '_aa_undo' in vars(module) or '_aa_fills_slot' in vars(module):
            yield module


def keep_maps(model: nn.Module) -> nn.Module:
    """Undo every `recompute_in_backward` below ``model``, and return it."""
    for module in model.modules():
        if forward_of(module) in recompute.FORWARDS:
            module.__class__ = type(module)._aa_base
            module.__dict__.pop('_aa_segments', None)
            module.__dict__.pop('_aa_run', None)
    return model


def detach_all(model: nn.Module) -> int:
    """Undo every change below ``model``; returns how many filters were taken off."""
    count = 0
    for module in list(keep_maps(model).modules()):
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
            if value is _OF_THE_CLASS:
                delattr(module, name)
            else:
                setattr(module, name, value)
    return count


@cache
def _subclass(forward: str, base: type[nn.Module]) -> type[nn.Module]:
    """The subclass of ``base`` with another ``forward``; one for each pair, so that instances compare equal by type.

    One that recomputes may derive from one that filters, so each calls the ``forward`` below by a name of its own.
    """
    recomputes = forward in recompute.FORWARDS
    below = '_aa_kept_forward' if recomputes else '_aa_base_forward'
    does = 'whose maps are computed again in backward' if recomputes else 'with a low-pass filter, its child ``aa``'
    members = {
        '__module__': __name__,
        '__doc__': f'{base.__name__} {does}.',
        '__reduce_ex__': _reduce,
        'forward': _clone({**FORWARDS, **recompute.FORWARDS}[forward], 'forward'),
        '_aa_base': base,
        '_aa_forward': forward,
        below: _clone(base.forward, below),
    }
    # mmengine initialises a module by the names of its class and direct bases: those of a subclass are kept
    bases = (base, *base.__bases__) if hasattr(base, '_aa_base') else (base,)
    return type(('Recomputed' if recomputes else 'Antialiased') + base.__name__, bases, members)


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
    return _rebuild, (self._aa_forward, _made_of(self._aa_base)), self.__dict__


def _made_of(cls: type[nn.Module]) -> tuple | type[nn.Module]:
    """What `_subclass` made a class from, for a pickle, which knows none of its classes."""
    return (cls._aa_forward, _made_of(cls._aa_base)) if hasattr(cls, '_aa_base') else cls


def _rebuild(forward: str, base: tuple | type[nn.Module]) -> nn.Module:
    cls = _make(forward, base)
    return cls.__new__(cls)


def _make(forward: str, base: tuple | type[nn.Module]) -> type[nn.Module]:
    return _subclass(forward, _make(*base) if isinstance(base, tuple) else base)
