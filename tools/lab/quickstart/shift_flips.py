"""Predictions of segmentors for an image and for the same image one pixel further, and their figure.

Letters: image ``H W 3``; the pixels that both views share ``h w``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mmengine.device import get_device
from torch import nn

from antialias_plugins.metrics import shifted_views
from lab.quickstart.experiment import Experiment
from lab.toyscapes import CLASSES, IGNORE, PALETTE, colorize

# Crops of the size that mASSC compares.
_MARGIN = 32
_OFFSETS = ((0, 0), (0, 1))


@dataclass(frozen=True)
class ShiftFlips:
    """Class maps of two views, one pixel apart, on the pixels that they share.

    Attributes:
        before: Classes in the first view. Shape: ``(h, w)``.
        after: Classes in the second view, of the same pixels. Shape: ``(h, w)``.
    """

    before: np.ndarray
    after: np.ndarray

    @property
    def flipped(self) -> np.ndarray:
        """Where the class changes. Shape: ``(h, w)``, bool."""
        return self.before != self.after


def load_segmentor(experiment: Experiment) -> nn.Module:
    """Build the segmentor of a finished training, in evaluation mode, with its last weights."""
    from mmseg.apis import init_model

    return init_model(experiment.config, str(experiment.checkpoint), get_device())


def predict_flips(segmentor: nn.Module, image: np.ndarray) -> ShiftFlips:
    """Predict two crops of an image, the second one pixel to the right of the first.

    Args:
        segmentor: A segmentor as `load_segmentor` returns it.
        image: The image as mmcv reads it. Shape: ``(H, W, 3)``, uint8.
    """
    from mmseg.apis import inference_model

    views = shifted_views(torch.from_numpy(image).permute(2, 0, 1), _OFFSETS, _MARGIN)
    results = inference_model(segmentor, [view.permute(1, 2, 0).numpy() for view in views])
    before, after = (result.pred_sem_seg.data[0].cpu().numpy() for result in results)
    return ShiftFlips(before[:, 1:], after[:, :-1])


def shared_pixels(image: np.ndarray) -> np.ndarray:
    """The part of an image, or of its labels, that both views of `predict_flips` show."""
    height, width = image.shape[:2]
    return image[: height - _MARGIN, 1 : width - _MARGIN]


def images_and_labels(experiment: Experiment) -> list[tuple[Path, Path]]:
    """Paths of the images of an experiment's test set and of their labels, in the data set's order."""
    from mmseg.registry import DATASETS

    with DATASETS.switch_scope_and_registry('mmseg') as registry:
        dataset = registry.build(experiment.config.test_dataloader.dataset)
    infos = map(dataset.get_data_info, range(len(dataset)))
    return [(Path(info['img_path']), Path(info['seg_map_path'])) for info in infos]


def median_image(flips: Sequence[int]) -> int:
    """Index of the image with the median number of flips: the lower of two middle ones; equals count in order."""
    return sorted(range(len(flips)), key=flips.__getitem__)[(len(flips) - 1) // 2]


_FLIP_COLOR = (255, 0, 60)
_COLUMN_WIDTH = 3.3  # in inches


@dataclass(frozen=True)
class FlipPanel:
    """One network's column in the figure.

    Attributes:
        title: What stands above it.
        before: Predicted train ids. Shape: H W, uint8.
        after: Predicted train ids of the same pixels, with the network's input one pixel further. Shape: H W.
        flipped: Pixels to mark. Shape: H W, bool.
    """

    title: str
    before: np.ndarray
    after: np.ndarray
    flipped: np.ndarray


def plot_shift_flips(image: np.ndarray, label: np.ndarray, panels: Sequence[FlipPanel], caption: str) -> Figure:
    """Draw image, labels and a column per network: its two predictions, and where they differ.

    Args:
        image: The pixels that all maps show. Shape: H W 3, uint8, RGB.
        label: Their train ids. Shape: H W, uint8.
        panels: One per network.
        caption: What stands below, such as how the image was chosen.

    Returns:
        The figure, to be saved with ``figure.savefig``.

    Raises:
        ValueError: If there is no panel, or a map has not the size of the image.
    """
    _check(image, label, panels)
    figure = Figure(figsize=_size(image, columns=1 + len(panels)), layout='constrained')
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    grid = figure.subplots(3, 1 + len(panels), squeeze=False)
    for axis, name, pixels in zip(grid[:, 0], ('image', 'labels'), (image, colorize(label)), strict=False):
        _show(axis, pixels)
        axis.set_ylabel(name, fontsize=11)
    for column, panel in zip(grid.T[1:], panels, strict=True):
        column[0].set_title(panel.title, fontsize=12)
        for axis, pixels in zip(column, _paint(image, panel), strict=True):
            _show(axis, pixels)
    for axis, name in zip(grid[:, 1], ('prediction', 'one pixel further', 'pixels that flip'), strict=True):
        axis.set_ylabel(name, fontsize=11)
    _add_legend(grid[2, 0], [label, *(panel.before for panel in panels), *(panel.after for panel in panels)])
    figure.supxlabel(caption, fontsize=10)
    return figure


def _check(image: np.ndarray, label: np.ndarray, panels: Sequence[FlipPanel]) -> None:
    if not panels:
        raise ValueError('panels must hold at least one network, got none')
    maps = {'label': label}
    for panel in panels:
        maps |= {f'{name} of {panel.title!r}': getattr(panel, name) for name in ('before', 'after', 'flipped')}
    for name, pixels in maps.items():
        if pixels.shape != image.shape[:2]:
            raise ValueError(f'{name} must have the size of the image {image.shape[:2]}, got shape {pixels.shape}')


def _size(image: np.ndarray, columns: int) -> tuple[float, float]:
    """Width and height of the figure in inches, for three rows of maps with a title above and a caption below."""
    height, width = image.shape[:2]
    return _COLUMN_WIDTH * columns, 3 * _COLUMN_WIDTH * height / width + 0.6


def _paint(image: np.ndarray, panel: FlipPanel) -> Sequence[np.ndarray]:
    """The panel's three maps in color: the last is a faint gray image with the flipped pixels marked."""
    gray = image.mean(axis=2, keepdims=True) * 0.45 + 140
    marked = np.where(panel.flipped[..., None], _FLIP_COLOR, gray).astype(np.uint8)
    return colorize(panel.before), colorize(panel.after), marked


def _show(axis: Axes, pixels: np.ndarray) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.imshow(pixels)


def _add_legend(axis: Axes, maps: Sequence[np.ndarray]) -> None:
    present = sorted(set(np.unique(np.stack(maps)).tolist()) - {IGNORE})
    handles = [Patch(color=np.divide(PALETTE[i], 255), label=CLASSES[i]) for i in present]
    handles.append(Patch(color=np.divide(_FLIP_COLOR, 255), label='flip'))
    axis.set_axis_off()
    axis.legend(
        handles=handles,
        loc='center',
        ncols=3,
        frameon=False,
        fontsize=8,
        handlelength=1.2,
        columnspacing=1,
        labelspacing=0.3,
    )
