"""Figures of the networks of a quickstart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from matplotlib.cbook import get_sample_data
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from antialias_plugins.evaluation.pictures import read_picture
from antialias_plugins.explorer.figures import curves_of, spectra_of
from antialias_plugins.explorer.networks import PageSegmentor, load_network
from antialias_plugins.explorer.signals import GRID, Signals, common_frames, measure_signals
from antialias_plugins.layers import AdaptiveBlurPool2d
from antialias_plugins.utils import replacing
from antialias_plugins.visualization import (
    PUBLISHED_RESULTS,
    StabilityStrip,
    plot_equivariance,
    plot_pareto,
    plot_spectra,
    plot_stability,
)
from lab.gallery.data import ClassSequence, follow_classes, typical_pixel
from lab.gallery.filters import filter_spread, predicted_filters
from lab.gallery.maps import FlipMap, plot_filter_spread, plot_flip_map
from lab.quickstart.experiment import Experiment
from lab.quickstart.shift_flips import images_and_labels

MAX_SHIFT = 16
PICTURES = 8  # validation images that the spectra and the equivariance error are averaged over


@dataclass(frozen=True)
class Gallery:
    """The networks of a quickstart, and what their figures are drawn from.

    Attributes:
        folders: The trainings' folders, the baseline first.
        photograph: A picture that is no street scene.
    """

    folders: tuple[Path, ...]
    photograph: Path

    @cached_property
    def networks(self) -> list[PageSegmentor]:
        """The networks, called what their folders are called."""
        return [load_network(str(folder)) for folder in self.folders]

    @cached_property
    def files(self) -> list[tuple[Path, Path]]:
        """The validation images and their labels."""
        _ = self.networks  # which says what is wrong with a folder that holds no training
        return images_and_labels(Experiment(self.folders[0]))

    @cached_property
    def street(self) -> tuple[Tensor, Tensor]:
        """The first validation image and its labels."""
        image, labels = self.files[0]
        frame = self.networks[0].prepare(read_picture(image), 0)
        return frame, torch.from_numpy(np.array(Image.open(labels))).long()

    @cached_property
    def photo(self) -> Tensor:
        """The photograph, at the width of the street scenes."""
        width = self.street[0].shape[2]
        picture = read_picture(self.photograph)
        height = round(picture.height * width / picture.width)
        resized = picture.resize((width, height), Image.Resampling.BICUBIC)
        (frame,) = common_frames([torch.from_numpy(np.array(resized)).permute(2, 0, 1)])
        return frame

    @cached_property
    def street_sequences(self) -> list[ClassSequence]:
        """What the networks say of the street scene while it moves."""
        frame, labels = self.street
        return [follow_classes(network, frame, labels, MAX_SHIFT) for network in self.networks]

    @cached_property
    def signals(self) -> Signals:
        """Aliasing and equivariance of the networks on street scenes."""
        return measure_signals(self.networks, [image for image, _ in self.files[:PICTURES]], margin=GRID)

    def stability(self) -> Figure:
        """Probability of the true class of one pixel along the diagonal."""
        labels = _shared(self.street[1])
        row, column = typical_pixel(self.street_sequences, labels)
        label = int(labels[row, column])
        strips = []
        for network, sequence in zip(self.networks, self.street_sequences, strict=True):
            top = sequence.prediction[:, row, column] == label
            strips.append(StabilityStrip(network.name, sequence.probability[:, row, column].numpy(), top.numpy()))
        return plot_stability(strips, self.networks[0].classes[label])

    def flips(self) -> Figure:
        """At how many shifts every pixel of the street scene flips."""
        return self._flip_map(self.street[0], self.street_sequences)

    def photo_flips(self) -> Figure:
        """The same of the photograph."""
        nothing = torch.zeros(self.photo.shape[1:], dtype=torch.int64)
        sequences = [follow_classes(network, self.photo, nothing, MAX_SHIFT) for network in self.networks]
        return self._flip_map(self.photo, sequences)

    def filter_spread(self) -> Figure:
        """Width of the filters that the first adaptive layer predicts for the photograph."""
        for network in self.networks:
            for name, layer in network.network.named_modules():
                if isinstance(layer, AdaptiveBlurPool2d):
                    taps = predicted_filters(lambda run=network.predict: run(self.photo), layer)
                    title = f'{name} of {network.name}'
                    return plot_filter_spread(_pixels(self.photo), filter_spread(taps).numpy(), layer.filt_size, title)
        raise ValueError(f'folders must hold a network with adaptive filters, got {", ".join(map(str, self.folders))}')

    def spectra(self) -> Figure:
        """Spectra in front of every stride."""
        return plot_spectra(spectra_of(self.signals.aliasing))

    def equivariance(self) -> Figure:
        """Equivariance error through the depth of the networks."""
        return plot_equivariance(curves_of(self.signals.equivariance))

    def pareto(self) -> Figure:
        """The published results; AlexNet lies far below them."""
        return plot_pareto(published=[result for result in PUBLISHED_RESULTS if result.accuracy > 65])

    def _flip_map(self, frame: Tensor, sequences: Sequence[ClassSequence]) -> Figure:
        maps = []
        for network, sequence in zip(self.networks, sequences, strict=True):
            share = (sequence.prediction[1:] != sequence.prediction[0]).double().mean()
            maps.append(FlipMap(f'{network.name}: {share:.1%} flip', sequence.flips.numpy()))
        return plot_flip_map(_pixels(_shared(frame)), maps, MAX_SHIFT)


FIGURES: dict[str, Callable[[Gallery], Figure]] = {
    'stability.png': Gallery.stability,
    'flips.webp': Gallery.flips,
    'photo_flips.webp': Gallery.photo_flips,
    'filter_spread.webp': Gallery.filter_spread,
    'spectra.png': Gallery.spectra,
    'equivariance.png': Gallery.equivariance,
    'pareto.png': Gallery.pareto,
}
"""What each file shows."""


def draw_gallery(
    folders: Sequence[Path], out: Path, photograph: Path | None = None, names: Sequence[str] = tuple(FIGURES)
) -> list[Path]:
    """Draw figures of the networks of a quickstart and write them.

    Args:
        folders: The trainings' folders, the baseline first.
        out: Where to write.
        photograph: A picture that is no street scene, by default the one that matplotlib ships.
        names: The figures, keys of `FIGURES`.

    Returns:
        The files.

    Raises:
        ValueError: If a folder holds no finished training, there is no such figure, or none of the networks has what a
            figure shows.
    """
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise ValueError(f'names must be some of {", ".join(FIGURES)}, got {", ".join(unknown)}')
    if photograph is None:
        photograph = Path(get_sample_data('grace_hopper.jpg', asfileobj=False))
    gallery = Gallery(tuple(folders), photograph)
    return [save_figure(FIGURES[name](gallery), out / name) for name in names]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure in the format that its name ends with, on white, small enough for a repository."""
    options = {'quality': 75, 'method': 6} if path.suffix == '.webp' else {'optimize': True}
    with replacing(path) as partial:
        figure.savefig(
            partial,
            format=path.suffix[1:],
            dpi=110,
            facecolor='white',
            bbox_inches='tight',
            pad_inches=0.05,
            pil_kwargs=options,
        )
    return path


def _shared(image: Tensor) -> Tensor:
    """The pixels that the views at all shifts show."""
    return image[..., MAX_SHIFT:-MAX_SHIFT, MAX_SHIFT:-MAX_SHIFT]


def _pixels(frame: Tensor) -> np.ndarray:
    return frame.permute(1, 2, 0).numpy()
