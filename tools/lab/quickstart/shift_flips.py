"""Predictions of segmentors for an image and for the same image one pixel further, and their figure.

Letters: image ``H W 3``; the pixels that both views share ``h w``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from textwrap import wrap

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mmengine.device import get_device
from torch import nn

from antialias_plugins.metrics import shifted_views
from antialias_plugins.metrics.agreement import segmentation_consistency
from antialias_plugins.metrics.offsets import draw_offsets
from antialias_plugins.palette import FLIP, NETWORKS
from antialias_plugins.visualization.curves import open_frame
from lab.quickstart.experiment import Experiment
from lab.toyscapes import CLASSES, DISTINCT, IGNORE, colorize

MAX_SHIFT = 32
"""Of mASSC, as `ShiftConsistencyTestLoop` measures it unless told otherwise; crops are so many pixels smaller."""


@dataclass(frozen=True)
class ShiftFlips:
    """Class maps of two views, one pixel apart, on the pixels that they share.

    Attributes:
        before: Classes in the first view. Shape: ``(h, w)``.
        after: Classes in the second view, of the same pixels. Shape: ``(h, w)``.
        corner: Row and column of the shared pixels in the image.
        consistency: Share of pixels that keep their class between the two crops of mASSC, of which the first view is
            one.
    """

    before: np.ndarray
    after: np.ndarray
    corner: tuple[int, int]
    consistency: float

    @property
    def flipped(self) -> np.ndarray:
        """Where the class changes. Shape: ``(h, w)``, bool."""
        return self.before != self.after

    def shared(self, pixels: np.ndarray) -> np.ndarray:
        """The part of the image, or of its labels, that both views show."""
        (top, left), (height, width) = self.corner, self.before.shape
        return pixels[top : top + height, left : left + width]


def load_segmentor(experiment: Experiment) -> nn.Module:
    """Build the segmentor of a finished training, in evaluation mode, with its last weights."""
    from mmseg.apis import init_model

    return init_model(experiment.config, str(experiment.checkpoint), get_device())


def predict_flips(segmentor: nn.Module, image: np.ndarray, index: int = 0) -> ShiftFlips:
    """Predict the two crops of an image that mASSC compares, and the first of them one pixel to the right.

    Args:
        segmentor: A segmentor as `load_segmentor` returns it.
        image: The image as mmcv reads it. Shape: ``(H, W, 3)``, uint8.
        index: Its index in the data set, from which mASSC draws its crops.
    """
    from mmseg.apis import inference_model

    first, second = draw_offsets(0, index, MAX_SHIFT)
    top, left = first[0], first[1] + 1
    views = shifted_views(torch.from_numpy(image).permute(2, 0, 1), [first, second, (top, left)], MAX_SHIFT)
    results = inference_model(segmentor, [view.permute(1, 2, 0).numpy() for view in views])
    before, other, after = (result.pred_sem_seg.data[0].cpu() for result in results)
    consistency = segmentation_consistency(before, other, first, second).share
    return ShiftFlips(before[:, 1:].numpy(), after[:, :-1].numpy(), (top, left), consistency)


def images_and_labels(experiment: Experiment) -> list[tuple[Path, Path]]:
    """Paths of the images of an experiment's test set and of their labels, in the data set's order."""
    from mmseg.registry import DATASETS

    with DATASETS.switch_scope_and_registry('mmseg') as registry:
        dataset = registry.build(experiment.config.test_dataloader.dataset)
    infos = map(dataset.get_data_info, range(len(dataset)))
    return [(Path(info['img_path']), Path(info['seg_map_path'])) for info in infos]


def typical_image(shares: Sequence[Sequence[float]]) -> int:
    """Index of the image whose shares of flips are nearest to their means over all images, summed over the networks.

    Args:
        shares: Share of each image, by network.

    Example:
        >>> typical_image([[0.1, 0.2, 0.6], [0.1, 0.3, 0.2]])  # means 0.3 and 0.2: off by 0.3, 0.2 and 0.3
        1
    """
    shares = np.array(shares)
    return int(np.abs(shares - shares.mean(1, keepdims=True)).sum(0).round(12).argmin())


# In inches; three columns at least, for image, labels and gains stand in the first row.
_WIDTH, _GAP, _TITLE, _ENTRY, _LINE = 2.4, 0.08, 0.2, 0.17, 0.145
_COLUMNS, _LETTERS = 3, 36  # and letters of the caption per column

Percent = tuple[float, float, float]
"""A mean and the limits of its interval, in percent."""


@dataclass(frozen=True)
class FlipPanel:
    """One network's column in the figure.

    Attributes:
        name: What the network is called.
        consistency: mASSC over all images, with its interval.
        gain: By how much it exceeds the baseline's on the same images, with its interval; None for the baseline.
        mean_flips: Share of pixels that flip under a shift of one pixel, over all images, in percent.
        before: Predicted train ids. Shape: H W, uint8.
        flipped: Pixels that have another class with the network's input one pixel further. Shape: H W, bool.
    """

    name: str
    consistency: Percent
    gain: Percent | None
    mean_flips: float
    before: np.ndarray
    flipped: np.ndarray


def plot_shift_flips(image: np.ndarray, label: np.ndarray, panels: Sequence[FlipPanel], caption: str) -> Figure:
    """Draw image, labels, what the networks gain over all images, and a column per network: classes, and what flips.

    Flipped pixels are drawn three pixels wide, so that they are seen where the figure is small.

    Args:
        image: The pixels that all maps show. Shape: H W 3, uint8, RGB.
        label: Their train ids. Shape: H W, uint8.
        panels: One per network, the baseline first.
        caption: What stands below, such as how the image was chosen.

    Returns:
        The figure, to be saved with ``figure.savefig``.

    Raises:
        ValueError: If there is no panel, or a map has not the size of the image.
    """
    _check(image, label, panels)
    columns, aspect = max(_COLUMNS, len(panels)), image.shape[0] / image.shape[1]
    present = sorted(set(np.unique(np.stack([label, *(panel.before for panel in panels)])).tolist()) - {IGNORE})
    lines = wrap(caption, _LETTERS * columns)
    entries = ceil((1 + len(present)) / (2 + columns))
    width = columns * (_WIDTH + _GAP) + _GAP
    tops = [  # of the three rows of maps, the legend and the caption, from the top
        first := _GAP + _TITLE,
        second := first + _WIDTH * aspect + _GAP + 2 * _TITLE,
        third := second + _WIDTH * aspect + _GAP + _TITLE,
        legend := third + _WIDTH * aspect + 2 * _GAP,
        legend + entries * _ENTRY + _GAP,
    ]
    height = tops[-1] + len(lines) * _LINE + _GAP
    figure = Figure(figsize=(width, height))

    def place(row: int, column: int, above: float = 0) -> Axes:
        left, bottom = _GAP + column * (_WIDTH + _GAP), height - tops[row] - _WIDTH * aspect + above
        size = _WIDTH / width, (_WIDTH * aspect - above) / height
        return figure.add_axes((left / width, bottom / height, *size))

    _show(place(0, 0), 'image', image)
    _show(place(0, 1), 'labels', colorize(label, DISTINCT))
    if any(panel.gain for panel in panels):
        _draw_gains(place(0, 2, above=_TITLE), panels)
    for column, panel in enumerate(panels):
        mean, low, high = panel.consistency
        title = f'{panel.name}\nmASSC {mean:.1f} % [{low:.1f}, {high:.1f}]'
        _show(place(1, column), title, colorize(panel.before, DISTINCT))
        title = f'{100 * panel.flipped.mean():.1f} % flip (all images {panel.mean_flips:.1f} %)'
        _show(place(2, column), title, _mark(image, panel.flipped))
    handles = [Patch(color=np.divide(DISTINCT[i], 255), label=CLASSES[i]) for i in present]
    handles.append(Patch(color=FLIP, label='pixels that flip'))
    look = {'fontsize': 9, 'handlelength': 1.1, 'columnspacing': 1, 'labelspacing': 0.35, 'borderpad': 0}
    anchor = {'loc': 'upper center', 'bbox_to_anchor': (0.5, 1 - tops[3] / height), 'borderaxespad': 0}
    figure.legend(handles=handles, ncols=2 + columns, frameon=False, **look, **anchor)
    figure.text(0.5, 1 - tops[4] / height, '\n'.join(lines), ha='center', va='top', fontsize=8.5)
    return figure


def _check(image: np.ndarray, label: np.ndarray, panels: Sequence[FlipPanel]) -> None:
    if not panels:
        raise ValueError('panels must hold at least one network, got none')
    maps = {'label': label}
    for panel in panels:
        maps |= {f'{name} of {panel.name!r}': getattr(panel, name) for name in ('before', 'flipped')}
    for name, pixels in maps.items():
        if pixels.shape != image.shape[:2]:
            raise ValueError(f'{name} must have the size of the image {image.shape[:2]}, got shape {pixels.shape}')


def _mark(image: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """A faint gray image with the flipped pixels marked, and those beside them."""
    rows, columns = flipped.shape
    around = np.pad(flipped, 1)
    near = [around[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    gray = image.mean(axis=2, keepdims=True) * 0.35 + 165
    return np.where(np.any(near, axis=0)[..., None], np.multiply(to_rgb(FLIP), 255), gray).astype(np.uint8)


def _show(axis: Axes, title: str, pixels: np.ndarray) -> None:
    axis.set_axis_off()
    axis.set_title(title, fontsize=10, pad=3)
    axis.imshow(pixels)


def _draw_gains(axis: Axes, panels: Sequence[FlipPanel]) -> None:
    """Draw how far each network's consistency lies above the baseline's, with the interval of the difference."""
    axis.axvline(0, color='0.25', linewidth=1.4)
    gains = {panel.name: panel.gain for panel in panels if panel.gain is not None}
    ends = [0, *(value for gain in gains.values() for value in gain)]
    room = max(ends) - min(ends)
    axis.set(xlim=(min(ends) - 0.07 * room, max(ends) + 0.07 * room), ylim=(len(gains) - 0.4, -0.75))
    for row, ((name, (mean, low, high)), color) in enumerate(zip(gains.items(), NETWORKS[1:], strict=False)):
        axis.errorbar(mean, row, xerr=[[mean - low], [high - mean]], fmt='o', color=color, capsize=3, linewidth=1.6)
        text = f'{name}: {mean:+.1f} [{low:+.1f}, {high:+.1f}]'
        axis.text(0.5, row - 0.3, text, transform=axis.get_yaxis_transform(), ha='center', va='center', fontsize=9)
    open_frame(axis)
    axis.grid(axis='y', visible=False)
    axis.spines['left'].set_visible(False)
    axis.set_yticks([])
    axis.tick_params(labelsize=8, pad=2)
    axis.set_title(f'mASSC above {panels[0].name} / points', fontsize=10, pad=3)
