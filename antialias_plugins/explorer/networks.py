"""The networks that a page compares, of either kind."""

from pathlib import Path

import torch

from antialias_plugins.explorer.classifier import PageClassifier
from antialias_plugins.explorer.segmentor import PageSegmentor

PageNetwork = PageClassifier | PageSegmentor


def load_network(
    source: str,
    checkpoint: Path | None = None,
    *,
    pretrained: bool = False,
    size: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> PageNetwork:
    """Build a network and load its weights.

    Args:
        source: Name of a timm network, config of an mmseg segmentor, or work dir of a training of the quickstart.
        checkpoint: File with weights. A config needs one; a work dir has its own.
        pretrained: Whether to load the published weights of the timm name.
        size: Side of a classifier's input, by default the network's own; width to which a segmentor's images are
            resized, by default their own.
        seed: Seed of weights that are not loaded.
        device: Where to compute, by default the GPU if there is one.

    Raises:
        ValueError: If there is no such network, or its weights cannot be had or do not fit.
    """
    if size is not None and size < 1:
        raise ValueError(f'size must be at least 1, got {size}')
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    torch.manual_seed(seed)
    is_folder = Path(source).is_dir()
    if not is_folder and not source.endswith('.py'):
        return PageClassifier.load(source, checkpoint, pretrained, size, device)
    if pretrained:
        raise ValueError(f'pretrained must be False for what is not a timm network, got {source}')
    if is_folder:
        if checkpoint is not None:
            raise ValueError(f'checkpoint must be None for a work dir, which has its own, got {checkpoint}')
        return PageSegmentor.of_training(Path(source), size, device)
    if checkpoint is None:
        raise ValueError(f'checkpoint must be given with a config, got none for {source}')
    return PageSegmentor.load(Path(source), checkpoint, size, device)


def check_pair(first: PageNetwork, second: PageNetwork) -> None:
    """Check that two networks can stand side by side.

    Raises:
        ValueError: If they do not do the same thing, to images of one size, with the same classes, or cannot be told
            apart.
    """
    for name in ('task', 'classes', 'input_size'):
        ours, theirs = getattr(first, name), getattr(second, name)
        if ours != theirs:
            ours, theirs = (f'{len(values)} classes' if name == 'classes' else values for values in (ours, theirs))
            difference = f'{ours} of {first.name} and {theirs} of {second.name}'
            raise ValueError(f'models must have the same {name.replace("_", " ")}, got {difference}')
    if first.name == second.name:
        raise ValueError(f'names must differ, got {first.name!r} twice')
