"""Predictions of a segmentor for an image and for the same image one pixel further, next to each other.

Letters: image ``H W 3``; the pixels that both views share ``h w``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.device import get_device
from torch import nn

from antialias_plugins.metrics import shifted_views
from lab.quickstart.experiment import Experiment

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
