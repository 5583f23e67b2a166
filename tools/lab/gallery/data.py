"""Data of the figures: predictions for every pixel while an image moves.

Letters: shifts ``D``, classes ``N``, image ``H W``, the part of it that all views show ``h w``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from antialias_plugins.explorer import PageSegmentor, shift_path
from antialias_plugins.metrics import shifted_views


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


def typical_pixel(sequences: Sequence[ClassSequence], watched: Tensor) -> tuple[int, int]:
    """Return the row and column of the pixel at which the first network flips as often as in the median.

    It is taken among those that all networks give the watched class without shift, and the first another one at some
    shift: the lower of two middle ones, in the order of rows. So a figure of one pixel shows neither the best nor the
    worst, and none that a network does not know.

    Args:
        sequences: What the networks predict, the baseline first.
        watched: A class per pixel.

    Shape:
        - watched: ``(h, w)``

    Raises:
        ValueError: If there is no such pixel.
    """
    known = torch.stack([sequence.prediction[0] == watched for sequence in sequences]).all(0)
    flips = torch.where(known, sequences[0].flips, 0).flatten()
    candidates = flips.nonzero().flatten()
    if not len(candidates):
        raise ValueError('sequences must have a pixel that all know and the first loses at some shift, got none')
    order = flips[candidates].argsort(stable=True)
    return divmod(int(candidates[order[(len(order) - 1) // 2]]), sequences[0].flips.shape[1])
