"""Settings of an evaluation, the same for every network that is measured."""

from dataclasses import dataclass, fields
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from antialias_plugins.metrics import mean_instance_consistency, shift_consistency

DTYPES = {'float16': torch.float16, 'bfloat16': torch.bfloat16}

# The metrics own the options of the consistency.
DEFAULTS = {
    name: option.default
    for metric in (mean_instance_consistency, shift_consistency)
    for name, option in signature(metric).parameters.items()
}

_OF_TIMM = (
    *('images', 'unlabelled', 'skip_unreadable', 'size', 'crop_pct', 'interpolation'),
    *('device', 'amp_dtype', 'channels_last'),
)
_OF_MAPS = ('per_class', 'boundary', 'score_threshold')
_OF_CONSISTENCY = ('protocol', 'views', 'max_shift', 'circular', 'seed', 'groups', *_OF_MAPS)


@dataclass(frozen=True)
class Settings:
    """How networks are evaluated.

    A field that is ``None`` was not given: a timm network then has its own value, or the default below; a config its
    own, or that of `ShiftConsistencyTestLoop`.

    Attributes:
        images: Of a timm network: a folder with one sub-folder per class, a folder of pictures, or pictures. A config
            names its own, and obeys none of those up to ``interpolation``.
        unlabelled: Whether the sub-folders are not the network's classes, though they are as many.
        skip_unreadable: Whether pictures that cannot be read are left out, rather than an error.
        size: Side of the input in pixels, if not the network's own.
        crop_pct: Side of the input / side of the resized image.
        interpolation: Of the resizing: bilinear, bicubic, …
        protocol: ``'per_image'``, or ``'legacy'`` for the published evaluation.
        views: Number of shifted views that must all agree.
        max_shift: Offsets are 0 to ``max_shift - 1`` pixels.
        circular: Whether the image is shifted circularly.
        seed: Of the offsets, and of weights that are not loaded.
        groups: Regular expression; images whose paths have the same text for its first group belong together.
        per_class: Of a segmentation, whether to measure every class too.
        boundary: Of a segmentation, the distance in pixels within which boundaries are measured too.
        score_threshold: Of a detector, the lowest score that counts.
        batch_size: Images per forward pass; 64 by default.
        workers: Processes that read images; by default as many as are of use, at most 4.
        device: Where a timm network computes; the GPU by default, if there is one.
        amp: Whether to compute with mixed precision.
        amp_dtype: Of mixed precision: ``'float16'``, the default, or ``'bfloat16'``. Timm networks alone.
        channels_last: Whether to compute in the memory format of that name. Timm networks alone.
    """

    images: tuple[Path, ...] | None = None
    unlabelled: bool = False
    skip_unreadable: bool = False
    size: int | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    protocol: str | None = None
    views: int | None = None
    max_shift: int = DEFAULTS['max_shift']
    circular: bool = False
    seed: int = DEFAULTS['seed']
    groups: str | None = None
    per_class: bool = False
    boundary: int | None = None
    score_threshold: float | None = None
    batch_size: int | None = None
    workers: int | None = None
    device: str | None = None
    amp: bool = False
    amp_dtype: str | None = None
    channels_last: bool = False

    def check_for_configs(self) -> None:
        """Raise a `ValueError` if something is given that only timm networks obey."""
        for name in _OF_TIMM:
            if value := getattr(self, name):
                raise ValueError(f'{name} must not be given for configs, which say it themselves, got {value}')

    def check_for_classifiers(self) -> None:
        """Raise a `ValueError` if images are missing, or something is given that no timm network obeys."""
        if not self.images:
            raise ValueError('images must be given for a timm network, got none')
        for name in _OF_MAPS:
            if (value := getattr(self, name)) not in (None, False):
                raise ValueError(f'{name} must not be given for a classifier, got {value}')

    def loop_options(self) -> dict[str, Any]:
        """Return the options of the consistency that are given, as `ShiftConsistencyTestLoop` takes them."""
        names = _OF_CONSISTENCY + (('batch_size',) if self.protocol == 'legacy' else ())
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None and value is not False}

    def as_dict(self) -> dict[str, Any]:
        """All of them, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {'images': self.images and [str(path) for path in self.images]}
