"""How far the registered networks are from the published package, with the same random weights.

``python tests/timm_models/parity.py`` measures all 92 and prints a table in markdown; arguments are patterns of names.
"""

import sys
import tempfile
import warnings
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import antialiased_cnns
import timm
import torch
from torch import nn

import antialias_plugins.timm_models  # noqa: F401  registers the names
from antialias_plugins.checkpoints import load_checkpoint

SIDES = {'even': (96, 96), 'odd': (97, 101)}
DTYPES = (torch.float64, torch.float32)
MODES = ('eval', 'train')


def randomise(model: nn.Module) -> None:
    """Statistics and affine parameters of the normalisations as a training leaves them, not 0 and 1."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)


def build_pair(name: str, folder: Path) -> tuple[nn.Module, nn.Module]:
    """The published network and ours, which has its weights from a file such as those that were published."""
    arch, _, method = name.rpartition('_')
    published = getattr(antialiased_cnns, arch)(filter_size=int(method.removeprefix('lpf')), num_classes=10)
    randomise(published)
    path = folder / f'{name}.pth'
    torch.save({'state_dict': published.state_dict()}, path)
    ours = timm.create_model(name, num_classes=10)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        load_checkpoint(ours, path)
    path.unlink()
    for module in published.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return published, ours


def compare(
    published: nn.Module, ours: nn.Module, dtype: torch.dtype, mode: str, sides: tuple[int, int]
) -> tuple[float, float]:
    """Largest difference of the logits, and its ratio to the largest logit."""
    images = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch.no_grad():
        expected, actual = (model.to(dtype).train(mode == 'train')(images) for model in (published, ours))
    difference = float((actual - expected).abs().max())
    return difference, difference / float(expected.abs().max())


def main(patterns: list[str]) -> None:
    columns = [f'{mode} {str(dtype).removeprefix("torch.")}' for dtype, mode in product(DTYPES, MODES)]
    print(f'| network | {" | ".join(columns)} |\n|---|{"---:|" * len(columns)}')
    for name in timm.list_models('*_lpf*', module='antialiased'):
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            pair = build_pair(name, Path(folder))
        cells = []
        for dtype, mode in product(DTYPES, MODES):
            errors = [compare(*pair, dtype, mode, sides) for sides in SIDES.values()]
            absolute, relative = (max(values) for values in zip(*errors, strict=True))
            cells.append(f'{absolute:.1e} ({relative:.1e})')
        print(f'| {name} | {" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    torch.set_num_threads(1)
    main(sys.argv[1:] or ['*'])
