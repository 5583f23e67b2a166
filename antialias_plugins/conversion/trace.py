"""The dataflow graph of one real forward pass: hooks see the modules, a function mode what they call themselves."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.plan import UnsupportedModelError

# Small, and then what transformers with a fixed size or large windows are made for.
EXAMPLE_SIZES = (128, 224, 256, 384)


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
    """

    name: str
    module: nn.Module
    first: int
    inputs: list[Node]
    takes_map: bool
    last: int = -1
    outputs: list[Node] = field(default_factory=list)
    gives_map: bool = False

    def contains(self, node: Node) -> bool:
        """Whether the node ran inside this call."""
        return self.first <= node.index < self.last


@dataclass(eq=False)
class Graph:
    """A traced forward pass: its operations in the order of execution, and the calls of composite modules.

    An inner call ends, and stands, before the outer one. ``args`` are what the network was called with, ``outputs`` the
    tensors in what it returned.
    """

    nodes: list[Node] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    call_counts: dict[nn.Module, int] = field(default_factory=dict)
    args: tuple = ()
    outputs: list[Tensor] = field(default_factory=list)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def runs_once(self, module: nn.Module | None) -> bool:
        """Whether the module was called exactly once, so that changing it changes one place."""
        return module is not None and self.call_counts.get(module, 0) == 1


def trace(model: nn.Module, example_input: Tensor | tuple | None = None) -> Graph:
    """Run ``model`` once in eval mode without gradients and return its dataflow graph.

    The network is as before when it returns: training flags are restored module by module (some hosts' ``train()``
    does more than set a flag), no statistics move, the random state is the caller's.

    Args:
        model: any network.
        example_input: its input, or the tuple of its positional arguments; by default the image batch of
            `default_example`, which is found by tracing alone.

    Raises:
        UnsupportedModelError: the forward pass fails on this input; the cause is chained.
    """
    if example_input is not None:
        return _trace(model, example_input if isinstance(example_input, tuple) else (example_input,))
    failure = None
    for image in _examples(model):
        try:
            return _trace(model, (image,))
        except UnsupportedModelError as error:
            failure = failure or error
    raise failure


