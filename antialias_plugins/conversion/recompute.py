"""Run a segment of the network once more in backward, in place of keeping its full-resolution maps.

A convolution that a conversion makes dense, its norm and its activation have maps of four times the pixels that the
strided convolution's had. Only the filter's output goes on. The segment from the convolution to the filter is spread
over several calls in the ``forward`` of a host's block; the host's code stays as it is. (A filter with parameters keeps
full-resolution maps after pools and before 1×1 convolutions too; there it is a segment by itself, or with its pool.)

The forward pass is the ordinary one. Where it reaches the filter, the graph that autograd has built since the
convolution is let go, and with it all maps inside. One node takes its place. It saves the convolution's input, which
the block's other branch or the layer before keeps as well, and the parameters. Its backward pass runs the modules again
and differentiates through them.

- Nothing stays open from one call to another (as hooks on saved tensors would), so no exception can leave it open.
- What else reads a map inside, or holds it by a hook, has its ordinary graph: gradients are right, only the memory is
  not saved.
- The input and the parameters are saved in the ordinary way: hooks on saved tensors and an enclosing checkpoint see
  them, and autograd notices if they have been overwritten.
- The modules are looked up by name at every pass: norms that were exchanged after the conversion (SyncBN) are right.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.fx import Proxy
from torch.utils.checkpoint import get_device_states, set_device_states

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.plan import AntialiasWarning
from antialias_plugins.conversion.segments import Segment
from antialias_plugins.functional.arguments import as_leaf
from antialias_plugins.kernels import is_transformed


class SegmentRun:
    """One pass through a segment: what it takes to repeat it to the last bit.

    Args:
        block: the module whose ``forward`` runs the segment.
        segment: of which `block` knows by ``_aa_segments`` whether a repetition has been seen to give the same.
    """

    def __init__(self, block: nn.Module, segment: Segment) -> None:
        self.segment, self.exact = segment, block._aa_segments
        self.modules = [block.get_submodule(name) for name in segment.steps]
        self.filter = block.get_submodule(segment.filter)

    def start(self, input: Tensor) -> None:
        """Note the state of everything that the computation depends on beside `input` and the parameters."""
        self.input = input
        self.training = {part: part.training for module in self.modules for part in module.modules()}
        device_type = input.device.type
        dtype = torch.autocast(device_type, enabled=False).fast_dtype  # the one that is set
        self.autocast = torch.autocast(device_type, dtype, _is_autocast(device_type), cache_enabled=False)
        self.random = torch.get_rng_state(), *get_device_states(input)

    def end(self, output: Tensor) -> Tensor:
        """Put one node in the place of the graph between the segment's input and its output."""
        input, self.input = self.input, None
        tensors = [tensor for module in self.modules for tensor in module.parameters()]
        if self.exact[self.segment] is None:
            self.exact[self.segment] = self._check(output, input, tensors)
        return Recomputed.apply(self, output.detach(), input, *tensors) if self.exact[self.segment] else output

    def repeat(self, input: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Run the modules again, as they ran, with other parameters; their own and their statistics do not change."""
        own = (tensor for module in self.modules for tensor in module.parameters())
        given = {id(tensor): other for tensor, other in zip(own, parameters, strict=True)}
        with self.autocast, self._random_state():
            for module in self.modules:
                input = _replica(module, given, self.training)(input)
        return input

    def _check(self, output: Tensor, input: Tensor, parameters: Sequence[Tensor]) -> bool:
        """Whether a repetition gives the same, to the last bit, and nothing else has a part in it."""
        # An enclosing checkpoint counts what is saved: this is no part of it.
        with torch.enable_grad(), saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            tensors = [tensor.view_as(tensor) for tensor in (input, *parameters)]
            repeated = self.repeat(tensors[0], tensors[1:])
        if repeated.dtype != output.dtype or not torch.allclose(repeated, output, rtol=0, atol=0, equal_nan=True):
            reason = 'do not give the same when they are repeated'
        elif not all(map(_depends_on_nothing_but, (output, repeated), ((input, *parameters), tensors))):
            reason = 'compute with parameters that are not their own'
        else:
            return True
        message = f'{self.segment.block}: {", ".join(self.segment.steps)} {reason}: their maps are kept'
        warnings.warn(message, AntialiasWarning, stacklevel=2)
        return False

    @contextmanager
    def _random_state(self) -> Iterator[None]:
        cpu, devices, states = self.random
        with torch.random.fork_rng(devices):
            torch.set_rng_state(cpu)
            set_device_states(devices, states)
            yield


def _replica(module: nn.Module, given: dict[int, Tensor], training: dict[nn.Module, bool]) -> nn.Module:
    """The module with other parameters, copies of its buffers and its flags of old; other threads may use it now."""
    twin = type(module).__new__(type(module))
    vars(twin).update(vars(module), training=training.get(module, module.training))
    vars(twin).pop('_aa_run', None)
    vars(twin)['_parameters'] = {name: given.get(id(it), it) for name, it in module._parameters.items()}
    vars(twin)['_buffers'] = {name: it if it is None else it.clone() for name, it in module._buffers.items()}
    vars(twin)['_modules'] = {
        name: it if it is None else _replica(it, given, training) for name, it in module._modules.items()
    }
    return twin


class Recomputed(torch.autograd.Function):
    """``Recomputed.apply(run, output, input, *parameters)`` is `output`; ``run.repeat`` computes it from the rest."""

    @staticmethod
    def forward(ctx, run: SegmentRun, output: Tensor, input: Tensor, *parameters: Tensor) -> Tensor:
        """Hand on what has been computed."""
        ctx.run = run
        ctx.save_for_backward(input, *parameters)
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute it again, and differentiate."""
        with torch.enable_grad():
            # Views, so that hooks on the tensors themselves run once; differentiable, for a gradient of the gradient.
            input, *parameters = (tensor.view_as(tensor) for tensor in ctx.saved_tensors)
            output = ctx.run.repeat(input, parameters)
        needed = ctx.needs_input_grad[2:]
        sources = [tensor for tensor, is_needed in zip((input, *parameters), needed, strict=True) if is_needed]
        options = {'create_graph': torch.is_grad_enabled(), 'allow_unused': True}
        grads = iter(torch.autograd.grad(output, sources, grad, **options))
        return None, None, *(next(grads) if is_needed else None for is_needed in needed)


def _block_forward(self, *args: Any, **kwargs: Any) -> Any:
    if torch.is_grad_enabled() and not _is_recorded(args):
        for segment, exact in self._aa_segments.items():
            if exact is not False:
                vars(self.get_submodule(segment.start))['_aa_run'] = SegmentRun(self, segment)
    return self._aa_kept_forward(*args, **kwargs)


def _start_forward(self, input: Tensor) -> Tensor:
    if ops.is_leaf(self, input):
        return as_leaf(self, input)
    output, run = _compute(self, input)
    if run is not None:
        output.grad_fn.metadata[SegmentRun] = run
    return output


def _module_forward(self, input: Tensor) -> Tensor:
    if ops.is_leaf(self, input):
        return as_leaf(self, input)
    output, run = _compute(self, input)
    return output if run is None else run.end(output)


def _compute(module: nn.Module, input: Tensor) -> tuple[Tensor, SegmentRun | None]:
    """The module's output, and the run that it starts, if its block asked for one and the output has a gradient."""
    run = None if _is_recorded((input,)) else vars(module).pop('_aa_run', None)  # that of another thread is as good
    if run is None:
        return module._aa_kept_forward(input), None
    run.start(input)
    output = module._aa_kept_forward(input)
    return output, None if output.grad_fn is None else run


def _filter_forward(self, input: Tensor) -> Tensor:
    output = self._aa_kept_forward(input)
    run = None if _is_recorded((input,)) else _find_run(input)
    return run.end(output) if run is not None and run.filter is self else output


def _is_recorded(args: tuple) -> bool:
    """Whether a program is recorded or transformed, by `torch.fx` as well."""
    return is_transformed() or any(isinstance(arg, Proxy) for arg in args)


def _find_run(tensor: Tensor) -> SegmentRun | None:
    """The run in which a tensor was computed, if nothing but parameters joined it on its way."""
    node = tensor.grad_fn
    while node is not None and SegmentRun not in node.metadata:
        # `variable`: a leaf
        sources = [source for source, _ in node.next_functions if source and not hasattr(source, 'variable')]
        node = sources[0] if len(sources) == 1 else None
    return None if node is None else node.metadata.pop(SegmentRun)


def _depends_on_nothing_but(output: Tensor, tensors: Sequence[Tensor]) -> bool:
    """Whether backward from `output` reaches no leaf but those of, or before, `tensors`."""
    ends, leaves = {None, *(tensor.grad_fn for tensor in tensors)}, {id(tensor) for tensor in tensors}
    nodes = [output.grad_fn]
    while nodes:
        node = nodes.pop()
        if node in ends:
            continue
        if hasattr(node, 'variable') and id(node.variable) not in leaves:
            return False
        ends.add(node)
        nodes += [source for source, _ in node.next_functions]
    return True


def _is_autocast(device_type: str) -> bool:
    if hasattr(torch, 'get_autocast_dtype'):  # from torch 2.4 on, for any device
        return torch.is_autocast_enabled(device_type)
    return torch.is_autocast_cpu_enabled() if device_type == 'cpu' else torch.is_autocast_enabled()


FORWARDS = {
    'recompute block': _block_forward,
    'recompute start': _start_forward,
    'recompute filter': _filter_forward,
    'recompute module': _module_forward,
}
