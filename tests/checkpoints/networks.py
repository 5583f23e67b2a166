"""Networks of the publications, with random weights, and the files that their authors would have saved."""

import contextlib
import copy
import functools
import io

import antialiased_cnns
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from antialias_plugins import convert_antialias

CLASSES = 7

TIMM_NAMES = {
    'resnet18': 'resnet18',
    'resnet50': 'resnet50',
    'resnext50_32x4d': 'resnext50_32x4d',
    'densenet121': 'densenet121',
    'mobilenet_v2': 'mobilenetv2_100',
}


def randomise(model: nn.Module) -> nn.Module:
    """Draw all weights anew, and the statistics of norms too: only then does an output tell whether all were loaded."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.random_(1, 99)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            module.reset_parameters()
    return model


def published(name: str, filt_size: int = 4) -> nn.Module:
    """A network of Zhang's package, in eval mode and float64."""
    with contextlib.redirect_stdout(io.StringIO()):  # the package tells which layers it does not initialise
        model = getattr(antialiased_cnns, name)(pretrained=False, filter_size=filt_size, num_classes=CLASSES)
    return randomise(model).double().eval()


@functools.cache
def _build(library: str, name: str, pool: str | None, softmax: str, num_classes: int) -> nn.Module:
    if library == 'timm':
        model = timm.create_model(TIMM_NAMES[name], num_classes=num_classes)
    else:
        model = getattr(torchvision.models, name)(num_classes=num_classes)
    model = model.double().eval()
    if pool is None:
        return model
    layer = {'type': 'AdaptiveBlurPool2d', 'filt_size': int(pool[-1]), 'softmax': softmax}
    maxpool = 'published' if hasattr(model, 'layer4') else 'keep'
    return convert_antialias(model, layer if 'ddac' in pool else pool, maxpool=maxpool, avgpool='published')


def network(
    library: str, name: str, pool: str | None = 'lpf4', softmax: str = 'group', num_classes: int = CLASSES
) -> nn.Module:
    """A network of torchvision or timm with random weights, converted as published, in eval mode and float64."""
    return randomise(copy.deepcopy(_build(library, name, pool, softmax, num_classes)))


torchvision_network = functools.partial(network, 'torchvision')
timm_network = functools.partial(network, 'timm')
HOSTS = {'torchvision': torchvision_network, 'timm': timm_network}


class PixelAdaptiveFilter(nn.Module):
    """The filter of Zou et al. as published, from its formula: dense, one softmax over all groups.

    ``y_c(p) = sum_t w_{g(c), t}(p) x_c(p + t)``, the taps t row by row.
    """

    def __init__(
        self, channels: int, filt_size: int, groups: int = 8, stride: int = 2, border: str = 'reflect'
    ) -> None:
        super().__init__()
        self.filt_size, self.groups, self.stride, self.border = filt_size, groups, stride, border
        self.conv = nn.Conv2d(channels, groups * filt_size**2, filt_size, bias=False)
        self.bn = nn.BatchNorm2d(groups * filt_size**2)

    def forward(self, x):
        k, (_, _, height, width) = self.filt_size, x.shape
        padded = F.pad(x, [k // 2] * 4, mode=self.border)
        taps = self.bn(self.conv(padded)).softmax(1).unflatten(1, (self.groups, k * k))
        y = torch.zeros_like(x)
        for t in range(k * k):
            moved = padded[..., t // k : t // k + height, t % k : t % k + width]
            y += moved * taps[:, :, t].repeat_interleave(x.shape[1] // self.groups, 1)
        return y[..., :: self.stride, :: self.stride]


def published_adaptive(name: str, filt_size: int = 3) -> nn.Module:
    """A ResNet with the filters of Zou et al. where their code has them, in eval mode and float64."""
    model = getattr(torchvision.models, name)(num_classes=CLASSES)
    model.maxpool = nn.Sequential(nn.MaxPool2d(2, 1), PixelAdaptiveFilter(64, filt_size))
    for stage in (model.layer2, model.layer3, model.layer4):
        block = stage[0]
        last = 'conv3' if hasattr(block, 'conv3') else 'conv2'
        reader, skip = getattr(block, last), block.downsample
        for conv in (block.conv1, block.conv2, skip[0]):
            conv.stride = (1, 1)
        setattr(block, last, nn.Sequential(PixelAdaptiveFilter(reader.in_channels, filt_size), reader))
        block.downsample = nn.Sequential(PixelAdaptiveFilter(skip[0].in_channels, filt_size), *skip)
    return randomise(model).double().eval()


def save(model: nn.Module, path) -> None:
    """As both authors' training scripts do: from `DataParallel`, in float32, with what is needed to resume."""
    state_dict = {f'module.{key}': value for key, value in model.float().state_dict().items()}
    torch.save({'epoch': 90, 'arch': 'net', 'state_dict': state_dict, 'best_acc1': torch.tensor(0.0)}, path)
    model.double()
