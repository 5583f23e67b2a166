"""Filters that adaptive layers predict, and how wide they are.

Letters: groups ``G``, taps along one axis ``K``, map of the layer ``h w``.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from antialias_plugins.layers import AdaptiveBlurPool2d


@torch.no_grad()
def predicted_filters(run: Callable[[], object], layer: AdaptiveBlurPool2d) -> Tensor:
    """Return the taps that a layer applies to the first image while the network runs.

    Args:
        run: Runs the network once, in evaluation mode, such as ``lambda: network(image)``.
        layer: One of its adaptive layers.

    Shape:
        - Returns: ``(G, K * K, h, w)``, taps row by row

    Raises:
        ValueError: If the layer does not run.
    """
    seen: list[Tensor] = []
    handle = layer.bn.register_forward_hook(lambda module, args, output: seen.append(output[0].double()))
    try:
        run()
    finally:
        handle.remove()
    if not seen:
        raise ValueError('layer must be part of what runs, but it was not called')
    logits = seen[0].unflatten(0, (layer.groups, -1))
    if layer.softmax == 'group':
        return logits.softmax(1)
    return logits.flatten(0, 1).softmax(0).view_as(logits)


def filter_spread(taps: Tensor) -> Tensor:
    """Return how wide filters are: the standard deviation of the position under their taps, in pixels.

    A filter that takes one pixel has spread 0, one with 3 x 3 equal taps 1.155. The gain of a filter does not matter.

    Args:
        taps: Taps that are not negative, row by row.

    Shape:
        - taps: ``(G, K * K, h, w)``
        - Returns: ``(G, h, w)``

    Raises:
        ValueError: If the number of taps is no square.
    """
    count = taps.shape[1]
    side = round(count**0.5)
    if side**2 != count:
        raise ValueError(f'taps must hold K * K values, got {count}')
    weights = taps / taps.sum(1, keepdim=True)
    positions = torch.arange(side, dtype=taps.dtype, device=taps.device)
    variance = torch.zeros_like(weights[:, 0])
    for axis in torch.meshgrid(positions, positions, indexing='ij'):
        position = axis.reshape(-1, 1, 1)
        mean = (weights * position).sum(1, keepdim=True)
        variance += (weights * (position - mean) ** 2).sum(1)
    return variance.sqrt()
