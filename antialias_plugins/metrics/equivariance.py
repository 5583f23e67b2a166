"""Equivariance of a network's maps to shifts of its image, layer by layer.

Letters: images ``B``, shifts ``D``, channels ``C``, image ``H W``, map ``h w``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from antialias_plugins.conversion.examples import evaluating
from antialias_plugins.functional.arguments import check_pair
from antialias_plugins.metrics.inputs import as_integer, as_tensor, check_least, check_shape, in_float64
from antialias_plugins.metrics.layer_report import LayerReport, Row, network_inputs
from antialias_plugins.metrics.views import fourier_shift
from antialias_plugins.utils import matching_names

_Kept = TypeVar('_Kept')
_Shapes = dict[str, list[tuple[int, ...] | None]]
_PASS_ON = (nn.Identity, nn.modules.dropout._DropoutNd)


def equivariance_error(
    still: Tensor, moved: Tensor, shift: tuple[float, float], margin: int | tuple[int, int] = 0
) -> float:
    """Return how far a map is from another one that is shifted, relative to the latter.

    The error is ``|moved - shift(still)| / |shift(still)|`` with the Euclidean norm over all elements, and the circular
    shift of `fourier_shift`: exact for whole pixels, band-limited between them.

    Args:
        still: A map, ``(..., h, w)``.
        moved: What the shifted map is compared with, ``(..., h, w)``.
        shift: Pixels of the map by which it moves, down and right.
        margin: Pixels at each border of the map that do not count, for both axes or as ``(vertical, horizontal)``.

    Raises:
        ValueError: If the shapes differ, or the margin leaves nothing.

    Example:
        >>> stripes = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
        >>> equivariance_error(stripes, stripes, (0, 1))  # the opposite of what it should be
        2.0
    """
    still, moved = as_tensor('still', still), as_tensor('moved', moved)
    if still.shape != moved.shape:
        raise ValueError(f'moved must have the shape {tuple(still.shape)} of still, got {tuple(moved.shape)}')
    check_shape('still', still, '(..., h, w)')
    sides = still.shape[-2:]
    margins = check_pair('margin', margin, 0)
    if any(2 * cut >= side for side, cut in zip(sides, margins, strict=True)):
        raise ValueError(f'margin must leave a part of a map of {sides[0]}x{sides[1]}, got {margin}')
    inner = (..., *(slice(cut, side - cut) for side, cut in zip(sides, margins, strict=True)))
    expected = fourier_shift(in_float64(still), shift)[inner]
    difference = (in_float64(moved)[inner] - expected).norm()
    return 0.0 if difference == 0 else float(difference / expected.norm())


@dataclass(frozen=True)
class LayerEquivariance(Row):
    """One layer; its other attributes are those of `Row`.

    Attributes:
        error: Error of each image and shift, see `equivariance_error`. Shape: B D, float64.
    """

    name: str
    kind: str
    stride: tuple[Fraction, Fraction]
    shape: tuple[int, int, int]
    error: Tensor

    @property
    def per_image(self) -> Tensor:
        """Its mean error over shifts. Shape: B."""
        return self.error.mean(1)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return super().as_dict() | {'stride': [float(step) for step in self.stride]}


@dataclass(frozen=True)
class EquivarianceReport(LayerReport):
    """All layers that were measured. Prints as a table.

    Attributes:
        layers: The layers, in the order of execution.
        shifts: The shifts, in pixels of the image, down and right.
        unseen: Modules that were asked for and have no such error, with reasons.
    """

    layers: tuple[LayerEquivariance, ...]
    shifts: tuple[tuple[int, int], ...]
    unseen: tuple[str, ...] = ()

    column = 'equivariance error'


@torch.no_grad()
def equivariance_report(
    network: nn.Module,
    images: Iterable[Tensor],
    layers: Iterable[str] | None = None,
    *,
    shifts: Iterable[int | tuple[int, int]] = (1,),
    margin: int = 0,
) -> EquivarianceReport:
    """Measure how far every layer's map is from moving with the image.

    The image is shifted circularly by whole pixels. A map whose pixel stands for S pixels of the image should move by
    ``shift / S``, band-limited where that is a fraction: a map without aliasing does. Its error is that of
    `equivariance_error`. Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, looks at the layers
    of VGG this way, by cosine distance and without fractions.

    A network that pads with zeros sees the border of the image, so it is not equivariant even without subsampling.
    ``margin`` leaves that, and the jump that the circular shift moves inside, out of the error.

    Args:
        network: Any network; it runs in evaluation mode and stays as it is.
        images: Images of one size, as the network reads them (normalised), ``(C, H, W)`` each.
        layers: Patterns of module names, such as ``'layer*.0'``. By default the outermost modules that return a map,
            with sequences of modules taken apart: the blocks of a residual network.
        shifts: Pixels of the image, each for both axes or as ``(down, right)``.
        margin: Pixels at each border of the image that do not count.

    Raises:
        ValueError: If there are no images or shifts, the images are not floating-point images of one size, a pattern
            matches nothing, or a map is not finite.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.MaxPool2d(2), nn.Flatten())
        >>> report = equivariance_report(net, [torch.rand(1, 8, 8)])
        >>> [(layer.name, layer.mean == 0) for layer in report.layers]
        [('0', True), ('1', False)]
    """
    inputs = network_inputs(network, images)
    check_least(margin=(margin, 0))
    moves = as_moves(shifts)
    if layers is not None:
        layers = layers if isinstance(layers, str) or not isinstance(layers, Iterable) else list(layers)
        if not layers or not isinstance(layers, (str, list)) or not all(isinstance(it, str) for it in layers):
            raise ValueError(f'layers must be None or hold at least one pattern, got {layers!r:.200}')
    with evaluating(network):
        shapes = _outputs(network, inputs[0], [name for name, _ in network.named_modules() if name], _map_shape)
        names, unseen = _choose(network, shapes, inputs[0].shape[2:], layers, margin)
        errors = [_errors(network, image, names, moves, margin) for image in inputs]
    measured = []
    for name in errors[0]:
        _, *shape = shapes[name][0]
        kind, stride = type(network.get_submodule(name)).__name__, _stride(inputs[0].shape[2:], shape[1:])
        error = torch.tensor([one[name] for one in errors], dtype=torch.float64)
        if not error.isfinite().all():
            raise ValueError(f'network must compute finite maps, got others at {name}')
        measured.append(LayerEquivariance(name, kind, stride, tuple(shape), error))
    return EquivarianceReport(tuple(measured), moves, unseen)


def _choose(
    network: nn.Module, shapes: _Shapes, size: Sequence[int], patterns: Iterable[str] | None, margin: int
) -> tuple[list[str], tuple[str, ...]]:
    names = list(_outermost_layers(network, shapes))
    if patterns is not None:
        known = [name for name, _ in network.named_modules() if name]
        names = sorted(matching_names('layers', 'modules', patterns, known), key=known.index)
    reasons = {name: _why_not(shapes.get(name, []), size, margin) for name in names}
    return [name for name in names if not reasons[name]], tuple(f'{n}: {why}' for n, why in reasons.items() if why)


def _why_not(calls: list[tuple[int, ...] | None], size: Sequence[int], margin: int) -> str:
    """Why a module has no error, or an empty string."""
    if len(calls) != 1:
        return f'runs {len(calls)} times'
    if calls[0] is None:
        return 'does not return a map (N, C, H, W)'
    sides = calls[0][2:]
    if any(n % m and m % n for n, m in zip(size, sides, strict=True)):
        return f'its map of {sides[0]}x{sides[1]} has no regular grid on an image of {size[0]}x{size[1]}'
    if any(2 * cut >= side for cut, side in zip(_margins(_stride(size, sides), margin), sides, strict=True)):
        return f'a margin of {margin} leaves nothing of its map of {sides[0]}x{sides[1]}'
    return ''


def _errors(
    network: nn.Module, image: Tensor, names: list[str], shifts: tuple[tuple[int, int], ...], margin: int
) -> dict[str, list[float]]:
    """Errors of one image: for every layer, one per shift."""
    still = _layer_maps(network, image, names)
    errors: dict[str, list[float]] = {name: [] for name in still}
    for shift in shifts:
        moved = _layer_maps(network, image.roll(shift, (2, 3)), names)
        for name, map in still.items():
            stride = _stride(image.shape[2:], map.shape[2:])
            pixels = tuple(float(pixels / step) for pixels, step in zip(shift, stride, strict=True))
            errors[name].append(equivariance_error(map, moved[name], pixels, _margins(stride, margin)))
    return errors


def as_moves(shifts: Iterable[int | tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return shifts as pairs of whole pixels, down and right, of either sign."""
    if isinstance(shifts, str) or not isinstance(shifts, Iterable):
        raise ValueError(f'shifts must hold whole pixels, or pairs of them, got {shifts!r}')
    pairs = [tuple(shift) if isinstance(shift, (tuple, list)) else (shift, shift) for shift in shifts]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f'shifts must hold whole pixels, or pairs of them, got {pairs}')
    if not pairs:
        raise ValueError('shifts must hold at least one shift, got none')
    return tuple((as_integer('shifts', down), as_integer('shifts', right)) for down, right in pairs)


