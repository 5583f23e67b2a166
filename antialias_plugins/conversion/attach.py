"""Attachments: a filter hangs on a module in place, and comes off again.

The class of the existing module is swapped for a subclass whose ``forward`` runs the filter before or behind what the
module computes at stride 1. The module stays the same object: references, hooks, parameters, ``isinstance`` checks and
state-dict keys survive.

Shapes: maps are (N, C, H, W). In a changed module ``aa`` is the filter, ``_aa_base_forward`` what it did before, and
``_aa_dense`` what it computes at stride 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from threading import Lock
from types import FunctionType, MethodType
from typing import Any, Literal

from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion import recompute
from antialias_plugins.conversion.dense import DENSE
from antialias_plugins.conversion.plan import UnsupportedModelError
from antialias_plugins.conversion.segments import Segment
from antialias_plugins.functional.arguments import as_leaf

_lock = Lock()
_OF_THE_CLASS = ...  # stands for an attribute that the instance does not have; it stays itself in a pickle


@dataclass(frozen=True)
class Attachment:
    """How a module computes once a filter takes over its stride, or another module's.

    Attributes:
        filter: whether the filter runs ``'before'`` or ``'behind'`` the dense computation; None if there is none, and
            only the padding is another.
        dense: the dense computation: the ``'module'`` itself, whose stride is gone, or an ``'other'`` method that its
            host has set as its ``forward``; the module in the ``'same'``
            padding of the stride that it had; a ``'max'`` or ``'mean'`` pool at stride 1; a max pool whose map goes on
            at the other side, at stride 1 (``'circular max'``) or at its own (``'circular'``); in place of an average,
            the ``'whole'`` map or the part of it that gives the pool's own output size (``'cropped'``).
    """

    filter: Literal['before', 'behind'] | None = None
    dense: str = 'module'


def attach(module: nn.Module, layer: nn.Module, attachment: Attachment) -> None:
    """Hang ``layer`` on ``module`` as its child ``aa``."""
    module.add_module('aa', layer)
    base = type(module)
    if attachment_of(module) == _SAME:
        base = base._aa_base
        dense = 'whole' if attachment.dense in ('whole', 'cropped') else 'same'  # 'same' rounds up, as the filter does
        attachment = Attachment(attachment.filter, dense)
    if 'forward' in vars(module):
        attachment = Attachment(attachment.filter, 'other')
        vars(module)['_aa_other_forward'] = vars(module).pop('forward')
    module.__class__ = _subclass(attachment, base)


def keep_padding(module: nn.Module) -> None:
    """Let a module that pads as TensorFlow's 'same' keep the padding of its stride, before that stride is taken."""
    module._aa_stride = ops.stride_of(module)
    module.__class__ = _subclass(_SAME, type(module))


def wrap_around(module: nn.Module) -> None:
    """Let a max pool without a filter take what lies beyond its border from the other side of the map."""
    module.__class__ = _subclass(Attachment(dense='circular'), type(module))


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
    for change, name in changes.items():
        module = block.get_submodule(name)
        module.__class__ = _subclass(change, type(module))
    segments[segment] = None  # whether repeating it gives the same is seen in the first pass


def override(module: nn.Module, **attributes: object) -> None:
    """Set attributes of ``module`` and remember what they were."""
    undo = vars(module).setdefault('_aa_undo', {})
    for name, value in attributes.items():
        undo.setdefault(name, vars(module).get(name, _OF_THE_CLASS))
        setattr(module, name, value)


def attachment_of(module: nn.Module) -> Attachment | None:
    """What a conversion made of a module, or None; whether its maps are recomputed does not matter."""
    changes = (vars(cls).get('_aa_change') for cls in type(module).__mro__)
    return next((change for change in changes if isinstance(change, Attachment)), None)


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
        module.__dict__.pop('_aa_branches', None)


