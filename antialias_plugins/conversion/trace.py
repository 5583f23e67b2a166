"""The dataflow graph of one real forward pass: hooks see the modules, a function mode what they call themselves."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from antialias_plugins.conversion import examples
from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.examples import tensors_in
from antialias_plugins.conversion.plan import UnsupportedModelError

_RECORDED = 'convert before torch.jit or torch.compile records it'
_WRAPPERS = {
    'DataParallel': 'convert its module, before it is wrapped',
    'DistributedDataParallel': 'convert its module, before it is wrapped',
    'FullyShardedDataParallel': 'convert its module, before it is wrapped',
    'FSDPModule': 'convert before fully_shard',
    'AveragedModel': 'convert the network, before it is copied',
}


@dataclass(eq=False)
class Node:
    """One operation of the forward pass, or the network's input.

    A ``'module'`` is one that was not looked into, a ``'function'`` a call of torch in a module's own ``forward``.

    Attributes:
        name: fully qualified name of the module, or the name of the function.
        scope: fully qualified name of the module in whose ``forward`` it ran.
        role: what it does to a map, one of those in `operators`.
        inputs: the nodes whose results it read; those that read its own are its `users`.
        shape: shape of its (first) result.
        is_output: whether its result leaves the network.
        grid: for a downsampling module, `operators.dense_grid`.
        strides: whether a function that convolves or pools was called with a stride.
        resampling: how another operation strides or rearranges, in words.
        is_plain: whether a module was called with one argument, its map, and no keyword.
        is_chosen: whether it reads what depends on a choice by values, such as one of boxes.
    """

    index: int
    kind: Literal['input', 'module', 'function']
    name: str
    scope: str
    role: str
    module: nn.Module | None = None
    inputs: list['Node'] = field(default_factory=list)
    users: list['Node'] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    is_output: bool = False
    grid: str | None = 'aligned'
    strides: bool = False
    resampling: str = ''
    is_plain: bool = True
    is_chosen: bool = False

    @property
    def place(self) -> str:
        """Its name; of a function, behind the module in whose ``forward`` it is called."""
        return f'{self.scope}.{self.name}'.lstrip('.') if self.kind == 'function' else self.name

    @property
    def passes_on(self) -> bool:
        """Whether exactly one operation of the network reads the result, and nobody else."""
        return len(self.users) == 1 and not self.is_output


@dataclass(eq=False)
class Call:
    """One call of a composite module: what it received and returned, and the nodes that ran inside it.

    Attributes:
        first: index of the first node inside; ``last`` is behind the last one.
        takes_map: whether its first argument is a tensor, not a list that holds one; likewise ``gives_map``.
        is_plain: as of `Node`.
    """

    name: str
    module: nn.Module
    first: int
    inputs: list[Node]
    takes_map: bool
    is_plain: bool
    last: int = -1
    outputs: list[Node] = field(default_factory=list)
    gives_map: bool = False

    def contains(self, node: Node) -> bool:
        """Whether the node ran inside this call."""
        return self.first <= node.index < self.last


@dataclass(eq=False)
class Graph:
    """A traced forward pass: its operations in the order of execution, and the calls of composite modules.

    An inner call ends, and stands, before the outer one.

    Attributes:
        call: how the network was run.
        outputs: the tensors that it returned.
        chosen: of these, the positions of those that depend on a choice by values (of boxes, of regions), which any
            rounding may turn.
        evidence: the tensors that such choices were made from, and those that were read beside what is chosen.
    """

    nodes: list[Node] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    call_counts: dict[nn.Module, int] = field(default_factory=dict)
    call: examples.Call = field(default_factory=examples.Call)
    outputs: list[Tensor] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    evidence: list[Tensor] = field(default_factory=list)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def certain(self, with_chosen: bool = False) -> list[Tensor]:
        """The outputs that rounding changes but a little; those that are chosen too, if asked for."""
        return [it for index, it in enumerate(self.outputs) if with_chosen or index not in self.chosen]

    def runs_once(self, module: nn.Module | None) -> bool:
        """Whether the module was called exactly once, so that changing it changes one place."""
        return module is not None and self.call_counts.get(module, 0) == 1


def check_network(model: nn.Module, example_input: examples.Example | None) -> None:
    """Raise in one line if it cannot be converted as it is, and say what to do first.

    Raises:
        UnsupportedModelError: a part of it is recorded, quantised or not initialised, or it is wrapped for training by
            several processes, or it does not work on maps.
    """
    for name, module in model.named_modules():
        where = f'{name or "it"} is a {type(module).__name__}'
        kind = _RECORDED if isinstance(module, torch.jit.ScriptModule) or hasattr(module, '_orig_mod') else ''
        kind = kind or next((_WRAPPERS[it.__name__] for it in type(module).__mro__ if it.__name__ in _WRAPPERS), '')
        if (
            type(module).__module__.startswith(('torch.ao.nn', 'torch.nn.quantized'))
            and 'Conv' in type(module).__name__
        ):
            kind = 'convert before quantising, or preparing for it'
        if any(map(nn.parameter.is_lazy, (*module.parameters(recurse=False), *module.buffers(recurse=False)))):
            kind = 'run the network once, so that it gets its parameters, and convert then'
        if kind:
            raise UnsupportedModelError(f'{type(model).__name__} cannot be antialiased: {where}: {kind}')
    dimensions = {len(it.kernel_size) for it in model.modules() if isinstance(it, nn.modules.conv._ConvNd)}
    if example_input is None and dimensions and 2 not in dimensions and not any(map(ops.is_conv, model.modules())):
        kinds = ' and '.join(f'{number}-D' for number in sorted(dimensions))
        raise UnsupportedModelError(
            f'{type(model).__name__} cannot be antialiased: its convolutions are {kinds}, and only those of maps '
            '(N, C, H, W) are filtered'
        )


def trace(model: nn.Module, example_input: examples.Example | None = None) -> Graph:
    """Run ``model`` once in eval mode without gradients and return its dataflow graph.

    The network is as before when it returns: training flags are restored module by module (some hosts' ``train()``
    does more than set a flag), no statistics move, the random state is the caller's.

    Args:
        model: any network.
        example_input: as of `antialias_plugins.convert_antialias`.

    Raises:
        UnsupportedModelError: the forward pass fails on this input, with its cause chained, or returns no tensor.
    """
    failure = None
    for call in examples.calls_of(model, example_input):
        try:
            return trace_call(model, call)
        except UnsupportedModelError as error:
            failure = failure or error
    raise failure


def trace_call(model: nn.Module, call: examples.Call) -> Graph:
    """The graph of one way to run a network."""
    recorder = _Recorder(model)
    with ExitStack() as hooks:
        for module in recorder.names:
            hooks.callback(module.register_forward_pre_hook(recorder.enter, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(recorder.leave, with_kwargs=True).remove)
        try:
            with recorder:
                outputs = examples.run(model, call)
        except Exception as error:
            raise UnsupportedModelError(
                f'example_input: {type(model).__name__} must run on it, and fails {call} with '
                f'{type(error).__name__}: {error}. Pass an example_input that it accepts, or convert its backbone.'
            ) from error
    return recorder.finish(call, outputs)


class _Recorder(TorchFunctionMode):
    """Builds the graph while the network runs; a tensor's identity tells which node made it.

    A tensor that no input has a part in, such as a mask of ones, is a constant and has no node. One that depends on a
    choice by values, such as the boxes that a suppression of non-maxima leaves, may be another after any rounding: it
    is *chosen*, and what is read beside it or to make it is evidence, which has to be the same.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.graph = Graph()
        self.names = {module: name for name, module in model.named_modules()}
        self.node_of: dict[int, Node] = {}
        self.alive: list[Tensor] = []  # an id is a name only while its tensor lives
        self.constants = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
        self.real: set[int] = set()  # what depends on numbers of the input that are no integers
        self.chosen: set[int] = set()
        self.kept: set[tuple[int, int]] = set()  # what is evidence already
        self.open: list[Call | Node] = []
        self.muted = 0

    def add(self, kind: str, name: str, role: str, read: list[Tensor], made: list[Tensor], module=None) -> Node:
        scope = next((call.name for call in reversed(self.open) if isinstance(call, Call)), '')
        inputs = self.sources(read)
        node = Node(len(self.graph.nodes), kind, name, scope, role, module, inputs)
        self.graph.nodes.append(node)
        for source in inputs:
            source.users.append(node)
        self.bind(node, read, made)
        return node

    def bind(self, node: Node, read: list[Tensor], made: list[Tensor]) -> None:
        is_real = any(id(tensor) in self.real for tensor in read) or not read
        node.is_chosen = any(id(tensor) in self.chosen for tensor in read)
        # a mask by a comparison is no choice yet: what it selects is
        by_mask = node.name in ops.SELECTING and any(t.dtype == torch.bool and id(t) in self.real for t in read)
        fresh = [id(t) for t in made if by_mask or (read and is_real and t.dtype in _INTEGERS)]
        if fresh or node.is_chosen:
            for tensor in read:
                key = id(tensor), tensor._version
                if id(tensor) in self.real and id(tensor) not in self.chosen and key not in self.kept:
                    self.kept.add(key)
                    self.graph.evidence.append(tensor.clone())
        for tensor in made:
            self.node_of[id(tensor)] = node
            self.alive.append(tensor)
            node.shape = node.shape or tuple(tensor.shape)
            if node.is_chosen or id(tensor) in fresh:
                self.chosen.add(id(tensor))
            if is_real and (read or _is_real(tensor)):
                self.real.add(id(tensor))

    def sources(self, tensors: list[Tensor]) -> list[Node]:
        return list(dict.fromkeys(self.node_of[id(tensor)] for tensor in tensors if id(tensor) in self.node_of))

    def enter(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if self.muted:
            self.muted += 1
            return
        read = tensors_in((args, kwargs))
        if not self.open:
            for tensor in read:
                if id(tensor) not in self.node_of:
                    self.add('input', 'input', 'input', [], [tensor])
        self.graph.call_counts[module] = self.graph.call_counts.get(module, 0) + 1
        self.muted = 1
        role = ops.role_of(module, args, kwargs)
        name, is_plain = self.names[module], len(args) == 1 and not kwargs
        if role is None:
            self.muted = 0
            takes_map = isinstance(next(iter((*args, *kwargs.values())), None), Tensor)
            self.open.append(Call(name, module, len(self.graph.nodes), self.sources(read), takes_map, is_plain))
            return
        node = self.add('module', name, role, read, [], module)
        node.is_plain = is_plain
        is_converted = hasattr(type(module), '_aa_base')
        if ops.stride_of(module) != (1, 1) and role in (ops.CONV, ops.MAX_POOL, ops.AVG_POOL) and not is_converted:
            node.grid = ops.dense_grid(module, *args, **kwargs)
        node.resampling = ops.resampling_of(module) if role == ops.OTHER else ''
        self.open.append(node)

    def leave(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if self.muted > 1:
            self.muted -= 1
            return
        self.muted = 0
        top, read, made = self.open.pop(), tensors_in((args, kwargs)), tensors_in(output)
        if isinstance(top, Node):
            self.bind(top, read, made)
            return
        unseen = [tensor for tensor in made if id(tensor) not in self.node_of and id(tensor) not in self.constants]
        if unseen:  # made by something that no function mode sees, such as NumPy or a compiled operator
            self.add('module', top.name, ops.OTHER, read, unseen, module)
        top.last, top.outputs = len(self.graph.nodes), self.sources(made)
        top.gives_map = isinstance(output, Tensor)
        self.graph.calls.append(top)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = getattr(func, '__name__', str(func)).strip('_')
        made = [] if self.muted else tensors_in(args[0] if name == 'setitem' else output)
        if not made:
            return output
        read = [] if ops.reads_shape_only(name) else tensors_in((args, kwargs))
        made += [tensor._base for tensor in made if tensor._is_view() and any(tensor is it for it in read)]
        if any(id(tensor) in self.node_of for tensor in read):
            self.add_function(name, args, kwargs, read, made)
        else:
            self.constants.update(map(id, made))
            self.alive += made
        return output

    def add_function(self, name: str, args: tuple, kwargs: dict, read: list[Tensor], made: list[Tensor]) -> None:
        constants = [tensor for tensor in read if id(tensor) not in self.node_of]
        maps = [tensor for tensor in read if id(tensor) in self.node_of]
        role = ops.function_role(name, args, kwargs, maps, constants)
        if name == 'conv2d' and self.is_fixed_filter(args, kwargs):
            name = 'fixed filter'
        node = self.add('function', name, role, read, made)
        node.strides = name in ops.FUNCTIONAL_DOWNSAMPLING and ops.call_strides(name, args, kwargs)
        if len(node.inputs[0].shape) > 2:  # a list of boxes or scores is no map
            node.resampling = ops.resampling(name, args, kwargs)

    def is_fixed_filter(self, args: tuple, kwargs: dict) -> bool:
        """Whether a functional convolution's weight neither learns nor depends on the input, as in blur layers."""
        weight = args[1] if len(args) > 1 else kwargs.get('weight')
        return isinstance(weight, Tensor) and not isinstance(weight, nn.Parameter) and id(weight) not in self.node_of

    def finish(self, call: examples.Call, output: Any) -> Graph:
        made = tensors_in(output)
        for node in self.sources(made):
            node.is_output = True
        self.graph.call, self.graph.outputs = call, made
        self.graph.chosen = [index for index, tensor in enumerate(made) if id(tensor) in self.chosen]
        if not made:
            raise UnsupportedModelError('example_input: what is returned holds no tensor, so nothing can be compared')
        return self.graph


_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def _is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
