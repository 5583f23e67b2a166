"""Images with their labels."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TypeVar

from torch import Tensor

Label = TypeVar('Label')


def with_labels(images: Iterable[Tensor], labels: Iterable[Label] | None) -> Iterator[tuple[Tensor, Label | None]]:
    """Yield every image with its label, or with ``None`` if there are no labels at all.

    Raises:
        ValueError: As soon as there are more images than labels, or fewer.
    """
    if labels is None:
        yield from ((image, None) for image in images)
        return
    for image, label in zip_longest(images, labels):
        if image is None or label is None:
            raise ValueError(f'labels must hold one per image, got too {"many" if image is None else "few"}')
        yield image, label


def check_some_labelled(labelled: bool, images: int, ignore_index: int) -> None:
    """Raise if there are labels, but all pixels of all images are ignored."""
    if labelled and not images:
        raise ValueError(
            f'labels must have a pixel other than ignore_index {ignore_index} in an overlap, got none in any image: '
            'leave labels out to measure all pixels only'
        )
