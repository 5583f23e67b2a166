"""Parity of an exported network with the network, on images on which every polyphase choice is clear."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from antialias_plugins.functional import polyphase_components
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d
from lab.parity.exporters import EXPORTERS, Exporter


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


# A float32 sum over a window of n values rounds to about sqrt(n) 2^-24 of itself: 4e-6 for the 3 x 3 x 512 values of a
# ResNet's last convolutions. A hundred layers of that are 4e-5. One wrong border is 1e-2 and more.
TOLERANCE = 1e-4
SIDES = ((65, 64), (64, 64), (64, 97), (127, 95))
# Where two polyphase components score the same but for less than this, rounding may take the one or the other. It is
# little because random images have components that are alike, and enough because rounding averages out in a norm.
MARGIN = 1e-6
_DRAWS = 100


@dataclass(frozen=True)
class Parity:
    """How far a record is from its network.

    Attributes:
        network: name of the network.
        pool: shorthand of its filters, or ``'none'``.
        exporter: name of the way in which it was recorded.
        torch: version of torch.
        error: largest difference over all sizes, relative to the largest output; None if there is no record, or it does
            not take a size.
        reason: what stopped it.
    """

    network: str
    pool: str
    exporter: str
    torch: str
    error: float | None
    reason: str = ''

    @property
    def holds(self) -> bool:
        """Whether the record computes what the network computes."""
        return self.error is not None and self.error <= TOLERANCE


def example_images(sides: Iterable[tuple[int, int]] = SIDES, seed: int = 0) -> list[Tensor]:
    """Random images: two of the first size, of which a record is made, then one, two and three of the others."""
    generator = torch.Generator().manual_seed(seed)
    counts = (2, 1, 2, 3)
    return [torch.rand(n, 3, *side, generator=generator) for n, side in zip(counts, sides, strict=True)]


def decisive_images(model: nn.Module) -> list[Tensor]:
    """The first `example_images` on which no choice of a polyphase network is closer than `MARGIN`.

    Raises:
        ValueError: if a hundred draws have none.
    """
    for seed in range(_DRAWS):
        images = example_images(seed=seed)
        if all(smallest_margin(model, image) >= MARGIN for image in images):
            return images
    raise ValueError(f'model must choose its components by a margin of {MARGIN}, which {_DRAWS} random draws never did')


def check_parity(
    model: nn.Module, network: str, pool: str, exporters: Iterable[Exporter] = EXPORTERS
) -> Iterator[Parity]:
    """Record a network in several ways, and run each record on images of one or, if it is dynamic, of several sizes.

    Args:
        model: the network, in eval mode.
        network: its name.
        pool: its filters.
        exporters: the ways.

    Yields:
        One result for each. An exporter that fails is a result too.
    """
    images = decisive_images(model)
    with torch.no_grad():
        expected = [model(image) for image in images]
        for exporter in exporters:
            error, reason = _compare(model, exporter, images, expected)
            yield Parity(network, pool, exporter.name, torch.__version__.partition('+')[0], error, reason)


def _compare(
    model: nn.Module, exporter: Exporter, images: list[Tensor], expected: list[Tensor]
) -> tuple[float | None, str]:
    stop = None if exporter.is_dynamic else 1
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the exporters' own
        try:
            run = exporter.record(model, images[0])
            actual = [run(image) for image in images[:stop]]
        except Exception as error:  # a cell of the table, not the end of it
            return None, _in_words(error)
    pairs = zip(actual, expected[:stop], strict=True)
    return max(float((a - e).abs().max() / e.abs().max()) for a, e in pairs), ''


def _in_words(error: BaseException) -> str:
    """What is at the bottom of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f'{type(error).__name__}: {" ".join(str(error).split()):.200}'
