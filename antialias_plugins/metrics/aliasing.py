"""Aliasing of a network's maps, place by place, and of a map's spectrum.

Letters: images or maps ``B``, channels ``C``, image or map ``H W``, rings of frequency ``F``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from antialias_plugins.conversion import AntialiasPlan
from antialias_plugins.conversion.examples import evaluating
from antialias_plugins.functional.arguments import check_pair
from antialias_plugins.metrics.downsampling import Place, dense_map, observe
from antialias_plugins.metrics.inputs import as_tensor, check_shape, in_float64
from antialias_plugins.metrics.layer_report import LayerReport, Row, network_inputs

Window = Literal['hann'] | None


def power_spectrum(maps: Tensor, window: Window = None) -> Tensor:
    """Return the energy of maps at every frequency, summed over channels.

    The energy is the squared magnitude of the orthonormal 2-D DFT, so its sum is the sum of the squared pixels
    (Parseval), after the window if there is one.

    Args:
        maps: Real maps, in at least one channel, ``(B, C, H, W)``.
        window: ``None`` takes a map as one period of a circular signal, so that the jump between its opposite borders
            counts as a part of it, with energy at all frequencies. ``'hann'`` fades the map out towards its borders: no
            jump, but the centre counts more, and a frequency spreads over its direct neighbours.

    Returns:
        ``(B, H, W)``, float64, on the CPU where the device has none; frequency ``(k, l)`` is ``k / H`` and ``l / W``
        cycles per pixel, in the order of `torch.fft.fftfreq`.

    Raises:
        ValueError: If ``maps`` has not this shape, or there is no such window.

    Example:
        >>> stripes = torch.tensor([1.0, -1.0]).expand(1, 1, 4, 2).repeat(1, 1, 1, 2)
        >>> power_spectrum(stripes)[0, 0]  # of the rows' sum: all at half a cycle per pixel
        tensor([ 0.,  0., 16.,  0.], dtype=torch.float64)
    """
    maps = as_tensor('maps', maps)
    check_shape('maps', maps, '(B, C, H, W)')
    if maps.is_complex():
        raise ValueError(f'maps must be real, got {maps.dtype}')
    check_window(window)
    maps = in_float64(maps)
    if window == 'hann':
        rows, columns = (torch.hann_window(side, dtype=maps.dtype, device=maps.device) for side in maps.shape[2:])
        maps = maps * rows[:, None] * columns
    return torch.fft.fft2(maps, norm='ortho').abs().square().sum(1)


def aliased_share(power: Tensor, stride: tuple[int, int]) -> Tensor:
    """Return the share of the energy that lies above the Nyquist frequency of the map that subsampling leaves.

    Taking every S-th pixel along an axis leaves the frequencies up to ``1 / (2 S)`` cycles per pixel of that axis.
    Two axes leave a square, or a rectangle; all that lies outside of it, the corners of the spectrum included, comes
    back as another frequency. The frequency ``1 / (2 S)`` itself counts as left. The mean of the map counts as energy,
    too: the share is the squared error, relative to the map, that an ideal low-pass filter would spare.

    Args:
        power: Energies as `power_spectrum` returns them, ``(B, H, W)``.
        stride: S along the vertical and the horizontal axis.

    Returns:
        ``(B,)``, in [0, 1]; 0 for a map of zeros, NaN where a map is not finite.

    Example:
        >>> y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing='ij')
        >>> checkerboard = 1.0 - 2 * ((y + x) % 2)
        >>> maps = torch.stack([checkerboard, 1 + checkerboard, torch.ones(8, 8)])[:, None]
        >>> aliased_share(power_spectrum(maps), (2, 2))
        tensor([1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    power, stride = _as_power(power), check_pair('stride', stride)
    rows, columns = (2 * step * _waves(side, power) > side for side, step in zip(power.shape[1:], stride, strict=True))
    above = power[:, rows[:, None] | columns].sum(1)
    total = power.sum((1, 2))
    return torch.where(total == 0, total, above / total)


def radial_average(power: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean energy in rings around frequency 0, relative to the mean over all frequencies.

    A ring is ``1 / min(H, W)`` cycles per pixel wide. The rings end at 0.5 cycles per pixel: what lies in the corners
    beyond is in `aliased_share`, not here. White noise is 1 everywhere, whatever its size and scale.

    Args:
        power: Energies as `power_spectrum` returns them, ``(B, H, W)``.

    Returns:
        The frequencies in the middle of the rings, in cycles per pixel, and the energies, ``(F,)`` and ``(B, F)``, with
        ``F = min(H, W) // 2 + 1``; NaN where a map is all zeros.
    """
    power = _as_power(power)
    count = min(power.shape[1:])
    rows, columns = (_waves(side, power).double() / side for side in power.shape[1:])
    ring = (torch.hypot(rows[:, None], columns) * count).round().long().flatten()
    sizes = torch.bincount(ring)
    sums = torch.zeros(len(power), len(sizes), dtype=power.dtype, device=power.device)
    sums.index_add_(1, ring, power.flatten(1))
    averages = sums / sizes / power.mean((1, 2))[:, None]
    kept = count // 2 + 1
    return torch.arange(kept, dtype=power.dtype) / count, averages[:, :kept]


def check_window(window: Window) -> None:
    """Raise unless there is such a window."""
    if window is not None and not (isinstance(window, str) and window == 'hann'):
        raise ValueError(f"window must be None or 'hann', got {window!r}")


def _as_power(power: Tensor) -> Tensor:
    """Return energies, ``(B, H, W)``, in float64."""
    power = as_tensor('power', power)
    check_shape('power', power, '(B, H, W)')
    return in_float64(power)


def _waves(side: int, power: Tensor) -> Tensor:
    """Periods per side of every frequency along an axis, without their sign."""
    waves = torch.arange(side, device=power.device)
    return torch.minimum(waves, side - waves)


@dataclass(frozen=True)
class SiteAliasing(Row):
    """One place where a network downsamples, as it is right before every S-th pixel is kept.

    Attributes:
        name: The operation that strides, or did before the network was antialiased; several with ``' + '``.
        kind: ``'conv'``, ``'max pool'`` or ``'avg pool'``; ``'filter'`` for one that the network came with.
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
    def per_image(self) -> Tensor:
        """Its share. Shape: B."""
        return self.share


@dataclass(frozen=True)
class AliasingReport(LayerReport):
    """What aliases in a network. Prints as a table.

    Attributes:
        sites: The places where it downsamples, in the order of execution.
        unseen: What else makes its maps smaller and is not measured, with reasons.
    """

    sites: tuple[SiteAliasing, ...]
    unseen: tuple[str, ...] = ()

    column = 'energy that aliases'


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
        images: Images of one size, as the network reads them (normalised), ``(C, H, W)`` each.
        window: See `power_spectrum`. Without a window the jump between opposite borders, which no network sees, is a
            large part of what is left in a filtered map.

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
    check_window(window)
    inputs = network_inputs(network, images)
    observed, places, plan = observe(network, inputs[0])
    recorder = _Recorder(window)
    with evaluating(observed), ExitStack() as hooks:
        for place in places:
            hooks.callback(place.module.register_forward_hook(partial(recorder.record, place)).remove)
        for batch in inputs:
            recorder.calls.clear()
            observed(batch)
    return AliasingReport(tuple(recorder.sites()), _unseen(plan, places))


@dataclass
class _Recorder:
    """Keeps the numbers of every call of a place, by the place's name and the number of the call."""

    window: Window
    calls: Counter[str] = field(default_factory=Counter)
    found: dict[str, tuple[Place, torch.Size, list[tuple[Tensor, ...]]]] = field(default_factory=dict)

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
        self.found.setdefault(name, (place, dense.shape[1:], []))[2].append((share, *radial_average(power)))

    def sites(self) -> Iterator[SiteAliasing]:
        for name, (place, shape, numbers) in self.found.items():
            share, frequency, power = zip(*numbers, strict=True)
            known = name, place.kind, place.filter, place.stride, tuple(shape)
            yield SiteAliasing(*known, torch.cat(share).cpu(), frequency[0], torch.cat(power).mean(0).cpu())


def _unseen(plan: AntialiasPlan, places: list[Place]) -> tuple[str, ...]:
    """What the plan knows of that is no module with a stride, nor runs in the ``forward`` of one: functions, mostly."""
    seen = {root for place in places for root in place.name.split(' + ')}
    known = (*plan.skipped, *plan.unsupported)
    others = [it for it in known if not {it.name.split()[0], it.name.rpartition('.')[0]} & seen]
    return tuple(f'{it.name}: {it.reason.partition("; skip=")[0]}' for it in others)
