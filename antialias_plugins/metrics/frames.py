"""Images as a network reads them."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def network_inputs(network: nn.Module, images: Iterable[Tensor]) -> list[Tensor]:
    """Return images as batches of one, where a network's parameters are and in their type.

    Args:
        network: The network.
        images: Its images.

    Shape:
        - images: ``(C, H, W)`` each
        - Returns: ``(1, C, H, W)`` each

    Raises:
        ValueError: If there are no images, or they are not floating-point images of one size.
    """
    images = list(images)
    if not images:
        raise ValueError('images must hold at least one image, got none')
    for image in images:
        if image.ndim != 3 or not image.is_floating_point() or image.shape != images[0].shape:
            kinds = sorted({f'{tuple(it.shape)} of {it.dtype}' for it in images})
            raise ValueError(f'images must be floating-point and of one shape (C, H, W), got {", ".join(kinds)}')
    anchor = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0, dtype=images[0].dtype))
    return [image[None].to(anchor) for image in images]
