"""A classifier on the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import Tensor, nn

from antialias_plugins.evaluation import Classifier, Preparation, create_network
from antialias_plugins.evaluation.margin import top_margin
from antialias_plugins.explorer.sweeps import LabelSweep, compare_logits, running_mean
from antialias_plugins.metrics.offsets import Offset


@dataclass(frozen=True)
class PageClassifier:
    """A timm network, and what the page has to know of it.

    Attributes:
        name: What it is called on the page.
        classes: Names of its classes.
        preparation: How a picture becomes its input.
        classifier: The network.
    """

    name: str
    classes: tuple[str, ...]
    preparation: Preparation
    classifier: Classifier
    task: Literal['classification'] = 'classification'

    @classmethod
    def load(
        cls, name: str, checkpoint: Path | None, pretrained: bool, size: int | None, device: str
    ) -> 'PageClassifier':
        """Create a timm network, see `load_network`."""
        network = create_network(name, pretrained=pretrained, checkpoint=checkpoint)
        preparation = Preparation.of(network, img_size=size)
        classifier = Classifier(network, preparation.mean, preparation.std, device)
        title = name if pretrained else f'{name} ({checkpoint.stem if checkpoint else "random weights"})'
        return cls(title, _class_names(network), preparation, classifier)

    @property
    def input_size(self) -> int:
        """Side of its input in pixels."""
        return self.preparation.size

    @property
    def network(self) -> nn.Module:
        """What takes what `normalize` returns."""
        return self.classifier.network

    def normalize(self, view: Tensor) -> Tensor:
        """Return a view as the network reads it, ``(3, h, w)``, float32."""
        mean, std = (
            255 * torch.tensor(values).view(-1, 1, 1) for values in (self.preparation.mean, self.preparation.std)
        )
        return (view - mean) / std

    def prepare(self, picture: Image.Image, max_shift: int) -> Tensor:
        """Return the part of a picture that the window moves over, ``(3, H, W)``, uint8."""
        return self.preparation.crop(self.preparation.size + max_shift)(picture)

    def predict(self, view: Tensor) -> Tensor:
        """Return the logits of one view, ``(3, h, w)`` → ``(N,)``."""
        return self.classifier(view[None], top_margin)[0]

    def compare(self, predictions: Tensor, path: Sequence[Offset], label: int | None = None) -> LabelSweep:
        """Compare the logits along a path, see `compare_logits`."""
        return compare_logits(predictions, path, label)

    def describe(self, sweep: LabelSweep) -> dict[str, Any]:
        """Return what the page shows of a sweep, ready for JSON."""
        return {
            'agreement': sweep.agreement,
            'mean': running_mean(sweep.agreement),
            'label': [self.classes[index] for index in sweep.prediction.tolist()],
            'confidence': sweep.confidence.tolist(),
            'watched': self.classes[sweep.watched],
            'probability': sweep.probability.tolist(),
        }


def _class_names(network: nn.Module) -> tuple[str, ...]:
    """ImageNet's names where the network has ImageNet's classes, numbers otherwise."""
    subset = infer_imagenet_subset(network)
    if subset is None:
        return tuple(f'class {index}' for index in range(network.num_classes))
    info = ImageNetInfo(subset)
    names = (info.index_to_description(index) for index in range(info.num_classes()))
    return tuple(name.partition(',')[0] for name in names)
