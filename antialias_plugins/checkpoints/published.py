"""The weights that the authors of the methods published for ImageNet-1k: where they are, and how good they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_ZHANG = 'https://arxiv.org/abs/1904.11486'
_ZOU = 'https://arxiv.org/abs/2008.09604'
_BUCKET = 'https://antialiased-cnns.s3.us-east-2.amazonaws.com/weights_v0.1'
_DRIVE = 'https://drive.google.com/file/d'
_ROJAS = 'https://arxiv.org/abs/2210.08001'
_BOX = 'https://uofi.box.com/s/pql7u3c7x8zifp0m46xhe2uduwwazcad'


@dataclass(frozen=True)
class PublishedWeights:
    """One published file of ImageNet-1k weights.

    Attributes:
        name: name of the network in `timm`, such as ``'resnet50_lpf4'``.
        tag: ``'adobe_in1k'`` (Zhang, trained from scratch), ``'adobe_ft_in1k'`` (Zhang, fine-tuned from torchvision's
            weights), ``'zou_in1k'`` (Zou et al., trained from scratch), ``'rojas_in1k'`` (Rojas-Gomez et al., trained
            from scratch) or ``'rojas_ddac_in1k'`` (the same with the adaptive filter of Zou et al.).
        url: the file, or the page it has to be downloaded from by hand.
        sha256: first 8 digits of its digest; None where it is not known, which also means that it has to be downloaded
            by hand.
        license: terms of use of the weights; None where their authors state none.
        paper: the publication.
        accuracy: published top-1 accuracy, in percent; None where it is not published with the file.
        consistency: published shift consistency, in percent, or None; the papers measure it differently.
        model_args: arguments without which the network does not compute what these weights were trained for.
        file: its name, where the page has several.
    """

    name: str
    tag: str
    url: str
    sha256: str | None
    license: str | None
    paper: str
    accuracy: float | None
    consistency: float | None
    model_args: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    file: str | None = None

    @property
    def key(self) -> str:
        """The name with its tag, as in `timm`."""
        return f'{self.name}.{self.tag}'


# First digits of the digest, accuracy and consistency for filters of 2, 3, 4 and 5 taps.
_FROM_SCRATCH = {
    'alexnet': ('da8aca74 57.24 81.33', 'f9bbc410 56.90 82.15', '0114fe25 56.72 82.54', '4fa3706a 56.58 82.51'),
    'vgg16': ('60268e0c 72.15 89.24', 'e9b0ce42 72.20 89.60', 'de9267ac 72.43 89.92', '1391f70c 72.33 90.19'),
    'vgg16_bn': ('2c2052a8 74.01 90.72', '1782878a 73.91 91.10', 'a1c3559b 74.12 91.22', 'c500b52f 74.05 91.35'),
    'resnet18': ('6e2ee76f 71.39 86.90', '449351b9 71.69 87.51', '8c77af40 71.48 88.07', 'c1eed0a1 71.38 88.25'),
    'resnet34': ('4707aed9 74.46 89.14', '16aa6c48 74.33 89.32', '55747267 74.38 89.53', '85283561 74.20 89.49'),
    'resnet50': ('f0f7589d 76.81 89.96', 'a4e868d2 76.83 90.91', '994b528f 77.23 91.29', '9953c9ad 77.04 91.31'),
    'resnet101': ('3d00941d 77.82 91.04', '928f1444 78.13 91.62', 'f8a116ff 78.22 91.85', '1f3745af 77.92 91.74'),
    'densenet121': ('7da7d4cd 75.04 89.53', '0f267ad8 75.14 89.78', 'edeaab00 75.29 90.29', 'ebc7880c 75.03 90.39'),
    'mobilenet_v2': ('f4379012 72.63 87.33', '23b2e2ee 72.59 87.46', '2e0b9cb9 72.72 87.72', 'ab8fe968 72.50 87.79'),
}

# The same for filters of 4 taps.
_FINE_TUNED = {
    'alexnet': '20598a7a 56.94 83.31',
    'vgg11': '35eab449 70.51 90.09',
    'vgg13': 'd8ff02c4 71.52 90.31',
    'vgg16': '79c9dff7 72.96 90.91',
    'vgg19': '7ab2cf45 73.54 91.08',
    'vgg11_bn': '5d60b5e4 72.63 90.67',
    'vgg13_bn': '45e2a72f 73.61 91.09',
    'vgg16_bn': '1dd798d1 75.13 91.58',
    'vgg19_bn': 'd0114293 75.68 91.60',
    'resnet18': '8cc58f59 71.67 88.36',
    'resnet34': 'db622952 74.60 89.77',
    'resnet50': 'cad66808 77.41 91.32',
    'resnet101': '9280acb0 78.38 91.97',
    'resnet152': '7f67d9ae 79.07 92.42',
    'resnext50_32x4d': '9106e549 77.93 91.48',
    'resnext101_32x8d': '8f13a25d 79.33 92.67',
    'wide_resnet50_2': '02a183f7 78.70 92.46',
    'wide_resnet101_2': 'da4eae04 78.99 92.10',
    'densenet121': 'eceaa619 75.79 90.35',
    'densenet169': '992131e6 76.73 90.61',
    'densenet201': '736979b2 77.31 91.32',
    'densenet161': 'a5e0f328 77.88 91.66',
    'mobilenet_v2': '7eed94b1 72.72 87.73',
}

# Identifier at Google Drive, accuracy and consistency by width of the filter.
_ADAPTIVE = {
    3: '1oky8pbqHiINit9-0Ybu-JZQdZkEIUxry 79.0 91.8',
    5: '1rfZ2-W7NM0CfmxkMIxrMAhIgWGBNDMwI 78.6 92.2',
}

# Files of learnable_polyphase_sampling, named by its evaluation scripts: network, tag, and the borders of convolutions.
# All pools and filters wrap around, its default.
_LEARNABLE = {
    'ResNet18_LPS_circular_basic.ckpt': 'resnet18_lps1 rojas_in1k circular',
    'ResNet18_LPS_LPF2_circular_basic.ckpt': 'resnet18_lps2 rojas_in1k circular',
    'ResNet18_LPS_DDAC3_circular_basic.ckpt': 'resnet18_lps3 rojas_ddac_in1k circular',
    'ResNet50_LPS_LPF3_zero_randomresized.ckpt': 'resnet50_lps3 rojas_in1k pools',
    'ResNet101_LPS_LPF3_zero_randomresized.ckpt': 'resnet101_lps3 rojas_in1k pools',
    'ResNet101_LPS_DDAC3_zero_randomresized.ckpt': 'resnet101_lps3 rojas_ddac_in1k pools',
}


def _zhang(arch: str, filt_size: int, tag: str, stem: str, row: str) -> PublishedWeights:
    digest, accuracy, consistency = row.split()
    return PublishedWeights(
        name=f'{arch}_lpf{filt_size}',
        tag=tag,
        url=f'{_BUCKET}/{stem}-{digest}.pth',
        sha256=digest,
        license='CC BY-NC-SA 4.0',
        paper=_ZHANG,
        accuracy=float(accuracy),
        consistency=float(consistency),
    )


def _zou(filt_size: int, row: str) -> PublishedWeights:
    identifier, accuracy, consistency = row.split()
    return PublishedWeights(
        name=f'resnet101_ddac{filt_size}',
        tag='zou_in1k',
        url=f'{_DRIVE}/{identifier}/view',
        sha256=None,
        license=None,
        paper=_ZOU,
        accuracy=float(accuracy),
        consistency=float(consistency),
        model_args=MappingProxyType({'softmax': 'joint', 'groups': 8}),
    )


def _rojas(file: str, row: str) -> PublishedWeights:
    name, tag, padding = row.split()
    adaptive = {'adaptive': {'groups': 8, 'softmax': 'joint'}} if '_ddac_' in tag else {}
    stem = {'stem': 'lps1'} if name[-1] != '1' else {}
    return PublishedWeights(
        name=name,
        tag=tag,
        url=_BOX,
        sha256=None,
        license=None,
        paper=_ROJAS,
        accuracy=None,
        consistency=None,
        model_args=MappingProxyType({'padding': padding, **stem, **adaptive}),
        file=file,
    )


def _all() -> Iterator[PublishedWeights]:
    for arch, rows in _FROM_SCRATCH.items():
        for filt_size, row in enumerate(rows, 2):
            yield _zhang(arch, filt_size, 'adobe_in1k', f'{arch}_lpf{filt_size}', row)
    for arch, row in _FINE_TUNED.items():
        yield _zhang(arch, 4, 'adobe_ft_in1k', f'{arch}_lpf4_finetune', row)
    for filt_size, row in _ADAPTIVE.items():
        yield _zou(filt_size, row)
    for file, row in _LEARNABLE.items():
        yield _rojas(file, row)


PUBLISHED: Mapping[str, PublishedWeights] = MappingProxyType({weights.key: weights for weights in _all()})
"""All published weights by name and tag, such as ``'resnet50_lpf4.adobe_ft_in1k'``."""
