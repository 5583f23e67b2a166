"""Networks and pictures on the page: a timm classifier or an mmseg segmentor; pictures as data URIs."""

import io
import pickle
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import Tensor, nn

from antialias_plugins.evaluation import Classifier, ConfigModel, DataConfig, TimmModel, parse_model
from antialias_plugins.evaluation.classifier import top_margin
from antialias_plugins.evaluation.models import Model
from antialias_plugins.explorer.sweeps import compare_logits, compare_maps, running_mean
from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.metrics.inputs import check_least
from antialias_plugins.metrics.offsets import Offset
from antialias_plugins.palette import FLIP
from antialias_plugins.utils import as_path


@dataclass(frozen=True)
class PageClassifier:
    """A timm network, and what the page has to know of it.

    Attributes:
        name: What it is called on the page.
        classes: Names of its classes: ImageNet's where it has them, numbers otherwise.
        data_config: How a picture becomes its input.
        classifier: The network.
    """

    name: str
    classes: tuple[str, ...]
    data_config: DataConfig
    classifier: Classifier
    task: Literal['classification'] = 'classification'

    @classmethod
    def load(cls, model: TimmModel, size: int | None, device: str) -> 'PageClassifier':
        """Create a timm network, see `load_network`."""
        network = model.create()
        data_config = DataConfig.of(network, img_size=size)
        classifier = Classifier(network, data_config.mean, data_config.std, device)
        names = [f'class {index}' for index in range(network.num_classes)]
        if (subset := infer_imagenet_subset(network)) is not None:
            info = ImageNetInfo(subset)
            names = [info.index_to_description(index).partition(',')[0] for index in range(info.num_classes())]
        return cls(model.short_name, tuple(names), data_config, classifier)

    @property
    def input_size(self) -> int:
        """Side of its input in pixels."""
        return self.data_config.size

    @property
    def network(self) -> nn.Module:
        """What takes what `normalize` returns."""
        return self.classifier.network

    def normalize(self, view: Tensor) -> Tensor:
        """Return a view as the network reads it, ``(3, h, w)``, float32."""
        return self.classifier.normalize(view)

    def prepare(self, picture: Image.Image, max_shift: int) -> Tensor:
        """Return the part of a picture that the window moves over, ``(3, H, W)``, uint8.

        Raises:
            ValueError: If it would have to be enlarged: the network would see little that is in the picture.
        """
        if min(picture.size) < self.data_config.size:
            sides = f'{picture.width}x{picture.height}'
            raise ValueError(f'image must have sides of at least {self.data_config.size} pixels, got {sides}')
        return self.data_config.crop(self.data_config.size + max_shift)(picture)

    def predict(self, view: Tensor) -> Tensor:
        """Return the logits of one view, ``(3, h, w)`` → ``(N,)``."""
        return self.classifier(view[None], top_margin)[0]

    def describe(self, logits: Tensor, path: Sequence[Offset], label: int | None = None) -> dict[str, Any]:
        """Return what the page shows of the logits along a path, see `compare_logits`, ready for JSON."""
        sweep = compare_logits(logits, path, label)
        return {
            'agreement': sweep.agreement,
            'mean': running_mean(sweep.agreement),
            'label': [self.classes[index] for index in sweep.prediction.tolist()],
            'confidence': sweep.confidence.tolist(),
            'watched': self.classes[sweep.watched],
            'probability': sweep.probability.tolist(),
        }


