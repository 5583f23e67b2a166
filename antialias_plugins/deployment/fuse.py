"""Folding of batch norms into the convolutions before them, through the filters between the two.

What commutes exactly is not always cheaper. The published rules already put a filter before a 1×1 convolution wherever
that is: C inputs, C' outputs, K² taps and stride S take ``K² C + C C'`` operations per output that way, and ``S² C C' +
K² C'`` the other way round, which is less only for ``C' < K² / (S² - 1)``, fewer than six channels for four taps. Where
the filter does not subsample, it would take ``C' < C``; the dilated stages have ``C' >= C``. A filter and a convolution
become one convolution only if both pad circularly; between an activation and a 1×1 convolution that makes
K² times the operations of the convolution. So none of this is done.
"""

import copy
import logging
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass

import timm.layers
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils import fusion

from antialias_plugins.conversion import LeftAlone, UnsupportedModelError, attach
from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.examples import default_example, tensors_in
from antialias_plugins.conversion.trace import Graph, Node, trace
from antialias_plugins.functional.arguments import check_uncompiled
from antialias_plugins.layers import AdaptiveBlurPool2d, BlurPool2d
from antialias_plugins.utils import markdown_table

logger = logging.getLogger(__name__)

# those that use `weight` and `bias` as they are
_FORWARDS = (nn.Conv2d.forward, timm.layers.Conv2dSame.forward)


@dataclass(frozen=True)
class Fold:
    """A norm that becomes part of a convolution.

    Attributes:
        norm: fully qualified name of the norm.
        conv: that of the convolution.
        filter: that of the filter between them; empty if there is none.
    """

    norm: str
    conv: str
    filter: str = ''


@dataclass(frozen=True)
class FusionPlan:
    """What `fuse_for_inference` does to a network. Prints as a table.

    Attributes:
        model: class name of the network.
        folds: the norms that become part of a convolution.
        left: the norms that stay, with the reason.
    """

    model: str
    folds: tuple[Fold, ...]
    left: tuple[LeftAlone, ...]

    def __str__(self) -> str:
        rows = [[fold.norm, fold.conv, fold.filter] for fold in self.folds]
        lines = [f'{self.model}: {len(self.folds)} norms folded, {len(self.left)} left as they are']
        lines.append(markdown_table(['norm', 'into', 'through'], rows))
        return '\n'.join([*lines, *(f'left as it is: {place}' for place in self.left)])


def plan_fusion(model: nn.Module, example_input: Tensor | tuple | None = None) -> FusionPlan:
    """List what `fuse_for_inference` would do, and change nothing.

    Arguments and errors are those of `fuse_for_inference`, but that there may be nothing to fold.
    """
    _check(model, example_input)
    training = next((name for name, module in model.named_modules() if module.training), None)
    if training is not None:
        raise ValueError(f'model must be in eval mode, model.eval(); {training or "it"} is in train mode')
    inside = [name for name, module in model.named_modules() if isinstance(module, AdaptiveBlurPool2d)]
    folds, left = [Fold(f'{name}.bn', f'{name}.conv') for name in inside], []
    known = {fold.norm for fold in folds}
    graph = trace(model, example_input)
    for name, node in _norms(model, graph):
        reason = _reason_to_leave(model, graph, name, node)
        if name not in known and reason is None:
            conv = node.inputs[0].name
            folds.append(Fold(name, conv, f'{conv}.aa' if _filters_after(model.get_submodule(conv)) else ''))
        elif name not in known:
            left.append(LeftAlone(name, reason))
    return FusionPlan(type(model).__name__, tuple(folds), tuple(left))


