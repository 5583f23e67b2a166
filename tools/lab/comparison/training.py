"""Recipe, data and training of a network: scikit-learn's handwritten digits, enlarged. Needs scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch import Tensor, nn

from antialias_plugins.layers import (
    TranslationInvariantPolyphasePool2d,
    mixing_losses,
    scheduled_temperature,
    set_temperature,
)

IMAGES = 1797
"""Size of scikit-learn's digits."""


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum, the learning rate falling along a cosine; no augmentation.

    Without augmentation by shifts a network is as invariant as its architecture makes it.

    Args:
        epochs: passes over the training images, at least 1.
        batch_size: from 2 to the number of training images; a last batch that is smaller is left out.
        learning_rate: at the beginning, greater than 0.
        momentum: from 0 to below 1.
        weight_decay: of the weights of convolutions and of the classifier, at least 0.
        train_images: the first images of the data set, at least 2.
        test_images: its last images, at least 1.

    Raises:
        ValueError: If an argument is outside its range.
    """

    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    train_images: int = 1200
    test_images: int = 597

    def __post_init__(self) -> None:
        for name, least in {'epochs': 1, 'train_images': 2, 'test_images': 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f'{name} must be at least {least}, got {getattr(self, name)}')
        if self.train_images + self.test_images > IMAGES:
            total = f'{self.train_images} + {self.test_images}'
            raise ValueError(f'train_images and test_images must be at most {IMAGES} together, got {total}')
        if not 2 <= self.batch_size <= self.train_images:
            raise ValueError(f'batch_size must be between 2 and {self.train_images} images, got {self.batch_size}')
        if not (self.learning_rate > 0 and 0 <= self.momentum < 1 and self.weight_decay >= 0):
            rule = 'learning_rate must be above 0, momentum in [0, 1) and weight_decay at least 0'
            raise ValueError(f'{rule}, got {self.learning_rate}, {self.momentum} and {self.weight_decay}')


SIDE, CLASSES = 32, 10
# Gray levels of the data set are 0 to 16.
_WHITE = 16


class Labelled(NamedTuple):
    """Images (N, 1, 32, 32) from 0, the background, to 1, and their labels (N,)."""

    images: Tensor
    labels: Tensor


def digits(recipe: Recipe) -> tuple[Labelled, Labelled]:
    """Return the training and the test images: the first and the last of the data set, in its own order.

    They are scans of handwriting, 8 x 8 pixels, enlarged by bilinear interpolation.

    Args:
        recipe: says how many.
    """
    data = load_digits()
    images = torch.from_numpy(data.images).float()[:, None] / _WHITE
    images = F.interpolate(images, size=(SIDE, SIDE), mode='bilinear', align_corners=False)
    labels = torch.from_numpy(data.target).long()
    first, last = slice(recipe.train_images), slice(len(labels) - recipe.test_images, None)
    return Labelled(images[first], labels[first]), Labelled(images[last], labels[last])


# Of LPS, at the beginning and at the end of the training: from a mixture of the components to nearly one of them.
TEMPERATURES = (1.0, 0.25)
# Of TIPS, as its authors weight the task's loss, that of the mixture and, behind 40 % of the training, the undo loss.
TASK, UNDO, UNDO_FROM = 0.65, 0.35, 0.4


def train(
    network: nn.Module, data: Labelled, recipe: Recipe, seed: int, report: Callable[[str], object] = lambda text: None
) -> float:
    """Train a network in place.

    The learnable polyphase layers cool down, and the losses of TIPS layers are added, as their papers ask for. All else
    is the same for every network.

    Args:
        network: whatever filters it has.
        data: the training images.
        recipe: how.
        seed: of the order of the images and of all noise; torch's own generator is left as it is.
        report: takes a line about every epoch.

    Returns:
        The mean loss of the last epoch.
    """
    optimizer = make_optimizer(network, recipe)
    per_epoch = len(data.labels) // recipe.batch_size
    scheduler, _ = create_scheduler_v2(
        optimizer, 'cosine', recipe.epochs, step_on_epochs=False, updates_per_epoch=per_epoch
    )
    updates, done, order = recipe.epochs * per_epoch, 0, torch.Generator().manual_seed(seed)
    network.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in range(recipe.epochs):
            losses = []
            for batch in torch.randperm(len(data.labels), generator=order).split(recipe.batch_size)[:per_epoch]:
                set_temperature(network, scheduled_temperature(done / updates, (0, 1), TEMPERATURES, 'exponential'))
                losses.append(step(network, optimizer, data.images[batch], data.labels[batch], done / updates))
                done += 1
                scheduler.step_update(done)
            mean = float(torch.stack(losses).mean())
            report(f'epoch {epoch + 1}/{recipe.epochs}, loss {mean:.3f}')
    return mean


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimizer of a recipe."""
    options = {'lr': recipe.learning_rate, 'momentum': recipe.momentum, 'weight_decay': recipe.weight_decay}
    return create_optimizer_v2(network, 'momentum', **options)


def step(
    network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, progress: float
) -> Tensor:
    """Train on one batch and return its loss, ``progress`` (0 to 1) into the training."""
    loss = F.cross_entropy(network(images), labels)
    if any(isinstance(layer, TranslationInvariantPolyphasePool2d) for layer in network.modules()):
        mixture, undo = mixing_losses(network)
        loss = TASK * loss + mixture + (UNDO * undo if progress >= UNDO_FROM else 0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()