@dataclass(frozen=True)
class PageSegmentor:
    """A segmentor of mmseg, and what the page has to know of it.

    Attributes:
        name: What it is called on the page.
        classes: Names of its classes.
        palette: Their colors, RGB.
        input_size: Width to which pictures are resized; None for their own.
        network: The network, as mmseg's ``init_model`` returns it; takes what `normalize` returns.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    input_size: int | None
    network: nn.Module
    task: Literal['segmentation'] = 'segmentation'

    @classmethod
    def load(cls, model: ConfigModel, size: int | None, device: str) -> 'PageSegmentor':
        """Build the segmentor of a config, see `load_network`."""
        from mmengine.runner import load_checkpoint
        from mmseg.apis import init_model

        name, checkpoint = model.short_name, model.checkpoint
        try:
            network = init_model(model.read(), str(checkpoint), device)
            # mmseg alone would keep random weights where a file has none.
            load_checkpoint(network, str(checkpoint), map_location='cpu', strict=True)
        except (RuntimeError, AssertionError, EOFError, pickle.UnpicklingError) as error:
            # weights that do not fit, or none at all; torch built without CUDA asserts
            reason = ' '.join(str(error).split())
            raise ValueError(f'checkpoint and device must fit, got {checkpoint} and {device}: {reason:.300}') from error
        meta = network.dataset_meta
        if len(meta['classes']) > 256:
            raise ValueError(f'models must have at most 256 classes, got {len(meta["classes"])} of {name}')
        palette = tuple(tuple(int(value) for value in color) for color in meta['palette'])
        return cls(name, tuple(meta['classes']), palette, size, network)

    def normalize(self, view: Tensor) -> Tensor:
        """Return a view as the network reads it, ``(3, h, w)``, float32."""
        return self.network.data_preprocessor({'inputs': [view.flip(0)]})['inputs'][0]

    def prepare(self, picture: Image.Image, max_shift: int) -> Tensor:
        """Return the picture, ``(3, H, W)``, uint8; the window is ``max_shift`` smaller."""
        if self.input_size is not None:
            height = round(picture.height * self.input_size / picture.width)
            picture = picture.resize((self.input_size, max(height, 1)), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)

    def predict(self, view: Tensor) -> Tensor:
        """Return the class map of one view, ``(3, h, w)`` → ``(h, w)``, uint8.

        Raises:
            ValueError: If there are more classes in it than the checkpoint names.
        """
        labels = self._infer(view).pred_sem_seg.data[0].cpu()
        if labels.max() >= len(self.classes):
            raise ValueError(f'{self.name} must predict one of its {len(self.classes)} classes, got {labels.max()}')
        return labels.to(torch.uint8)

    def probabilities(self, view: Tensor) -> Tensor:
        """Return the probability of every class, ``(3, h, w)`` → ``(N, h, w)``, of networks with a softmax."""
        return self._infer(view).seg_logits.data.cpu().softmax(0)

    def _infer(self, view: Tensor) -> Any:
        from mmseg.apis import inference_model

        return inference_model(self.network, view.flip(0).permute(1, 2, 0).contiguous().numpy())

    def describe(self, maps: Tensor, path: Sequence[Offset], label: int | None = None) -> dict[str, Any]:
        """Return what the page shows of the class maps along a path, see `compare_maps`; there is no class to watch."""
        if label is not None:
            raise ValueError(f'label must be None for segmentation, got {label}')
        (flipped, agreement), present = compare_maps(maps, path), maps.unique().tolist()
        return {
            'agreement': agreement,
            'mean': running_mean(agreement),
            'flips': flipped.flatten(1).sum(1).tolist(),
            'maps': [encode_labels(labels, self.palette) for labels in maps.numpy()],
            'marks': [encode_mask(marks) for marks in flipped.numpy()],
            'classes': {self.classes[i]: '#{:02x}{:02x}{:02x}'.format(*self.palette[i]) for i in present},
        }


PageNetwork = PageClassifier | PageSegmentor


def load_network(
    source: str | Model,
    checkpoint: Path | None = None,
    *,
    pretrained: bool = False,
    size: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> PageNetwork:
    """Build a network and load its weights.

    Args:
        source: What `parse_model` takes or returns: the name of a timm network, the config of an mmseg segmentor with
            its checkpoint, or the folder of a finished training of one.
        checkpoint: File with weights, instead of behind an ``@`` in ``source``.
        pretrained: Whether to load the published weights of a timm name.
        size: Side of a classifier's input, by default the network's own; width to which a segmentor's images are
            resized, by default their own.
        seed: Seed of weights that are not loaded.
        device: Where to compute, by default the GPU if there is one.

    Raises:
        ValueError: If there is no such network, or its weights cannot be had or do not fit.
    """
    check_flag('pretrained', pretrained)
    check_least(seed=(seed, 0), **({} if size is None else {'size': (size, 1)}))
    if not isinstance(source, Model):
        source = str(as_path('source', source))
        if checkpoint is not None and Path(source).is_dir():
            raise ValueError(f'checkpoint must be None for a work dir, which has its own, got {checkpoint}')
        text = source if checkpoint is None else f'{source}@{as_path("checkpoint", checkpoint)}'
        source = parse_model(text, pretrained=pretrained)
        if pretrained and (isinstance(source, ConfigModel) or checkpoint is not None):
            raise ValueError(f'pretrained must be False where weights come from a file, got {text}')
    source.check()
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    torch.manual_seed(seed)
    kind = PageClassifier if isinstance(source, TimmModel) else PageSegmentor
    return kind.load(source, size, device)


def load_networks(
    models: Sequence[Model],
    *,
    size: int | None = None,
    seed: int = 0,
    device: str | None = None,
    names: Sequence[str] | None = None,
) -> list[PageNetwork]:
    """Load networks that are to see the same pixels, see `load_network`.

    Args:
        models: What `parse_model` returns.
        size: As for `load_network`; by default the smallest of those that the classifiers have of their own.
        seed: Seed of weights that are not loaded.
        device: Where to compute, by default the GPU if there is one.
        names: What they are called, by default what `models` call themselves.
    """
    networks = [load_network(model, size=size, seed=seed, device=device) for model in models]
    names = names or [network.name for network in networks]
    networks = [replace(network, name=name) for network, name in zip(networks, names, strict=True)]
    sizes = [network.input_size for network in networks if isinstance(network, PageClassifier)]
    return [
        replace(network, data_config=DataConfig.of(network.network, img_size=min(sizes)))
        if network.input_size != min(sizes, default=network.input_size)
        else network
        for network in networks
    ]


def check_pair(first: PageNetwork, second: PageNetwork) -> None:
    """Check that two networks can stand side by side.

    Raises:
        ValueError: If they do not do the same thing, to images of one size, with the same classes, or cannot be told
            apart.
    """
    for network in (first, second):
        if not isinstance(network, PageNetwork):
            raise ValueError(f'networks must be of load_network, got {network!r:.200}')
    for name in ('task', 'classes', 'input_size'):
        ours, theirs = getattr(first, name), getattr(second, name)
        if ours != theirs:
            ours, theirs = (f'{len(values)} classes' if name == 'classes' else values for values in (ours, theirs))
            difference = f'{ours} of {first.name} and {theirs} of {second.name}'
            raise ValueError(f'models must have the same {name.replace("_", " ")}, got {difference}')
    if first is not second and first.name == second.name:
        raise ValueError(f'names must differ, got {first.name!r} twice')


def encode_photograph(image: Tensor) -> str:
    """Encode a photograph, ``(3, H, W)``, uint8, as WebP: what the eye sees, not what the network saw."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    return _data_uri(picture, 'webp', quality=82, method=6)


def encode_labels(labels: np.ndarray, palette: Sequence[tuple[int, int, int]]) -> str:
    """Encode a class map, ``(h, w)``, uint8, as a PNG with the classes that occur in its palette."""
    present, indices = np.unique(labels, return_inverse=True)
    picture = Image.fromarray(indices.reshape(labels.shape).astype(np.uint8))
    picture.putpalette([value for index in present for value in palette[index]])
    return _data_uri(picture, 'png', optimize=True)


def encode_mask(mask: np.ndarray) -> str:
    """Encode marked pixels, ``(h, w)``, bool, as a PNG that is transparent elsewhere."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette(2 * bytes.fromhex(FLIP[1:]))
    return _data_uri(picture, 'png', optimize=True, transparency=0)


def _data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f'data:image/{kind};base64,{b64encode(file.getvalue()).decode()}'
