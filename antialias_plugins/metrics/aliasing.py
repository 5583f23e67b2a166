"""How much of what a network computes will alias, place by place.

Letters: images ``B``, channels ``C``, image ``H W``, rings of frequency ``F``.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins.conversion import AntialiasPlan
from antialias_plugins.conversion.trace import evaluating
from antialias_plugins.metrics.downsampling import Place, dense_map, observe
from antialias_plugins.metrics.frames import network_inputs
from antialias_plugins.metrics.interval import mean_interval
from antialias_plugins.metrics.side_by_side import format_pair, side_by_side
from antialias_plugins.metrics.spectrum import Window, aliased_share, power_spectrum, radial_average


@dataclass(frozen=True)
class SiteAliasing:
    """One place where a network downsamples, as it is right before every S-th pixel is kept.

    Attributes:
        name: The operation that strides, or did before the network was antialiased.
        kind: ``'conv'``, ``'max pool'``, ``'avg pool'`` or ``'filter'``.
        filter: The layer that filters in front of the stride; ``''`` if none does.
        stride: S along the vertical and the horizontal axis.
        shape: Channels, height and width of the dense map.
        share: Share of its energy that will alias, see `aliased_share`. Shape: B, float64.
        frequency: Frequencies in cycles per pixel of the dense map. Shape: F.
        power: Mean over images of its radially averaged spectrum, see `radial_average`. Shape: F.
    """

    name: str
    kind: str
    filter: str
    stride: tuple[int, int]
    shape: tuple[int, int, int]
    share: Tensor
    frequency: Tensor
    power: Tensor

    @property
    def mean(self) -> float:
        """Mean share over images."""
        return mean_interval(self.share.tolist())[0]

    @property
    def interval(self) -> float | None:
        """Half-width of its 95 % interval; ``None`` for a single image."""
        return mean_interval(self.share.tolist())[1]

    def describe(self) -> dict[str, str]:
        """What stands in front of its share in a table."""
        return {'kind': self.kind, 'stride': format_pair(self.stride), 'map': '×'.join(map(str, self.shape))}

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        tensors = {name: getattr(self, name).tolist() for name in ('share', 'frequency', 'power')}
        return {**vars(self), **tensors, 'mean': self.mean, 'interval': self.interval}


@dataclass(frozen=True)
class AliasingReport:
    """What aliases in a network. Prints as a table.

    Attributes:
        sites: The places where it downsamples, in the order of execution.
        unseen: What else makes its maps smaller and is not measured, with reasons.
    """

    sites: tuple[SiteAliasing, ...]
    unseen: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [side_by_side({'energy that aliases': self.sites}), *(f'not measured: {it}' for it in self.unseen)]
        return '\n'.join(lines)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {'sites': [site.as_dict() for site in self.sites], 'unseen': list(self.unseen)}


@torch.no_grad()
def aliasing_report(network: nn.Module, images: Iterable[Tensor], *, window: Window = 'hann') -> AliasingReport:
    """Measure, wherever a network downsamples, the share of energy above the Nyquist frequency of the smaller map.

    It is measured on the map of which every S-th pixel is about to be kept: the dense result of a max or average pool,
    the filtered map in front of the stride of a blur layer, the dense result of a strided convolution. That of a
    convolution is taken where the network's antialiased form filters it, behind the activation that follows:
    subsampling commutes with everything up to there, so that is the same network, and a plain network is compared with
    an antialiased one at the same places. The first convolution, and what has no module to carry a filter, is measured
    where it strides. What aliases cannot be undone by later layers, and does not move as the image moves.

    Args:
        network: Any network, antialiased or not. It is copied; its copy runs in evaluation mode.
        images: Images of one size, as the network reads them (normalised).
        window: See `power_spectrum`. Without a window the jump between opposite borders, which no network sees, is a
            large part of what is left in a filtered map.

    Shape:
        - images: ``(C, H, W)`` each

    Returns:
        The places that downsample, with the numbers of every image.

    Raises:
        ValueError: If there are no images, they are not floating-point images of one size, or a map is not finite.
        UnsupportedModelError: If the network does not run on them.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2))
        >>> stripes = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 8, 8)
        >>> report = aliasing_report(net, [stripes])
        >>> [(site.name, site.kind) for site in report.sites]
        [('2', 'max pool')]
    """
    inputs = network_inputs(network, images)
    observed, places, plan = observe(network, inputs[0])
    recorder = _Recorder(window)
    with evaluating(observed), ExitStack() as hooks:
        for place in places:
            hook = partial(recorder.record, place)
            hooks.callback(place.module.register_forward_hook(hook).remove)
        for batch in inputs:
            recorder.calls.clear()
            observed(batch)
    return AliasingReport(recorder.sites(), _unseen(plan, places))


@dataclass
class _Recorder:
    """Keeps the numbers of every call of a place, by the place's name and the number of the call."""

    window: Window
    calls: Counter[str] = field(default_factory=Counter)
    seen: dict[str, tuple[Place, tuple[int, int, int]]] = field(default_factory=dict)
    shares: dict[str, list[Tensor]] = field(default_factory=dict)
    spectra: dict[str, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)

    def record(self, place: Place, module: nn.Module, args: tuple, output: Tensor) -> None:
        """Measure the map in front of the stride; a forward hook."""
        dense = dense_map(module, args[0])
        if dense.shape == output.shape:  # a pool of the whole map: nothing is dropped
            return
        self.calls[place.name] += 1
        call = self.calls[place.name]
        name = place.name if call == 1 else f'{place.name} (call {call})'
        power = power_spectrum(dense, self.window)
        share = aliased_share(power, place.stride)
        if not share.isfinite().all():
            raise ValueError(f'network must compute finite maps, got others at {name}')
        self.seen[name] = place, tuple(dense.shape[1:])
        self.shares.setdefault(name, []).append(share)
        self.spectra.setdefault(name, []).append(radial_average(power))

    def sites(self) -> tuple[SiteAliasing, ...]:
        return tuple(self.site(name, *found) for name, found in self.seen.items())

    def site(self, name: str, place: Place, shape: tuple[int, int, int]) -> SiteAliasing:
        frequency = self.spectra[name][0][0]
        power = torch.cat([power for _, power in self.spectra[name]]).mean(0).cpu()
        share = torch.cat(self.shares[name]).cpu()
        return SiteAliasing(name, place.kind, place.filter, place.stride, shape, share, frequency, power)


def _unseen(plan: AntialiasPlan, places: list[Place]) -> tuple[str, ...]:
    """What the plan knows of that is no module with a stride: functions, mostly."""
    seen = {root for place in places for root in place.name.split(' + ')}
    others = [it for it in (*plan.skipped, *plan.unsupported) if not {it.name.split()[0], _scope(it.name)} & seen]
    return tuple(f'{it.name}: {it.reason.partition("; skip=")[0]}' for it in others)


def _scope(name: str) -> str:
    """The module in whose ``forward`` a function runs."""
    return name.rpartition('.')[0]
