"""Aliasing and equivariance of networks on pictures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from antialias_plugins.evaluation.pictures import read_picture
from antialias_plugins.explorer.networks import PageNetwork
from antialias_plugins.metrics import (
    AliasingReport,
    EquivarianceReport,
    aliasing_report,
    equivariance_report,
    side_by_side,
)
from antialias_plugins.metrics.aliasing import Window
from antialias_plugins.metrics.equivariance import as_moves
from antialias_plugins.metrics.inputs import as_list
from antialias_plugins.metrics.views import centre_part
from antialias_plugins.utils import as_path

GRID = 32
"""Sides of the pictures are multiples of this, so that the maps of most networks have a regular grid on them."""


@dataclass(frozen=True)
class Signals:
    """The reports of networks on the same pictures. Prints as two tables.

    Attributes:
        size: Height and width of the pictures, as the networks saw them.
        aliasing: `aliasing_report` by network.
        equivariance: `equivariance_report` by network.
    """

    size: tuple[int, int]
    aliasing: dict[str, AliasingReport]
    equivariance: dict[str, EquivarianceReport]

    def __str__(self) -> str:
        parts, shifts = [], next(iter(self.equivariance.values())).shifts
        listed = ', '.join(f'{rows} down {columns} right' for rows, columns in shifts)
        for title, reports, kind in (
            ('energy above the Nyquist frequency of the smaller map', self.aliasing, 'sites'),
            (f'equivariance error under shifts of {listed}', self.equivariance, 'layers'),
        ):
            table = side_by_side({name: getattr(report, kind) for name, report in reports.items()})
            unseen = dict.fromkeys(it for report in reports.values() for it in report.unseen)
            parts.append('\n'.join([f'{title}:', table, *(f'not measured: {it}' for it in unseen)]))
        return '\n\n'.join(parts)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        reports = {'aliasing': self.aliasing, 'equivariance': self.equivariance}
        named = {key: {name: one.as_dict() for name, one in kind.items()} for key, kind in reports.items()}
        return {'size': list(self.size), **named}


def measure_signals(
    networks: Sequence[PageNetwork],
    files: Sequence[Path],
    *,
    layers: Iterable[str] | None = None,
    shifts: Iterable[int | tuple[int, int]] = (1,),
    margin: int = 0,
    window: Window = 'hann',
    progress: bool = False,
) -> Signals:
    """Measure networks on the same pictures.

    A picture is resized as the first network wants it, and all are cut to the largest centre that they share and whose
    sides are multiples of `GRID`.

    Args:
        networks: The networks, see `load_network`; the baseline first.
        files: The pictures.
        layers: See `equivariance_report`.
        shifts: See `equivariance_report`.
        margin: See `equivariance_report`.
        window: See `aliasing_report`.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If there is no network or picture, two networks have one name, a picture cannot be read or is too
            small, or an option is outside its range.
    """
    networks = list(networks) if isinstance(networks, Iterable) else networks
    if not isinstance(networks, list) or not all(isinstance(network, PageNetwork) for network in networks):
        raise ValueError(f'networks must hold networks of load_network, got {networks!r:.200}')
    names = [network.name for network in networks]
    if not names or len(set(names)) < len(names):
        raise ValueError(f'names must be one or more and differ, got {", ".join(names) or "none"}')
    files = [as_path('files', file) for file in as_list('files', files, 'at least one picture')]
    shifts = as_moves(shifts)
    layers = list(layers) if isinstance(layers, Iterable) and not isinstance(layers, str) else layers
    frames = common_frames([_prepare(networks[0], file) for file in files])
    aliasing, equivariance = {}, {}
    with tqdm(total=2 * len(networks) * len(frames), unit='picture', disable=not progress) as bar:
        for network in networks:
            views = [network.normalize(frame) for frame in frames]
            aliasing[network.name] = aliasing_report(network.network, _counted(views, bar), window=window)
            options = {'shifts': shifts, 'margin': margin}
            equivariance[network.name] = equivariance_report(network.network, _counted(views, bar), layers, **options)
    return Signals(tuple(frames[0].shape[1:]), aliasing, equivariance)


def _counted(views: Iterable[Tensor], bar: tqdm) -> Iterator[Tensor]:
    for view in views:
        yield view
        bar.update()


def _prepare(network: PageNetwork, file: Path) -> Tensor:
    picture = read_picture(file)
    try:
        return network.prepare(picture, 0)
    except ValueError as error:
        raise ValueError(f'{file}: {error}') from error


def common_frames(pictures: Sequence[Tensor]) -> list[Tensor]:
    """Cut pictures to the largest centre that they share and whose sides are multiples of `GRID`.

    Args:
        pictures: One or more, ``(3, H, W)`` each; what is returned are ``(3, h, w)``.

    Raises:
        ValueError: If a picture is smaller than `GRID`.
    """
    height, width = (min(picture.shape[axis] for picture in pictures) // GRID * GRID for axis in (1, 2))
    if not height or not width:
        sizes = sorted({f'{picture.shape[1]}x{picture.shape[2]}' for picture in pictures})
        raise ValueError(f'pictures must be at least {GRID}x{GRID}, got {", ".join(sizes)}')
    return [centre_part(picture, (height, width)) for picture in pictures]