def _stride(size: Sequence[int], sides: Sequence[int]) -> tuple[Fraction, Fraction]:
    return Fraction(size[0], sides[0]), Fraction(size[1], sides[1])


def _margins(stride: tuple[Fraction, Fraction], margin: int) -> tuple[int, int]:
    return ceil(margin / stride[0]), ceil(margin / stride[1])


def _layer_maps(network: nn.Module, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
    """Return what modules that return one tensor, once, return for one image, in the order of execution."""
    # An activation that works in place would overwrite the map.
    return {name: maps[-1] for name, maps in _outputs(network, image, names, Tensor.clone).items()}


def _map_shape(output: object) -> tuple[int, ...] | None:
    """Return the shape of a map ``(N, C, H, W)``; ``None`` of anything else."""
    return tuple(output.shape) if isinstance(output, Tensor) and output.ndim == 4 else None


def _outermost_layers(network: nn.Module, shapes: _Shapes, prefix: str = '') -> Iterator[str]:
    """Return the outermost modules below a network that return a map; sequences of modules are taken apart."""
    for child, module in network.named_children():
        name = prefix + child
        is_sequence = type(module).forward is nn.Sequential.forward
        if is_sequence or None in shapes.get(name, [None]):
            yield from _outermost_layers(module, shapes, f'{name}.')
        elif not isinstance(module, _PASS_ON):
            yield name


def _outputs(
    network: nn.Module, image: Tensor, names: Iterable[str], keep: Callable[[Any], _Kept]
) -> dict[str, list[_Kept]]:
    """Return what ``keep`` makes of the outputs of modules, call by call, for one image, in the order of execution."""
    kept: dict[str, list[_Kept]] = {}

    def hook(name: str, module: nn.Module, args: tuple, output: Any) -> None:
        kept.setdefault(name, []).append(keep(output))

    with ExitStack() as hooks:
        for name in names:
            hooks.callback(network.get_submodule(name).register_forward_hook(partial(hook, name)).remove)
        network(image)
    return kept
