"""How clearly a polyphase network chooses."""

import torch
from torch import Tensor, nn

from antialias_plugins.functional import polyphase_components
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d


@torch.no_grad()
def smallest_margin(model: nn.Module, image: Tensor) -> float:
    """How close rounding is to another choice of a component.

    Args:
        model: any network.
        image: what it runs on.

    Returns:
        Over all images and polyphase layers that choose, the smallest difference between the two largest scores,
        relative to the largest: 0 for a tie, infinity if nothing is chosen.

    Example:
        >>> from antialias_plugins import AdaptivePolyphasePool2d
        >>> smallest_margin(AdaptivePolyphasePool2d(), torch.tensor([[[[3.0, 0.0], [0.0, 4.0]]]]))
        0.25
    """
    margins = [float('inf')]

    def measure(layer: PolyphasePool2d, args: tuple[Tensor]) -> None:
        scores = layer.scores(polyphase_components(layer.low_pass(args[0]), layer.stride))
        first, second = scores.topk(2, 1).values.unbind(1)
        scale = scores.abs().amax(1).clamp(min=torch.finfo(scores.dtype).tiny)
        margins.append(float(((first - second) / scale).min()))

    choosing = (module for module in model.modules() if isinstance(module, PolyphasePool2d) and module.leads)
    handles = [layer.register_forward_pre_hook(measure) for layer in choosing]
    try:
        model(image)
    finally:
        for handle in handles:
            handle.remove()
    return min(margins)