def _trace(model: nn.Module, args: tuple) -> Graph:
    recorder = _Recorder(model)
    with ExitStack() as hooks:
        for module in recorder.names:
            hooks.callback(module.register_forward_pre_hook(recorder.enter, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(recorder.leave, with_kwargs=True).remove)
        for tensor in tensors_in(args):
            recorder.add('input', 'input', 'input', [], tensor)
        try:
            with recorder:
                outputs = run(model, args)
        except Exception as error:
            raise UnsupportedModelError(
                f'example_input: {type(model).__name__} must run on it, and fails on shape {shapes_in(args)} with '
                f'{type(error).__name__}: {error}. Pass an example_input that it accepts, or convert its backbone.'
            ) from error
    return recorder.finish(args, outputs)


def run(model: nn.Module, args: tuple) -> Any:
    """What the network returns in eval mode, without gradients; it and the random state are as before."""
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        return model(*args)


def default_example(model: nn.Module) -> Tensor:
    """An image batch that the network accepts: noise of shape (1, C, S, S) in its dtype and on its device.

    C is ``model.in_chans``, as timm has it, or what the first convolution reads; 3 for a network that folds pixels into
    channels before it, as YOLOX's backbone does. S is the first of `EXAMPLE_SIZES` on which it runs, and the first of
    them if it runs on none.
    """
    for image in _examples(model):
        with suppress(Exception):  # whatever a network says to an image that it does not take
            run(model, (image,))
            return image
    return next(_examples(model))


def _examples(model: nn.Module) -> Iterator[Tensor]:
    conv = next((m for m in model.modules() if ops.is_conv(m)), None)
    channels = getattr(model, 'in_chans', 3 if conv is None else conv.in_channels)
    weight = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0, device='cpu'))
    for side in EXAMPLE_SIZES:
        for number in dict.fromkeys((channels, 3)):
            noise = torch.rand(1, number, side, side, generator=torch.Generator().manual_seed(0), device='cpu')
            yield noise.to(device=weight.device, dtype=weight.dtype)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside, and every module's own flag afterwards.

    Only the flags change, because ``train()`` of some hosts does more (it freezes stages), but for modules that derive
    tensors from parameters of their own there, as LeViT's attention does.
    """
    flags = [(module, module.training) for module in model.modules()]
    own_train = [module for module, flag in flags if flag and type(module).train is not nn.Module.train]
    deriving = [module for module in own_train if any(True for _ in module.parameters(recurse=False))]
    for module in deriving:
        module.train(False)
    for module, _ in flags:
        module.training = False
    try:
        yield
    finally:
        for module in deriving:
            module.train(True)
        for module, flag in flags:
            module.training = flag


def tensors_in(tree: Any) -> list[Tensor]:
    """All tensors in nested containers, and in the attributes of objects that hosts return them in."""
    found, seen, leaves = [], set(), tree_flatten(tree)[0]
    while leaves:
        leaf = leaves.pop(0)
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif _is_record(leaf) and id(leaf) not in seen:
            seen.add(id(leaf))
            leaves[:0] = tree_flatten(list(vars(leaf).values()))[0]
    return found


def _is_record(leaf: Any) -> bool:
    """Whether an object is a plain holder of values: no module, class or function."""
    return hasattr(leaf, '__dict__') and not isinstance(leaf, (nn.Module, type, FunctionType, ModuleType))


def shapes_in(tree: Any) -> list[tuple[int, ...]]:
    """Their shapes."""
    return [tuple(tensor.shape) for tensor in tensors_in(tree)]


class _Recorder(TorchFunctionMode):
    """Builds the graph while the network runs; a tensor's identity tells which node made it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.graph = Graph()
        self.names = {module: name for name, module in model.named_modules()}
        self.node_of: dict[int, Node] = {}
        self.alive: list[Tensor] = []  # an id is a name only while its tensor lives
        self.open: list[Call | Node] = []
        self.muted = 0

    def add(self, kind: str, name: str, role: str, inputs: list[Node], output: Any, module=None) -> Node:
        scope = next((call.name for call in reversed(self.open) if isinstance(call, Call)), '')
        node = Node(len(self.graph.nodes), kind, name, scope, role, module, inputs)
        self.graph.nodes.append(node)
        for source in inputs:
            source.users.append(node)
        self.bind(node, output)
        return node

    def bind(self, node: Node, output: Any) -> None:
        for tensor in tensors_in(output):
            self.node_of[id(tensor)] = node
            self.alive.append(tensor)
            node.shape = node.shape or tuple(tensor.shape)

    def sources(self, *trees: Any) -> list[Node]:
        found = [self.node_of[id(t)] for tree in trees for t in tensors_in(tree) if id(t) in self.node_of]
        return list(dict.fromkeys(found))

    def enter(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if self.muted:
            self.muted += 1
            return
        self.graph.call_counts[module] = self.graph.call_counts.get(module, 0) + 1
        self.muted = 1
        role = ops.role_of(module, args)
        inputs, name = self.sources(args, kwargs), self.names[module]
        if role is None:
            self.muted = 0
            takes_map = isinstance(next(iter(args), None), Tensor)
            self.open.append(Call(name, module, len(self.graph.nodes), inputs, takes_map))
            return
        node = self.add('module', name, role, inputs, (), module)
        is_converted = hasattr(type(module), '_aa_base')
        if ops.stride_of(module) != (1, 1) and role in (ops.CONV, ops.MAX_POOL, ops.AVG_POOL) and not is_converted:
            node.grid = ops.dense_grid(module, args[0])
        self.open.append(node)

    def leave(self, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if self.muted > 1:
            self.muted -= 1
            return
        self.muted = 0
        top = self.open.pop()
        if isinstance(top, Node):
            self.bind(top, output)
            return
        unseen = [tensor for tensor in tensors_in(output) if id(tensor) not in self.node_of]
        if unseen:  # made by something that no function mode sees, such as NumPy or a compiled operator, or of nothing
            self.add('module', top.name, ops.OTHER, top.inputs, unseen, module)
        top.last, top.outputs = len(self.graph.nodes), self.sources(output)
        top.gives_map = isinstance(output, Tensor)
        self.graph.calls.append(top)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        inputs = [] if self.muted else self.sources(args, kwargs)
        output = func(*args, **kwargs)
        if inputs and tensors_in(output):
            name = getattr(func, '__name__', str(func))
            role = ops.FUNCTION_ROLE.get(name.strip('_'), ops.OTHER)
            if role == ops.JOIN and len(tensors_in((args, kwargs))) == 1:
                role = ops.IDENTITY  # a number was added: nothing was joined
            if name == 'conv2d' and self.is_fixed_filter(args, kwargs):
                name = 'fixed filter'
            node = self.add('function', name, role, inputs, output)
            node.strides = name in ops.FUNCTIONAL_DOWNSAMPLING and ops.call_strides(name, args, kwargs)
        return output

    def is_fixed_filter(self, args: tuple, kwargs: dict) -> bool:
        """Whether a functional convolution's weight neither learns nor depends on the input, as in blur layers."""
        weight = args[1] if len(args) > 1 else kwargs.get('weight')
        return isinstance(weight, Tensor) and not isinstance(weight, nn.Parameter) and id(weight) not in self.node_of

    def finish(self, args: tuple, outputs: Any) -> Graph:
        for node in self.sources(outputs):
            node.is_output = True
        self.graph.args, self.graph.outputs = args, tensors_in(outputs)
        return self.graph