def fuse_for_inference(model: nn.Module, example_input: Tensor | tuple | None = None) -> nn.Module:
    """Copy a network and fold its batch norms into its convolutions, those of adaptive filters included.

    A norm folds through a fixed filter that stands between the two: a constant stays a constant there, unless it
    pads with zeros. Outputs are equal up to rounding: of the products of weights, which are computed in float64 and
    rounded once, and of a sum in another order. That is 1e-12 of the largest value in float64; in float32 each layer
    adds what one rounding of its weights does, about 1e-7.

    The copy is for inference: where a norm was there is an identity (or its activation), so weights of `model` do not
    load into the copy, and training it would train something else. `plan_fusion` says what is done; it is logged at
    INFO.

    Args:
        model: any network, converted or not, in eval mode; it is not changed.
        example_input: an input that the network runs on, or a tuple of its arguments; default: an image batch.

    Raises:
        TypeError: if `model` is no module.
        ValueError: if a part of the network is in train mode, or there is nothing to fold, or it is compiled.
        UnsupportedModelError: if it does not run on the example input, or its own code needs the norms.

    Example:
        >>> import torchvision
        >>> from antialias_plugins import convert_antialias
        >>> model = convert_antialias(torchvision.models.resnet18(), 'ddac3').eval()
        >>> fused = fuse_for_inference(model)
        >>> fused.layer2[0].bn1, fused.layer2[0].conv2.aa.bn
        (Identity(), Identity())
    """
    _check(model, example_input)
    example = default_example(model) if example_input is None else example_input
    plan = plan_fusion(model, example)
    if not plan.folds:
        reasons = '; '.join(map(str, plan.left)) or 'it has no batch norm'
        raise ValueError(f'model must have something to fold, {plan.model} has not: {reasons}')
    fused = attach.keep_maps(copy.deepcopy(model))
    for fold in plan.folds:
        _fold(fused, fold)
    _verify(model, fused, example)
    logger.info('%s', plan)
    return fused


def _check(model: nn.Module, example_input: Tensor | tuple | None) -> None:
    check_uncompiled('model', model)
    if not isinstance(example_input, Tensor | tuple | None):
        raise ValueError(f'example_input must be a tensor or a tuple of arguments, got {reprlib.repr(example_input)}')


def _norms(model: nn.Module, graph: Graph) -> Iterator[tuple[str, Node]]:
    """The batch norms that ran, with the operations that they are."""
    for node in graph:
        if isinstance(node.module, nn.modules.batchnorm._BatchNorm):
            yield node.name, node
        elif node.name == 'batch_norm' and isinstance(model.get_submodule(node.scope), BatchNormAct2d):
            yield node.scope, node


def _reason_to_leave(model: nn.Module, graph: Graph, name: str, node: Node) -> str | None:
    norm, before = model.get_submodule(name), node.inputs[0]
    conv = before.module
    if not norm.track_running_stats:
        return 'takes its statistics from the map'
    if before.role != ops.CONV:
        return f'follows {before.name or "the input"}, which is no convolution'
    if not before.passes_on:
        return f'something else reads {before.name}'
    if not (graph.runs_once(conv) and graph.runs_once(norm)):
        return 'runs more than once'
    if ops.class_before(conv).forward not in _FORWARDS:
        return f'{before.name} is a {type(conv).__name__}, which may change its weights'
    if any(module._forward_hooks or module._forward_pre_hooks for module in (conv, norm)):
        return 'has forward hooks, or its convolution has'
    filter = _filters_after(conv)
    if filter and not (isinstance(filter, BlurPool2d) and filter.padding_mode != 'zeros'):
        return f'{before.name}.aa lies between, which changes a constant'
    return None


def _filters_after(conv: nn.Module) -> nn.Module | None:
    """The filter that runs after a convolution, as a part of it."""
    attachment = attach.attachment_of(conv)
    return conv.aa if attachment and attachment.filter == 'behind' else None


def _fold(model: nn.Module, fold: Fold) -> None:
    conv, norm = model.get_submodule(fold.conv), model.get_submodule(fold.norm)
    kept = [conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias]
    weight, bias, mean, var, *affine = (tensor if tensor is None else tensor.detach().double() for tensor in kept)
    folded = fusion.fuse_conv_bn_weights(weight, bias, mean, var, norm.eps, *affine)
    for name, tensor in zip(('weight', 'bias'), folded, strict=True):
        setattr(conv, name, nn.Parameter(tensor.to(conv.weight.dtype), requires_grad=False))
    rest = nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()
    parent, _, attribute = fold.norm.rpartition('.')
    setattr(model.get_submodule(parent), attribute, rest.eval())


@torch.no_grad()
def _verify(model: nn.Module, fused: nn.Module, example: Tensor | tuple) -> None:
    """Something that reads a norm's weights, or replaces its forward, may have been overlooked."""
    args = example if isinstance(example, tuple) else (example,)
    expected, actual = (tensors_in(network(*args)) for network in (model, fused))
    if not all(ops.is_close(a, e) for a, e in zip(actual, expected, strict=True)):
        raise UnsupportedModelError(f'{type(model).__name__} computes something else once its norms are folded')
