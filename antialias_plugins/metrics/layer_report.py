"""Reports on the layers of a network: a row per layer, the inputs, and tables of several networks.

Letters: images ``B``, channels ``C``, image ``H W``.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from math import inf
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from antialias_plugins.functional.arguments import check_module
from antialias_plugins.metrics.base import Result
from antialias_plugins.metrics.inputs import as_tensor
from antialias_plugins.metrics.intervals import Interval, MeanShare, format_percent
from antialias_plugins.utils import markdown_table


class Row:
    """What was measured of one layer of a network, image by image: a base of dataclasses with these fields.

    Attributes:
        name: Name of the module.
        kind: Its class.
        stride: Pixels of the image per pixel of its map, down and right.
        shape: Channels, height and width of its map.
    """

    name: str
    kind: str
    stride: tuple[Any, Any]
    shape: tuple[int, int, int]

    @property
    @abstractmethod
    def per_image(self) -> Tensor:
        """One number per image. Shape: B."""

    @property
    def figure(self) -> MeanShare:
        """Its mean over images, with the interval of Student's t: amounts of energy, not shares of counted images."""
        return MeanShare.of(self.per_image.tolist(), bounds=(0, inf))

    @property
    def mean(self) -> float:
        """Mean over images."""
        return self.figure.mean

    @property
    def interval(self) -> Interval | None:
        """Limits of its 95 % interval over images; ``None`` for a single image."""
        return self.figure.interval

    def describe(self) -> dict[str, str]:
        """What stands in front of its mean in a table."""
        return {'kind': self.kind, 'stride': format_pair(self.stride), 'map': '×'.join(map(str, self.shape))}

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        values = {name: value.tolist() if isinstance(value, Tensor) else value for name, value in vars(self).items()}
        return values | {'mean': self.mean, 'interval': self.interval}


class LayerReport(Result):
    """All layers that were measured. Prints as a table.

    Attributes:
        column: What was measured, as the title of a column.
        unseen: What is not measured, with reasons.
    """

    column: ClassVar[str]
    unseen: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The layers, in the order of execution: the first field."""
        return getattr(self, fields(self)[0].name)

    @property
    def figures(self) -> dict[str, MeanShare]:
        """The mean of every layer by its name, see `Result`."""
        return {row.name: row.figure for row in self.rows}

    def table(self, names: Sequence[str] = ()) -> str:
        """Write a row per layer."""
        return side_by_side({self.column: self.rows})

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        values = {field.name: list(getattr(self, field.name)) for field in fields(self)}
        return values | {fields(self)[0].name: [row.as_dict() for row in self.rows]}

    def __str__(self) -> str:
        return '\n'.join([self.table(), *(f'not measured: {it}' for it in self.unseen)])


def side_by_side(rows: Mapping[str, Sequence[Row]]) -> str:
    """Write a table of the shares in percent.

    Args:
        rows: Rows by network, the baseline first. They are matched by name and described by the first network that has
            them; one that has not shows a dash.
    """
    if not isinstance(rows, Mapping) or not rows:
        raise ValueError(f'rows must hold the rows of at least one network by its name, got {rows!r:.200}')
    columns = [{row.name: row for row in column} for column in rows.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    lines, titles = [], []
    for name in names:
        described = next(column[name] for column in columns if name in column).describe()
        shares = [
            format_percent(column[name].mean, column[name].interval) if name in column else '–' for column in columns
        ]
        lines.append([name, *described.values(), *shares])
        titles = list(described)
    return markdown_table(['place', *titles, *rows], lines)


def format_pair(values: Sequence[object]) -> str:
    """Write a vertical and a horizontal number, ``'2x1'``, once if they are equal."""
    return 'x'.join(str(value) for value in dict.fromkeys(values))


def network_inputs(network: nn.Module, images: Iterable[Tensor]) -> list[Tensor]:
    """Return images, ``(C, H, W)``, as batches of one, where a network's parameters are and in their type."""
    check_module('network', network)
    if not isinstance(images, Iterable):
        raise ValueError(f'images must hold one tensor per image, got {images!r:.200}')
    images = [as_tensor('images', image) for image in images]
    if not images:
        raise ValueError('images must hold at least one image, got none')
    for image in images:
        if image.ndim != 3 or not image.numel() or not image.is_floating_point() or image.shape != images[0].shape:
            kinds = sorted({f'{tuple(it.shape)} of {it.dtype}' for it in images})
            raise ValueError(f'images must be floating-point and of one shape (C, H, W), got {", ".join(kinds)}')
    anchor = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0, dtype=images[0].dtype))
    return [image[None].to(anchor) for image in images]
