"""Published accuracy and consistency on ImageNet-1k, of networks with and without antialiasing."""

from collections.abc import Iterator
from dataclasses import dataclass

from antialias_plugins.checkpoints import PUBLISHED

SERIES = {
    'baseline': 'plain (torchvision)',
    'adobe_in1k': 'low-pass, from scratch (Zhang 2019)',
    'adobe_ft_in1k': 'low-pass, fine-tuned (Zhang 2019)',
    'zou_in1k': 'adaptive (Zou et al. 2020)',
}
"""What the series of published results are called, by the tags of their weights."""

# Accuracy and consistency of torchvision's weights, as https://github.com/adobe/antialiased-cnns measured them.
_BASELINES = {
    'alexnet': (56.55, 78.18),
    'vgg11': (69.02, 86.58),
    'vgg13': (69.93, 86.92),
    'vgg16': (71.59, 88.52),
    'vgg19': (72.38, 89.17),
    'vgg11_bn': (70.38, 87.16),
    'vgg13_bn': (71.55, 88.03),
    'vgg16_bn': (73.36, 89.24),
    'vgg19_bn': (74.24, 89.59),
    'resnet18': (69.74, 85.11),
    'resnet34': (73.30, 87.56),
    'resnet50': (76.16, 89.20),
    'resnet101': (77.37, 89.81),
    'resnet152': (78.31, 90.92),
    'resnext50_32x4d': (77.62, 90.17),
    'resnext101_32x8d': (79.31, 91.33),
    'wide_resnet50_2': (78.47, 90.77),
    'wide_resnet101_2': (78.85, 90.93),
    'densenet121': (74.43, 88.81),
    'densenet169': (75.60, 89.68),
    'densenet201': (76.90, 90.36),
    'densenet161': (77.14, 90.82),
    'mobilenet_v2': (71.88, 86.50),
}


@dataclass(frozen=True)
class Result:
    """One network's figures.

    Attributes:
        name: Name of the network.
        accuracy: Top-1 accuracy in percent.
        consistency: Shift consistency in percent.
        series: What it belongs to, for published results a key of `SERIES`.
    """

    name: str
    accuracy: float
    consistency: float
    series: str


def _all() -> Iterator[Result]:
    for name, (accuracy, consistency) in _BASELINES.items():
        yield Result(name, accuracy, consistency, 'baseline')
    for weights in PUBLISHED.values():
        if weights.accuracy is not None and weights.consistency is not None:
            yield Result(weights.name, weights.accuracy, weights.consistency, weights.tag)


PUBLISHED_RESULTS: tuple[Result, ...] = tuple(_all())
"""All whose figures are known. The two papers measure consistency differently: compare within a series, not across."""
