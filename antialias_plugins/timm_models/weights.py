"""Published weights behind ``pretrained=True``: timm's configs of them, and the warnings about their licences."""

import warnings
from collections.abc import Mapping
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import PretrainedCfg

from antialias_plugins.checkpoints import PUBLISHED, CheckpointError, PublishedWeights, read_checkpoint
from antialias_plugins.checkpoints.read import check_sha256

FINE_TUNED = 'adobe_ft_in1k'
ORIGINS = {
    'adobe': 'https://github.com/adobe/antialiased-cnns',
    'zou': 'https://github.com/MaureenZOU/Adaptive-anti-Aliasing',
    'rojas': 'https://github.com/raymondyeh07/learnable_polyphase_sampling',
}
IMAGENET = {
    'num_classes': 1000,
    'input_size': (3, 224, 224),
    'crop_pct': 0.875,
    'interpolation': 'bilinear',
    'mean': IMAGENET_DEFAULT_MEAN,
    'std': IMAGENET_DEFAULT_STD,
}


class WeightsLicenseWarning(UserWarning):
    """The published weights in use have a licence that restricts what may be done with them, or none at all."""


def published_weights(name: str) -> list[PublishedWeights]:
    """The published weights of a network, the default first: fine-tuned ones, where there are such."""
    found = [weights for weights in PUBLISHED.values() if weights.name == name]
    return sorted(found, key=lambda weights: weights.tag != FINE_TUNED)


def pretrained_cfgs(name: str, shared: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Configs of a network for timm by ``name.tag``, or by ``name`` alone where no weights were published.

    Args:
        name: of the network.
        shared: entries that all its configs have.
    """
    base = {**IMAGENET, **shared}
    tagged = {
        weights.key: {
            **base,
            'url': weights.url,
            'license': weights.license and weights.license.lower().replace(' ', '-'),
            'origin_url': ORIGINS[weights.tag.partition('_')[0]],
            'paper_ids': f'arXiv:{weights.paper.rpartition("/")[2]}',
        }
        for weights in published_weights(name)
    }
    return tagged or {name: base}


def find_published(cfg: PretrainedCfg, is_default: bool = True) -> PublishedWeights | None:
    """The published weights that a config stands for, by their URL or a local copy; None if it names other ones.

    A file is a copy if it has their digest, or, where that is not known, keys of their authors'; any other is of
    somebody's own.

    Args:
        cfg: the config.
        is_default: whether nobody asked for its tag.

    Raises:
        CheckpointError: the tag was asked for and the file is not what it means.
    """
    weights = PUBLISHED.get(f'{cfg.architecture}.{cfg.tag}')
    if weights is None or not (cfg.file or cfg.url == weights.url):
        return None
    if cfg.file and weights.sha256:
        try:
            check_sha256(cfg.file, weights.sha256)
        except CheckpointError as error:
            if is_default:
                return None
            raise CheckpointError(
                f'{error} with the tag {cfg.tag!r}; leave the tag out for weights of your own'
            ) from error
    elif cfg.file and is_default and any('.aa.' in key for key in read_checkpoint(cfg.file)):
        return None
    return weights


def warn_of_license(weights: PublishedWeights, is_default: bool) -> None:
    """Say which weights are taken, why these, and under which licence."""
    others = [f"'{other.tag}'" for other in published_weights(weights.name) if other != weights]
    default = ', the default tag' if is_default else ''
    choice = f' (also published: {", ".join(others)})' if others else ''
    licence = f'their licence is {weights.license}' if weights.license else 'their authors state no licence'
    message = f"{weights.name} takes the weights '{weights.tag}'{default}{choice}; {licence}"
    warnings.warn(message, WeightsLicenseWarning, stacklevel=5)
