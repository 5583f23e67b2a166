"""Data of the figures: reports of networks as curves, and predictions for every pixel while an image moves.

Letters: shifts ``D``, classes ``N``, image ``H W``, the part of it that all views show ``h w``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from antialias_plugins.explorer import PageSegmentor, shift_path
from antialias_plugins.metrics import AliasingReport, EquivarianceReport, shifted_views
from antialias_plugins.visualization import EquivarianceCurve, SiteSpectrum


def spectra_of(reports: Mapping[str, AliasingReport]) -> list[SiteSpectrum]:
    """Return all places in the order of execution; a network that has not one is missing there.

    Args:
        reports: Reports by network, the baseline first.

    Raises:
        ValueError: If no place is common to all.
    """
    columns = {network: {site.name: site for site in report.sites} for network, report in reports.items()}
    spectra = []
    for name in _in_order('downsample at the same places', columns):
        sites = {network: column[name] for network, column in columns.items() if name in column}
        stride = max(next(iter(sites.values())).stride)
        frequency = {network: site.frequency.numpy() for network, site in sites.items()}
        power = {network: site.power.numpy() for network, site in sites.items()}
        spectra.append(SiteSpectrum(_shorten(name), stride, frequency, power))
    return spectra


def curves_of(reports: Mapping[str, EquivarianceReport]) -> list[EquivarianceCurve]:
    """Return the errors of all layers in the order of execution, NaN where a network has not one.

    Args:
        reports: Reports by network, the baseline first.

    Raises:
        ValueError: If no layer is common to all.
    """
    columns = {network: {layer.name: layer for layer in report.layers} for network, report in reports.items()}
    names = tuple(_in_order('have layers of the same names', columns))
    curves = []
    for network, column in columns.items():
        means = {name: layer.mean for name, layer in column.items()}
        limits = {name: layer.interval or (layer.mean, layer.mean) for name, layer in column.items()}
        error = np.array([means.get(name, np.nan) for name in names])
        interval = np.array([limits.get(name, (np.nan, np.nan)) for name in names])
        curves.append(EquivarianceCurve(network, names, error, interval))
    return curves


def _in_order(rule: str, columns: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Merge the names of networks, so that each stands behind those that it follows; some must be common to all."""
    names: list[str] = []
    for column in columns.values():
        place = 0
        for name in column:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    if not any(all(name in column for column in columns.values()) for name in names):
        raise ValueError(f'models must {rule}, got none that {", ".join(columns)} have in common')
    return names


def _shorten(name: str) -> str:
    """The first of the operations that share a filter."""
    first, plus, _ = name.partition(' + ')
    return f'{first} + …' if plus else first


@dataclass(frozen=True)
class ClassSequence:
    """One network along the diagonal; only pixels that all views show.

    Attributes:
        prediction: Class of every pixel at each shift. Shape: D h w, int64.
        probability: Probability of the watched class of every pixel at each shift. Shape: D h w.
    """

    prediction: Tensor
    probability: Tensor

    @property
    def flips(self) -> Tensor:
        """At how many shifts each pixel has another class than without shift. Shape: h w."""
        return (self.prediction[1:] != self.prediction[0]).sum(0)


def follow_classes(network: PageSegmentor, frame: Tensor, watched: Tensor, max_shift: int) -> ClassSequence:
    """Predict the views of an image at the shifts ``(d, d)`` for ``d = 0, …, max_shift``.

    Args:
        network: The network.
        frame: The image, uint8.
        watched: A class per pixel, such as its label; any number for a pixel that nobody watches.
        max_shift: The last shift in pixels.

    Shape:
        - frame: ``(3, H, W)``
        - watched: ``(H, W)``, int64
        - Returns: maps of ``(H - 2 * max_shift, W - 2 * max_shift)``, from pixel ``(max_shift, max_shift)`` on

    Raises:
        ValueError: If the image is too small for the shifts.
    """
    height, width = (side - max_shift for side in frame.shape[1:])
    index = watched[max_shift:height, max_shift:width].clamp(0, len(network.classes) - 1)
    predictions, probabilities = [], []
    for down, right in shift_path('diagonal', max_shift):
        view = shifted_views(frame, [(down, right)], max_shift)[0]
        shared = network.probabilities(view)[:, max_shift - down : height - down, max_shift - right : width - right]
        predictions.append(shared.argmax(0))
        probabilities.append(shared.gather(0, index[None])[0])
    return ClassSequence(torch.stack(predictions), torch.stack(probabilities))


def typical_pixel(sequence: ClassSequence, watched: Tensor) -> tuple[int, int]:
    """Return the row and column of the pixel with the median number of flips.

    It is taken among those that a network gives the watched class without shift, and another one at some shift: the
    lower of two middle ones, in the order of rows. So a figure of one pixel shows neither the best nor the worst.

    Args:
        sequence: What the network predicts.
        watched: A class per pixel.

    Shape:
        - watched: ``(h, w)``

    Raises:
        ValueError: If there is no such pixel.
    """
    flips = torch.where(sequence.prediction[0] == watched, sequence.flips, 0).flatten()
    candidates = flips.nonzero().flatten()
    if not len(candidates):
        raise ValueError('sequence must have a pixel that flips away from the watched class, got none')
    order = flips[candidates].argsort(stable=True)
    return divmod(int(candidates[order[(len(order) - 1) // 2]]), sequence.flips.shape[1])
