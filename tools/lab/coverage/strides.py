"""Stride recorder: the modules in which convolutions and pools really stride, seen below the modules.

The conversion's own trace has no part in it.
"""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from antialias_plugins.layers import AdaptiveBlurPool2d, BlurPool2d
from lab.coverage.libraries import Network

_POOLS = ('avg_pool2d', 'max_pool2d', 'max_pool2d_with_indices')


def strided_places(model: nn.Module, input: Tensor) -> set[str]:
    """Run ``model`` once, without gradients, and name every module in which a convolution or pool strides.

    Only the operators that torch carries out count, not what a module says of itself, so a pool that keeps its
    ``stride`` and runs densely is not one of them. The filters of this package are left out: they are there to stride.

    Returns:
        Fully qualified names of the innermost modules; ``''`` is the network itself.
    """
    with _StrideRecorder(model) as recorder, torch.no_grad():
        model(input)
    return recorder.places


def has_only_a_stem(network: Network) -> bool:
    """Whether nothing strides but one convolution, as in a vision transformer with its patch embedding.

    Told on the meta device, where it takes neither memory nor time; False for a network that does not run there.
    """
    try:
        model = network.build_on_meta()
        model.eval()  # not chained: mmseg's return None
        with torch.device('meta'):
            places = strided_places(model, torch.empty(1, network.channels, network.side, network.side))
    except Exception:  # a network may compute with values, and there are none
        return False
    return len(places) == 1 and isinstance(model.get_submodule(places.pop()), nn.Conv2d)


class _StrideRecorder(TorchDispatchMode):
    """Sees every operator, and knows from hooks in which module it runs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.names = {module: name for name, module in model.named_modules()}
        self.open: list[nn.Module] = []
        self.hooks = ExitStack()

    def __enter__(self) -> '_StrideRecorder':
        for module in self.names:
            self.hooks.callback(module.register_forward_pre_hook(lambda m, _: self.open.append(m)).remove)
            self.hooks.callback(module.register_forward_hook(lambda *_: self.close()).remove)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.hooks.close()

    def close(self) -> None:
        self.open.pop()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if _strides(func.overloadpacket.__name__, args) and not self.is_filter():
            self.places.add(self.names[self.open[-1]])
        return func(*args, **(kwargs or {}))

    def is_filter(self) -> bool:
        return any(isinstance(module, (BlurPool2d, AdaptiveBlurPool2d)) for module in self.open)


def _strides(operator: str, args: tuple) -> bool:
    """Whether an operator is a convolution (not a transposed one) or pool that makes a map smaller by its stride."""
    if operator == 'convolution':
        image, _, _, stride, _, _, is_transposed, *_ = args
        stride = (1,) if is_transposed else stride
    elif operator in _POOLS:
        image, kernel_size, stride = args[0], args[1], args[2] if len(args) > 2 else ()
        stride = stride or kernel_size
    else:
        return False
    return image.dim() == 4 and image.shape[-2] > 1 and max(stride) > 1  # sequences are pooled as maps of one row
