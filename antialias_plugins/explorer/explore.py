"""Exploration of one or two networks: their predictions for every view of every image, and the page that shows them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.resources import files as resources
from pathlib import Path
from string import Template
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from antialias_plugins import palette
from antialias_plugins.evaluation.pictures import read_picture
from antialias_plugins.explorer.networks import PageNetwork, check_pair, encode_photograph
from antialias_plugins.explorer.sweeps import DIRECTIONS, shift_path
from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.metrics import shifted_views
from antialias_plugins.metrics.inputs import as_class, as_integer, as_list
from antialias_plugins.metrics.offsets import Offset
from antialias_plugins.utils import as_path, replacing
from antialias_plugins.version import __version__


@dataclass(frozen=True)
class Exploration:
    """All that the page shows.

    Attributes:
        task: ``'classification'`` or ``'segmentation'``.
        networks: Names of the one or two networks.
        max_shift: Number of steps of each path.
        images: Per image its ``name``, ``photo`` (a data URI), size of the ``view`` (height, width), and its ``sweeps``
            by direction: ``offsets``, and per network what its ``describe`` returns.
    """

    task: str
    networks: tuple[str, ...]
    max_shift: int
    images: list[dict[str, Any]]


def explore(
    networks: Sequence[PageNetwork],
    files: Sequence[Path],
    *,
    max_shift: int = 16,
    directions: Sequence[str] = ('diagonal',),
    labels: Sequence[int] | None = None,
    progress: bool = True,
) -> Exploration:
    """Predict every view of every image with one or two networks.

    Two see the same pixels: a picture is resized and cropped as the first network wants it.

    Args:
        networks: The networks, see `load_network`; the baseline first.
        files: The pictures.
        max_shift: Number of pixels by which the window moves, at least 1.
        directions: Where it moves, see `DIRECTIONS`.
        labels: The class to watch in each picture, by default what a network says at first. Classification only.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If the networks do not fit together, a picture cannot be read or is too small, or an argument is
            outside its range.
    """
    networks = as_list('networks', networks, 'one or two networks')
    if len(networks) > 2:
        raise ValueError(f'networks must hold one or two networks, got {len(networks)}')
    check_pair(networks[0], networks[-1])
    files = [as_path('files', file) for file in as_list('files', files, 'at least one picture')]
    directions = as_list('directions', directions, f'some of {", ".join(DIRECTIONS)}')
    labels = (
        None if labels is None else [as_class(label) for label in as_list('labels', labels, 'one class per picture')]
    )
    if labels is not None and len(labels) != len(files):
        raise ValueError(f'labels must hold one class per picture, got {len(labels)} for {len(files)}')
    max_shift = as_integer('max_shift', max_shift, 1)
    check_flag('progress', progress)
    paths = {direction: shift_path(direction, max_shift) for direction in directions}
    offsets = list(dict.fromkeys(offset for path in paths.values() for offset in path))
    frames = [_frame(networks[0], file, max_shift) for file in files]
    images = []
    with tqdm(total=len(files) * len(offsets) * len(networks), unit='view', disable=not progress) as bar:
        for file, frame, label in zip(files, frames, labels or [None] * len(files), strict=True):
            predictions = [_predict(network, frame, offsets, max_shift, bar) for network in networks]
            sweeps = {}
            for direction, path in paths.items():
                along = [torch.stack([by_offset[offset] for offset in path]) for by_offset in predictions]
                described = [network.describe(part, path, label) for network, part in zip(networks, along, strict=True)]
                sweeps[direction] = {'offsets': path, 'networks': described}
            view = [side - max_shift for side in frame.shape[1:]]
            images.append({'name': file.stem, 'photo': encode_photograph(frame), 'view': view, 'sweeps': sweeps})
    return Exploration(networks[0].task, tuple(network.name for network in networks), max_shift, images)


def render_page(exploration: Exploration, title: str | None = None) -> str:
    """Return the page as one HTML document that loads nothing else.

    Args:
        exploration: What it shows.
        title: Its heading, by default the names of the networks.
    """
    parts = resources('antialias_plugins.explorer')
    # A '<' inside a script could end it.
    data = json.dumps(asdict(exploration), separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    return Template((parts / 'page.html').read_text('utf-8')).substitute(
        title=escape(title or ' against '.join(exploration.networks)),
        version=__version__,
        style=Template((parts / 'page.css').read_text('utf-8')).substitute(vars(palette)),
        script=(parts / 'page.js').read_text('utf-8'),
        data=data,
    )


def write_page(path: Path, page: str) -> int:
    """Write the page, which appears when it is complete, and return its size in bytes."""
    with replacing(path) as partial:
        return partial.write_bytes(page.encode())


def _frame(network: PageNetwork, file: Path, max_shift: int) -> Tensor:
    picture = read_picture(file)
    try:
        frame = network.prepare(picture, max_shift)
        shifted_views(frame, [(0, 0)], max_shift)
    except ValueError as error:
        raise ValueError(f'{file}: {error}') from error
    return frame


def _predict(
    network: PageNetwork, frame: Tensor, offsets: Sequence[Offset], max_shift: int, bar: tqdm
) -> dict[Offset, Tensor]:
    predictions = {}
    for offset in offsets:
        predictions[offset] = network.predict(shifted_views(frame, [offset], max_shift)[0])
        bar.update()
    return predictions