def changed_modules(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that a conversion has changed or put in."""
    for module in model.modules():
        if hasattr(type(module), '_aa_base') or '_aa_undo' in vars(module) or '_aa_fills_slot' in vars(module):
            yield module


def keep_maps(model: nn.Module) -> nn.Module:
    """Undo every `recompute_in_backward` below ``model``, and return it."""
    for module in model.modules():
        if getattr(type(module), '_aa_change', None) in recompute.FORWARDS:
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
            module.__dict__.pop('forward', None)  # that of the class, which a hook that was taken off has left
            module.__dict__.pop('_aa_stride', None)
            other = module.__dict__.pop('_aa_other_forward', None)
            if other is not None:
                module.forward = other
            if layer is not None:
                del module.aa
                count += 1
        module.__dict__.pop('_aa_branches', None)
        for name, value in module.__dict__.pop('_aa_undo', {}).items():
            if value is _OF_THE_CLASS:
                delattr(module, name)
            else:
                setattr(module, name, value)
    return count


def check_unchanged(model: nn.Module) -> None:
    """Raise if a host has changed what a conversion would undo: the convolutions are others then, or never undone."""
    for name, module in model.named_modules():
        forward = vars(module).get('forward')
        is_other = forward is not None and getattr(forward, '__func__', None) is not type(module).forward
        if hasattr(type(module), '_aa_base') and (is_other or '_aa_rebuilt' in vars(module)):
            raise UnsupportedModelError(
                f'{name or type(module).__name__} has got another forward since the conversion, by a fusion or a hook: '
                'undo that first, or convert the network anew'
            )
        children = dict(module.named_modules()) if '_aa_branches' in vars(module) else {}
        merged = [
            it for it in children and module._aa_branches if '_aa_undo' not in vars(children.get(it, nn.Module()))
        ]
        if merged:
            raise UnsupportedModelError(
                f'{name or type(module).__name__} has merged {", ".join(merged)} since the conversion, into a '
                'convolution that does not stride: revert before merging, or convert the network anew'
            )


def _subclass(change: Attachment | str, base: type[nn.Module]) -> type[nn.Module]:
    """The subclass of ``base`` with another ``forward``; one for each pair, so that instances compare equal by type."""
    with _lock:  # the cache alone makes one in each thread that asks at the same time
        return _make_subclass(change, base)


@cache
def _make_subclass(change: Attachment | str, base: type[nn.Module]) -> type[nn.Module]:
    """Make it.

    One that recomputes (``change`` is a key of `recompute.FORWARDS`) may derive from one that filters, so each calls
    the ``forward`` below by a name of its own.
    """
    members = {'__module__': __name__, '__reduce_ex__': _reduce, '_aa_base': base, '_aa_change': change}
    if isinstance(change, Attachment):
        prefix, does = 'Antialiased', 'with a low-pass filter, its child ``aa``'
        methods = {
            '__init__': _refuse_another,
            '__setattr__': _set_attribute,
            'forward': _FORWARDS[change.filter],
            '_aa_base_forward': base.forward,
            '_aa_dense': DENSE.get(change.dense, base.forward),
        }
    else:
        prefix, does = 'Recomputed', 'whose maps are computed again in backward'
        methods = {'forward': recompute.FORWARDS[change], '_aa_kept_forward': base.forward}
    members |= {name: _clone(function, name) for name, function in methods.items()}
    members['forward'].__wrapped__ = base.forward  # whose arguments it takes: torch.fx asks
    # mmengine initialises a module by the names of its class and direct bases: those of a subclass are kept
    bases = (base, *base.__bases__) if hasattr(base, '_aa_base') else (base,)
    return type(prefix + base.__name__, bases, members | {'__doc__': f'{base.__name__} {does}.'})


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
    return _rebuild, _made_of(type(self)), self.__dict__


def _made_of(cls: type[nn.Module]) -> tuple | type[nn.Module]:
    """What `_subclass` made a class from, for a pickle, which knows none of its classes."""
    return (cls._aa_change, _made_of(cls._aa_base)) if hasattr(cls, '_aa_base') else cls


def _rebuild(change: Attachment | str, base: tuple | type[nn.Module]) -> nn.Module:
    cls = _make(change, base)
    return cls.__new__(cls)


def _make(change: Attachment | str, base: tuple | type[nn.Module]) -> type[nn.Module]:
    change = Attachment(*_NAMED[change]) if change in _NAMED else change
    return _subclass(change, _make(*base) if isinstance(base, tuple) else base)


def is_other_forward(module: nn.Module, value: object) -> bool:
    """Whether it is another method of a module, which a host sets as its ``forward`` once it has fused its parts."""
    return isinstance(value, MethodType) and value.__self__ is module and value.__name__ != 'forward'


def _set_attribute(self, name: str, value: object) -> None:
    """Let another method of the host become what is filtered; on the instance it would hide the filter."""
    if name != 'forward' or not is_other_forward(self, value):
        ops.class_before(self).__setattr__(self, name, value)
        return
    change = type(self)._aa_change
    if not isinstance(change, Attachment) or change.dense != 'module':
        raise UnsupportedModelError(f'{type(self).__name__} cannot be fused with its filter: fuse before converting')
    self.__class__ = _subclass(Attachment(change.filter, 'other'), type(self)._aa_base)
    vars(self).update(_aa_other_forward=value, _aa_rebuilt=True)


def _refuse_another(self, *args: Any, **kwargs: Any) -> None:
    """What makes a layer like a given one, such as an adapter (LoRA), would make one without the filter."""
    raise UnsupportedModelError(
        f'{type(self).__name__} holds a filter and makes no others of its class: put adapters in before converting'
    )


def _before(self, *args: Any, **kwargs: Any) -> Any:
    if ops.is_leaf(self, *args, *kwargs.values()):
        return as_leaf(self, *args, **kwargs)
    if args:
        return self._aa_dense(self.aa(args[0]), *args[1:], **kwargs)
    name = next(iter(kwargs))
    return self._aa_dense(**kwargs | {name: self.aa(kwargs[name])})


def _behind(self, *args: Any, **kwargs: Any) -> Any:
    if ops.is_leaf(self, *args, *kwargs.values()):
        return as_leaf(self, *args, **kwargs)
    return self.aa(self._aa_dense(*args, **kwargs))


def _alone(self, *args: Any, **kwargs: Any) -> Any:
    if ops.is_leaf(self, *args, *kwargs.values()):
        return as_leaf(self, *args, **kwargs)
    return self._aa_dense(*args, **kwargs)


_SAME = Attachment(dense='same')
_FORWARDS: dict[str | None, Callable] = {'before': _before, 'behind': _behind, None: _alone}
# what attachments were called in pickles of versions up to 0.1
_NAMED: dict[str, tuple[str | None, str]] = {
    'pre': ('before', 'module'),
    'post': ('behind', 'module'),
    'max pool': ('behind', 'max'),
    'avg pool': ('behind', 'cropped'),
    'dense avg pool': ('behind', 'mean'),
    'whole avg pool': ('behind', 'whole'),
    'circular': (None, 'circular'),
    'circular max pool': ('behind', 'circular max'),
    'same': (None, 'same'),
    'same pre': ('before', 'same'),
    **{f'same {name}': ('behind', 'same') for name in ('post', 'max pool', 'dense avg pool')},
    **{f'same {name}': ('behind', 'whole') for name in ('avg pool', 'whole avg pool')},
}
