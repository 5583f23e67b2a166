"""A segmentor on the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from antialias_plugins.explorer.pictures import encode_labels, encode_mask
from antialias_plugins.explorer.sweeps import MapSweep, compare_maps, running_mean
from antialias_plugins.metrics.offsets import Offset


@dataclass(frozen=True)
class PageSegmentor:
    """A segmentor of mmseg, and what the page has to know of it.

    Attributes:
        name: What it is called on the page.
        classes: Names of its classes.
        palette: Their colors, RGB.
        input_size: Width to which pictures are resized; None for their own.
        segmentor: The network, as mmseg's ``init_model`` returns it.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    input_size: int | None
    segmentor: nn.Module
    task: Literal['segmentation'] = 'segmentation'

    @classmethod
    def load(cls, config: Path, checkpoint: Path, size: int | None, device: str) -> 'PageSegmentor':
        """Build a config's segmentor with the weights of a file, see `load_network`."""
        for path in (config, checkpoint):
            if not path.is_file():
                raise ValueError(f'config and checkpoint must be files, got {path}, which is none')
        return cls._of(config.stem, _build(str(config), checkpoint, device), size)

    @classmethod
    def of_training(cls, folder: Path, size: int | None, device: str) -> 'PageSegmentor':
        """Build the segmentor of a finished training of the quickstart, which is called what its folder is called."""
        from antialias_plugins.openmmlab.experiment import Experiment

        training = Experiment(folder)
        if not (training.record and training.is_trained):
            raise ValueError(f'source must be a finished training of the quickstart, got {folder}')
        return cls._of(folder.name, _build(training.config, training.checkpoint, device), size)

    @classmethod
    def _of(cls, name: str, segmentor: nn.Module, size: int | None) -> 'PageSegmentor':
        meta = segmentor.dataset_meta
        if len(meta['classes']) > 256:
            raise ValueError(f'models must have at most 256 classes, got {len(meta["classes"])} of {name}')
        palette = tuple(tuple(int(value) for value in color) for color in meta['palette'])
        return cls(name, tuple(meta['classes']), palette, size, segmentor)

    @property
    def network(self) -> nn.Module:
        """What takes what `normalize` returns."""
        return self.segmentor

    def normalize(self, view: Tensor) -> Tensor:
        """Return a view as the network reads it, ``(3, h, w)``, float32."""
        return self.segmentor.data_preprocessor({'inputs': [view.flip(0)]})['inputs'][0]

    def prepare(self, picture: Image.Image, max_shift: int) -> Tensor:
        """Return the picture, ``(3, H, W)``, uint8; the window is ``max_shift`` smaller."""
        if self.input_size is not None:
            height = round(picture.height * self.input_size / picture.width)
            picture = picture.resize((self.input_size, max(height, 1)), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)

    def predict(self, view: Tensor) -> Tensor:
        """Return the class map of one view, ``(3, h, w)`` → ``(h, w)``, uint8.

        Raises:
            ValueError: If there are more classes in it than the checkpoint names.
        """
        labels = self._infer(view).pred_sem_seg.data[0].cpu()
        if labels.max() >= len(self.classes):
            raise ValueError(f'{self.name} must predict one of its {len(self.classes)} classes, got {labels.max()}')
        return labels.to(torch.uint8)

    def probabilities(self, view: Tensor) -> Tensor:
        """Return the probability of every class, ``(3, h, w)`` → ``(N, h, w)``, of networks with a softmax."""
        return self._infer(view).seg_logits.data.cpu().softmax(0)

    def _infer(self, view: Tensor) -> Any:
        from mmseg.apis import inference_model

        return inference_model(self.segmentor, view.flip(0).permute(1, 2, 0).contiguous().numpy())

    def compare(self, predictions: Tensor, path: Sequence[Offset], label: int | None = None) -> MapSweep:
        """Compare the class maps along a path, see `compare_maps`; there is no single class to watch."""
        if label is not None:
            raise ValueError(f'label must be None for segmentation, got {label}')
        return compare_maps(predictions, path)

    def describe(self, sweep: MapSweep) -> dict[str, Any]:
        """Return what the page shows of a sweep, ready for JSON."""
        present = sweep.maps.unique().tolist()
        return {
            'agreement': sweep.agreement,
            'mean': running_mean(sweep.agreement),
            'flips': sweep.flipped.flatten(1).sum(1).tolist(),
            'maps': [encode_labels(labels, self.palette) for labels in sweep.maps.numpy()],
            'marks': [encode_mask(marks) for marks in sweep.flipped.numpy()],
            'classes': {self.classes[index]: '#{:02x}{:02x}{:02x}'.format(*self.palette[index]) for index in present},
        }


def _build(config: Any, checkpoint: Path, device: str) -> nn.Module:
    """Build a segmentor from a config or its file. mmseg alone would keep random weights where a file has none."""
    try:
        from mmengine.runner import load_checkpoint
        from mmseg.apis import init_model
    except ImportError as error:
        raise ValueError(f'segmentors need mmseg, which is not installed: {error}') from error
    try:
        segmentor = init_model(config, str(checkpoint), device)
        load_checkpoint(segmentor, str(checkpoint), map_location='cpu', strict=True)
    except (RuntimeError, AssertionError) as error:  # weights that do not fit; torch built without CUDA asserts
        reason = ' '.join(str(error).split())
        raise ValueError(f'checkpoint and device must fit, got {checkpoint} and {device}: {reason:.300}') from error
    return segmentor
