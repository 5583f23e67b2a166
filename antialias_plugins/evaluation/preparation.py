"""How an image file becomes what a network sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn

Transform = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class Preparation:
    """Size, resizing and normalisation of a network's images, by default what timm knows of the network.

    Attributes:
        size: Side of the network's square input in pixels.
        resize: Side to which an image is resized before its centre is cropped; which side, ``crop_mode`` says.
        interpolation: timm's name of the interpolation.
        crop_mode: timm's name of the way to resize and crop.
        mean: Mean of the training's pixels by channel, in [0, 1].
        std: Their standard deviation.
    """

    size: int
    resize: int
    interpolation: str
    crop_mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, network: nn.Module, **overrides: Any) -> 'Preparation':
        """Return the preparation with which timm's own ``validate.py`` evaluates ``network``.

        Args:
            network: A timm network.
            **overrides: ``img_size``, ``crop_pct``, ``interpolation``, ``mean``, ``std``, ``crop_mode`` in its place;
                ``None`` for what is to stay.

        Raises:
            ValueError: If the network does not take square RGB images.
        """
        config: Mapping[str, Any] = resolve_data_config(overrides, model=network, use_test_size=True)
        channels, height, width = config['input_size']
        if channels != 3 or height != width:
            raise ValueError(f'network must take square RGB images, got an input of {channels}x{height}x{width}')
        resize = floor(height / config['crop_pct'])
        if resize < height:
            raise ValueError(f'crop_pct must be above 0 and at most 1, got {config["crop_pct"]}')
        kept = {name: config[name] for name in ('interpolation', 'crop_mode')}
        return cls(height, resize, **kept, mean=tuple(config['mean']), std=tuple(config['std']))

    def resize_for(self, size: int) -> int:
        """Return the side to which an image is resized for a crop of side ``size``: `resize`, or more if need be."""
        return max(self.resize, size)

    def crop(self, size: int) -> Transform:
        """Return the transform of an image to its 8-bit central crop, ``(3, size, size)``."""
        return create_transform(
            (3, size, size),
            use_prefetcher=True,  # 8 bits, without normalisation
            interpolation=self.interpolation,
            mean=self.mean,
            std=self.std,
            crop_mode=self.crop_mode,
            # timm rounds size / crop_pct down; half a pixel keeps that away from the next lower number.
            crop_pct=size / (self.resize_for(size) + 0.5),
        )
