"""Published ImageNet-1k weights: their table, their download, and the arguments of their networks."""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from tqdm import tqdm

from antialias_plugins.checkpoints.learnable_polyphase import trained_arguments
from antialias_plugins.checkpoints.read import CheckpointError, check_sha256
from antialias_plugins.utils import as_path, locked

logger = logging.getLogger(__name__)

_TIMEOUT = 30.0  # seconds without a byte

_ADOBE = 'https://antialiased-cnns.s3.us-east-2.amazonaws.com/weights_v0.1'
_DRIVE = 'https://drive.google.com/file/d'
_BOX = 'https://uofi.box.com/s/pql7u3c7x8zifp0m46xhe2uduwwazcad'

# What every file of DDAC was trained with.
DDAC_ARGUMENTS = {'softmax': 'joint', 'groups': 8}


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

# Files of learnable_polyphase_sampling, named by its evaluation scripts: network, tag, and the padding of convolutions.
# All pools and filters pad circularly, its default.
_LEARNABLE = {
    'ResNet18_LPS_circular_basic.ckpt': 'resnet18_lps1 rojas_in1k circular',
    'ResNet18_LPS_LPF2_circular_basic.ckpt': 'resnet18_lps2 rojas_in1k circular',
    'ResNet18_LPS_DDAC3_circular_basic.ckpt': 'resnet18_lps3 rojas_ddac_in1k circular',
    'ResNet50_LPS_LPF3_zero_randomresized.ckpt': 'resnet50_lps3 rojas_in1k pools',
    'ResNet101_LPS_LPF3_zero_randomresized.ckpt': 'resnet101_lps3 rojas_in1k pools',
    'ResNet101_LPS_DDAC3_zero_randomresized.ckpt': 'resnet101_lps3 rojas_ddac_in1k pools',
}


def _all() -> Iterator[PublishedWeights]:
    binomial = [
        (f'{arch}_lpf{filt_size}', 'adobe_in1k', '', row)
        for arch, rows in _FROM_SCRATCH.items()
        for filt_size, row in enumerate(rows, 2)
    ]
    binomial += [(f'{arch}_lpf4', 'adobe_ft_in1k', '_finetune', row) for arch, row in _FINE_TUNED.items()]
    for name, tag, suffix, row in binomial:
        digest, *figures = row.split()
        terms = {'sha256': digest, 'license': 'CC BY-NC-SA 4.0', 'paper': 'https://arxiv.org/abs/1904.11486'}
        yield _with_figures(figures, name=name, tag=tag, url=f'{_ADOBE}/{name}{suffix}-{digest}.pth', **terms)
    terms = {'sha256': None, 'license': None}
    for filt_size, row in _ADAPTIVE.items():
        identifier, *figures = row.split()
        file = {'name': f'resnet101_ddac{filt_size}', 'tag': 'zou_in1k', 'url': f'{_DRIVE}/{identifier}/view'}
        paper = 'https://arxiv.org/abs/2008.09604'
        yield _with_figures(figures, **file, **terms, paper=paper, model_args=MappingProxyType(DDAC_ARGUMENTS))
    for file, row in _LEARNABLE.items():
        name, tag, padding = row.split()
        arguments = {'padding': padding} | ({} if name[-1] == '1' else {'stem': 'lps1'})
        arguments |= {'adaptive': {'groups': 8, 'softmax': 'joint'}} if '_ddac_' in tag else {}
        entry = {'name': name, 'tag': tag, 'url': _BOX, 'file': file, 'paper': 'https://arxiv.org/abs/2210.08001'}
        yield _with_figures((), **entry, **terms, model_args=MappingProxyType(arguments))


def _with_figures(figures: Sequence[str], **entries: Any) -> PublishedWeights:
    accuracy, consistency = map(float, figures) if figures else (None, None)
    return PublishedWeights(accuracy=accuracy, consistency=consistency, **entries)


PUBLISHED: Mapping[str, PublishedWeights] = MappingProxyType({weights.key: weights for weights in _all()})
"""All published weights by name and tag, such as ``'resnet50_lpf4.adobe_ft_in1k'``."""


