"""Tensor functions: their contracts and checks."""

from antialias_plugins.functional.adaptive_blur_pool import adaptive_blur_pool2d
from antialias_plugins.functional.blur_pool import blur_pool2d
from antialias_plugins.functional.low_cut_pool import low_cut_pool2d
from antialias_plugins.functional.max_blur_pool import max_blur_pool2d
from antialias_plugins.functional.polyphase import (
    adaptive_polyphase_pool2d,
    polyphase_components,
    polyphase_norms,
    polyphase_unpool2d,
    select_component,
)
from antialias_plugins.functional.polyphase_mixing import mixing_loss, undo_loss

__all__ = [
    'adaptive_blur_pool2d',
    'adaptive_polyphase_pool2d',
    'blur_pool2d',
    'low_cut_pool2d',
    'max_blur_pool2d',
    'mixing_loss',
    'polyphase_components',
    'polyphase_norms',
    'polyphase_unpool2d',
    'select_component',
    'undo_loss',
]


def __dir__() -> list[str]:
    return __all__
