"""Trains one network."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch import Tensor, nn

from antialias_plugins.layers import (
    TranslationInvariantPolyphasePool2d,
    mixing_losses,
    scheduled_temperature,
    set_temperature,
)
from lab.comparison.digits import Labelled
from lab.comparison.recipe import Recipe

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