def published_arguments(arch: str, path: str | os.PathLike[str], sha256: str | None = None) -> dict[str, Any]:
    """The arguments of `timm.create_model` without which a network does not compute what a file was trained for.

    Those of DDAC are always the same. A file of LPS tells its own, but where it has lost its hyperparameters: then the
    padding is that of the published network of that name.

    Args:
        arch: what the file was trained as: ``'resnet18_lps3'``.
        path: what `read_checkpoint` reads.
        sha256: the SHA-256 digest that the file must have, or the first characters of it.

    Raises:
        CheckpointError: the file cannot be read, or computes what no network of that name does.

    Example:
        >>> published_arguments('resnet101_ddac3', 'resnet101.pth.tar')
        {'softmax': 'joint', 'groups': 8}
    """
    if not isinstance(arch, str):
        raise ValueError(f'arch must be the name of a network, got {arch!r}')
    path = as_path('path', path)
    match = re.fullmatch(r'\w+_(ddac|lps)(\d+)', arch)
    if match is None:
        return {}
    if match[1] == 'ddac':
        return dict(DDAC_ARGUMENTS)
    paddings = (weights.model_args['padding'] for weights in PUBLISHED.values() if weights.name == arch)
    arguments = {'padding': next(paddings, 'circular'), **trained_arguments(path, int(match[2]), sha256)}
    return {argument: value for argument, value in arguments.items() if value is not None}


def fetch_weights(weights: PublishedWeights, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of `weights`, downloaded if it is not there yet, with a progress bar.

    Its digest is checked every time, also that of a file that is there. It has its name only once it is whole: a
    download that was interrupted, in whatever way, is kept under another name, and the next call goes on from there. A
    second process that asks for the same file waits for the first. A server that says nothing for 30 seconds is an
    error.

    Args:
        weights: an entry of `PUBLISHED`.
        cache_dir: folder of the file; default: ``checkpoints`` in `torch.hub.get_dir()`.

    Raises:
        CheckpointError: the file cannot be downloaded, or is another one; says how to use a local file.
        ValueError: an argument is of another type.
    """
    if not isinstance(weights, PublishedWeights):
        raise ValueError(f'weights must be an entry of PUBLISHED, got {weights!r}')
    folder = Path(torch.hub.get_dir()) / 'checkpoints' if cache_dir is None else as_path('cache_dir', cache_dir)
    if weights.sha256 is None:
        raise CheckpointError(f'{weights.key} cannot be downloaded automatically. {_by_hand(weights)}')
    path = folder / weights.url.rpartition('/')[2]
    try:
        with locked(path):
            if not path.exists():
                _download(weights, path)
                return path
    except (OSError, HTTPException) as error:
        raise CheckpointError(f'{weights.key} could not be downloaded ({error}). {_by_hand(weights)}') from error
    try:
        check_sha256(path, weights.sha256)
    except CheckpointError as error:
        raise CheckpointError(f'{error}; delete it to have {weights.url} downloaded again') from error
    return path


def _download(weights: PublishedWeights, path: Path) -> None:
    """Download a file, or the rest of it; to be called by one process at a time."""
    terms = (weights.license or 'no licence', weights.paper)
    logger.info('downloading %s to %s (%s, %s)', weights.url, path, *terms)
    partial = path.with_name(f'.{path.name}.download')
    start = partial.stat().st_size if partial.exists() else 0
    headers = {'User-Agent': 'antialias_plugins'} | ({'Range': f'bytes={start}-'} if start else {})
    try:
        response = urlopen(Request(weights.url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not start:
            raise
        partial.unlink()  # all of it, or more: of another file
        _download(weights, path)
        return
    with response:
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        start = start if resumed else 0
        length = response.headers.get('Content-Length')
        total = start + int(length) if length else None
        bar = tqdm(total=total, initial=start, unit='B', unit_scale=True, unit_divisor=1024, desc=path.name)
        with bar, partial.open('ab' if resumed else 'wb', buffering=0) as file:
            while chunk := response.read1(1 << 17):
                file.write(chunk)
                bar.update(len(chunk))
    size = partial.stat().st_size
    if total is not None and size < total:
        raise OSError(f'the connection ended after {size} of {total} bytes; call again to go on from there')
    try:
        check_sha256(partial, weights.sha256)
    except CheckpointError as error:
        partial.unlink()
        raise OSError(f'it has another digest: {error}') from error
    partial.replace(path)


def _by_hand(weights: PublishedWeights) -> str:
    arguments = ''.join(f', {name}={value!r}' for name, value in weights.model_args.items())
    digest = f', sha256={weights.sha256!r}' if weights.sha256 else ''
    page = f'{weights.file} of {weights.url}' if weights.file else weights.url
    expected = f' (SHA-256 {weights.sha256}...)' if weights.sha256 else ''
    return (
        f'Get {page}{expected} in another way and pass the file:\n'
        f"  timm.create_model({weights.key!r}, pretrained=True, pretrained_cfg_overlay=dict(file='FILE'){arguments})\n"
        f"  antialias_plugins.checkpoints.load_checkpoint(model, 'FILE'{digest})"
        + (f'  # model built with{arguments[1:]}' if arguments else '')
    )
